import { expect, test } from 'vitest';
import { hookFor } from '../../../src/run/program-hooks.ts';
import type { DevwatchEvent } from '../../../src/shared/events.ts';

const change = { kind: 'change', path: '/project/a.js' } as const;
const start = { type: 'start', pid: 1, program: 'node a.js', changes: [change], standby: false, ms: 5 } as const;
const own = { run: 2, uptime: 5, next: { kind: 'wait', for: 'change', gaveUp: false } } as const;

test.each<[DevwatchEvent, string | undefined, object]>([
  [{ type: 'change', changes: [change] }, 'change', { DEVWATCH_RUN: '7', DEVWATCH_CHANGED: '/project/a.js' }],
  [
    { type: 'change', changes: [{ ...change, path: '/project/a\nb.js' }, change] },
    'change',
    { DEVWATCH_CHANGED: '/project/a.js\n(1 more)' },
  ],
  [{ ...start, run: 1, cause: 'start' }, 'start', { DEVWATCH_RUN: '1', DEVWATCH_REASON: 'start' }],
  [{ ...start, run: 2, cause: 'change' }, 'restart', { DEVWATCH_REASON: 'change', DEVWATCH_CHANGED: '/project/a.js' }],
  [
    { type: 'ready', run: 2, ms: 6.6, port: 80, url: 'http://localhost' },
    'ready',
    { DEVWATCH_RUN: '2', DEVWATCH_MS: '7', DEVWATCH_PORT: '80', DEVWATCH_URL: 'http://localhost' },
  ],
  [{ type: 'ready', run: 2, ms: 6 }, 'ready', { DEVWATCH_PORT: '', DEVWATCH_URL: '' }],
  [{ type: 'exit', ...own, outcome: { code: 0, signal: null } }, 'exit', { DEVWATCH_CODE: '0', DEVWATCH_SIGNAL: '' }],
  [
    { type: 'crash', ...own, outcome: { code: null, signal: 'SIGSEGV' } },
    'crash',
    { DEVWATCH_CODE: '', DEVWATCH_SIGNAL: 'SIGSEGV', DEVWATCH_REASON: '' },
  ],
  [
    { type: 'crash', ...own, outcome: { code: null, signal: null, error: 'cannot be started' } },
    'crash',
    { DEVWATCH_REASON: 'cannot be started', DEVWATCH_ERROR: '', DEVWATCH_LOCATION: '' },
  ],
  [
    {
      type: 'crash',
      ...own,
      outcome: {
        code: 1,
        signal: null,
        uncaught: { name: 'Error', message: 'x', location: { file: '/project/a.js', line: 1, column: 2 }, stack: '' },
      },
    },
    'crash',
    { DEVWATCH_ERROR: 'Error: x', DEVWATCH_LOCATION: '/project/a.js:1:2' },
  ],
  [{ type: 'gone', run: 1, survivors: [], ms: 5 }, undefined, {}],
])('the event %j calls the hook %s', (event, name, variables) => {
  const [called, given = {}] = hookFor(event, 7) ?? [];
  expect(called).toBe(name);
  expect(given).toMatchObject(variables);
});
