/** Several programs of one `.watchrc` in one terminal. */

import { once } from 'node:events';
import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { attempt } from '../../src/shared/errors.ts';
import { start } from '../support/app.ts';
import { cli, runDevwatch, startDevwatch } from '../support/devwatch.ts';
import { childrenOf, isAlive, stateOf, until } from '../support/facts.ts';
import { type Caller, dialHome, type Home, openHome } from '../support/home.ts';
import { createProject } from '../support/project.ts';
import { openTerminal } from '../support/terminal.ts';

const devwatchLine = `${process.execPath} ${cli}`;

/** Dials home as this program, and then listens. */
const server = (app: string): string =>
  `${dialHome({ app })}require('http').createServer().listen(0, '127.0.0.1', () => console.log('${app} listens'));`;

const settings = (apps: unknown, common: object = {}): string => JSON.stringify({ ...common, apps });

/** Awaits the next callers; returns them by the names of their programs. */
async function callersOf(home: Pick<Home, 'caller'>, count: number): Promise<Readonly<Record<string, Caller>>> {
  const callers: Record<string, Caller> = {};
  for (let called = 0; called < count; called += 1) {
    const caller = await home.caller();
    callers[String(caller.says.app)] = caller;
  }
  return callers;
}

const inEach = (...apps: readonly string[]): Record<string, object> =>
  Object.fromEntries(apps.map((app) => [app, { script: `${app}.js`, watch: [`${app}.js`] }]));

const files = (...apps: readonly string[]): Record<string, string> =>
  Object.fromEntries(apps.map((app) => [`${app}.js`, server(app)]));

test('all programs start, a save restarts the program that it concerns, and stopping devwatch stops all', async () => {
  await using app = await start({ files: { '.watchrc': settings(inEach('web', 'api')), ...files('web', 'api') } });
  const { web, api } = await callersOf(app, 2);
  await Promise.all([app.watches('web'), app.watches('api')]);
  app.write('web.js', `${server('web')}// saved`);
  const next = await app.caller();
  await web?.gone;
  expect([next.says.app, api?.isAlive()]).toEqual(['web', true]);
  // If the first save had concerned both programs, the other one would have restarted by now.
  app.write('api.js', `${server('api')}// saved`);
  expect((await app.caller()).says.app).toBe('api');
  expect(app.callers).toHaveLength(4);
  expect(await app.end()).toEqual({ code: null, signal: 'SIGTERM' });
  expect(app.callers.filter((caller) => caller.isAlive())).toEqual([]);
});

test('each line of a program appears whole, behind its name and on its own stream', async () => {
  const prints = (app: string): string =>
    `${dialHome({ app })}for (const half of ['${app} one ', '${app} two\\n']) process.stdout.write(half); console.error('${app} oh');`;
  await using app = await start({
    files: {
      '.watchrc': settings(['web.js', 'longer.js']),
      'web.js': prints('web'),
      'longer.js': prints('longer'),
    },
  });
  await callersOf(app, 2);
  await until(() => app.stdout().split('\n').length > 2 && app.otherLines.length === 2);
  expect(app.stdout().split('\n').sort()).toEqual(['', 'longer | longer one longer two', 'web    | web one web two']);
  expect([...app.otherLines].sort()).toEqual(['longer | longer oh', 'web    | web oh']);
});

test('lines of stdout and stderr do not mix where both are one file', async () => {
  await using app = await start({
    files: {
      '.watchrc': settings(inEach('web', 'api')),
      'web.js': `process.stdout.write('half a line');${dialHome({ app: 'web' })}`,
      'api.js': `${dialHome({ app: 'api' })}process.on('exit', () => console.error('oh'));`,
    },
    via: ['/bin/sh', '-c', 'exec "$@" >log 2>&1', 'sh'],
  });
  const shown = (): string => fs.readFileSync(app.at('log'), 'utf8');
  const { api } = await callersOf(app, 2);
  await until(() => shown().includes('half a line'));
  api?.send('exit 0');
  await until(() => shown().includes('oh'));
  expect(shown().split('\n')).toEqual(expect.arrayContaining(['web | half a line', 'api | oh']));
  await app.end();
});

test('--no-prefix omits the names', async () => {
  await using app = await start({
    files: { '.watchrc': settings(['web.js', 'api.js']), ...files('web', 'api') },
    args: ['--no-prefix'],
  });
  await callersOf(app, 2);
  await until(() => app.stdout().split('\n').length > 2);
  expect(app.stdout().split('\n').sort()).toEqual(['', 'api listens', 'web listens']);
});

