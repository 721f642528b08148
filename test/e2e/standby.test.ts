/** Restarts by a process that had been booted before. What such a program sees is in standby-semantics.test.ts. */

import { once } from 'node:events';
import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { start } from '../support/app.ts';
import { startDevwatch } from '../support/devwatch.ts';
import { isAlive, until } from '../support/facts.ts';
import { dialHome, openHome } from '../support/home.ts';
import { createProject } from '../support/project.ts';

test('a save after the standby is ready is a restart by it, and then there is another', async () => {
  await using app = await start({ files: { 'server.js': dialHome({ version: 1 }) }, args: ['server.js'] });
  expect((await app.event('start')).standby).toBe(false);
  await app.caller();
  for (let version = 2; version <= 4; version += 1) {
    const { pid } = await app.event('standby');
    app.write('server.js', dialHome({ version }));
    expect((await app.caller()).says).toMatchObject({ version, pid });
    expect(await app.event('start')).toMatchObject({ standby: true, pid });
  }
  expect(app.mostAlive).toBe(1);
});

test('by hand and after a crash, too', async () => {
  await using app = await start({ files: { 'server.js': dialHome() }, args: ['server.js'] });
  const first = await app.caller();
  const { pid } = await app.event('standby');
  first.send('crash');
  expect((await app.caller()).pid).toBe(pid);
});

test('with --no-standby there is none', async () => {
  await using home = await openHome();
  await using project = createProject({ 'a.js': dialHome({ name: 'a' }), 'b.js': dialHome({ name: 'b' }) });
  await using without = startDevwatch(['--no-standby', 'a.js'], { cwd: project.path, env: home.env });
  await home.caller();
  await using other = startDevwatch(['b.js'], { cwd: project.path, env: home.env });
  // Started later, it has got its own.
  await other.event('standby');
  project.write('a.js', dialHome({ name: 'a', again: true }));
  await home.caller(({ says }) => says.again === true);
  expect((await without.event('start', ({ run }) => run === 2)).standby).toBe(false);
  expect(without.events.map(({ event }) => event)).not.toContain('standby');
});

test('a program that reads a pipe keeps it as it is: there is no standby then', async () => {
  await using app = await start({
    files: {
      'reads.js': `process.stdin.resume();\n${dialHome({ reads: 1 })}`,
      'other.js': dialHome({ reads: 0 }),
    },
    args: ['reads.js'],
  });
  const flagsOf = (pid: number): string => fs.readFileSync(`/proc/${pid}/fdinfo/0`, 'utf8');
  const { pid } = await app.caller();
  const flags = flagsOf(pid);
  await using other = startDevwatch(['other.js'], { cwd: app.path, env: app.env });
  // Started later, it has got its own.
  await other.event('standby');
  expect(flagsOf(pid)).toBe(flags);
  fs.appendFileSync(app.at('reads.js'), '// saved');
  await app.caller(({ says }) => says.reads === 1);
  expect((await app.event('start', ({ run }) => run === 2)).standby).toBe(false);
});

describe('a standby is given up when what it has read may have changed:', () => {
  test.each([
    ['package.json', '{"type": "commonjs"}'],
    ['tsconfig.json', '{}'],
  ])('%s', async (file, content) => {
    await using app = await start({ files: { 'server.js': dialHome(), [file]: '{ }' }, args: ['server.js'] });
    await app.caller();
    const { pid } = await app.event('standby');
    app.write(file, content);
    expect((await app.caller()).pid).not.toBe(pid);
    expect((await app.event('start', ({ run }) => run === 2)).standby).toBe(false);
    await until(() => !isAlive(pid));
    await app.event('standby');
  });

  test('an environment file, whose new variables the next run has', async () => {
    await using app = await start({
      files: {
        'server.js': 'require(process.env.TEST_DIAL)({ a: process.env.A, b: process.env.B });',
        '.env': 'A=1\nB=1',
      },
      args: ['--env-file', '.env', 'server.js'],
    });
    expect((await app.caller()).says).toMatchObject({ a: '1', b: '1' });
    const { pid } = await app.event('standby');
    app.write('.env', 'A=2');
    const { says } = await app.caller();
    expect(says).toMatchObject({ a: '2' });
    expect(says).not.toHaveProperty('b');
    expect(says.pid).not.toBe(pid);
  });
});

test('ten saves in quick succession end with the last content running, one program at a time', async () => {
  await using app = await start({ files: { 'server.js': dialHome({ version: 0 }) }, args: ['server.js'] });
  await app.caller();
  await app.event('standby');
  for (let version = 1; version <= 10; version += 1) {
    app.write('server.js', dialHome({ version }));
    await app.event('change');
  }
  const last = await app.caller(({ says }) => says.version === 10);
  expect(last.isAlive()).toBe(true);
  expect(app.mostAlive).toBe(1);
});

