/** The lines of a program's runs, on a virtual clock. */

import { describe, expect, test } from 'vitest';
import type { Settings } from '../../../src/config/settings-types.ts';
import type { Cause, DevwatchEvent } from '../../../src/shared/events.ts';
import { Condenser } from '../../../src/terminal/condenser.ts';
import { createClock } from '../../support/clock.ts';

interface Options {
  readonly isWatching?: boolean;
  readonly hint?: string;
  readonly level?: 'normal' | 'verbose';
}

function open({ isWatching = true, hint, level = 'normal' }: Options = {}) {
  const clock = createClock();
  const printed: string[] = [];
  const condenser = new Condenser({
    clock,
    view: { folder: '/project', version: '1.2.3' },
    isWatching: () => isWatching,
    hint: () => hint,
    print: (lines) => {
      for (const line of lines) if (line.level === level || line.level !== 'verbose') printed.push(line.text);
    },
  });
  return {
    clock,
    /** Returns the lines printed since the last call, at an event if one is given. */
    lines(...events: readonly DevwatchEvent[]): string[] {
      for (const event of events) {
        for (const line of condenser.linesFor(event)) {
          if (line.level === level || line.level !== 'verbose') printed.push(line.text);
        }
      }
      return printed.splice(0);
    },
  };
}

const start = (run: number, cause: Cause = 'change', file = 'server.js'): DevwatchEvent => ({
  type: 'start',
  run,
  pid: 7,
  program: 'node server.js',
  cause,
  changes: cause === 'change' ? [{ kind: 'change', path: `/project/${file}` }] : [],
  standby: false,
  ms: 18,
});
const ready = (run: number, ms = 64, port = 3000): DevwatchEvent => ({
  type: 'ready',
  run,
  ms,
  port,
  url: `http://localhost:${port}`,
});
const watching = (linkedPackages = 0): DevwatchEvent => ({
  type: 'watching',
  program: 'node server.js',
  backend: 'inotify',
  patterns: ['.'],
  extensions: ['js'],
  directories: 1,
  files: 3,
  linkedPackages,
  ms: 5,
});
const stopping = (run: number): DevwatchEvent => ({ type: 'stopping', run, stage: 'terminating', grace: null });
const end = { run: 2, uptime: 30, next: { kind: 'wait', for: 'change', gaveUp: false } } as const;
const crash: DevwatchEvent = { type: 'crash', ...end, outcome: { code: 1, signal: null } };
const exit: DevwatchEvent = { type: 'exit', ...end, outcome: { code: 0, signal: null } };
const banner = '1.2.3 · node server.js · watching . (js) · 3 files';
const firstLine = 'node server.js · answering in 64 ms · http://localhost:3000';

test('the watched files are described again when settings have changed, not when they are only found anew', () => {
  const { lines } = open();
  const settings = {} as Settings;
  const changed: DevwatchEvent = { type: 'settings', file: '/project/.watchrc', changed: ['ignore'], settings };
  expect(lines(start(1, 'start'), watching())).toEqual([banner]);
  expect(lines(watching(1))).toEqual([]);
  expect(lines(changed, watching(1))).toEqual(['.watchrc changed: ignore', banner]);
  expect(lines({ ...watching(1), backend: 'polling' } as DevwatchEvent)).toEqual([`${banner} · by polling`]);
});

describe('the first run that is up gets one line', () => {
  test('with its program, time and address, and how to get help', () => {
    const { lines } = open({ hint: 'h + Enter for help' });
    expect(lines(start(1, 'start'), watching(), ready(1))).toEqual([banner, `${firstLine} · h + Enter for help`]);
  });

  test('with the number of linked packages, for which it waits', () => {
    const { lines, clock } = open();
    expect(lines(start(1, 'start'), ready(1))).toEqual([]);
    expect(lines(watching(2))).toEqual([banner, `${firstLine} · 2 linked packages watched`]);
    clock.advance(10_000);
    expect([lines(), clock.pending]).toEqual([[], 0]);
  });

  test('within a second, even if reading the folders takes longer', () => {
    const { lines, clock } = open();
    lines(start(1, 'start'), ready(1));
    clock.advance(1000);
    expect(lines()).toEqual([firstLine]);
    expect(lines(watching(2))).toEqual([banner]);
  });

  test('at once, if reading the folders has been found to take long', () => {
    const { lines } = open();
    const scanning: DevwatchEvent = {
      type: 'scanning',
      program: 'node server.js',
      patterns: ['.'],
      extensions: ['js'],
    };
    const announced = '1.2.3 · node server.js · watching . (js)';
    expect(lines(start(1, 'start'), scanning, ready(1))).toEqual([announced, firstLine]);
    expect(lines({ ...watching(), ms: 1200 } as DevwatchEvent)).toEqual(['watching 3 files · after 1.2 s']);
    // After an installation the files are found once more.
    expect(lines(scanning, watching())).toEqual([]);
    const other = open().lines;
    expect(other(start(1, 'start'), ready(1), scanning)).toEqual([announced, firstLine]);
    // A count that comes soon is a detail.
    expect(other(watching())).toEqual([]);
  });

  test('at once, if no file is watched', () => {
    expect(open({ isWatching: false }).lines(start(1, 'start'), ready(1))).toEqual([firstLine]);
  });

  test('without a time and an address, if it counts as running', () => {
    const { lines } = open();
    expect(lines(start(1, 'start'), watching(), { type: 'running', run: 1, ms: 3000 })).toEqual([
      banner,
      'node server.js · running',
    ]);
    expect(lines(ready(1, 4000))).toEqual(['answering in 4 s · http://localhost:3000']);
  });

  test.each<[string, Partial<DevwatchEvent>, string]>([
    ['the port of a server that is not known to serve HTTP', { url: undefined }, 'port 3000'],
    ['no address, if none is known', { url: undefined, port: undefined }, ''],
  ])('with %s', (_, address, shown) => {
    const { lines } = open({ isWatching: false });
    const line = ['node server.js · answering in 64 ms', shown].filter(Boolean).join(' · ');
    expect(lines(start(1, 'start'), { ...ready(1), ...address } as DevwatchEvent)).toEqual([line]);
  });
});