test('programs wait while their output is not read, devwatch does not, and no line is lost or mixed', async () => {
  const project = createProject({ '.watchrc': settings(['web.js', 'api.js']) });
  for (const app of ['web', 'api']) {
    project.write(
      `${app}.js`,
      `for (let line = 0; line < 20_000; line += 1) console.log('${'x'.repeat(50)} ' + line);`,
    );
  }
  await using app = await start({ project });
  app.process.stdout?.pause();
  await Promise.all([app.watches('web'), app.watches('api')]);
  // devwatch is not blocked: it sees a save and acts on it.
  app.write('more.js', '');
  await app.event('start', ({ cause }) => cause === 'change');
  expect(app.events.filter(({ event }) => event === 'exit')).toEqual([]);
  app.process.stdout?.resume();
  await until(() => app.events.filter(({ event }) => event === 'exit').length === 2);
  await app.end();
  const shown = app.stdout().split('\n');
  expect(shown.pop()).toBe('');
  const all = Array.from({ length: 20_000 }, (_, line) => line);
  for (const app of ['web', 'api']) {
    // A line whose end is late is shown in two parts if the other program prints in between.
    const text = shown.map((line) => (line.startsWith(app) ? line.slice(app.length + 3) : '')).join('');
    const numbers = [...text.matchAll(/x{50} (\d+)(?=x|$)/g)].map(([, number]) => Number(number));
    // The last run has printed all of it; the one before ended with the save.
    expect(numbers.slice(-20_000)).toEqual(all);
  }
  expect(shown.filter((line) => !/^(?:web|api) \| /.test(line))).toEqual([]);
});

test('the last line that a program prints before it ends reaches a slow reader', async () => {
  const blocking = "const { writeSync } = require('fs');";
  await using app = await start({
    files: {
      '.watchrc': settings(['web.js', 'flood.js']),
      'web.js': `${blocking}${dialHome({ app: 'web' })}process.on('SIGTERM', () => {
      // No more than its pipe takes while it is not read: 64 KB.
      writeSync(1, 'x\\n'.repeat(20_000) + 'the last line\\n');
      process.exit();
    });`,
      'flood.js': `${blocking}for (;;) writeSync(1, 'x'.repeat(99) + '\\n');`,
    },
  });
  const web = await app.caller();
  const { pid } = (await app.event('start', ({ app }) => app === 'flood')) as { pid: number };
  app.process.stdout?.pause();
  // The program sleeps only while its output is not read, which lasts while devwatch's own output is not read.
  let asleep = 0;
  await until(() => {
    asleep = stateOf(pid) === 'S' ? asleep + 1 : 0;
    return asleep > 50;
  });
  // From this line on the output of the program stays in its pipe.
  web.send('hello');
  app.process.kill();
  await app.event('gone', ({ app }) => app === 'web');
  app.process.stdout?.resume();
  await app.exited;
  expect(app.stdout()).toMatch(/^web {3}\| the last line$/m);
});

// By itself: devwatch waits for its reader for one second.
describe.sequential('the last lines of the output are not lost when they are read late', () => {
  // 65,536 bytes fill the pipe. The rest is less than a stream of Node takes before it reports that it is full.
  const script = `
    let line = 0;
    const timer = setInterval(() => {
      console.log('x'.repeat(999 - String(line).length) + line);
      line += 1;
      if (line < 72) return;
      clearInterval(timer);
      // Not before devwatch has read enough: what is left in the program's memory is lost without devwatch, too.
      process.stdout.write('', () => process.kill(process.ppid, 'SIGTERM'));
    }, 1);`;

  test.each<[string, object, string[], RegExp]>([
    ['with several programs', { apps: ['web.js', 'api.js'] }, [], /^web \| x+71$/],
    ['with one program whose output devwatch reads', {}, ['--ready', '/never/', 'web.js'], /^x+71$/],
  ])('%s', async (_, watchrc, args, lastLine) => {
    await using app = await start({
      files: { '.watchrc': JSON.stringify(watchrc), 'web.js': script, 'api.js': '' },
      args,
      via: ['/bin/sh', '-c', '"$@" | { until [ -e read ]; do sleep 0.02; done; cat; }', 'sh'],
    });
    await app.event('gone', ({ run }) => run === 1);
    // The shell notices this 20 ms later at most, when devwatch would have ended without the last lines.
    app.write('read', '');
    await app.exited;
    expect(app.stdout().split('\n').slice(-2)).toEqual([expect.stringMatching(lastLine), '']);
  });
});

