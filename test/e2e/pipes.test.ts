/** What a program prints, where devwatch hears it, goes through a pipe such as a shell makes, and nothing is left of it. */

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Devwatch, startDevwatch } from '../support/devwatch.ts';
import { childrenOf, stateOf, until } from '../support/facts.ts';
import { dialHome, openHome } from '../support/home.ts';
import { createProject, type Project } from '../support/project.ts';
import { Session } from '../support/session.ts';

/** A shell script that opens its streams by their names. */
const byName = 'echo "$1 out" >/dev/stdout\necho "$1 err" >/dev/stderr\n';

describe('streams can be opened by their names', () => {
  test('side by side', async () => {
    await using project = createProject({
      '.watchrc': JSON.stringify({ apps: { web: { exec: 'sh print.sh web' }, api: { exec: 'sh print.sh api' } } }),
      'print.sh': byName,
    });
    await using devwatch = startDevwatch([], { cwd: project.path });
    await devwatch.event('exit', ({ app }) => app === 'web');
    await devwatch.event('exit', ({ app }) => app === 'api');
    await devwatch.end();
    expect(devwatch.stdout().split('\n').sort()).toEqual(['', 'api | api out', 'web | web out']);
    expect([...devwatch.otherLines].sort()).toEqual(['api | api err', 'web | web err']);
  });

  test('in the background', async () => {
    await using session = await Session.open({ 'print.sh': `${byName}exec sleep 600` });
    await session.run('start', '--name', 'web', '--ready', '/err/', '--exec', 'sh print.sh web');
    const logged = (file: string): string => fs.readFileSync(session.file('web', file), 'utf8');
    await until(() => logged('err.log').includes('web err\n') && logged('out.log').includes('web out\n'));
  });

  test('with --ready /text/', async () => {
    await using project = createProject({ 'print.sh': `${byName}exec sleep 600` });
    await using devwatch = startDevwatch(['--ready', '/web err/', '--exec', 'sh print.sh web'], { cwd: project.path });
    await devwatch.event('ready');
    await until(() => devwatch.otherLines.includes('web err') && devwatch.stdout() === 'web out\n');
  });
});

test('a Node program that ends at once loses no short lines that a pipe holds, however late they are read', async () => {
  await using home = await openHome();
  const lines = Array.from({ length: 6000 }, (_, index) => String(index));
  await using project = createProject({
    'server.js': `${dialHome()}process.on('SIGUSR2', () => {
      for (let line = 0; line < ${lines.length}; line += 1) console.log(String(line));
      process.exit();
    });`,
  });
  await using devwatch = startDevwatch(['--ready', '/never/', 'server.js'], { cwd: project.path, env: home.env });
  const { pid } = await home.next();
  devwatch.process.kill('SIGSTOP');
  await until(() => stateOf(devwatch.pid) === 'T');
  process.kill(pid, 'SIGUSR2');
  await until(() => stateOf(pid) === 'Z');
  devwatch.process.kill('SIGCONT');
  await devwatch.event('exit');
  await devwatch.end();
  expect(devwatch.stdout().trimEnd().split('\n')).toEqual(lines);
});

test('a program that makes its stdout non-blocking does so for no other one', async () => {
  await using home = await openHome();
  const flags = "require('fs').readFileSync('/proc/self/fdinfo/1', 'latin1').match(/^flags:\\s*(\\d+)$/m)[1]";
  await using project = createProject({
    'server.js': `const before = ${flags};process.stdout;${dialHome()}
      require(process.env.TEST_DIAL)({ before, after: ${flags} });`,
  });
  await using devwatch = startDevwatch(['--ready', '/never/', 'server.js'], { cwd: project.path, env: home.env });
  const blocks = (octal: unknown): boolean => (Number.parseInt(String(octal), 8) & fs.constants.O_NONBLOCK) === 0;
  const says = async () => (await home.until((caller) => caller.says.before !== undefined)).says;
  const first = await says();
  expect([blocks(first.before), blocks(first.after)]).toEqual([true, false]);
  await devwatch.event('standby');
  fs.appendFileSync(project.at('server.js'), '// saved\n');
  const second = await says();
  expect([blocks(second.before), blocks(second.after)]).toEqual([true, false]);
});