test.each(['0', '1'])('SIGKILL of devwatch leaves nothing of it (DEVWATCH_CGROUP=%s)', async (cgroup) => {
  await using app = await start({
    files: { 'server.js': dialHome() },
    args: ['server.js'],
    env: { DEVWATCH_CGROUP: cgroup },
  });
  const { gone } = await app.caller();
  const { pid } = await app.event('standby');
  app.process.kill('SIGKILL');
  await once(app.process, 'exit');
  await gone;
  await until(() => !isAlive(pid));
});

test('the end of devwatch is the end of the standby', async () => {
  await using app = await start({ files: { 'server.js': dialHome() }, args: ['server.js'] });
  await app.caller();
  const { pid } = await app.event('standby');
  await app.end();
  expect(isAlive(pid)).toBe(false);
});

/** A package that tells when it is loaded, and by whom. */
const talkative = `
globalThis.loads = (globalThis.loads ?? 0) + 1;
exports.loadedBeforeBegin = process.env.DEVWATCH_RUN === undefined;
exports.parent = module.parent?.filename;
`;

describe('with --prewarm', () => {
  async function prewarmed(server: string, content: string, packages: Record<string, string>, flags = ['--prewarm']) {
    const home = await openHome();
    const project = createProject({ [server]: content, ...packages });
    const devwatch = startDevwatch([...flags, server], { cwd: project.path, env: home.env });
    await home.caller();
    await devwatch.event('standby');
    return {
      home,
      project,
      devwatch,
      /** Saves the script again, and returns what its next run says. */
      async restart() {
        fs.appendFileSync(project.at(server), '// saved\n');
        return (await home.caller()).says;
      },
      async [Symbol.asyncDispose]() {
        await devwatch.end();
        await home[Symbol.asyncDispose]();
        await project[Symbol.asyncDispose]();
      },
    };
  }

  const packages = {
    'node_modules/one/index.js': talkative,
    'node_modules/two/index.js': talkative,
    'node_modules/esm/index.mjs': 'export const loadedBeforeBegin = process.env.DEVWATCH_RUN === undefined;',
    'node_modules/esm/package.json': '{"exports": "./index.mjs"}',
    'node_modules/two/package.json': '{"name": "two"}',
    'own.js': talkative,
  };
  const commonJs = `
    const [one, two, own] = ['one', 'two', './own.js'].map((name) => require(name).loadedBeforeBegin);
    require(process.env.TEST_DIAL)({ one, two, own, loads: globalThis.loads, parent: require('one').parent });\n`;

  test('packages are loaded ahead of time, once, as if by the script; files of the program never', async () => {
    await using world = await prewarmed('server.js', commonJs, packages);
    for (let restart = 0; restart < 2; restart += 1) {
      expect(await world.restart()).toMatchObject({
        one: true,
        two: true,
        own: false,
        loads: 3,
        parent: world.project.at('server.js'),
      });
      await world.devwatch.event('standby');
    }
  });

  test('of those that are named only those', async () => {
    await using world = await prewarmed('server.js', commonJs, { ...packages, '.watchrc': '{"prewarm": ["two"]}' }, []);
    expect(await world.restart()).toMatchObject({ one: false, two: true, own: false });
  });

  test('ES modules are, too', async () => {
    await using world = await prewarmed(
      'server.mjs',
      `import { loadedBeforeBegin } from 'esm';
      import { createRequire } from 'node:module';
      createRequire(import.meta.url)(process.env.TEST_DIAL)({ loadedBeforeBegin });\n`,
      packages,
    );
    expect(await world.restart()).toMatchObject({ loadedBeforeBegin: true });
  });

  test('a package that was edited or installed anew is loaded by the run itself', async () => {
    await using world = await prewarmed('server.js', commonJs, packages);
    world.project.write('node_modules/one/index.js', `${talkative}// edited`);
    expect(await world.restart()).toMatchObject({ one: false, two: false });
  });

  test('a package that cannot be is named, and processes are prepared without any', async () => {
    await using world = await prewarmed('server.js', commonJs, {
      ...packages,
      'node_modules/one/index.js': `if (!require.main) throw new Error('needs a main module');\n${talkative}`,
    });
    const { message } = await world.devwatch.event('warning');
    expect(message).toBe(
      `${world.project.at('node_modules/one/index.js')} cannot be loaded ahead of time (needs a main module): --prewarm is off for now`,
    );
    expect(await world.restart()).toMatchObject({ one: false, two: false });
    expect((await world.devwatch.event('start', ({ run }) => run === 2)).standby).toBe(true);
  });
});
