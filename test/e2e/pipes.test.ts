/** The output of a program that devwatch captures goes through kernel pipes, as in a shell. */

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { start } from '../support/app.ts';
import { type Devwatch, startDevwatch } from '../support/devwatch.ts';
import { childrenOf, stateOf, until } from '../support/facts.ts';
import { dialHome, openHome } from '../support/home.ts';
import { createProject, type Project } from '../support/project.ts';
import { Session } from '../support/session.ts';

/** A shell script that opens its streams by their names. */
const byName = 'echo "$1 out" >/dev/stdout\necho "$1 err" >/dev/stderr\n';

describe('a program can open its streams by name', () => {
  test('as one of several programs', async () => {
    await using app = await start({
      files: {
        '.watchrc': JSON.stringify({ apps: { web: { exec: 'sh print.sh web' }, api: { exec: 'sh print.sh api' } } }),
        'print.sh': byName,
      },
    });
    await app.event('exit', ({ app }) => app === 'web');
    await app.event('exit', ({ app }) => app === 'api');
    await app.end();
    expect(app.stdout().split('\n').sort()).toEqual(['', 'api | api out', 'web | web out']);
    expect([...app.otherLines].sort()).toEqual(['api | api err', 'web | web err']);
  });

  test('in the background', async () => {
    await using session = await Session.open({ 'print.sh': `${byName}exec sleep 600` });
    await session.run('start', '--name', 'web', '--ready', '/err/', '--exec', 'sh print.sh web');
    const isLogged = (line: string): boolean => session.logOf('web').includes(` F web ${line}\n`);
    await until(() => isLogged('err') && isLogged('out'));
  });

  test('with --ready /text/', async () => {
    await using app = await start({
      files: { 'print.sh': `${byName}exec sleep 600` },
      args: ['--ready', '/web err/', '--exec', 'sh print.sh web'],
    });
    await app.event('ready');
    await until(() => app.otherLines.includes('web err') && app.stdout() === 'web out\n');
  });
});

test('a Node program that exits at once loses no lines that fit into a pipe, however late devwatch reads them', async () => {
  const lines = Array.from({ length: 6000 }, (_, index) => String(index));
  await using app = await start({
    files: {
      'server.js': `${dialHome()}process.on('SIGUSR2', () => {
      for (let line = 0; line < ${lines.length}; line += 1) console.log(String(line));
      process.exit();
    });`,
    },
    args: ['--ready', '/never/', 'server.js'],
  });
  const { pid } = await app.caller();
  app.process.kill('SIGSTOP');
  await until(() => stateOf(app.pid) === 'T');
  process.kill(pid, 'SIGUSR2');
  await until(() => stateOf(pid) === 'Z');
  app.process.kill('SIGCONT');
  await app.event('exit');
  await app.end();
  expect(app.stdout().trimEnd().split('\n')).toEqual(lines);
});

test('a program that makes its stdout non-blocking does not affect other programs', async () => {
  const flags = "require('fs').readFileSync('/proc/self/fdinfo/1', 'latin1').match(/^flags:\\s*(\\d+)$/m)[1]";
  await using app = await start({
    files: {
      'server.js': `const before = ${flags};process.stdout;${dialHome()}
      require(process.env.TEST_DIAL)({ before, after: ${flags} });`,
    },
    args: ['--ready', '/never/', 'server.js'],
  });
  const blocks = (octal: unknown): boolean => (Number.parseInt(String(octal), 8) & fs.constants.O_NONBLOCK) === 0;
  const says = async () => (await app.caller((caller) => caller.says.before !== undefined)).says;
  const first = await says();
  expect([blocks(first.before), blocks(first.after)]).toEqual([true, false]);
  await app.event('standby');
  fs.appendFileSync(app.at('server.js'), '// saved\n');
  const second = await says();
  expect([blocks(second.before), blocks(second.after)]).toEqual([true, false]);
});

