/** Programs in the background: start, list, logs, restart, reload, attach, stop, and recovery after SIGKILL. */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BackgroundRecord } from '../../src/background/records.ts';
import { cli } from '../support/devwatch.ts';
import { isExhaustive } from '../support/exhaustive.ts';
import { isAlive, until } from '../support/facts.ts';
import { dialHome } from '../support/home.ts';
import { freePort } from '../support/ports.ts';
import { listens, Session } from '../support/session.ts';
import { openTerminal } from '../support/terminal.ts';

test('start returns when the program is up, list shows it, and stop ends its processes', async () => {
  const port = await freePort();
  await using session = await Session.open({ 'server.js': listens() });
  const started = await session.run('start', '--name', 'web', 'server.js', String(port));
  expect(started).toMatchObject({
    code: 0,
    out: expect.stringMatching(new RegExp(`^web is up after .* · http://localhost:${port} · pid \\d+`)),
  });
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('fine');
  const program = await session.home.caller();

  const [row, ...others] = await session.rows();
  expect(others).toEqual([]);
  expect(row).toMatchObject({
    name: 'web',
    state: 'up',
    pid: program.pid,
    restarts: 0,
    port,
    folder: session.project.path,
  });
  expect((await session.run('ls')).out).toMatch(
    /^name +state +pid .*\nweb +up +\d+ +\d+ s +0 +\d+% +\d+ MB +\d+ +yes +node server\.js /,
  );

  const { pid } = session.record('web');
  expect(await session.run('stop', 'web')).toMatchObject({ code: 0, out: 'web has been stopped\n' });
  await program.gone;
  expect(isAlive(pid)).toBe(false);
  const folder = session.project.path;
  expect(await session.rows()).toEqual([{ name: 'web', state: 'stopped', program: `node server.js ${port}`, folder }]);
});

test('a save, a crash and devwatch restart each restart the program', async () => {
  await using session = await Session.open({ 'server.js': listens({ version: 1 }) });
  await session.run('start', '--name', 'web', 'server.js');
  await session.home.caller();
  session.project.write('server.js', listens({ version: 2 }));
  const second = await session.home.caller();
  expect(second.says.version).toBe(2);
  second.send('crash');
  const third = await session.home.caller();
  await until(async () => (await session.rows())[0]?.state === 'up');
  expect(await session.run('restart', 'web')).toMatchObject({
    code: 0,
    out: expect.stringContaining('web is up again'),
  });
  await third.gone;
  expect((await session.rows())[0]?.restarts).toBe(3);
});

test('a paused program is restarted once, when it is resumed', async () => {
  await using session = await Session.open({ 'server.js': listens({ version: 1 }), 'other.js': '' });
  await session.run('start', '--name', 'web', 'server.js');
  const first = await session.home.caller();
  expect(await session.run('pause')).toMatchObject({ code: 0, out: 'web is paused · devwatch resume web\n' });
  session.project.write('server.js', listens({ version: 2 }));
  await until(() => session.logOf('web').includes('paused · 1 change waits · devwatch resume web'));
  session.project.write('other.js', '// saved');
  await until(() => session.logOf('web').includes('paused · 2 changes wait'));
  expect([isAlive(first.pid), (await session.rows())[0]?.watching]).toEqual([true, 'paused']);
  expect(await session.run('resume')).toMatchObject({ out: 'web is no longer paused · restarts for 2 changes\n' });
  expect((await session.home.caller()).says.version).toBe(2);
  expect((await session.rows())[0]?.restarts).toBe(1);
  expect(await session.run('resume')).toMatchObject({ code: 0, out: 'web was not paused\n' });
});

test('with --no-watch a crash restarts the program and a save does not', async () => {
  await using session = await Session.open({ 'server.js': listens({ version: 1 }) });
  await session.run('start', '--no-watch', '--name', 'web', 'server.js');
  const first = await session.home.caller();
  session.project.write('server.js', listens({ version: 2 }));
  // The restart after the crash runs the saved version.
  first.send('crash');
  expect((await session.home.caller()).says.version).toBe(2);
  expect((await session.run('logs', 'web', '--err', '-n', '100')).out).not.toContain('server.js\n');
});

test('list shows that a program without a limit is started again', async () => {
  await using session = await Session.open({ 'server.js': 'process.exit(3);' });
  await session.run('start', '--name', 'web', '--no-watch', 'server.js');
  await until(async () => / crashed \(exit 3\) · again in \d/.test((await session.run('list', 'web')).out));
});

test('files that devwatch writes in the project cause no restart', async () => {
  await using session = await Session.open({ 'server.js': listens({ version: 1 }) });
  session.stateHome = session.project.at('kept');
  await session.run('start', '--name', 'web', '--log', 'log.js', '--log-size', '1k', '--watch', '**', 'server.js');
  const program = await session.home.caller();
  for (let line = 0; line < 40; line += 1) program.send('x'.repeat(100));
  await until(() => fs.existsSync(session.project.at('log.js.2')));
  // A save that is noticed after all that proves that nothing was restarted before.
  session.project.write('server.js', listens({ version: 2 }));
  expect((await session.home.caller()).says.version).toBe(2);
});

