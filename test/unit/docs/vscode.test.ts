/** The problem matcher on the page about Visual Studio Code matches the lines that devwatch prints. */

import { parse } from 'jsonc-parser';
import { expect, test } from 'vitest';
import type { DevwatchEvent } from '../../../src/shared/events.ts';
import { Reporter } from '../../../src/terminal/reporter.ts';
import { createClock } from '../../support/clock.ts';
import { pages } from '../../support/pages.ts';
import { createMatcher } from '../../support/problem-matcher.ts';

const page = pages.find(({ file }) => file === 'docs/recipes/vscode.md');
const { tasks } = parse(page?.blocks.find(({ title }) => title === '.vscode/tasks.json')?.text ?? '');
const read = createMatcher(tasks[0].problemMatcher);

const start = (run: number): DevwatchEvent =>
  ({
    ...{ type: 'start', run, pid: 4700 + run, program: 'node server.js', cause: run === 1 ? 'start' : 'change' },
    ...{ changes: run === 1 ? [] : [{ kind: 'change', path: '/shop/a/long/path/to/some/routes.js', rule: '.' }] },
    ...{ standby: false, gone: 1, quiet: 5, ms: 9 },
  }) as DevwatchEvent;
const end = { outcome: { code: 1, signal: null }, uptime: 85, next: { kind: 'wait', gaveUp: false } };

test.each<[string, object]>([
  ['answers', { type: 'ready', run: 2, ms: 64, port: 3000, url: 'http://localhost:3000' }],
  ['runs without a server', { type: 'running', run: 2, ms: 10_000 }],
  ['crashes', { type: 'crash', ...end }],
  [
    'crashes by an error',
    { type: 'crash', ...end, outcome: { ...end.outcome, uncaught: { name: 'Error', message: 'x', stack: '' } } },
  ],
  ['ends with code 0', { type: 'exit', ...end, outcome: { code: 0, signal: null } }],
])(
  'a task of an editor becomes active with a run, and idle when the run %s, also in a narrow terminal',
  (_, result) => {
    for (const columns of [200, 60]) {
      let output = '';
      const stream = { isTTY: true, columns, write: (text: string) => (output += text), on: () => {} };
      const reporter = new Reporter({
        ...{ stream: () => stream, env: {}, folder: '/shop', version: '0.1.0', clock: createClock() },
        ...{ format: 'pretty', level: 'verbose', color: false, clear: false, notify: false, watches: false },
      });
      const state = () => {
        const { state, runs } = read(output.split('\n'));
        return `${state} ${runs}`;
      };
      reporter.report(start(1));
      expect(state()).toBe('active 0');
      reporter.report({ type: 'ready', run: 1, ms: 64, port: 3000 } as DevwatchEvent);
      expect(state(), output).toBe('idle 1');
      reporter.report({ type: 'stopping', run: 1, stage: 'terminating', grace: 5000 } as DevwatchEvent);
      reporter.report(start(2));
      expect(state()).toBe('active 1');
      reporter.report(result as DevwatchEvent);
      expect(state(), output).toBe('idle 2');
    }
  },
);