test('devwatch reads the output of a process that outlives its run', async () => {
  const kept = "require(process.env.TEST_DIAL)({ who: 'kept' })";
  const spawns = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(kept)}],
    { detached: true, stdio: 'inherit', env: { ...process.env, DEVWATCH_KEEP: '1' } }).unref();`;
  await using app = await start({
    files: { 'server.js': spawns + dialHome({ who: 'first' }) },
    args: ['--ready', '/from the kept/', 'server.js'],
  });
  const callers = [await app.caller(), await app.caller()];
  const daemon = callers.find(({ says }) => says.who === 'kept');
  await app.event('watching');
  app.write('server.js', dialHome({ who: 'second' }));
  await app.caller(({ says }) => says.who === 'second');
  daemon?.send('from the kept');
  await until(() => app.stdout() === 'from the kept\n');
  daemon?.send('exit');
  await daemon?.gone;
});

describe('devwatch closes the pipes', () => {
  /** The descriptors of a process that lead to devwatch's pipes. */
  function pipesOf(pid: number): { descriptor: number; target: string }[] {
    const folder = `/proc/${pid}/fd`;
    const names = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
    return names.flatMap((name) => {
      try {
        const target = fs.readlinkSync(`${folder}/${name}`);
        return target.includes('/pipes-') ? [{ descriptor: Number(name), target }] : [];
      } catch {
        return []; // It has just been closed.
      }
    });
  }

  /** Whether each pipe that devwatch reads has a writer. Between fork and exec a child has all descriptors of devwatch. */
  function allAreInUse({ pid }: Devwatch): boolean {
    const written = childrenOf(pid).flatMap((child) => pipesOf(child.pid).filter(({ descriptor }) => descriptor <= 2));
    return pipesOf(pid).every(({ target }) => written.some((pipe) => pipe.target === target));
  }

  const startCaptured = (flags: readonly string[], project: Project, env: Readonly<Record<string, string>>): Devwatch =>
    startDevwatch([...flags, '--ready', '/never/', 'server.js'], {
      cwd: project.path,
      env: { ...env, XDG_STATE_HOME: project.at('state') },
    });

  test('of runs that have ended', async () => {
    await using home = await openHome();
    await using project = createProject({ 'server.js': dialHome({ version: 0 }) });
    await using devwatch = startCaptured(['--no-standby'], project, home.env);
    await devwatch.event('watching');
    for (let version = 1; version <= 5; version += 1) {
      const { pid } = await home.caller();
      expect(pipesOf(pid).map(({ descriptor }) => descriptor)).toEqual([1, 2]);
      project.write('server.js', dialHome({ version }));
    }
    await home.caller();
    await until(() => pipesOf(devwatch.pid).length === 2 && allAreInUse(devwatch));
  });

  test('of standbys that were taken or discarded', async () => {
    await using home = await openHome();
    const server = (version: number): string => `require('one');${dialHome({ version })}`;
    await using project = createProject({
      'server.js': server(0),
      'package.json': '{}',
      // A discarded standby's output is not read.
      'node_modules/one/index.js': "console.log('loaded');",
    });
    await using devwatch = startCaptured(['--prewarm'], project, home.env);
    await home.caller();
    await devwatch.event('standby');
    // Those of the process that has looked at the packages are closed.
    await until(() => pipesOf(devwatch.pid).length === 4);
    project.write('server.js', server(1));
    await home.caller();
    expect((await devwatch.event('start', ({ run }) => run === 2)).standby).toBe(true);
    const { pid: old } = await devwatch.event('standby');
    // The standby has read this file.
    project.write('package.json', '{ "name": "other" }');
    await home.caller();
    await until(() => stateOf(old) === undefined && allAreInUse(devwatch));
  });

  test('for hooks, and removes their names', async () => {
    await using home = await openHome();
    const lists =
      "require('fs').readdirSync('/proc/self/fd').map((name) => { try { return require('fs').readlinkSync('/proc/self/fd/' + name) } catch { return '' } })";
    await using project = createProject({
      'server.js': dialHome(),
      'hook.cjs': `require(process.env.TEST_DIAL)({ hook: ${lists} }).end();`,
      '.watchrc': JSON.stringify({ on: { start: ['node', 'hook.cjs'] }, ignore: ['hook.cjs'] }),
    });
    await using devwatch = startCaptured(['--no-standby'], project, home.env);
    const { says } = await home.caller((caller) => caller.says.hook !== undefined);
    expect((says.hook as string[]).filter((target) => target.includes('/pipes-'))).toEqual([]);
    expect(pipesOf(devwatch.pid)).toHaveLength(2);
    expect(pipesOf(devwatch.pid).filter(({ target }) => !target.endsWith(' (deleted)'))).toEqual([]);
    const state = path.join(project.at('state'), 'devwatch');
    expect(fs.readdirSync(state).filter((name) => name.startsWith('pipes-'))).toEqual([]);
  });
});

test('devwatch captures the output even where it cannot create pipes', async () => {
  await using app = await start({
    files: {
      'server.js': `console.log('isFIFO', require('fs').fstatSync(1).isFIFO());${dialHome()}`,
    },
    args: ['--ready', '/isFIFO/', 'server.js'],
    env: { PATH: '/' },
  });
  await app.event('ready');
  await app.end();
  expect(app.stdout()).toBe('isFIFO false\n');
});

test('--stdin pipe reads no faster than the program, and the next run reads the rest', async () => {
  await using app = await start({ files: { 'server.js': dialHome() }, args: ['--stdin', 'pipe', 'server.js'] });
  await app.caller();
  await app.event('watching');
  const sent = 16_000_000;
  app.process.stdin?.end(Buffer.alloc(sent));
  app.write(
    'server.js',
    `let bytes = 0;
    process.stdin.on('data', (chunk) => (bytes += chunk.length)).on('end', () => {
      require(process.env.TEST_DIAL)({ bytes });
    });`,
  );
  const { says } = await app.caller();
  // The content of the first run's pipe is lost, and one chunk.
  expect(Number(says.bytes)).toBeGreaterThan(sent - 1_000_000);
});

test('--stdin pipe keeps input that arrives while no program runs for the next run', async () => {
  await using app = await start({ files: { 'server.js': '' }, args: ['--stdin', 'pipe', 'server.js'] });
  await app.event('exit');
  await app.event('watching');
  app.process.stdin?.end('for the next one');
  app.write(
    'server.js',
    `require('stream/consumers').text(process.stdin).then((heard) => require(process.env.TEST_DIAL)({ heard }));`,
  );
  expect((await app.caller()).says.heard).toBe('for the next one');
});

describe('if the reader of stdout ends', () => {
  test('a program whose output devwatch reads goes on, and so does devwatch', async () => {
    const ticks = (version: number): string =>
      `process.stdout.on('error', () => process.exit(1)); setInterval(() => console.log('tick'), 5);\n${dialHome({ version })}`;
    await using app = await start({ files: { 'server.js': ticks(1) }, args: ['--ready', '/tick/', 'server.js'] });
    await app.event('ready');
    await app.event('watching');
    app.process.stdout?.destroy();
    app.write('server.js', ticks(2));
    await app.event('ready', ({ run }) => run === 2);
    app.write('server.js', ticks(3));
    await app.event('ready', ({ run }) => run === 3);
    expect(await app.end()).toEqual({ code: null, signal: 'SIGTERM' });
    expect([app.events.filter(({ event }) => event === 'crash'), app.otherLines]).toEqual([[], []]);
  });

  test('a program that ends of it is not started again before a change', async () => {
    const ticks = "setInterval(() => console.log('tick'), 5);";
    await using app = await start({ files: { 'server.js': ticks }, args: ['server.js'] });
    await app.event('watching');
    await app.until('output', () => app.stdout().includes('tick'));
    app.process.stdout?.destroy();
    const { outcome, next } = await app.event('crash');
    expect(outcome.reason).toBe('the reader of stdout has ended, and so has the program (exit 1)');
    expect(next).toMatchObject({ kind: 'wait', for: 'change' });
  });
});

test('Python prints without a buffer where stdout is no terminal', async () => {
  await using app = await start({ files: { 'a.sh': 'echo "unbuffered: $PYTHONUNBUFFERED"' }, args: ['sh', 'a.sh'] });
  await app.event('exit');
  await app.end();
  expect(app.stdout()).toBe('unbuffered: 1\n');
});