test('list shows why a program has crashed until it runs again', async () => {
  await using session = await Session.open({ 'server.js': 'process.exit(3);' });
  await session.run('start', '--name', 'web', '--max-restarts', '0', 'server.js');
  expect((await session.run('list')).out).toMatch(/^web +crashed \(exit 3\) · gave up +– /m);
  session.project.write('server.js', listens());
  await session.home.caller();
  expect((await session.run('list', 'web')).out).toMatch(/^web +(starting|up) +\d+ /m);
});

test('list --watch shows in place what changes, until q is typed', async () => {
  await using session = await Session.open({ 'server.js': listens() });
  await session.run('start', '--name', 'web', 'server.js');
  const program = await session.home.caller();
  const env = { ...session.env, TERM: 'xterm' } as Record<string, string>;
  await using terminal = openTerminal({ cwd: session.project.path, env });
  terminal.resize(60, 10);
  terminal.line(`${process.execPath} ${cli} list --watch; echo ended with $?`);
  await terminal.until(/\[\?1049h/);
  await terminal.until(new RegExp(`web +up +${program.pid} `));
  await terminal.until(/web +up .* \d+%/);
  program.send('crash');
  const next = await session.home.caller();
  await terminal.until(new RegExp(`web +(?:starting|up) +${next.pid} `));
  terminal.type('q');
  await terminal.until(/\[\?1049l(?:.|\s)*ended with 0/);
  expect(await session.run('list', '--watch')).toMatchObject({ code: 2, err: expect.stringContaining('a terminal') });
});

describe('start prints', () => {
  test('why the program failed, with the last lines of the log', async () => {
    await using session = await Session.open({ 'server.js': `console.log('begun'); throw new Error('no database');` });
    const { code, out } = await session.run('start', '--name', 'web', 'server.js');
    expect(code).toBe(1);
    expect(out).toMatch(/^web failed: exit 1 · /);
    expect(out).toContain('Error: no database');
  });

  test('that it waits, and that Ctrl-C leaves the program running', async () => {
    await using session = await Session.open({ 'server.js': dialHome() });
    const starting = session.spawn('start', '--name', 'web', '--ready', 'message', 'server.js');
    const [notice] = (await once(starting.stderr as NodeJS.ReadableStream, 'data')) as [Buffer];
    expect(notice.toString()).toBe('web is not up yet · Ctrl-C leaves it running\n');
    starting.kill('SIGINT');
    await once(starting, 'close');
    expect((await session.rows())[0]?.state).toBe('starting');
  });

  test('that a program without a port is running', async () => {
    await using session = await Session.open({ 'worker.js': dialHome() });
    expect(await session.run('start', 'worker.js')).toMatchObject({
      code: 0,
      out: expect.stringContaining(' is running · pid '),
    });
    expect((await session.rows())[0]?.state).toBe('running');
  });

  test.each([
    ['exit', ['--restart', 'always'], 'web has run and ended · devwatch restarts it · '],
    ['exit', [], 'web has run and ended · devwatch waits for a change · '],
    ['exit', ['--no-watch'], 'web has run and ended · devwatch waits for devwatch restart web · '],
    ['exit 3', ['--max-restarts', '0'], 'web failed: exit 3 · devwatch waits for a change · '],
    ['exit 3', [], 'web failed: exit 3 · devwatch restarts it · '],
  ])('the next step of devwatch after %j with %j', async (order, words, message) => {
    await using session = await Session.open({ 'server.js': dialHome() });
    const starting = session.run('start', '--name', 'web', '--ready', 'message', ...words, 'server.js');
    (await session.home.caller()).send(order);
    expect((await starting).out).toMatch(new RegExp(`^${message}logs: devwatch logs web\n`));
  });

  test('why devwatch has exited with the program under --exit-on-crash', async () => {
    await using session = await Session.open({ 'server.js': `throw new Error('no database');` });
    const { code, out } = await session.run('start', '--name', 'web', '--exit-on-crash', 'server.js');
    expect(code).toBe(1);
    expect(out).toMatch(/^web failed: exit 1 · devwatch has ended with it · /);
    expect(out).toContain('Error: no database');
  });

  test('why devwatch has exited, without the errors of earlier starts', async () => {
    await using session = await Session.open({ 'server.js': listens() });
    fs.mkdirSync(session.file('web', ''), { recursive: true, mode: 0o700 });
    const own = session.file('web', 'devwatch.log');
    fs.writeFileSync(own, 'an earlier failure\n'.repeat(60_000), { mode: 0o600 });
    session.project.write('log', '');
    // A folder for the log cannot be made in a file: this fails only in the background.
    const words = ['start', '--name', 'web', '--log', 'log/1.log', 'server.js'];
    for (let failure = 0; failure < 2; failure += 1) {
      const { code, out } = await session.run(...words);
      expect([code, out]).toEqual([
        1,
        expect.stringMatching(/^web could not be started: .*\n {2}devwatch: cannot make the folder .*\n$/),
      ]);
    }
    expect(fs.statSync(own).size).toBeLessThan(1024);
    expect(fs.readFileSync(`${own}.1`, 'utf8')).toContain('an earlier failure');
  });

  test('that the program was stopped before it was up', async () => {
    await using session = await Session.open({ 'server.js': dialHome() });
    const starting = session.run('start', '--name', 'web', '--ready', 'message', 'server.js');
    await session.home.caller();
    const restarting = session.run('restart', 'web');
    await session.home.caller();
    await session.run('stop', 'web');
    for (const { code, out } of await Promise.all([starting, restarting])) {
      expect(code).toBe(1);
      expect(out).toMatch(/^web ended before it was up/);
    }
  });

  test('which devwatch has the name', async () => {
    await using session = await Session.open({ 'server.js': listens() });
    await session.run('start', '--name', 'web', 'server.js');
    const { pid } = session.record('web');
    const again = await session.run('start', '--name', 'web', 'server.js');
    expect(again).toMatchObject({
      code: 2,
      err: expect.stringContaining(`web is already running in ${session.project.path} (pid ${pid})`),
    });
  });

  test('the mistake in a command line, and starts no program', async () => {
    await using session = await Session.open({ 'server.js': '' });
    const mistakes: readonly (readonly [string[], RegExp])[] = [
      [['start', 'sever.js'], /sever\.js: no such file .* did you mean server\.js/],
      [['start', '--name', '../web', 'server.js'], /"\.\.\/web" cannot be a name/],
      [['start', '--nmae', 'web', 'server.js'], /did you mean --name\?/],
      [['stop'], /stop needs a name: no background program was started in this folder\n/],
      [['stop', ''], /"" is neither a name nor a folder/],
      [['stop', 'nobody'], /no background program is named nobody/],
      [['logs', 'nobody'], /no background program is named nobody/],
      [['list', '--jason'], /--jason/],
    ];
    for (const [words, message] of mistakes) {
      expect(await session.run(...words), words.join(' ')).toMatchObject({
        code: 2,
        err: expect.stringMatching(message),
      });
    }
    expect(await session.rows()).toEqual([]);
  });

  test('for all but one of many at once that the name is taken', async () => {
    const count = isExhaustive ? 50 : 8;
    await using session = await Session.open({ 'server.js': listens() });
    const results = await Promise.all(
      Array.from({ length: count }, () => session.run('start', '--name', 'web', 'server.js')),
    );
    expect(results.filter(({ code }) => code === 0)).toHaveLength(1);
    for (const { code, err } of results.filter((result) => result.code !== 0)) {
      expect(code).toBe(2);
      expect(err).toMatch(/^devwatch: web is already running in /);
    }
    await session.home.caller();
    await session.run('stop', 'web');
    expect(session.home.callers).toHaveLength(1);
  });
});

describe('logs', () => {
  test('hold any amount of output that is printed at once', async () => {
    const much = `process.stdout.write('x'.repeat(5_000_000) + '\\n');`;
    await using session = await Session.open({ 'server.js': `${much}${listens()}` });
    await session.run('start', '--name', 'web', '--no-watch', 'server.js');
    await until(() => session.logOf('web').includes('listening\n'));
    const { out } = await session.run('logs', 'web', '--out');
    expect(out === `${'x'.repeat(5_000_000)}\nlistening\n`).toBe(true);
  });

  test('show both streams, one stream or the last lines, and can be cleared', async () => {
    const prints = `console.log('to stdout'); console.error('to stderr'); ${listens()}`;
    await using session = await Session.open({ 'server.js': prints });
    await session.run('start', '--name', 'web', 'server.js');
    await until(async () => (await session.run('logs', 'web')).out.includes('listening'));
    expect((await session.run('logs', 'web')).out).toContain('to stderr\n');
    expect((await session.run('logs', 'web', '--err')).out).not.toContain('to stdout');
    expect((await session.run('logs', 'web', '--out')).out).toBe('to stdout\nlistening\n');
    expect((await session.run('logs', 'web', '--out', '-n', '1', '-t')).out).toMatch(/^\d{4}-\S+Z listening\n$/);
    expect(fs.statSync(session.file('web', 'output.log')).mode & 0o777).toBe(0o600);
    await session.run('logs', 'web', '--clear');
    expect((await session.run('logs', 'web')).out).toBe('');
  });

  test('have the order of arrival: of both streams, of several programs, and through rotation', async () => {
    const prints = `const { log, error } = console;
      console.log = (text) => (text.startsWith('error') ? error : log)(text);`;
    await using session = await Session.open({ 'server.js': prints + listens() });
    const programs = [];
    for (const name of ['a', 'b']) {
      await session.run('start', '--name', name, '--quiet', '--no-watch', '--log-size', '200', 'server.js');
      programs.push(await session.home.caller());
    }
    const follower = session.spawn('logs', '-f', 'a', 'b');
    let followed = '';
    follower.stdout?.on('data', (chunk) => {
      followed += chunk;
    });
    await until(() => followed.split('listening').length === 3);
    const expected: string[] = [];
    for (let turn = 0; turn < 12; turn += 1) {
      const which = turn % 3 === 0 ? 0 : 1;
      const text = `${turn % 2 === 0 ? 'text' : 'error'} ${turn}`;
      programs[which]?.send(text);
      expected.push(`${which === 0 ? 'a' : 'b'} | ${text}`);
      await until(() => followed.includes(text));
    }
    expect(followed.trim().split('\n').slice(2)).toEqual(expected);
    const { out } = await session.run('logs', 'a', 'b');
    expect(out.trim().split('\n').slice(2)).toEqual(expected);
    expect(fs.existsSync(session.file('b', 'output.log.1'))).toBe(true);
    follower.kill('SIGINT');
    await once(follower, 'close');
  });

  test('can be followed', async () => {
    await using session = await Session.open({ 'server.js': listens() });
    await session.run('start', '--name', 'web', 'server.js');
    const program = await session.home.caller();
    const follower = session.spawn('logs', '-f', 'web');
    let out = '';
    follower.stdout?.on('data', (chunk) => {
      out += chunk;
    });
    await until(() => out.includes('listening'));
    program.send('a line that comes later');
    await until(() => out.includes('a line that comes later'));
    follower.kill('SIGINT');
    expect((await once(follower, 'close'))[0]).toBe(0);
  });

  test.each([
    ['the last lines', 'logs web'],
    ['followed', 'logs -f web'],
  ])('end without an error when the reader closes early: %s', async (_, words) => {
    await using session = await Session.open({ 'server.js': `for (const n of [1, 2, 3]) console.log(n);${listens()}` });
    await session.run('start', '--name', 'web', 'server.js');
    await until(async () => (await session.run('logs', 'web')).out.includes('listening'));
    // The reader exits before the first line arrives.
    const script = `{ "$0" "$1" ${words}; echo "code $?" >&2; } | :`;
    const { stderr } = spawnSync('/bin/sh', ['-c', script, process.execPath, cli], {
      cwd: session.project.path,
      env: session.env,
      encoding: 'utf8',
    });
    expect(stderr).toBe('code 0\n');
  });

  test('go to one file with --log, and outlive the program', async () => {
    await using session = await Session.open({ 'server.js': `console.error('to stderr');${listens()}` });
    await session.run('start', '--name', 'web', '--log', '1.log', 'server.js');
    await until(() => fs.readFileSync(session.project.at('1.log'), 'utf8').includes('listening'));
    expect(fs.readFileSync(session.project.at('1.log'), 'utf8')).toContain('to stderr\n');
    await session.run('stop', 'web');
    expect(fs.readFileSync(session.project.at('1.log'), 'utf8')).toContain('listening\n');
    expect((await session.run('logs', 'web')).out).toContain('listening\n');
    await session.run('start', '--name', 'web', 'server.js');
    await session.run('stop', 'web');
    // The settings of the last start count.
    fs.appendFileSync(session.file('web', 'output.log'), 'in the default place\n');
    expect((await session.run('logs', 'web')).out).toContain('in the default place\n');
  });
});

test('a full disk stops neither the program nor devwatch', async () => {
  const prints = `const print = () => process.stdout.write('x'.repeat(4096) + '\\n', () => setTimeout(print, 1));print();`;
  await using session = await Session.open({ 'server.js': `${prints}${listens()}` });
  // A limit on the size of files acts like a full disk; devwatch's own log exists already.
  fs.mkdirSync(path.dirname(session.file('web', 'devwatch.log')), { recursive: true, mode: 0o700 });
  fs.writeFileSync(session.file('web', 'devwatch.log'), 'x'.repeat(1024 * 1024), { mode: 0o600 });
  const limited = `ulimit -f 200; exec "$0" "$@"`;
  const words = ['-c', limited, process.execPath, cli, 'start', '--name', 'web', '--no-watch', 'server.js'];
  spawnSync('/bin/sh', words, { cwd: session.project.path, env: session.env });
  const program = await session.home.caller();
  // From then on no more output fits.
  await until(() => fs.statSync(session.file('web', 'output.log')).size >= 200 * 512);
  for (let turn = 0; turn < 3; turn += 1) expect((await session.rows())[0]).toMatchObject({ state: 'up', restarts: 0 });
  expect(program.isAlive()).toBe(true);
});

test('attach shows the output and passes input on', async () => {
  const echo = `process.stdin.on('data', (line) => console.log('heard ' + String(line).trim()));${listens()}`;
  await using session = await Session.open({ 'server.js': echo });
  await session.run('start', '--name', 'web', 'server.js');
  const attached = session.spawn('attach', 'web');
  let out = '';
  attached.stdout?.on('data', (chunk) => {
    out += chunk;
  });
  await once(attached.stderr as NodeJS.ReadableStream, 'data');
  attached.stdin?.write('hello\n');
  await until(() => out.includes('heard hello'));
  attached.kill('SIGINT');
  await once(attached, 'close');
  expect((await session.rows())[0]?.state).toBe('up');
});

test('reload applies the settings, and prints the changes or the mistake', async () => {
  await using session = await Session.open({ 'server.js': listens(), '.watchrc': '{"watch": []}' });
  await session.run('start', '--name', 'web', 'server.js');
  expect(await session.run('reload', 'web')).toMatchObject({
    code: 0,
    out: 'web has read its settings again · no changes\n',
  });
  session.project.write('.watchrc', '{"watch": [], "killTimeout": "9s", "minUptime": 5}');
  expect((await session.run('reload', 'web')).out).toBe(
    'web has read its settings again · changed: minUptime, killTimeout\n',
  );
  session.project.write('.watchrc', '{"wacth": []}');
  const { code, out } = await session.run('reload', 'web');
  expect([code, out]).toEqual([
    1,
    expect.stringMatching(/^web: .*unknown key "wacth".* · the old settings stay in force/),
  ]);
  expect((await session.rows())[0]).toMatchObject({ state: 'up', restarts: 0 });
  await session.run('stop', 'web');
  expect(await session.run('reload', 'all')).toMatchObject({ code: 0, out: 'nothing runs in the background\n' });
});

test('reloaded settings take effect, or a warning names those that need a restart of devwatch', async () => {
  const server = `${listens()}setTimeout(() => console.log('it is up'), 1000);`;
  await using session = await Session.open({ 'server.js': server, '.watchrc': '{"watch": []}' });
  await session.run('start', '--name', 'web', 'server.js');
  const more = { watch: [], ready: '/it is up/', logFormat: 'json', logTimestamps: true, liveReload: true };
  session.project.write('.watchrc', JSON.stringify(more));
  await session.run('reload', 'web');
  // The program listens long before it prints that it is up: the new readiness check applies.
  expect((await session.run('restart', 'web')).out).toMatch(/^web is up again after [\d.]+ s · http:/);
  const messages = (await session.run('logs', 'web', '--err')).out.trim().split('\n');
  const ready = JSON.parse(messages.findLast((message) => message.includes('"event":"ready"')) ?? '');
  expect(ready).toMatchObject({ run: 3 });
  expect(ready.ms).toBeGreaterThanOrEqual(1000);
  const text = messages.join('\n');
  expect(text).toContain('liveReload takes effect when devwatch is restarted');
  expect(text).toContain('logTimestamps takes effect when devwatch is restarted');
});

test('reload refuses settings that name several programs', async () => {
  await using session = await Session.open({
    'a.js': listens({ who: 'a' }),
    'b.js': listens({ who: 'b' }),
    '.watchrc': '{"script": "a.js", "name": "web", "watch": []}',
  });
  await session.run('start');
  const program = await session.home.caller();
  session.project.write('.watchrc', '{"apps": {"web": {"script": "b.js"}, "other": {"script": "a.js"}}}');
  expect(await session.run('reload', 'web')).toMatchObject({
    code: 1,
    out: expect.stringContaining('restart devwatch to apply this'),
  });
  expect(program.isAlive()).toBe(true);
});

test('reload of several programs reports each failure and reloads the others', async () => {
  await using session = await Session.open({ 'server.js': listens(), '.watchrc': '{"watch": []}' });
  for (const name of ['a', 'b', 'c']) await session.run('start', '--name', name, 'server.js');
  for (const name of ['a', 'b']) {
    const { socket } = session.record(name);
    fs.rmSync(socket);
    // devwatch checks from time to time whether it has to create the socket again, which fails now.
    fs.mkdirSync(socket);
  }
  const { code, out } = await session.run('reload', 'a', 'b', 'c');
  expect([code, out.trim().split('\n').sort()]).toEqual([
    1,
    [expect.stringMatching(/^a: /), expect.stringMatching(/^b: /), 'c has read its settings again · no changes'],
  ]);
});

test('attach passes a large input on unchanged, and reports the end', async () => {
  const digest = `const hash = require('crypto').createHash('sha256');
    let length = 0;
    process.stdin.on('data', (bytes) => {
      hash.update(bytes);
      length += bytes.length;
      if (bytes.at(-1) === 10) console.log('heard', length, hash.copy().digest('hex'));
    });`;
  await using session = await Session.open({ 'server.js': `${digest}${listens()}` });
  await session.run('start', '--name', 'web', 'server.js');
  const attached = session.spawn('attach', 'web');
  let out = '';
  let err = '';
  attached.stdout?.on('data', (chunk) => {
    out += chunk;
  });
  attached.stderr?.on('data', (chunk) => {
    err += chunk;
  });
  const text = Buffer.from(`${Array.from({ length: 40_000 }, (_, index) => `ä${index}€`).join(' ')}\n`);
  attached.stdin?.write(text);
  await until(() => out.includes(`heard ${text.length} ${createHash('sha256').update(text).digest('hex')}`));
  const ended = once(attached, 'close');
  await session.run('stop', 'web');
  expect(await ended).toEqual([0, null]);
  expect(err).toContain('web has been stopped\n');
});

describe('the classical steps of a daemon', () => {
  test('give devwatch a session of its own, its folder, the user’s umask, and neither terminal nor parent nor descriptors', async () => {
    await using session = await Session.open({
      'server.js': `require(process.env.TEST_DIAL)({ umask: process.umask() }); require('http').createServer().listen(0);`,
    });
    const shell = spawnSync(
      '/bin/sh',
      ['-c', `umask 027; exec "$0" "$@" 7</dev/zero`, process.execPath, cli, 'start', '--name', 'web', 'server.js'],
      {
        cwd: session.project.path,
        env: session.env,
        encoding: 'utf8',
      },
    );
    expect(shell.stdout).toContain('web is up');
    const { pid } = session.record('web');
    // After the name in parentheses: state, parent, group, session, terminal.
    const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    expect(Number(fields[3])).not.toBe(pid);
    expect(Number(fields[4])).toBe(0);
    expect(Number(fields[1])).not.toBe(process.pid);
    expect(fs.readlinkSync(`/proc/${pid}/cwd`)).toBe(session.project.path);
    expect(fs.readlinkSync(`/proc/${pid}/fd/0`)).toBe('/dev/null');
    const open = fs.readdirSync(`/proc/${pid}/fd`).map((fd) => fs.readlinkSync(`/proc/${pid}/fd/${fd}`));
    expect(open.filter((target) => /^\/dev\/(pts|zero)/.test(target) || target === session.project.path)).toEqual([]);
    expect((await session.home.caller()).says.umask).toBe(0o027);
    for (const file of ['record.json', 'environment.json', 'output.log', 'devwatch.log']) {
      expect(fs.statSync(session.file('web', file)).mode & 0o077, file).toBe(0);
    }
  });

  test('let the program outlive the terminal in which it was started', async () => {
    await using session = await Session.open({ 'server.js': listens() });
    const program = await (async () => {
      await using terminal = openTerminal({ cwd: session.project.path, env: session.env as Record<string, string> });
      terminal.line(`${process.execPath} ${cli} start --name web server.js`);
      await terminal.until(/web is up/);
      return session.home.caller();
    })();
    program.send('still here');
    await until(async () => (await session.run('logs', 'web')).out.includes('still here'));
    expect(program.isAlive()).toBe(true);
  });

  test('include SIGTERM, which stops it, and SIGHUP, which reopens its logs', async () => {
    await using session = await Session.open({ 'server.js': listens() });
    await session.run('start', '--name', 'web', 'server.js');
    const program = await session.home.caller();
    const { pid } = session.record('web');
    await until(() => session.logOf('web').includes('listening'));
    fs.renameSync(session.file('web', 'output.log'), session.file('web', 'moved.log'));
    process.kill(pid, 'SIGHUP');
    program.send('into the new file');
    await until(
      () =>
        fs.existsSync(session.file('web', 'output.log')) &&
        /^\S+Z stdout F into the new file\n$/.test(session.logOf('web')),
    );
    process.kill(pid, 'SIGTERM');
    await program.gone;
    await until(() => !isAlive(pid));
    expect((await session.rows()).map(({ state }) => state)).toEqual(['stopped']);
  });
});

test('stop waits for the kill timeout of the current settings, and prints it', async () => {
  await using session = await Session.open({
    'server.js': `process.on('SIGTERM', () => console.log('terminating'));${listens()}`,
    '.watchrc': '{"script": "server.js", "killTimeout": "50s", "watch": []}',
  });
  await session.run('start', '--name', 'web');
  const program = await session.home.caller();
  session.project.write('.watchrc', '{"script": "server.js", "killTimeout": "90s", "watch": []}');
  await session.run('reload', 'web');
  const stopping = session.spawn('stop', 'web');
  let out = '';
  stopping.stdout?.on('data', (chunk) => {
    out += chunk;
  });
  await until(() => out !== '');
  expect(out).toBe('web is still stopping · SIGKILL after 1 min 30 s\n');
  expect([program.isAlive(), session.logOf('web')]).toEqual([true, expect.stringContaining('terminating')]);
  program.send('exit 0');
  await once(stopping, 'close');
  expect(out).toMatch(/\nweb has been stopped\n$/);
});

test('a second stop does not kill the program', async () => {
  await using session = await Session.open({
    'server.js': `process.on('SIGTERM', () => console.log('terminating'));${listens()}`,
  });
  await session.run('start', '--name', 'web', '--no-watch', '--kill-timeout', '50s', 'server.js');
  const program = await session.home.caller();
  const first = session.run('stop', 'web');
  await until(() => session.logOf('web').includes('terminating'));
  const second = session.spawn('stop', 'web');
  const ended = once(second, 'close');
  let out = '';
  second.stdout?.on('data', (chunk) => {
    out += chunk;
  });
  // A long time after the second request.
  await until(() => out.includes('is still stopping'));
  expect(program.isAlive()).toBe(true);
  program.send('exit 0');
  expect(await first).toMatchObject({ code: 0, out: expect.stringMatching(/web has been stopped\n$/) });
  await ended;
  expect(out).toMatch(/web has been stopped\n$/);
});

test('start does not report the failure of a run for the next one', async () => {
  await using session = await Session.open({
    'child.js': `process.on('SIGTERM', () => console.log('the child stays'));${dialHome()}process.send('up');`,
    'server.js': `require('child_process').fork('child.js').on('message', () => process.exit(3));`,
  });
  const starting = session.run('start', '--name', 'web', '-V', '--kill-timeout', '50s', 'server.js');
  const child = await session.home.caller();
  const printed = (): string => session.logOf('web');
  await until(() => printed().includes('the child stays'));
  session.project.write('server.js', listens());
  // The next run is due, and waits only for the end of the child.
  await until(() => session.logOf('web').includes('change server.js'));
  child.send('exit 0');
  expect(await starting).toMatchObject({ code: 0, out: expect.stringContaining('web is up') });
  expect((await session.rows())[0]).toMatchObject({ state: 'up' });
});

test('list shows the CPU time of all processes, including those that have ended', async () => {
  await using session = await Session.open({
    'work.js': `while (process.cpuUsage().user < 300_000);`,
    'server.js': `require('child_process').execFileSync(process.execPath, ['work.js']);${listens()}`,
  });
  await session.run('start', '--name', 'web', '--no-watch', '--exec', 'node server.js; true', '--ready', '/listening/');
  expect((await session.rows())[0]?.cpuTime).toBeGreaterThanOrEqual(200);
});

test('start with the name of one of "apps" starts that program', async () => {
  await using session = await Session.open({
    'web.js': listens({ who: 'web' }),
    'api.js': listens({ who: 'api' }),
    '.watchrc': JSON.stringify({ apps: { web: { script: 'web.js', watch: [] }, api: { script: 'api.js' } } }),
  });
  expect(await session.run('start', 'web')).toMatchObject({ code: 0, out: expect.stringMatching(/^web is up/) });
  await session.run('restart', 'web');
  expect((await session.rows()).map(({ name, state }) => [name, state])).toEqual([['web', 'up']]);
});

test('signals that devwatch does not handle reach the program', async () => {
  await using session = await Session.open({
    'server.js': `for (const name of ['SIGUSR1', 'SIGUSR2']) process.on(name, () => console.log('heard ' + name));${listens()}`,
  });
  await session.run('start', '--name', 'web', '--no-watch', 'server.js');
  for (const name of ['SIGUSR1', 'SIGUSR2'] as const) {
    process.kill(session.record('web').pid, name);
    await until(() => session.logOf('web').includes(`heard ${name}`));
  }
  expect((await session.rows())[0]).toMatchObject({ state: 'up', restarts: 0 });
});

test('devwatch stops cleanly although the folder of its records is gone', async () => {
  await using session = await Session.open({ 'server.js': listens() });
  await session.run('start', '--name', 'web', '--no-watch', 'server.js');
  const program = await session.home.caller();
  const { pid, socket } = session.record('web');
  const folder = path.dirname(session.file('web', 'record.json'));
  fs.renameSync(folder, `${folder}.moved`);
  process.kill(pid, 'SIGTERM');
  await program.gone;
  await until(() => !isAlive(pid));
  expect(fs.existsSync(socket)).toBe(false);
  expect(fs.readFileSync(path.join(`${folder}.moved`, 'devwatch.log'), 'utf8')).not.toContain('    at ');
  fs.rmSync(`${folder}.moved`, { recursive: true });
});

test('after SIGKILL of devwatch no process is left, list shows it as dead, and start works at once', async () => {
  await using session = await Session.open({ 'server.js': listens() });
  await session.run('start', '--name', 'web', 'server.js');
  const program = await session.home.caller();
  process.kill(session.record('web').pid, 'SIGKILL');
  await program.gone;
  expect((await session.rows())[0]).toMatchObject({ name: 'web', state: 'dead' });
  expect(await session.run('start', '--name', 'web', 'server.js')).toMatchObject({ code: 0 });
  expect((await session.rows())[0]).toMatchObject({ name: 'web', state: 'up' });
});

test('a program that was killed, or stopped, starts again from any folder with its words, folder and variables', async () => {
  await using session = await Session.open({
    'app/server.js': `require(process.env.TEST_DIAL)({ color: process.env.COLOR, cwd: process.cwd() });
      require('http').createServer().listen(0);`,
  });
  const color = { COLOR: 'red' };
  await session.runIn(session.project.at('app'), color, 'start', '--name', 'web', '--no-watch', 'server.js', 'word');
  const first = await session.home.caller();
  process.kill(session.record('web').pid, 'SIGKILL');
  await first.gone;
  for (const words of [
    ['restart', 'web'],
    ['stop', 'web'],
    ['start', 'all'],
  ]) {
    const { code, out } = await session.runIn('/', { COLOR: 'blue' }, ...words);
    expect(code, words.join(' ')).toBe(0);
    if (words[0] === 'stop') continue;
    const { pid, says } = await session.home.caller();
    expect(says).toMatchObject({ color: 'red', cwd: session.project.at('app'), argv: ['word'] });
    expect(out).toMatch(new RegExp(`^web is up after .* · pid ${pid} · `));
  }
  // In its folder the program needs no name.
  const folder = session.project.at('app');
  expect(await session.runIn(folder, {}, 'stop')).toMatchObject({ code: 0, out: 'web has been stopped\n' });
  expect(await session.runIn(folder, {}, 'delete')).toMatchObject({ code: 0, out: 'web has been deleted\n' });
  expect(fs.existsSync(session.file('web', ''))).toBe(false);
});

test.each([
  ['another boot', (record: BackgroundRecord) => ({ ...record, boot: 'another' })],
  ['a number that was given away again', (record: BackgroundRecord) => ({ ...record, startTime: '1' })],
])('list shows a record of %s as dead, and kills no process', async (_, change) => {
  await using session = await Session.open({ 'server.js': listens() });
  await session.run('start', '--name', 'web', 'server.js');
  const program = await session.home.caller();
  const record = session.record('web');
  fs.writeFileSync(session.file('web', 'record.json'), JSON.stringify(change(record)), { mode: 0o600 });
  expect((await session.rows())[0]?.state).toBe('dead');
  expect(isAlive(record.pid)).toBe(true);
  expect(program.isAlive()).toBe(true);
  fs.writeFileSync(session.file('web', 'record.json'), JSON.stringify(record), { mode: 0o600 });
});

test('list shows a record of another container as unknown', async () => {
  await using session = await Session.open({ 'server.js': listens() });
  await session.run('start', '--name', 'web', 'server.js');
  const record = session.record('web');
  fs.writeFileSync(session.file('web', 'record.json'), JSON.stringify({ ...record, namespace: '1' }), { mode: 0o600 });
  expect((await session.rows())[0]?.state).toBe('unknown');
  fs.writeFileSync(session.file('web', 'record.json'), JSON.stringify(record), { mode: 0o600 });
});

test('stop stops a program once, although its record is damaged and its name is given twice', async () => {
  await using session = await Session.open({ 'server.js': listens() });
  await session.run('start', '--name', 'web', 'server.js');
  const program = await session.home.caller();
  fs.writeFileSync(session.file('web', 'record.json'), '{"name":', { mode: 0o600 });
  expect((await session.rows())[0]).toMatchObject({ name: 'web', state: 'unknown' });
  expect(await session.run('stop', 'web', 'web')).toMatchObject({ code: 0, out: 'web has been stopped\n' });
  await program.gone;
  expect(await session.rows()).toEqual([]);
});

test.skipIf(process.getuid?.() !== 0)(
  'another user can neither read the logs nor connect to the control socket',
  async () => {
    await using session = await Session.open({ 'server.js': listens() });
    await session.run('start', '--name', 'web', 'server.js');
    const { socket, log } = session.record('web');
    const look = `const fs = require('fs'), net = require('net');
    const tries = [${JSON.stringify(log.file)}, ${JSON.stringify(session.file('web', 'record.json'))}].map((file) => { try { fs.readFileSync(file); return 'read'; } catch (error) { return error.code; } });
    net.connect(${JSON.stringify(socket)}).on('connect', () => end('connected')).on('error', (error) => end(error.code));
    const end = (last) => { console.log([...tries, last].join()); process.exit(); };`;
    const { stdout } = spawnSync(process.execPath, ['-e', look], {
      uid: 65_534,
      gid: 65_534,
      encoding: 'utf8',
      cwd: '/',
      env: {},
    });
    expect(stdout.trim()).toBe('EACCES,EACCES,EACCES');
  },
);
