import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { DevwatchEvent } from '../../../src/shared/events.ts';
import { formatTime } from '../../../src/shared/format.ts';
import { formatChanges, formatClock } from '../../../src/terminal/format.ts';
import { render } from '../../../src/terminal/render.ts';
import { paintName, Reporter, wantsColor } from '../../../src/terminal/reporter.ts';
import { parseShortcut, shortcutHelp } from '../../../src/terminal/shortcuts.ts';

const view = { folder: '/project', version: '1.2.3' };

const uncaught = {
  name: 'TypeError',
  message: "Cannot read 'x'",
  location: { file: '/project/src/db.js', line: 12, column: 5 },
  stack: '',
} as const;

/** Returns the lines that are printed at a level. */
function lines(event: DevwatchEvent, level: 'quiet' | 'normal' | 'verbose' = 'normal'): string[] {
  const ranks = { quiet: 0, normal: 1, verbose: 2 };
  return render(event, view)
    .filter((line) => ranks[line.level] <= ranks[level])
    .map((line) => line.text);
}

test.each([
  [0.4, '0 ms'],
  [18.2, '18 ms'],
  [999.4, '999 ms'],
  [999.6, '1 s'],
  [1234, '1.2 s'],
  [9960, '10 s'],
  [59_900, '60 s'],
  [60_000, '1 min'],
  [185_000, '3 min 5 s'],
])('formatTime(%d) is %s', (ms, text) => {
  expect(formatTime(ms)).toBe(text);
});

test('formatClock adds the date for another day than today', () => {
  const noon = new Date(2026, 10, 22, 12, 3, 9).getTime();
  expect(formatClock(noon, new Date(2026, 10, 22, 23, 59).getTime())).toBe('12:03:09');
  expect(formatClock(noon, new Date(2026, 10, 23, 0, 1).getTime())).toBe('2026-11-22 12:03:09');
});

test.each([
  [[], ''],
  [[{ kind: 'change', path: '/project/src/a.js' }], 'src/a.js'],
  [[{ kind: 'unlink', path: '/project/a.js' }], 'a.js (deleted)'],
  [[{ kind: 'add', path: '/elsewhere/a.js' }], '/elsewhere/a.js'],
  [
    [
      { kind: 'change', path: '/project/a.js' },
      { kind: 'add', path: '/project/b.js' },
      { kind: 'add', path: '/project/c.js' },
    ],
    'a.js +2',
  ],
] as const)('formatChanges(%j) is %j', (changes, text) => {
  expect(formatChanges(changes, '/project')).toBe(text);
});