describe('order', () => {
  test('a program with `after` starts when the programs that it names are up', async () => {
    const apps = { web: { script: 'web.js', after: ['db', 'job'] }, db: 'db.js', job: 'job.js' };
    await using app = await start({
      files: {
        '.watchrc': settings(apps),
        'web.js': server('web'),
        // Listens when it receives a line.
        'db.js': `${dialHome({ app: 'db' }).replace(';', ".on('data', () => require('http').createServer().listen(0, '127.0.0.1'));")}`,
        'job.js': dialHome({ app: 'job' }),
      },
    });
    const { db, job } = await callersOf(app, 2);
    expect(await app.event('wait')).toMatchObject({ app: 'web', reason: 'after', programs: ['db', 'job'] });
    db?.send('listen');
    await app.event('ready', ({ app }) => app === 'db');
    expect(app.callers).toHaveLength(2);
    job?.send('exit 0');
    expect((await app.caller()).says.app).toBe('web');
    await app.event('start', ({ app }) => app === 'web');
    const started = app.events.filter(({ event }) => event === 'start').map(({ app }) => app);
    expect(started).toEqual(['db', 'job', 'web']);
  });

  test('a program without a readiness check releases those that wait for it once it has lived for 3 s', async () => {
    const apps = { web: { script: 'web.js', after: 'worker' }, worker: 'worker.js' };
    await using app = await start({
      files: {
        '.watchrc': settings(apps),
        'web.js': server('web'),
        'worker.js': dialHome({ app: 'worker' }),
      },
    });
    const running = await app.event('running', ({ app }) => app === 'worker');
    expect((running as { ms: number }).ms).toBeGreaterThanOrEqual(3000);
    await callersOf(app, 2);
    expect(app.events.filter(({ event }) => event === 'warning')).toEqual([]);
  });

  test('a restart does not restart the programs that come after', async () => {
    const { web, db } = inEach('web', 'db');
    await using app = await start({
      files: {
        '.watchrc': settings({ web: { ...web, after: 'db' }, db }),
        ...files('web', 'db'),
      },
    });
    const [first, second] = [await app.caller(), await app.caller()];
    await Promise.all([app.watches('db'), app.watches('web')]);
    app.write('db.js', `${server('db')}// saved`);
    expect((await app.caller()).says.app).toBe('db');
    await app.event('ready', ({ app, run }) => app === 'db' && run === 2);
    expect([first.isAlive(), second.isAlive(), app.callers.length]).toEqual([false, true, 3]);
  });

  test('a crash does not count as ready, but the run after it may', async () => {
    const apps = {
      web: { script: 'web.js', after: 'job' },
      job: { exec: `${process.execPath} job.js`, ready: 'exit' },
    };
    await using app = await start({
      files: {
        '.watchrc': settings(apps),
        'web.js': server('web'),
        'job.js': dialHome({ app: 'job' }),
      },
    });
    (await app.caller()).send('exit 3');
    const again = await app.caller();
    expect(again.says.app).toBe('job');
    again.send('exit 0');
    expect((await app.caller()).says.app).toBe('web');
    expect(app.events.filter(({ event }) => event === 'crash')).toHaveLength(1);
  });

  test('stopping devwatch does not start a program that still waits', async () => {
    const apps = { web: { script: 'web.js', after: 'db' }, db: 'db.js' };
    await using app = await start({
      files: {
        '.watchrc': settings(apps),
        'web.js': server('web'),
        'db.js': dialHome({ app: 'db' }),
      },
    });
    const db = await app.caller();
    await app.event('wait');
    expect(await app.end()).toEqual({ code: null, signal: 'SIGTERM' });
    expect([app.callers.length, db.isAlive()]).toEqual([1, false]);
  });

  test('a program whose folder was removed while it waited starts when the folder is back', async () => {
    const apps = { web: { script: 'web.js', cwd: 'packages/web', after: 'db' }, ...inEach('db') };
    await using app = await start({
      files: {
        '.watchrc': settings(apps),
        'packages/web/web.js': server('web'),
        'db.js': dialHome({ app: 'db' }),
      },
    });
    const db = await app.caller();
    await app.event('wait');
    app.remove('packages');
    db.send('exit 0');
    expect(await app.event('wait')).toMatchObject({ app: 'web', reason: 'missing', paths: [app.at('packages/web')] });
    await app.watches('web');
    app.write('packages/web/web.js', server('web'));
    expect((await app.caller()).says.app).toBe('web');
  });

  test('devwatch refuses `after` a program without a readiness check', async () => {
    await using project = createProject({
      '.watchrc': settings({ web: { script: 'web.js', after: 'db' }, db: { exec: 'sleep 100' } }),
      'web.js': '',
    });
    expect(await runDevwatch([], { cwd: project.path })).toMatchObject({
      code: 2,
      stderr:
        'devwatch: web depends on db, but db has no readiness check · set "ready" for db, e.g. "tcp://localhost:5432" or "exit"\n',
    });
  });

  test('a program does not wait for a program that --only leaves out', async () => {
    const apps = { web: { script: 'web.js', after: 'db' }, api: 'api.js', db: 'db.js' };
    await using app = await start({
      files: { '.watchrc': settings(apps), ...files('web', 'api', 'db') },
      args: ['--only', 'web,api'],
    });
    expect(Object.keys(await callersOf(app, 2)).sort()).toEqual(['api', 'web']);
    await app.end();
    expect(app.callers).toHaveLength(2);
  });
});

