import { expect, test } from 'vitest';
import { loadGiven } from '../../../src/config/load.ts';
import { Runner } from '../../../src/run/runner.ts';
import type { DevwatchEvent } from '../../../src/shared/events.ts';

test.each([
  [[], undefined, ['warning']],
  [['src'], 0, ['pause', 'resume']],
] as const)('a runner that watches %j has %j changes waiting after pause()', (watch, waiting, types) => {
  const events: DevwatchEvent[] = [];
  const loaded = loadGiven({ exec: 'sleep 1', watch: [...watch] }, '/');
  const runner = new Runner({ loaded, program: [], nodeArgs: [], onEvent: (event) => void events.push(event) });
  runner.pause();
  runner.pause();
  expect(runner.program.changes.waiting).toBe(waiting);
  runner.resume();
  expect([...new Set(events.map(({ type }) => type))]).toEqual(types);
});