describe('the reporter', () => {
  const outcome = { code: 1, signal: null } as const;
  const restart = { kind: 'restart', delay: 250, attempt: 1, limit: 5 } as const;
  const elsewhere = { name: 'Error', message: 'connect ECONNREFUSED', stack: '' } as const;

  test('prints the program, the watched patterns and the number of files at the start', () => {
    const event = {
      type: 'watching',
      program: 'node server.js',
      backend: 'inotify',
      patterns: ['src', '*.sql'],
      extensions: ['js'],
      directories: 3,
      files: 42,
      linkedPackages: 0,
      ms: 5,
    } as const;
    expect(lines(event)).toEqual(['1.2.3 · node server.js · watching src *.sql (js) · 42 files']);
    expect(lines({ ...event, backend: 'polling', extensions: null, files: 1 })).toEqual([
      '1.2.3 · node server.js · watching src *.sql (all files) · 1 file · by polling',
    ]);
  });

  test('prints which option makes a saved file count', () => {
    const event = { type: 'unwatched', extension: 'graphql', watched: ['js', 'json'] } as const;
    expect(lines({ ...event, path: '/project/a.graphql' })).toEqual([
      'a.graphql saved, but only js json restart · --ext +graphql',
    ]);
    expect(lines({ ...event, path: '/project/.env', extension: 'env' })).toEqual([
      '.env saved, but only js json restart · --env-file .env',
    ]);
  });

  test('prints what is off with --verbose, and without it if the command line does not show it', () => {
    const event = { type: 'limitation', features: ['standby', 'held ports'], reason: 'a shell runs the line' } as const;
    const text = 'no standby and no held ports: a shell runs the line';
    expect([lines(event), lines(event, 'verbose')]).toEqual([[], [text]]);
    const remedy = 'name the script';
    expect(lines({ ...event, remedy, isUnexpected: true })).toEqual([`${text} · ${remedy}`]);
  });

  test('prints 100 of many changes with --verbose', () => {
    const changes = Array.from({ length: 200 }, (_, index) => ({ kind: 'add', path: `/project/${index}.js` }) as const);
    const printed = lines({ type: 'change', changes }, 'verbose');
    expect([printed.length, printed[0], printed.at(-1)]).toEqual([101, 'add 0.js', 'and 100 more']);
  });

  test('prints the times of a start with --verbose', () => {
    const start = { type: 'start', run: 2, pid: 7, program: 'node a.js', cause: 'change', changes: [] } as const;
    const times = { standby: true, gone: 4.2, quiet: 5, ms: 18.2 };
    const line =
      'run 2 · pid 7 · change · from standby · old tree gone after 4 ms · quiet after 5 ms · started after 18 ms';
    expect(lines({ ...start, ...times }, 'verbose')).toEqual([line]);
  });

  test('prints what is watched before the files are counted', () => {
    const scanning = { type: 'scanning', program: 'node server.js', patterns: ['.'], extensions: ['js'] } as const;
    expect(lines(scanning)).toEqual(['1.2.3 · node server.js · watching . (js)']);
  });

  test.each([
    [{ run: 1, outcome, uptime: 1200, next: restart }, 'crashed (exit 1) after 1.2 s · restart 1 of 5 in 250 ms'],
    [
      { run: 1, outcome, uptime: 12_000, next: { kind: 'restart', delay: 500 } },
      'crashed (exit 1) after 12 s · restarting in 500 ms',
    ],
    [
      {
        run: 1,
        outcome: { code: null, signal: 'SIGSEGV' },
        uptime: 10,
        next: { kind: 'wait', for: 'change', gaveUp: true, limit: 5 },
      },
      'crashed (SIGSEGV) after 10 ms · gave up after 5 restarts · waiting for a change',
    ],
    [
      { run: 1, outcome, uptime: 10, next: { kind: 'wait', for: 'change', gaveUp: false } },
      'crashed (exit 1) after 10 ms · waiting for a change',
    ],
    [
      {
        run: 1,
        outcome: { code: null, signal: null, error: 'cannot be started: x is missing' },
        uptime: 0,
        next: { kind: 'wait', for: 'change', gaveUp: false },
      },
      'cannot be started: x is missing · waiting for a change',
    ],
    [
      { run: 1, outcome: { ...outcome, uncaught }, uptime: 85, next: restart },
      "crashed after 85 ms · src/db.js:12:5 · TypeError: Cannot read 'x' · restart 1 of 5 in 250 ms",
    ],
    [
      { run: 1, outcome: { ...outcome, code: 7, uncaught: elsewhere }, uptime: 85, next: restart },
      'crashed (exit 7) after 85 ms · Error: connect ECONNREFUSED · restart 1 of 5 in 250 ms',
    ],
    [
      { run: 1, outcome, uptime: 10, next: { kind: 'wait', for: 'request', gaveUp: false } },
      'crashed (exit 1) after 10 ms · waiting for a restart',
    ],
    [{ run: 1, outcome, uptime: 10, next: { kind: 'end', gaveUp: false } }, 'crashed (exit 1) after 10 ms · ending'],
    [
      { run: 1, outcome, uptime: 10, next: { kind: 'end', gaveUp: true, limit: 1 } },
      'crashed (exit 1) after 10 ms · gave up after 1 restart · ending',
    ],
  ] as const)('prints the end and the next step of the crash %j', (event, text) => {
    expect(lines({ type: 'crash', ...event })).toEqual([text]);
  });

  test.each([
    [{ reason: 'missing', paths: ['/project/dist/index.js'] }, 'waiting for dist/index.js'],
    [
      { reason: 'reinstallation', paths: ['/x/devwatch/dist/preload.cjs'] },
      'devwatch is being reinstalled · waiting for its files',
    ],
    [{ reason: 'on-change-only' }, 'waiting for a change'],
  ] as const)('prints the reason of the wait %j', (wait, text) => {
    expect(lines({ type: 'wait', ...wait })).toEqual([text]);
  });

  test.each([
    [{ type: 'pause', changes: [] }, 'paused · saves are collected · p resumes'],
    [{ type: 'pause', changes: [{ kind: 'change', path: '/a' }] }, 'paused · 1 change waits · p resumes'],
    [{ type: 'resume', changes: [] }, 'resumed · nothing to restart for'],
    [{ type: 'resume', changes: [{ kind: 'change', path: '/a' }] }, 'resumed'],
  ] as const)('prints of %j "%s"', (event, text) => {
    expect(lines(event)).toEqual([text]);
  });

  test('prints a clean exit', () => {
    expect(
      lines({
        type: 'exit',
        run: 1,
        outcome: { code: 0, signal: null },
        uptime: 5,
        next: { kind: 'wait', for: 'change', gaveUp: false },
      }),
    ).toEqual(['exited cleanly · waiting for a change']);
  });

  test('prints that it kills the program, but not that it stops it', () => {
    expect(lines({ type: 'stopping', run: 1, stage: 'terminating', grace: null })).toEqual([]);
    expect(lines({ type: 'stopping', run: 1, stage: 'killing', grace: 5000 })).toEqual([
      'still running after 5 s · killing it',
    ]);
    expect(lines({ type: 'stopping', run: 1, stage: 'killing', grace: null })).toEqual(['killing it']);
  });

  test.each([
    ['SIGINT', 'the old run has not ended after SIGINT · killed in 3.5 s'],
    ['message', 'the old run has not ended after "shutdown" · killed in 3.5 s'],
  ] as const)('prints that a stop by %s is slow', (signal, text) => {
    expect(lines({ type: 'slowStop', run: 1, signal, killIn: 3500, waitsFor: { processes: [] } })).toEqual([text]);
  });

  test('prints survivors and taken ports even with --quiet', () => {
    const survivors = [{ pid: 7, command: 'sudo sleep', reason: 'belongs to another user' }];
    expect(lines({ type: 'gone', run: 1, survivors, ms: 3 }, 'quiet')).toEqual([
      'left running: pid 7 (sudo sleep) belongs to another user',
    ]);
    const since = new Date(2020, 0, 2, 3, 4, 5).getTime();
    expect(
      lines({ type: 'portTaken', port: 3000, holders: [{ pid: 7, command: 'node x', user: 'ada', since }] }, 'quiet'),
    ).toEqual(['port 3000 is taken by pid 7 (node x) of ada, since 2020-01-02 03:04:05']);
    expect(lines({ type: 'portTaken', port: 3000, holders: [] }, 'quiet')).toEqual([
      'port 3000 is taken by another process',
    ]);
  });
});