test('what outlives its run goes on to be heard', async () => {
  await using home = await openHome();
  const kept = "require(process.env.TEST_DIAL)({ who: 'kept' })";
  const spawns = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(kept)}],
    { detached: true, stdio: 'inherit', env: { ...process.env, DEVWATCH_KEEP: '1' } }).unref();`;
  await using project = createProject({ 'server.js': spawns + dialHome({ who: 'first' }) });
  await using devwatch = startDevwatch(['--ready', '/from the kept/', 'server.js'], {
    cwd: project.path,
    env: home.env,
  });
  const callers = [await home.next(), await home.next()];
  const daemon = callers.find(({ says }) => says.who === 'kept');
  await devwatch.event('watching');
  project.write('server.js', dialHome({ who: 'second' }));
  await home.until(({ says }) => says.who === 'second');
  daemon?.send('from the kept');
  await until(() => devwatch.stdout() === 'from the kept\n');
  daemon?.send('exit');
  await daemon?.gone;
});

describe('nothing is left', () => {
  /** What the descriptors of a process that are pipes of ours lead to. */
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

  /** Does somebody write to each pipe that devwatch reads? Between fork and exec a child has all that devwatch has. */
  function allAreInUse({ pid }: Devwatch): boolean {
    const written = childrenOf(pid).flatMap((child) => pipesOf(child.pid).filter(({ descriptor }) => descriptor <= 2));
    return pipesOf(pid).every(({ target }) => written.some((pipe) => pipe.target === target));
  }

  const start = (flags: readonly string[], project: Project, env: Readonly<Record<string, string>>): Devwatch =>
    startDevwatch([...flags, '--ready', '/never/', 'server.js'], {
      cwd: project.path,
      env: { ...env, XDG_STATE_HOME: project.at('state') },
    });

  test('of the pipes of runs that have ended', async () => {
    await using home = await openHome();
    await using project = createProject({ 'server.js': dialHome({ version: 0 }) });
    await using devwatch = start(['--no-standby'], project, home.env);
    await devwatch.event('watching');
    for (let version = 1; version <= 5; version += 1) {
      const { pid } = await home.next();
      expect(pipesOf(pid).map(({ descriptor }) => descriptor)).toEqual([1, 2]);
      project.write('server.js', dialHome({ version }));
    }
    await home.next();
    await until(() => pipesOf(devwatch.pid).length === 2 && allAreInUse(devwatch));
  });

  test('of those of processes that were prepared, taken and given up', async () => {
    await using home = await openHome();
    const server = (version: number): string => `require('one');${dialHome({ version })}`;
    await using project = createProject({
      'server.js': server(0),
      'package.json': '{}',
      // Printed while it is prepared: nobody reads it if it is given up.
      'node_modules/one/index.js': "console.log('loaded');",
    });
    await using devwatch = start(['--prewarm'], project, home.env);
    await home.next();
    await devwatch.event('standby');
    expect(pipesOf(devwatch.pid)).toHaveLength(4);
    project.write('server.js', server(1));
    await home.next();
    expect((await devwatch.event('start', ({ run }) => run === 2)).standby).toBe(true);
    const { pid: old } = await devwatch.event('standby');
    // It has read this one.
    project.write('package.json', '{ "name": "other" }');
    await home.next();
    await until(() => stateOf(old) === undefined && allAreInUse(devwatch));
  });

  test('of their names, and whatever else is started inherits none', async () => {
    await using home = await openHome();
    const lists =
      "require('fs').readdirSync('/proc/self/fd').map((name) => { try { return require('fs').readlinkSync('/proc/self/fd/' + name) } catch { return '' } })";
    await using project = createProject({
      'server.js': dialHome(),
      'hook.cjs': `require(process.env.TEST_DIAL)({ hook: ${lists} }).end();`,
      '.watchrc': JSON.stringify({ on: { start: ['node', 'hook.cjs'] }, ignore: ['hook.cjs'] }),
    });
    await using devwatch = start(['--no-standby'], project, home.env);
    const { says } = await home.until((caller) => caller.says.hook !== undefined);
    expect((says.hook as string[]).filter((target) => target.includes('/pipes-'))).toEqual([]);
    expect(pipesOf(devwatch.pid)).toHaveLength(2);
    expect(pipesOf(devwatch.pid).filter(({ target }) => !target.endsWith(' (deleted)'))).toEqual([]);
    const state = path.join(project.at('state'), 'devwatch');
    expect(fs.readdirSync(state).filter((name) => name.startsWith('pipes-'))).toEqual([]);
  });
});

test('where no pipe can be made, what is printed is heard all the same', async () => {
  await using home = await openHome();
  await using project = createProject({
    'server.js': `console.log('isFIFO', require('fs').fstatSync(1).isFIFO());${dialHome()}`,
  });
  await using devwatch = startDevwatch(['--ready', '/isFIFO/', 'server.js'], {
    cwd: project.path,
    env: { ...home.env, PATH: project.path },
  });
  await devwatch.event('ready');
  await devwatch.end();
  expect(devwatch.stdout()).toBe('isFIFO false\n');
});

test('with --stdin pipe nobody is read faster than the program reads: the next run gets what is left', async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': dialHome() });
  await using devwatch = startDevwatch(['--stdin', 'pipe', 'server.js'], { cwd: project.path, env: home.env });
  await home.next();
  await devwatch.event('watching');
  const sent = 16_000_000;
  devwatch.process.stdin?.end(Buffer.alloc(sent));
  project.write(
    'server.js',
    `let bytes = 0;
    process.stdin.on('data', (chunk) => (bytes += chunk.length)).on('end', () => {
      require(process.env.TEST_DIAL)({ bytes });
    });`,
  );
  const { says } = await home.next();
  // What the first run had in its pipe is lost, and one chunk.
  expect(Number(says.bytes)).toBeGreaterThan(sent - 1_000_000);
});

test('with --stdin pipe what comes while no program runs is for the next one', async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': '' });
  await using devwatch = startDevwatch(['--stdin', 'pipe', 'server.js'], { cwd: project.path, env: home.env });
  await devwatch.event('exit');
  await devwatch.event('watching');
  devwatch.process.stdin?.end('for the next one');
  project.write(
    'server.js',
    `require('stream/consumers').text(process.stdin).then((heard) => require(process.env.TEST_DIAL)({ heard }));`,
  );
  expect((await home.next()).says.heard).toBe('for the next one');
});
