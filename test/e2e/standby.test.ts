/** Restarts by a process that was booted ahead; standby-semantics.test.ts compares what a program sees in it. */

import { once } from 'node:events';
import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type App, start } from '../support/app.ts';
import { startDevwatch } from '../support/devwatch.ts';
import { isAlive } from '../support/facts.ts';
import { dialHome } from '../support/home.ts';

describe('a standby', () => {
  test('takes over at a save and after a crash, is replaced by another one, and ends with devwatch', async () => {
    await using app = await start({ files: { 'server.js': dialHome({ version: 1 }) }, args: ['server.js'] });
    expect((await app.event('start')).standby).toBe(false);
    let program = await app.caller();
    for (let version = 2; version <= 3; version += 1) {
      const { pid } = await app.event('standby');
      app.write('server.js', dialHome({ version }));
      program = await app.caller();
      expect(program.says).toMatchObject({ version, pid });
      expect(await app.event('start')).toMatchObject({ standby: true, pid });
    }
    const { pid } = await app.event('standby');
    program.send('crash');
    expect((await app.caller()).pid).toBe(pid);
    expect(app.mostAlive).toBe(1);
    const { pid: last } = await app.event('standby');
    await app.end();
    expect(isAlive(last)).toBe(false);
  });

  test('is not prepared with --no-standby', async () => {
    const files = { 'a.js': dialHome({ name: 'a' }), 'b.js': dialHome({ name: 'b' }) };
    await using app = await start({ files, args: ['--no-standby', 'a.js'] });
    await app.caller();
    // This one starts later: by the time it has its standby, the other one would have its own.
    await using witness = startDevwatch(['b.js'], { cwd: app.path, env: app.env });
    await witness.event('standby');
    fs.appendFileSync(app.at('a.js'), '// saved');
    expect((await app.event('start', ({ run }) => run === 2)).standby).toBe(false);
    expect(app.events.map(({ event }) => event)).not.toContain('standby');
  });

  test('leaves a pipe as it is that the program reads, and finds it as a first start does', async () => {
    const files = { 'reads.js': `process.stdin.on('data', (text) => console.log('1', String(text)));\n${dialHome()}` };
    await using app = await start({ files, args: ['--signal', 'SIGKILL', 'reads.js'] });
    const flagsOf = (pid: number): string => fs.readFileSync(`/proc/${pid}/fdinfo/0`, 'utf8');
    const { pid } = await app.caller();
    const flags = flagsOf(pid);
    await app.event('standby');
    expect(flagsOf(pid)).toBe(flags);
    app.process.stdin?.write('one');
    await app.until('the first run to read', () => app.stdout().includes('1 one'));
    const sync = "console.log('reads');\nrequire('node:fs').readSync(0, all);\nconsole.log('2', String(all));";
    app.write('reads.js', `const all = Buffer.alloc(3);\n${sync}`);
    expect((await app.event('start', ({ run }) => run === 2)).standby).toBe(true);
    await app.until('the second run to wait', () => app.stdout().includes('reads'));
    app.process.stdin?.write('two');
    await app.until('the second run to read', () => app.stdout().includes('2 two'));
    expect(app.events.filter(({ event }) => event === 'start')).toHaveLength(2);
  });

  test('is given up when package.json, tsconfig.json or the environment file changes', async () => {
    await using app = await start({
      files: {
        'server.js': 'require(process.env.TEST_DIAL)({ a: process.env.A, b: process.env.B });',
        '.env': 'A=1\nB=1',
        'package.json': '{ }',
        'tsconfig.json': '{ }',
      },
      args: ['--env-file', '.env', 'server.js'],
    });
    expect((await app.caller()).says).toMatchObject({ a: '1', b: '1' });
    for (const [file, content] of [
      ['package.json', '{"type": "commonjs"}'],
      ['tsconfig.json', '{}'],
      ['.env', 'A=2'],
    ] as const) {
      await app.event('standby', ({ pid }) => isAlive(pid));
      const parked = app.events.flatMap((event) => (event.event === 'standby' ? [event.pid] : []));
      app.write(file, content);
      const { says } = await app.caller();
      // A standby that was booted after the change may be used.
      expect(parked, file).not.toContain(says.pid);
      await app.until(`the end of the standbys that had read the old ${file}`, () => !parked.some(isAlive));
    }
    const { says } = app.callers.at(-1) ?? { says: {} };
    expect(says).toMatchObject({ a: '2' });
    expect(says).not.toHaveProperty('b');
  });

  test('does not outrun saves in quick succession: the last content runs, in one program at a time', async () => {
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

  test.each(['0', '1'])('does not survive a SIGKILL of devwatch (DEVWATCH_CGROUP=%s)', async (cgroup) => {
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
    await app.until('the end of the standby', () => !isAlive(pid));
  });
});

/** A package whose exports show when it was loaded, and by which module. */
const reporting = `
globalThis.loads = (globalThis.loads ?? 0) + 1;
exports.loadedBeforeBegin = process.env.DEVWATCH_RUN === undefined;
exports.parent = module.parent?.filename;
`;

describe('--prewarm', () => {
  const packages = {
    'node_modules/one/index.js': reporting,
    'node_modules/two/index.js': reporting,
    'node_modules/two/package.json': '{"name": "two"}',
    'node_modules/prints/index.js': "console.log('printed');",
    'own.js': reporting,
  };
  const commonJs = `
    const [one, two, own] = ['one', 'two', './own.js'].map((name) => require(name).loadedBeforeBegin);
    require(process.env.TEST_DIAL)({ one, two, own, loads: globalThis.loads, parent: require('one').parent });\n`;

  const isLoaded = ({ packages = 0 }: { readonly packages?: number }): boolean => packages > 0;

  /** Starts a program, whose standby has then loaded packages. */
  async function prewarmed(files: Readonly<Record<string, string>>, args = ['--prewarm', 'server.js']): Promise<App> {
    const app = await start({ files: { 'server.js': commonJs, ...packages, ...files }, args });
    await app.caller();
    await app.event('standby', isLoaded);
    return app;
  }

  /** Saves the script again, and returns the facts that its next run sends. */
  async function restart(app: App, script = 'server.js'): Promise<Readonly<Record<string, unknown>>> {
    fs.appendFileSync(app.at(script), '// saved\n');
    return (await app.caller()).says;
  }

  test('loads packages ahead of time, once, as if by the script, unless they have changed; never own files', async () => {
    await using app = await prewarmed({});
    for (let run = 0; run < 2; run += 1) {
      const loads = { one: true, two: true, own: false, loads: 3, parent: app.at('server.js') };
      expect(await restart(app)).toMatchObject(loads);
      await app.event('standby', isLoaded);
    }
    app.write('node_modules/one/index.js', `${reporting}// edited`);
    expect(await restart(app)).toMatchObject({ one: false, loads: 3 });
  });

  test('loads only the named packages', async () => {
    const pure = 'exports.loadedBeforeBegin = process.env.DEVWATCH_RUN === undefined;';
    const files = { 'node_modules/one/index.js': pure, 'node_modules/two/index.js': pure };
    await using app = await prewarmed({ ...files, '.watchrc': '{"prewarm": ["two"]}' }, ['server.js']);
    expect(await restart(app)).toMatchObject({ one: false, two: true, own: false });
  });

  const modern = {
    'node_modules/modern/package.json': '{"type": "module", "exports": "./index.js"}',
    'node_modules/modern/index.js': 'export const mode = process.env.MODE;',
  };

  test('loads packages for ES modules, and links those that are ES modules: the program evaluates them', async () => {
    const script = `import { createRequire } from 'node:module';
      import one from 'one';
      import './set.mjs';
      import { mode } from 'modern';
      createRequire(import.meta.url)(process.env.TEST_DIAL)({ one: one.loadedBeforeBegin, mode });\n`;
    const files = { ...modern, 'server.mjs': script, 'set.mjs': "process.env.MODE = 'set';" };
    await using app = await prewarmed(files, ['server.mjs']);
    expect(app.events.findLast(({ event }) => event === 'standby')).toMatchObject({ packages: 2 });
    expect(await restart(app, 'server.mjs')).toMatchObject({ one: true, mode: 'set' });
    await app.event('standby', isLoaded);
    app.write('node_modules/modern/index.js', "export const mode = 'edited';");
    expect(await restart(app, 'server.mjs')).toMatchObject({ mode: 'edited' });
  });

  test('starts a run cold, once, that hooks the loader when ES modules are linked', async () => {
    const script = (hooks: string): string => `import module from 'node:module';
      import 'modern';
      ${hooks}
      module.createRequire(import.meta.url)(process.env.TEST_DIAL)({ run: process.env.DEVWATCH_RUN });\n`;
    await using app = await prewarmed({ ...modern, 'server.mjs': script('') }, ['server.mjs']);
    app.write('server.mjs', script("module.register('data:text/javascript,');"));
    expect((await app.caller()).says).toMatchObject({ run: '3' });
    const starts = app.events.flatMap((event) => (event.event === 'start' ? [event.standby] : []));
    expect(starts).toEqual([false, true, false]);
  });

  test('starts a run cold, once, whose packages turn out not to fit and cannot be loaded again', async () => {
    const script = (before: string): string =>
      `${before}\nconst { mode } = require('esm');\nrequire(process.env.TEST_DIAL)({ mode, run: process.env.DEVWATCH_RUN });\n`;
    const files = {
      'server.js': script(''),
      'node_modules/esm/index.mjs': 'export const mode = process.env.NODE_ENV;',
      'node_modules/esm/package.json': '{"exports": "./index.mjs"}',
    };
    await using app = await prewarmed(files);
    app.write('server.js', script("process.env.NODE_ENV = 'set';"));
    const { says } = await app.caller();
    expect(says).toMatchObject({ mode: 'set', run: '3' });
    const starts = app.events.flatMap((event) => (event.event === 'start' ? [event.standby] : []));
    expect(starts).toEqual([false, true, false]);
    expect(app.events.map(({ event }) => event)).not.toContain('crash');
  });

  test('leaves to the program a package that ends the process which loads it ahead of time', async () => {
    const script = `exports.isProgram = true;\nrequire('crashes');\n${commonJs}`;
    // Not by a function that devwatch replaces.
    const crashes = 'if (!module.parent.exports.isProgram) process._kill(process.pid, 6);';
    await using app = await prewarmed({ 'server.js': script, 'node_modules/crashes/index.js': crashes });
    expect(await restart(app)).toMatchObject({ one: true, two: true });
  });

  test('loads nothing ahead of time that has been installed since', async () => {
    await using app = await prewarmed({});
    app.write('node_modules/one/package.json', '{"name": "one", "main": "new.js"}');
    app.write('node_modules/one/new.js', reporting);
    app.write('node_modules/.package-lock.json', '{}');
    expect(await restart(app)).toMatchObject({ one: false, two: false, loads: 3 });
    await app.event('standby', isLoaded);
    expect(await restart(app)).toMatchObject({ one: true, two: true, loads: 3 });
  });

  test('leaves to the program a package that prints, and all packages when import lines have changed', async () => {
    await using app = await prewarmed({ 'server.js': `require('prints');\n${commonJs}` });
    await restart(app);
    await app.until('the second line', () => app.stdout() === 'printed\nprinted\n');
    await app.event('standby', isLoaded);
    app.write('server.js', commonJs);
    expect((await app.caller()).says).toMatchObject({ one: false, two: false, loads: 3 });
  });
});