/** A program whose first run was up after 64 ms. */
function serving(options?: Options) {
  const opened = open(options);
  opened.lines(start(1, 'start'), watching(), ready(1));
  return opened;
}

describe('a restart gets one line', () => {
  test.each<[string, DevwatchEvent, string]>([
    ['when the program is up', ready(2, 58), 'restarted · server.js · answering in 58 ms'],
    [
      'with the address, if that changes',
      ready(2, 58, 3001),
      'restarted · server.js · answering in 58 ms · http://localhost:3001',
    ],
    ['when it crashes', crash, 'restarted · server.js · crashed (exit 1) after 30 ms · waiting for a change'],
    ['when it exits', exit, 'restarted · server.js · exited cleanly · waiting for a change'],
    ['when it is replaced before that', stopping(2), 'restarted · server.js'],
  ])('%s', (_, result, line) => {
    const { lines, clock } = serving();
    expect(lines(start(2))).toEqual([]);
    expect(lines(result)).toEqual([line]);
    clock.advance(60_000);
    expect([lines(), clock.pending]).toEqual([[], 0]);
  });

  test('without a file, if no change has caused it', () => {
    const { lines } = serving();
    expect(lines(start(2, 'manual'), ready(2, 58))).toEqual(['restarted · answering in 58 ms']);
  });

  test('at once, if the run before showed no result', () => {
    const { lines } = open();
    lines(start(1, 'start'), watching());
    expect(lines(start(2))).toEqual(['restarted · server.js']);
    lines({ type: 'running', run: 2, ms: 3000 });
    expect(lines(start(3))).toEqual(['restarted · server.js']);
  });

  test.each([
    [64, 1500],
    [4000, 8000],
  ])('and another one with its result, if that takes longer than usual (%i ms: %i ms)', (usualMs, waitMs) => {
    const { lines, clock } = open();
    lines(start(1, 'start'), watching(), ready(1, usualMs), start(2));
    clock.advance(waitMs - 1);
    expect(lines()).toEqual([]);
    clock.advance(1);
    expect(lines()).toEqual(['restarted · server.js · not answering yet']);
    expect(lines(ready(2, 9000))).toEqual(['answering in 9 s']);
  });

  test('that is about a crash, if one causes it', () => {
    const { lines } = serving();
    const next = { kind: 'restart', delay: 250, attempt: 1, limit: 5 } as const;
    expect(lines({ ...crash, next } as DevwatchEvent, start(2, 'crash'), ready(2, 70))).toEqual([
      'crashed (exit 1) after 30 ms · restart 1 of 5 in 250 ms',
      'answering in 70 ms',
    ]);
  });
});

describe('ignored files', () => {
  const ignored: DevwatchEvent = {
    type: 'ignored',
    path: '/project/a.log',
    verdict: { watched: false, reason: 'extension' },
  };
  const line = 'ignored a.log · its extension is not watched';

  test('get a line each up to ten, and one for the rest', () => {
    const { lines, clock } = open({ level: 'verbose' });
    expect(lines(...Array(10).fill(ignored))).toEqual(Array(10).fill(line));
    expect(lines(...Array(90).fill(ignored))).toEqual([]);
    clock.advance(1000);
    expect(lines()).toEqual(['ignored 90 more']);
    expect(lines(ignored)).toEqual([line]);
    expect(clock.pending).toBe(0);
  });

  test('are counted before the next event', () => {
    const { lines } = open({ level: 'verbose' });
    lines(...Array(12).fill(ignored));
    expect(lines({ type: 'warning', message: 'careful' })).toEqual(['ignored 2 more', 'careful']);
  });
});

test('a run that waited for its debugger is reported once, and later with --verbose', () => {
  const killed: DevwatchEvent = { type: 'debugged', run: 1, effect: 'killed' };
  const text = 'the old run had ended, but waited for its debugger to disconnect: killed it';
  const normal = open();
  expect(normal.lines(killed, killed)).toEqual([text]);
  expect(open({ level: 'verbose' }).lines(killed, killed)).toEqual([text, text]);
  const spared: DevwatchEvent = { type: 'debugged', run: 2, effect: 'spared', reason: 'no answer for 2 s' };
  expect(normal.lines(spared)).toEqual(['not restarted, because a debugger is connected: no answer for 2 s']);
});