test('with exitOnCrash a crash stops all programs, and devwatch exits with its code', async () => {
  await using app = await start({
    files: {
      '.watchrc': settings(['web.js', { script: 'tests.js', exitOnCrash: true }]),
      ...files('web', 'tests'),
    },
  });
  const { web, tests } = await callersOf(app, 2);
  tests?.send('exit 7');
  await web?.gone;
  expect(await app.exited).toEqual({ code: 7, signal: null });
});

test.each([
  ['a common live reload', { liveReload: true }, {}, {}, '35729', 'liveReload'],
  ['live reload on one port', {}, { liveReload: 4000 }, { liveReload: 4000 }, '4000', 'liveReload'],
  ['held ports', { exec: 'sleep 100' }, { hold: 8000 }, { hold: 8000 }, '8000', 'hold'],
  ['a held port and live reload', {}, { exec: 'sleep 100', hold: 35_729 }, { liveReload: true }, '35729', 'liveReload'],
])(
  'devwatch refuses two programs that would share a port that it opens: %s',
  async (_, common, web, api, port, key) => {
    await using project = createProject({
      '.watchrc': settings({ web: { script: 'web.js', ...web }, api: { script: 'api.js', ...api } }, common),
      ...files('web', 'api'),
    });
    expect(await runDevwatch([], { cwd: project.path })).toMatchObject({
      code: 2,
      stdout: '',
      stderr: `devwatch: web and api would share port ${port} · set "${key}" for one of them only, or a different port for each\n`,
    });
  },
);

test('devwatch starts no program when the settings of one are wrong', async () => {
  await using project = createProject({ '.watchrc': settings({ web: 'web.js', api: 'wbe.js' }), 'web.js': '' });
  const { code, stdout, stderr } = await runDevwatch([], { cwd: project.path });
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^devwatch: api: wbe\.js: no such file .* · did you mean web\.js\?/);
});

test('a program is started alone by its name, and does not inherit a script beside "apps"', async () => {
  await using app = await start({
    files: {
      '.watchrc': settings(
        { web: { exec: 'node web.js' }, api: { script: 'api.js' } },
        { script: 'all.js', args: ['x'] },
      ),
      ...files('web', 'api'),
    },
    args: ['web'],
  });
  expect((await app.caller()).says).toMatchObject({ app: 'web', argv: [] });
  await app.event('watching');
  expect(app.callers).toHaveLength(1);
});

test('a Python program does not buffer its output', async () => {
  await using app = await start({
    files: {
      '.watchrc': settings({ py: { script: 'run.py' }, web: { script: 'web.js' } }),
      'run.py': 'import signal\nprint("prints")\nsignal.pause()\n',
      'web.js': '',
    },
    via: ['env', '-u', 'PYTHONUNBUFFERED'],
  });
  await until(() => app.stdout().includes('prints'));
});

test('a program that is started alone has the terminal to itself', async () => {
  await using project = createProject({
    '.watchrc': settings(['web.js', 'api.js']),
    'web.js': `console.log('terminal', process.stdin.isTTY, process.stdout.isTTY); setInterval(() => {}, 1000);`,
    'api.js': '',
  });
  await using terminal = openTerminal({ cwd: project.path });
  terminal.line(`${devwatchLine} --only web`);
  await terminal.until(/^terminal true true/m);
  terminal.type('\x03');
  await terminal.until(/\$ $/);
});