test.each([
  [{ isTTY: true }, {}, true],
  [{ isTTY: false }, {}, false],
  [{ isTTY: true }, { NO_COLOR: '1' }, false],
  [{ isTTY: true }, { NO_COLOR: '' }, true],
  [{ isTTY: false }, { FORCE_COLOR: '1' }, true],
  [{ isTTY: true }, { FORCE_COLOR: '0' }, false],
  [{ isTTY: true }, { TERM: 'dumb' }, false],
  [{ isTTY: false }, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
])('wantsColor(%j, %j) is %s', (stream, env, wanted) => {
  expect(wantsColor(stream, env)).toBe(wanted);
});

test('a typed line is a shortcut if nothing else stands on it', () => {
  const actionOf = (line: string): string | undefined => parseShortcut(line, false)?.action;
  expect(['rs', ' r ', 'p', 'q', 'c', 'h'].map(actionOf)).toEqual('restart restart pause quit clear help'.split(' '));
  for (const line of ['', 'rss', 'q!', 'R', 'help me', 'r web']) expect(actionOf(line), line).toBeUndefined();
  expect(shortcutHelp(false)).toMatch(/^rs or r restart · p pause, resume · q quit/);
});

test('the restart shortcut can name one of several programs', () => {
  const parse = (line: string) => parseShortcut(line, true);
  expect(parse('r')).toEqual({ action: 'restart', name: undefined });
  expect([' rs  web ', 'r web'].map(parse)).toEqual([
    { action: 'restart', name: 'web' },
    { action: 'restart', name: 'web' },
  ]);
  for (const line of ['q web', 'p web', 'r web worker', 'x web', '']) expect(parse(line), line).toBeUndefined();
  expect(shortcutHelp(true)).toContain('r <name> restart one');
});

const plain = { level: 'normal', color: false, clear: false, notify: false, watches: true, env: {} } as const;

test('the reporter begins a line about one of several programs with its name', () => {
  const printed = (app: { name: string; index: number }, format: 'pretty' | 'json'): string => {
    const stream = new PassThrough();
    const options = { ...view, ...plain, format } as const;
    const reporter = new Reporter({ ...options, app, stream: () => stream as unknown as NodeJS.WriteStream });
    reporter.report({ type: 'wait', reason: 'after', programs: ['db', 'cache'] });
    return String(stream.read());
  };
  expect(printed({ name: 'web', index: 0 }, 'pretty')).toBe('[devwatch] web waiting for db, cache\n');
  expect(JSON.parse(printed({ name: 'web', index: 0 }, 'json'))).toMatchObject({ event: 'wait', app: 'web' });
});

describe('names that would command the terminal', () => {
  const name = 'x\n[devwatch] crashed\u001b]0;title\u0007\u202e';
  // Of the command of a process the first line is shown.
  const command = '[devwatch] crashed\u001b]0;title\u0007\u202e';
  const shown = '[devwatch] crashed\\u001b]0;title\\u0007\\u202e';
  const change = { kind: 'change', path: `/project/${name}` } as const;
  const holder = { pid: 7, command, user: 'eve', since: Date.now() };
  const events: readonly DevwatchEvent[] = [
    { type: 'change', changes: [change] },
    { type: 'ignored', path: change.path, verdict: { watched: false, reason: 'ignored', pattern: name } },
    { type: 'portTaken', port: 80, holders: [holder] },
    { type: 'gone', run: 1, survivors: [{ pid: 7, command, reason: 'belongs to another user' }], ms: 1 },
    { type: 'settings', file: change.path, changed: ['ext'], settings: { ext: [name] } as never },
    { type: 'problem', message: name },
  ];

  function output(event: DevwatchEvent, format: 'pretty' | 'json'): string {
    const written: string[] = [];
    const stream = { write: (text: string) => written.push(text), on() {} };
    const settings = { level: 'verbose', color: false, clear: false, notify: false, watches: true, env: {} } as const;
    new Reporter({ ...view, ...settings, format, stream: () => stream }).report(event);
    return written.join('');
  }

  test.each(events)('are shown with escapes in the event $type', (event) => {
    const rows = output(event, 'pretty').split('\n').slice(0, -1);
    expect(rows.every((row) => row.startsWith('[devwatch] '))).toBe(true);
    expect(rows.filter((row) => row.includes(shown))).toHaveLength(1);
  });

  test.each(events)('leave the JSON of the event $type valid, on one line', (event) => {
    const text = output(event, 'json');
    const { type, settings: _, ...details } = { settings: undefined, ...event };
    expect(JSON.parse(text)).toMatchObject({ event: type, ...details });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may be left
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  });
});

/** Returns the relative luminance (WCAG 2) of a colour of the cube in the palette of 256. */
function luminanceOf(index: number): number {
  const cube = index - 16;
  const levels = [Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map(
    (step) => (step && 55 + 40 * step) / 255,
  );
  const [red = 0, green = 0, blue = 0] = levels.map((level) =>
    level <= 0.03928 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

test('the colours of names have a contrast of at least 3:1 on black and on white', () => {
  for (let index = 0; index < 5; index += 1) {
    const [, color] = /38;5;(\d+)m/.exec(paintName({ name: 'x', index }, true)) ?? [];
    const luminance = luminanceOf(Number(color));
    expect((luminance + 0.05) / 0.05).toBeGreaterThan(3);
    expect(1.05 / (luminance + 0.05)).toBeGreaterThan(3);
  }
});

test.each([
  [40, false, ['[devwatch] web waiting for database, cache']],
  [40, true, ['[devwatch] web waiting for database,', '               cache']],
  [80, true, ['[devwatch] web waiting for database, cache']],
  [30, true, ['[devwatch] web waiting for database, cache']],
  [undefined, true, ['[devwatch] web waiting for database, cache']],
])('with %s columns (a terminal: %s) the reporter prints %j', (columns, isTTY, rows) => {
  const written: string[] = [];
  const stream = { isTTY, columns, write: (text: string) => written.push(text), on() {} };
  const options = { ...view, format: 'pretty', level: 'normal', color: false, clear: false, notify: false } as const;
  const reporter = new Reporter({
    ...options,
    watches: true,
    env: {},
    app: { name: 'web', index: 0 },
    stream: () => stream,
  });
  reporter.report({ type: 'wait', reason: 'after', programs: ['database', 'cache'] });
  expect(written).toEqual([`${rows.join('\n')}\n`]);
});

describe('the place of a crash', () => {
  const link = '\u001b]8;;file:///project/src/db.js#12\u001b\\src/db.js:12:5\u001b]8;;\u001b\\';
  function report(isTTY: boolean, env: NodeJS.ProcessEnv, columns = 200, notify = false): string {
    const written: string[] = [];
    const stream = { isTTY, columns, write: (text: string) => written.push(text), on() {} };
    const reporter = new Reporter({ ...view, ...plain, format: 'pretty', env, notify, stream: () => stream });
    const next = { kind: 'wait', for: 'change', gaveUp: false } as const;
    reporter.report({ type: 'crash', run: 1, outcome: { code: 1, signal: null, uncaught }, uptime: 85, next });
    return written.join('');
  }

  test('is a link in a terminal that has them, and plain text in a pipe', () => {
    const text = (place: string): string =>
      `[devwatch] crashed after 85 ms · ${place} · TypeError: Cannot read 'x' · waiting for a change\n`;
    expect(report(true, { FORCE_HYPERLINK: '1' })).toBe(text(link));
    expect(report(true, {})).toBe(text('src/db.js:12:5'));
    expect(report(false, { FORCE_HYPERLINK: '1' })).toBe(text('src/db.js:12:5'));
  });

  test('is a part of the notification', () => {
    const body = "crashed after 85 ms · src/db.js:12:5 · TypeError: Cannot read 'x'";
    expect(report(true, {}, 200, true)).toContain(`\u001b]9;devwatch: ${body}\u0007`);
  });

  test('is a link in a folded line, whose width it does not change', () => {
    expect(report(true, { FORCE_HYPERLINK: '1' }, 40)).toBe(
      `[devwatch] crashed after 85 ms\n           · ${link}\n           · TypeError: Cannot read 'x'\n           · waiting for a change\n`,
    );
  });
});

test('paintName gives neighbours different colours', () => {
  const painted = [0, 1, 2, 3, 4, 5].map((index) => paintName({ name: 'x', index }, true));
  expect(new Set(painted.slice(0, 5)).size).toBe(5);
  expect(painted[5]).toBe(painted[0]);
  expect(paintName({ name: 'x', index: 1 }, false)).toBe('x');
});

test.each([
  ['pretty', '[devwatch] still stopping\n'],
  ['json', ''],
] as const)('print() between %s lines writes %j', (format, text) => {
  const stream = new PassThrough();
  const options = { ...view, ...plain, format } as const;
  new Reporter({ ...options, stream: () => stream as unknown as NodeJS.WriteStream }).print('still stopping');
  expect(stream.read()?.toString() ?? '').toBe(text);
});

test('the packages that were ready are named with --verbose, and those that the program has loaded itself, by their reasons', () => {
  const excluded = [...'abcdefg'].map((name) => ({ package: name, why: 'prints' }));
  const event: DevwatchEvent = {
    ...{ type: 'packages', run: 2, adopted: 1800, packages: ['express', 'cors'] },
    ...{ cold: ['env has read A, which is different now'], excluded: [{ package: 'x', why: 'warns' }, ...excluded] },
  };
  expect(lines(event, 'verbose')).toEqual([
    '1800 files of packages were ready · express, cors',
    'loaded by the program · env has read A, which is different now',
    'loaded by the program · a, b, c, d, e and 2 more: prints',
    'loaded by the program · x: warns',
  ]);
  expect(lines(event)).toEqual([]);
});