describe('in a terminal', () => {
  test('a shortcut restarts a program by its name or all of them, and Ctrl-C stops all', async () => {
    await using home = await openHome();
    await using project = createProject({ '.watchrc': settings(['web.js', 'api.js']), ...files('web', 'api') });
    await using terminal = openTerminal({ cwd: project.path, env: home.env });
    terminal.line(devwatchLine);
    const { api } = await callersOf(home, 2);
    await terminal.until(/watching[\s\S]*watching/);
    terminal.line('r web');
    await terminal.until(/\[devwatch\] web restarted/);
    expect((await home.caller()).says.app).toBe('web');
    terminal.line('r wbe');
    await terminal.until(/no program is named wbe · there are web, api/);
    expect(api?.isAlive()).toBe(true);
    terminal.line('r');
    expect(Object.keys(await callersOf(home, 2)).sort()).toEqual(['api', 'web']);
    await api?.gone;
    terminal.line('h');
    await terminal.until(/r <name> restart one/);
    terminal.type('\x03');
    await terminal.until(/\n\$ $/);
    expect(home.callers.filter((caller) => caller.isAlive())).toEqual([]);
  });

  test('a shortcut does not start a program that waits, and prints so', async () => {
    await using home = await openHome();
    const apps = { web: { script: 'web.js', after: 'db' }, db: 'db.js' };
    await using project = createProject({
      '.watchrc': settings(apps),
      'web.js': server('web'),
      'db.js': dialHome({ app: 'db' }),
    });
    await using terminal = openTerminal({ cwd: project.path, env: home.env });
    terminal.line(devwatchLine);
    await home.caller();
    await terminal.until(/web waiting for db[\s\S]*db \S+ · node db\.js/);
    terminal.line('r web');
    await terminal.until(/web waiting for db/);
    expect(home.callers).toHaveLength(1);
  });

  test('the screen is not cleared at a restart, although the settings say so', async () => {
    await using home = await openHome();
    await using project = createProject({
      '.watchrc': settings(inEach('web', 'api'), { clear: true }),
      ...files('web', 'api'),
    });
    await using terminal = openTerminal({ cwd: project.path, env: home.env });
    terminal.line(devwatchLine);
    await callersOf(home, 2);
    await terminal.until(/watching[\s\S]*watching/);
    project.write('.watchrc', settings(inEach('web', 'api'), { clear: true, killTimeout: 4000 }));
    await terminal.until(/web \S+ changed: killTimeout/);
    project.write('web.js', `${server('web')}// saved`);
    await terminal.until(/\[devwatch\] web restarted/);
    expect(terminal.output).not.toContain('\x1b[2J');
  });

  test('programs may print colours although they see a pipe, unless the user forbids them', async () => {
    await using home = await openHome();
    const tells = `require(process.env.TEST_DIAL)({ app: 'x', level: process.env.FORCE_COLOR, open: process.stdin.readableEnded });`;
    await using project = createProject({ '.watchrc': settings(['a.js', 'b.js']), 'a.js': tells, 'b.js': tells });
    const levels = async (env: Readonly<Record<string, string>>): Promise<unknown[]> => {
      await using terminal = openTerminal({ cwd: project.path, env: { ...home.env, ...env } });
      terminal.line(
        `exec env ${env.NO_COLOR === '' ? '-u NO_COLOR' : ''} -u CI -u TMUX ${devwatchLine} ${env.words ?? ''}`,
      );
      return [(await home.caller()).says.level, (await home.caller()).says.level];
    };
    const colourful = { NO_COLOR: '', TERM: 'xterm-256color', COLORTERM: '' };
    expect(await levels(colourful)).toEqual(['2', '2']);
    expect(await levels({ ...colourful, FORCE_COLOR: '0' })).toEqual(['0', '0']);
    expect(await levels({ ...colourful, words: '--no-color' })).toEqual([undefined, undefined]);
    expect(await levels({ NO_COLOR: '1', TERM: 'xterm-256color' })).toEqual([undefined, undefined]);
    project.write('of.env', 'FORCE_COLOR=1');
    expect(await levels({ ...colourful, words: '--env-file of.env' })).toEqual(['1', '1']);
  });
});

test('colours are forced without a terminal as well', async () => {
  await using home = await openHome();
  const tells = `require(process.env.TEST_DIAL)({ level: process.env.FORCE_COLOR }); console.log('hello');`;
  await using project = createProject({ '.watchrc': settings(['a.js', 'b.js']), 'a.js': tells, 'b.js': tells });
  const env = { ...home.env, NO_COLOR: '', FORCE_COLOR: '3' };
  await using devwatch = startDevwatch([], { cwd: project.path, env });
  expect([(await home.caller()).says.level, (await home.caller()).says.level]).toEqual(['3', '3']);
  await until(() => devwatch.stdout().split('\n').length === 3);
  expect(devwatch.stdout()).toContain('\u001b[38;5;30ma\u001b[39m | hello\n');
});

test('stdin stays open: a program that ends with its stdin keeps running', async () => {
  const reads = (app: string): string =>
    `process.stdin.on('end', () => process.exit()).on('pause', () => {}).resume(); setImmediate(() => {${server(app)}});`;
  await using app = await start({
    files: {
      '.watchrc': settings(['a.js', 'b.js']),
      'a.js': reads('a'),
      'b.js': reads('b'),
    },
  });
  app.process.stdin?.end();
  const { a, b } = await callersOf(app, 2);
  await app.event('ready');
  await app.event('ready');
  expect([a?.isAlive(), b?.isAlive()]).toEqual([true, true]);
});

describe('when the settings change', () => {
  test('added programs start, removed ones stop, and the others keep running', async () => {
    await using app = await start({
      files: {
        '.watchrc': settings(inEach('web', 'api')),
        ...files('web', 'api', 'late'),
      },
    });
    const { web, api } = await callersOf(app, 2);
    await Promise.all([app.watches('web'), app.watches('api')]);
    app.write('.watchrc', settings(inEach('web', 'api', 'late')));
    const late = await app.caller();
    expect(late.says.app).toBe('late');
    await app.watches('late');
    app.write('.watchrc', settings(inEach('web', 'late')));
    await api?.gone;
    expect(await app.event('warning')).toMatchObject({
      app: 'api',
      message: 'stops, because "apps" no longer names it',
    });
    app.write('.watchrc', settings({ ...inEach('web'), late: { script: 'late.js', watch: ['late.js'], args: ['x'] } }));
    expect(await app.caller()).toMatchObject({ says: { app: 'late', argv: ['x'] } });
    expect(web?.isAlive()).toBe(true);
    expect(app.callers).toHaveLength(4);
    expect(await app.end()).toMatchObject({ signal: 'SIGTERM' });
  });

  test('a program that watches nothing gets new settings as well', async () => {
    const apps = (level: string): string =>
      settings({ ...inEach('web'), quiet: { script: 'quiet.js', watch: [], args: [level] } });
    await using app = await start({ files: { '.watchrc': apps('1'), ...files('web', 'quiet') } });
    const { web, quiet } = await callersOf(app, 2);
    await app.watches('web');
    app.write('.watchrc', apps('2'));
    expect(await app.caller()).toMatchObject({ says: { app: 'quiet', argv: ['2'] } });
    expect([web?.isAlive(), quiet?.isAlive()]).toEqual([true, false]);
  });

  test('settings that failed for a program are applied when they work', async () => {
    const apps = (envFile: readonly string[]): string =>
      settings({ ...inEach('web'), quiet: { script: 'quiet.js', watch: [], envFile } });
    await using app = await start({ files: { '.watchrc': apps([]), ...files('web', 'quiet') } });
    await callersOf(app, 2);
    await app.watches('web');
    app.write('.watchrc', apps(['late.env']));
    await app.event('problem', ({ message }) => message.includes('late.env'));
    app.write('late.env', 'LATE=1');
    app.write('.watchrc', `${apps(['late.env'])}\n`);
    expect((await app.caller()).says.app).toBe('quiet');
  });

  test('the names in front of the lines are turned on and off', async () => {
    await using app = await start({ files: { '.watchrc': settings(inEach('web', 'api')), ...files('web', 'api') } });
    await callersOf(app, 2);
    await Promise.all([app.watches('web'), app.watches('api')]);
    await until(() => app.stdout().split('\n').length > 2);
    app.write('.watchrc', settings(inEach('web', 'api'), { prefix: false }));
    await app.event('settings', ({ app }) => app === 'web');
    app.write('web.js', `${server('web')}// saved`);
    await until(() => app.stdout().split('\n').length > 3);
    expect(app.stdout().split('\n').slice(2)).toEqual(['web listens', '']);
  });

  test('a mistake is reported once each time it is made, and all programs keep running', async () => {
    await using app = await start({ files: { '.watchrc': settings(inEach('web', 'api')), ...files('web', 'api') } });
    const { web, api } = await callersOf(app, 2);
    await Promise.all([app.watches('web'), app.watches('api')]);
    const problems = (): string[] => app.events.flatMap((stated) => (stated.event === 'problem' ? stated.message : []));
    app.write('.watchrc', '{"apps": {"web": {"scirpt": 1}}}');
    // The error concerns no single program.
    expect((await app.event('problem')) as { app?: string }).not.toHaveProperty('app');
    // Both programs get the next change. The file is replaced in one step: an empty one would be another error.
    app.replace(
      '.watchrc',
      settings({ web: { ...inEach('web').web, delay: 50 }, api: { ...inEach('api').api, delay: 50 } }),
    );
    await until(() => app.events.filter(({ event }) => event === 'settings').length === 2);
    expect(problems()).toEqual([expect.stringContaining('.watchrc:1:19: unknown key "scirpt"')]);
    app.write('.watchrc', '{"apps": {"web": {"scirpt": 1}}}');
    // The error concerns no single program.
    expect((await app.event('problem')) as { app?: string }).not.toHaveProperty('app');
    expect([web?.isAlive(), api?.isAlive(), problems().length]).toEqual([true, true, 2]);
  });

  test('a program that waits starts with the settings of that time', async () => {
    const apps = (web: object): string =>
      settings({ web: { script: 'web.js', watch: ['web.js'], ...web }, ...inEach('db', 'job') });
    await using app = await start({
      files: {
        '.watchrc': apps({ after: ['db', 'job'] }),
        'web.js': server('web'),
        'db.js': dialHome({ app: 'db' }),
        'job.js': dialHome({ app: 'job' }),
      },
    });
    const { db } = await callersOf(app, 2);
    await app.watches('db');
    app.write('.watchrc', apps({ after: 'db', args: ['new'] }));
    await app.event('settings', ({ app }) => app === 'web');
    db?.send('exit 0');
    expect(await app.caller()).toMatchObject({ says: { app: 'web', argv: ['new'] } });
    expect(app.callers).toHaveLength(3);
  });

  test('an added program waits for the programs that it comes after', async () => {
    await using app = await start({
      files: {
        '.watchrc': settings(inEach('db', 'api')),
        'db.js': dialHome({ app: 'db' }),
        ...files('api', 'web'),
      },
    });
    const { db } = await callersOf(app, 2);
    await app.watches('api');
    app.write('.watchrc', settings({ ...inEach('db', 'api'), web: { script: 'web.js', after: 'db' } }));
    expect(await app.event('wait')).toMatchObject({ app: 'web', programs: ['db'] });
    db?.send('exit 0');
    expect((await app.caller()).says.app).toBe('web');
  });

  test('a program that is added again while it stops starts when it has stopped', async () => {
    await using app = await start({
      files: {
        '.watchrc': settings(inEach('web', 'api')),
        'web.js': server('web'),
        'api.js': `process.on('SIGTERM', () => {});${server('api')}`,
      },
    });
    const { api } = await callersOf(app, 2);
    await app.watches('web');
    app.write('.watchrc', settings(inEach('web')));
    await app.event('stopping', ({ app }) => app === 'api');
    app.write('.watchrc', settings({ ...inEach('web', 'api'), web: { ...inEach('web').web, delay: 50 } }));
    await app.event('settings', ({ app }) => app === 'web');
    api?.send('exit 0');
    const again = await app.caller();
    expect([again.says.app, app.mostAlive]).toEqual(['api', 2]);
    again.send('exit 0');
    await again.gone;
  });

  test('stopping devwatch does not kill a program that is already stopping', async () => {
    await using app = await start({
      files: {
        '.watchrc': settings(inEach('web', 'api')),
        'web.js': server('web'),
        'api.js': `process.on('SIGTERM', () => {});${server('api')}`,
      },
    });
    const { web, api } = await callersOf(app, 2);
    await app.watches('web');
    app.write('.watchrc', settings(inEach('web')));
    await app.event('stopping', ({ app }) => app === 'api');
    app.process.kill();
    await web?.gone;
    api?.send('exit 0');
    await app.exited;
    const stages = app.events.flatMap((stated) => (stated.event === 'stopping' ? stated.stage : []));
    expect(stages).toEqual(['terminating', 'terminating']);
  });

  test('an added program that cannot run leaves the settings as they are', async () => {
    await using app = await start({ files: { '.watchrc': settings(inEach('web', 'api')), ...files('web', 'api') } });
    const { web, api } = await callersOf(app, 2);
    await Promise.all([app.watches('web'), app.watches('api')]);
    app.write('.watchrc', settings({ late: 'no-such-command' }));
    expect(await app.event('problem')).toMatchObject({
      message: expect.stringMatching(/^late: no-such-command: .* · the old settings stay in force$/),
    });
    // Both programs have read the settings when both have reported the next change.
    app.write('.watchrc', settings(inEach('web', 'api'), { killTimeout: 4000 }));
    await until(() => app.events.filter(({ event }) => event === 'settings').length === 2);
    app.write('late.js', server('late'));
    app.write('.watchrc', settings(inEach('web', 'api', 'late'), { killTimeout: 4000 }));
    expect((await app.caller()).says.app).toBe('late');
    expect([web?.isAlive(), api?.isAlive(), app.callers.length]).toEqual([true, true, 3]);
  });

  test('a single program started alone ignores added apps', async () => {
    await using app = await start({ files: { '.watchrc': settings(inEach('web')), ...files('web', 'api') } });
    const web = await app.caller();
    await app.event('watching');
    app.write('.watchrc', settings(inEach('api', 'web')));
    expect(await app.event('problem')).toMatchObject({
      message: expect.stringMatching(/^"apps" names several programs now · restart devwatch to apply this/),
    });
    expect([web.isAlive(), app.callers.length]).toEqual([true, 1]);
  });

  test('"apps" cannot be added or removed', async () => {
    await using app = await start({ files: { '.watchrc': settings(inEach('web', 'api')), ...files('web', 'api') } });
    const { web } = await callersOf(app, 2);
    await Promise.all([app.watches('web'), app.watches('api')]);
    app.write('.watchrc', '{"script": "web.js"}');
    expect(await app.event('problem')).toMatchObject({
      message: '"apps" was added or removed · restart devwatch to apply this · the old settings stay in force',
    });
    expect(web?.isAlive()).toBe(true);
  });
});

test('programs share the watch of a folder', async () => {
  const apps = { web: 'web.js', api: 'api.js', job: { script: 'job.js', ext: 'sql' } };
  await using app = await start({
    files: {
      '.watchrc': settings(apps),
      ...files('web', 'api', 'job'),
      'lib/deep/a.js': '',
      'sql/b.sql': '',
    },
  });
  await callersOf(app, 3);
  await Promise.all(['web', 'api', 'job'].map((name) => app.watches(name)));
  // A descriptor may be closed in the meantime.
  const infoOf = (name: string): string =>
    attempt(() => fs.readFileSync(`/proc/${app.pid}/fdinfo/${name}`, 'latin1')) ?? '';
  const inodes = fs
    .readdirSync(`/proc/${app.pid}/fdinfo`)
    .flatMap((name) => infoOf(name).split('\n'))
    .flatMap((line) => /^inotify wd:\S+ ino:(\S+) /.exec(line)?.[1] ?? []);
  const watchesOf = (folder: string): number =>
    inodes.filter((inode) => inode === fs.statSync(app.at(folder)).ino.toString(16)).length;
  expect(['', 'lib', 'lib/deep', 'sql'].map(watchesOf)).toEqual([1, 1, 1, 1]);
});

describe('after SIGKILL of devwatch', () => {
  test('no process of any program is left', async () => {
    await using app = await start({ files: { '.watchrc': settings(['web.js', 'api.js']), ...files('web', 'api') } });
    const { web, api } = await callersOf(app, 2);
    await Promise.all([app.watches('web'), app.watches('api')]);
    await app.end('SIGKILL');
    await Promise.all([web?.gone, api?.gone]);
  });

  test('and of its guardians, the next devwatch kills all programs before it starts them again', async () => {
    await using home = await openHome();
    // They ignore SIGTERM, so they would be alive if the next devwatch did not wait for them.
    const stubborn = (app: string): string => `process.on('SIGTERM', () => {});${server(app)}`;
    await using project = createProject({
      '.watchrc': settings(['web.js', 'api.js'], { killTimeout: 100 }),
      'web.js': stubborn('web'),
      'api.js': stubborn('api'),
    });
    const options = { cwd: project.path, env: home.env };
    await using first = startDevwatch([], options);
    const { web, api } = await callersOf(home, 2);
    await until(
      'both programs to be watched',
      () => first.events.filter(({ event }) => event === 'watching').length === 2,
    );
    const guardians = childrenOf(first.pid).filter(({ command }) => command.includes('devwatch-guardian'));
    expect(guardians).toHaveLength(2);
    process.kill(first.pid, 'SIGSTOP');
    for (const { pid } of guardians) process.kill(pid, 'SIGKILL');
    const dead = once(first.process, 'exit');
    first.process.kill('SIGKILL');
    await dead;
    expect([web?.pid, api?.pid].every((pid) => isAlive(Number(pid)))).toBe(true);
    await using second = startDevwatch([], options);
    await second.event('warning');
    await callersOf(home, 2);
    expect(home.mostAlive).toBe(2);
  });
});

test('devwatch config and explain cover each program', async () => {
  await using project = createProject({
    '.watchrc': settings({ web: { script: 'web.js', delay: 100 }, style: { script: 'style.js', ext: 'css' } }),
    ...files('web', 'style'),
    'a.css': '',
  });
  const config = await runDevwatch(['config'], { cwd: project.path });
  expect(JSON.parse(config.stdout)).toMatchObject({
    apps: { web: { script: 'web.js', delay: 100 }, style: { ext: ['css'] } },
  });
  const explained = await runDevwatch(['explain', 'a.css'], { cwd: project.path });
  expect(explained.stdout).toMatch(/^web: a\.css\n {2}is ignored[\s\S]*^style: a\.css\n {2}restarts the program/m);
});
