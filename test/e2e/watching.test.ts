/** Changes that restart a program besides those of its own files, and changes that do not. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { start } from '../support/app.ts';
import { type Devwatch, runDevwatch, startDevwatch } from '../support/devwatch.ts';
import { dialHome, openHome } from '../support/home.ts';
import { createProject, type Project } from '../support/project.ts';
import { aged, append } from '../unit/watch/observe.ts';

const fingerprintModule = path.resolve('test/support/fingerprint.cjs');
const fingerprint = createRequire(import.meta.url)(fingerprintModule) as (folder: string) => string;

const changedBy = async (devwatch: Devwatch): Promise<string[]> =>
  (await devwatch.event('change')).changes.map(({ path }) => path);

describe('with --deps', () => {
  const entries: readonly (readonly [string, string, string])[] = [
    ['a CommonJS module', 'app/server.cjs', `require('../shared/lib.cjs');\n${dialHome()}`],
    [
      'an ES module',
      'app/server.mjs',
      `import '../shared/lib.cjs';\nimport { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);\n${dialHome()}`,
    ],
    [
      'a TypeScript module',
      'app/server.ts',
      `import '../shared/lib.cjs';\nimport { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);\n${dialHome()}`,
    ],
  ];

  test.each(entries)('%s restarts when a file outside changes that it has loaded', async (_, script, text) => {
    const project = createProject({ [script]: text, 'shared/lib.cjs': '', 'shared/unused.cjs': '' });
    fs.symlinkSync(`${process.cwd()}/node_modules`, project.at('app/node_modules'));
    await using app = await start({ project, args: ['--deps', script.slice(4)], folder: 'app' });
    await app.caller();
    await app.event('watchingLoads', ({ files }) => files.includes(app.at('shared/lib.cjs')));
    app.write('shared/unused.cjs', '// changed');
    app.write('shared/lib.cjs', '// changed');
    await app.caller();
    expect(await changedBy(app)).toEqual([app.at('shared/lib.cjs')]);
    app.write('shared/lib.cjs', '// changed again');
    await app.caller();
  });

  test('files are watched that worker threads, child processes and workers of a cluster load', async () => {
    const main = `
      const at = (name) => require('path').join(__dirname, '../shared', name);
      const { Worker } = require('worker_threads');
      new Worker(at('thread.js'));
      new Worker(require('url').pathToFileURL(at('flags.mjs')), { execArgv: ['--no-warnings'] });
      require('child_process').fork(at('fork.js'));
      require('child_process').spawn('node', [at('spawn.mjs')], { stdio: 'ignore', env: { ...process.env, NODE_OPTIONS: '--no-warnings' } });
      require('cluster').setupPrimary({ exec: at('cluster.js') });
      require('cluster').fork();
      ${dialHome()}`;
    const stays = 'setInterval(() => {}, 60_000);';
    const says = (name: string): string => `
      require('./of-${name}');
      const { NODE_OPTIONS, DEVWATCH_LOADS } = process.env;
      const traces = [process.execArgv, NODE_OPTIONS, DEVWATCH_LOADS, Object.keys(require.cache).filter((file) => file.includes('preload'))];
      require(process.env.TEST_DIAL)({ name: '${name}', traces });`;
    const inModule = (code: string): string => `import { createRequire } from 'node:module';
      const require = createRequire(import.meta.url); ${code}`;
    const shared: Record<string, string> = {
      'thread.js': says('thread'),
      'flags.mjs': inModule(says('flags')),
      'fork.js': says('fork'),
      'spawn.mjs': inModule(
        `new (require('worker_threads').Worker)(new URL('./deep.js', import.meta.url)); ${says('spawn')}`,
      ),
      'deep.js': says('deep'),
      'cluster.js': says('cluster'),
    };
    const names = Object.keys(shared).map((file) => file.split('.')[0] ?? '');
    for (const name of names) shared[`of-${name}.js`] = stays;
    const files = Object.fromEntries(Object.entries(shared).map(([name, text]) => [`shared/${name}`, text]));
    await using app = await start({
      files: { 'app/main.js': main, ...files },
      args: ['--deps', 'main.js'],
      folder: 'app',
    });
    const called = () => new Map(app.callers.map(({ says }) => [says.name, says.traces]));
    await app.until('all to call', () => names.every((name) => called().has(name)));
    for (const name of names) {
      const flags = name === 'flags' ? ['--no-warnings'] : [];
      const options = name === 'spawn' || name === 'deep' ? '--no-warnings' : null;
      expect(called().get(name)).toEqual([flags, options, null, []]);
    }
    const all = Object.keys(shared).map((name) => app.at(`shared/${name}`));
    await app.event('watchingLoads', ({ files }) => all.every((file) => files.includes(file)));
    app.write('shared/of-deep.js', `${stays}//`);
    expect(await changedBy(app)).toEqual([app.at('shared/of-deep.js')]);
  });

  test('the program restarts when a file appears that it has not found', async () => {
    await using app = await start({
      files: {
        'app/server.js': `require('../shared/missing');\n${dialHome()}`,
        'shared/other.js': '',
      },
      args: ['--deps', '--max-restarts', '0', 'server.js'],
      folder: 'app',
    });
    await app.event('crash');
    await app.event('watchingLoads');
    app.write('shared/missing.js', '');
    await app.caller();
    expect(await changedBy(app)).toEqual([app.at('shared/missing.js')]);
  });

  test('the program restarts for files of any name, and gets the same errors as without', async () => {
    const codeOf = (name: string): string =>
      `(() => { try { require('${name}'); } catch ({ code }) { return code; } })()`;
    await using app = await start({
      files: {
        'app/server.js': `require(process.env.TEST_DIAL)({ codes: [${['../shared/%zz', '../shared/a%2Fb', '../shared/b#c'].map(codeOf)}] })`,
        'shared/other.js': '',
      },
      args: ['--deps', 'server.js'],
      folder: 'app',
    });
    const missing = 'MODULE_NOT_FOUND';
    expect((await app.caller()).says.codes).toEqual([missing, missing, missing]);
    await app.event('watchingLoads');
    app.write('shared/b#c.js', '');
    await app.caller();
    expect(await changedBy(app)).toEqual([app.at('shared/b#c.js')]);
  });

  test('the program finds no trace of devwatch', async () => {
    await using home = await openHome();
    await using project = createProject({
      'server.js': `require(process.env.TEST_DIAL)({
        send: typeof process.send,
        execArgv: process.execArgv,
        env: Object.keys(process.env).filter((name) => /CHANNEL|WATCH_REPORT/.test(name)),
        cache: Object.keys(require.cache).filter((file) => file.includes('preload')),
      });`,
    });
    await using _ = startDevwatch(['--deps', 'server.js'], { cwd: project.path, env: home.env });
    expect((await home.caller()).says).toMatchObject({ send: 'undefined', execArgv: [], env: [], cache: [] });
  });

  test('devwatch refuses a program that Node does not run', async () => {
    await using project = createProject({ 'run.py': '' });
    const { code, stderr } = await runDevwatch(['--deps', 'run.py'], { cwd: project.path });
    expect(code).toBe(2);
    expect(stderr).toBe('devwatch: "deps" only works for scripts run directly by Node; "python3 run.py" is not\n');
  });
});

describe('a linked workspace package', () => {
  async function workspace() {
    const project = createProject({
      'packages/web/package.json': '{"dependencies": {"@org/api": "*"}}',
      'packages/web/server.js': `require('@org/api');\n${dialHome()}`,
      'packages/api/package.json': '{"name": "@org/api", "main": "dist/index.js"}',
      'packages/api/dist/index.js': '',
      'packages/api/src/index.js': '',
    });
    fs.mkdirSync(project.at('node_modules/@org'), { recursive: true });
    fs.symlinkSync(project.at('packages/api'), project.at('node_modules/@org/api'));
    return project;
  }

  test('restarts the program when a loaded file of it changes', async () => {
    await using home = await openHome();
    await using project = await workspace();
    await using devwatch = startDevwatch(['server.js'], { cwd: project.at('packages/web'), env: home.env });
    await home.caller();
    await devwatch.event('watching');
    project.write('packages/api/src/index.js', '// not built yet');
    project.write('packages/api/dist/index.js', '// built');
    await home.caller();
    expect(await changedBy(devwatch)).toEqual([project.at('packages/api/dist/index.js')]);
  });

  test.each([
    ['--no-follow', ['--no-follow']],
    ['a list of watched files', ['--watch', '*.js']],
  ])('does not restart the program with %s', async (_, flags) => {
    await using home = await openHome();
    await using project = await workspace();
    const web = project.at('packages/web');
    await using devwatch = startDevwatch([...flags, 'server.js'], { cwd: web, env: home.env });
    await home.caller();
    await devwatch.event('watching');
    project.write('packages/api/dist/index.js', '// built');
    fs.appendFileSync(`${web}/server.js`, '// saved');
    await home.caller();
    expect(await changedBy(devwatch)).toEqual([project.at('packages/web/server.js')]);
  });
});

test('devwatch runs and watches the folder to which a link is moved, if the shell has entered it by the link', async () => {
  const release = (version: number) => `require('./lib.js');\n${dialHome({ version })}`;
  const project = createProject({
    '1/server.js': release(1),
    '1/lib.js': '',
    '2/server.js': release(2),
    '2/lib.js': '',
  });
  fs.symlinkSync('1', project.at('current'));
  const env = { PWD: project.at('current') };
  await using app = await start({ project, args: ['--deps', 'server.js'], folder: 'current', env });
  expect((await app.caller()).says.version).toBe(1);
  await app.watches();

  fs.symlinkSync('2', project.at('next'));
  fs.renameSync(project.at('next'), project.at('current'));
  const second = await app.caller();
  expect(second.says.version).toBe(2);

  // The file has a single name, also if the program loads it: Node reports real paths.
  append(project, '2/lib.js');
  await app.caller();
  const { changes } = await app.event('start', ({ run }) => run === 3);
  expect(changes.map((change) => change.path)).toEqual([project.at('current/lib.js')]);
});

test('devwatch applies a changed rule of git at once with --gitignore, without a restart', async () => {
  await using app = await start({
    files: { 'server.js': dialHome(), '.gitignore': 'gen\n', 'gen/a.js': '', 'out.js': '' },
    args: ['--gitignore', 'server.js'],
  });
  await app.caller();
  await app.event('watching');
  app.write('gen/a.js', '// ignored');
  app.write('.gitignore', 'out.js\n');
  await app.event('watching');
  app.write('out.js', '// ignored now');
  app.write('gen/a.js', '// no longer ignored');
  await app.caller();
  expect(await changedBy(app)).toEqual([app.at('gen/a.js')]);
});

test('devwatch does not restart for a save without a change with --skip-unchanged', async () => {
  const project = createProject({ 'server.js': dialHome(), 'a.js': '1', 'b.js': '1' });
  fs.utimesSync(project.at('a.js'), 1, 1);
  await using app = await start({ project, args: ['--skip-unchanged', '--verbose', 'server.js'] });
  await app.caller();
  await app.event('watching');
  app.write('b.js', '2');
  await app.caller();
  app.replace('b.js', '2');
  await app.event('ignored', ({ path, verdict }) => path.endsWith('b.js') && 'reason' in verdict);
  app.write('b.js', '3');
  const { says } = await app.caller();
  expect(await app.event('start', ({ run }) => run === 3)).toMatchObject({ pid: says.pid });
});

test('devwatch reports ignored changes with their reason, once per run, with --verbose', async () => {
  await using app = await start({
    files: { 'server.js': dialHome(), 'notes.txt': '', 'a.test.js': '' },
    args: ['--verbose', '--ignore', '*.test.js', 'server.js'],
  });
  await app.caller();
  await app.event('watching');
  fs.appendFileSync(app.at('notes.txt'), '1');
  fs.appendFileSync(app.at('notes.txt'), '2');
  fs.appendFileSync(app.at('a.test.js'), '1');
  fs.appendFileSync(app.at('server.js'), '// saved');
  await app.caller();
  expect(app.events.filter(({ event }) => event === 'ignored')).toMatchObject([
    { path: app.at('notes.txt'), verdict: { reason: 'extension' } },
    { path: app.at('a.test.js'), verdict: { reason: 'ignored', pattern: '*.test.js' } },
  ]);
  expect((await app.event('change')).changes[0]).toMatchObject({ rule: '.' });
});

test('devwatch warns about a program that writes a watched file at every start', async () => {
  await using app = await start({
    files: {
      'server.js': `const fs = require('node:fs');
      const run = Number(process.env.DEVWATCH_RUN);
      const socket = require(process.env.TEST_DIAL)();
      if (run < 8) fs.writeFileSync('state.json', String(run));`,
      'state.json': '',
    },
    args: ['server.js'],
  });
  const { message } = await app.event('warning');
  // The second one on a file system whose writes the kernel does not count.
  expect(message).toMatch(
    /^state\.json (?:restarts the program, and is written by the program itself · use|changes after every start: if the program itself writes it, use) --ignore state\.json$/,
  );
});

test('a run receives its number, its cause and the changed files', async () => {
  const script = `const { DEVWATCH_RUN: run, DEVWATCH_REASON: reason, DEVWATCH_CHANGED: changed } = process.env;
    require(process.env.TEST_DIAL)({ run, reason, changed });`;
  await using app = await start({ files: { 'server.js': script, 'a b.js': '' }, args: ['server.js'] });
  expect((await app.caller()).says).toMatchObject({ run: '1', reason: 'start', changed: '' });
  await app.event('watching');
  fs.appendFileSync(app.at('a b.js'), '1');
  fs.appendFileSync(app.at('server.js'), '// saved');
  const second = await app.caller();
  expect(second.says).toMatchObject({ run: '2', reason: 'change' });
  expect(String(second.says.changed).split('\n').sort()).toEqual([app.at('a b.js'), app.at('server.js')]);
  second.send('crash');
  expect((await app.caller()).says).toMatchObject({ run: '3', reason: 'crash', changed: '' });
});

test('a run receives the number of changed files when there are too many to list', async () => {
  const files = Array.from({ length: 400 }, (_, index) => `src/some-longer-name-${index}.js`);
  await using app = await start({
    files: {
      'server.js': 'require(process.env.TEST_DIAL)({ changed: process.env.DEVWATCH_CHANGED });',
      ...Object.fromEntries(files.map((file) => [file, ''])),
    },
    args: ['--delay', '300', 'server.js'],
  });
  await app.caller();
  await app.event('watching');
  for (const file of files) fs.appendFileSync(app.at(file), '1');
  const lines = String((await app.caller()).says.changed).split('\n');
  const more = Number(/^\((\d+) more\)$/.exec(lines.at(-1) ?? '')?.[1]);
  expect(more + lines.length - 1).toBe(files.length);
});

/** Can this user limit the watches of a user namespace, which limits no other process? */
const canLimit = spawnSync('unshare', ['--user', '--map-root-user', 'true']).status === 0;

test.runIf(canLimit)(
  'devwatch prints how to raise the limit when inotify runs out, and still restarts on a change',
  async () => {
    const folders = Array.from({ length: 20 }, (_, index) => `src/${index}/a.js`);
    const limited = 'echo 10 > /proc/sys/user/max_inotify_watches && exec "$@"';
    await using app = await start({
      files: {
        'server.js': dialHome(),
        ...Object.fromEntries(folders.map((file) => [file, ''])),
      },
      args: ['server.js'],
      via: ['unshare', '--user', '--map-root-user', 'sh', '-c', limited, 'sh'],
    });
    await app.caller();
    expect((await app.event('warning')).message).toBe(
      'no file watches are left (user.max_inotify_watches is 10, this project needs 22): polling instead · to raise the limit: sudo sysctl user.max_inotify_watches=524288',
    );
    expect((await app.event('watching')).backend).toBe('polling');
    fs.appendFileSync(app.at('src/19/a.js'), '1');
    await app.caller();
    expect(await changedBy(app)).toEqual([app.at('src/19/a.js')]);
  },
);

describe('devwatch explain', () => {
  test('prints the rule, the folder that is not entered and the backend', async () => {
    await using project = createProject({
      '.watchrc': '{"script": "server.js", "ignore": ["*.test.js"]}',
      'server.js': '',
      'src/a.test.js': '',
      'notes.txt': '',
    });
    const paths = ['server.js', 'src', 'src/a.test.js', 'notes.txt', 'node_modules/x/y.js', '../far.js', '.watchrc'];
    const { code, stdout } = await runDevwatch(['explain', ...paths], { cwd: project.path });
    expect(code).toBe(0);
    expect(stdout.replaceAll(project.path, 'PROJECT')).toBe(`server.js
  restarts the program · watch . · "ignore": ["*.test.js", "server.js"] leaves it out
  watched by inotify
src
  restarts the program · watch . · "ignore": ["*.test.js", "src"] leaves it out
  watched by inotify
src/a.test.js
  is ignored · ignore *.test.js · without *.test.js in "ignore" of .watchrc it counts
notes.txt
  is ignored · its extension is not watched · "ext": ["+txt"] adds it
node_modules/x/y.js does not exist
  is ignored · node_modules/ is ignored by default · "watch": [".", "node_modules/x"] adds it
  node_modules is not watched
../far.js does not exist
  is ignored · no pattern matches it · "watch": [".", "../far.js"] adds it
.watchrc
  is read again as settings · watch .watchrc
  watched by inotify
`);
  });

  test('names the link through which a file is watched, and says where links are not followed', async () => {
    await using project = createProject({ 'build/gen/a.js': '', 'src/main.js': '' });
    fs.symlinkSync('../build/gen', project.at('src/gen'));
    const explain = async (...words: string[]) => (await runDevwatch(words, { cwd: project.path })).stdout;
    expect(await explain('explain', 'src/gen/a.js', 'build/gen/a.js')).toBe(`src/gen/a.js
  restarts the program · watch . · --ignore src/gen/a.js leaves it out
  watched by inotify
build/gen/a.js
  restarts the program · a link leads to it: src/gen/a.js · --ignore src/gen/a.js leaves it out
  watched by inotify
`);
    expect(await explain('--no-follow', 'explain', 'src/gen/a.js')).toBe(`src/gen/a.js
  is ignored · it is behind a link that is not followed, or cannot be read · without --no-follow it counts
`);
  });

  test('answers for the command line after --', async () => {
    await using project = createProject({ 'api/main.mjs': '', 'api/a.py': '' });
    const words = ['explain', 'api/a.py', 'api/b.py', '--', '--ext', 'py', 'api/main.mjs'];
    const { stdout } = await runDevwatch(words, { cwd: project.path });
    expect(stdout).toBe(`api/a.py
  restarts the program · watch . · --ignore api/a.py leaves it out
  watched by inotify
api/b.py does not exist
  restarts the program · watch . · --ignore api/b.py leaves it out
  watched by inotify
`);
  });

  test('names the flags with which a file would count', async () => {
    await using project = createProject({ 'src/a.graphql': '', 'src/dist/b.js': '', 'src/main.js': '' });
    const words = ['explain', 'src/a.graphql', 'src/dist/b.js', '--', '--watch', 'src', 'src/main.js'];
    const { stdout } = await runDevwatch(words, { cwd: project.path });
    expect(stdout).toBe(`src/a.graphql
  is ignored · its extension is not watched · --ext +graphql adds it
src/dist/b.js
  is ignored · dist/ is ignored by default · --watch src --watch src/dist adds it
  src/dist is not watched
`);
  });

  test('prints JSON, and applies the given flags', async () => {
    await using project = createProject({ '.gitignore': 'gen', 'gen/a.js': '' });
    const args = ['--log-format', 'json', 'explain', 'gen/a.js', '--gitignore'];
    const { stdout } = await runDevwatch(args, { cwd: project.path });
    expect(JSON.parse(stdout)).toEqual({
      path: project.at('gen/a.js'),
      verdict: { watched: false, reason: 'gitignored', pattern: `gen (${project.at('.gitignore')})` },
      effect: 'none',
      remedy: '--watch . --watch gen adds it',
      pruned: project.at('gen'),
      backend: 'inotify',
    });
  });

  test('answers for the devwatch that runs in the folder, as long as it runs', async () => {
    await using app = await start({
      files: { 'server.js': dialHome(), 'a.sql': '' },
      args: ['--ext', '+sql', 'server.js'],
    });
    await app.watches();
    await app.caller();
    const effect = async (): Promise<unknown> => {
      const { stdout } = await runDevwatch(['explain', '--log-format', 'json', 'a.sql'], { cwd: app.path });
      const { pid, effect } = JSON.parse(stdout) as Readonly<Record<string, unknown>>;
      return { pid, effect };
    };
    expect(await effect()).toEqual({ pid: app.pid, effect: 'restart' });
    app.write('.watchrc', '{ "ignore": ["*.sql"] }');
    await app.event('settings');
    expect(await effect()).toEqual({ pid: app.pid, effect: 'none' });
    app.process.kill('SIGTERM');
    await app.exited;
    expect(await effect()).toEqual({ effect: 'none' });
  });

  test('requires a path', async () => {
    await using project = createProject();
    const { code, stderr } = await runDevwatch(['explain'], { cwd: project.path });
    expect(code).toBe(2);
    expect(stderr).toBe('devwatch: explain needs a path · devwatch explain src/server.js\n');
  });
});

test.each<[string, (project: Project, outside: Project) => void]>([
  ['a second link to a folder is made', (project, outside) => fs.symlinkSync(outside.path, project.at('three'))],
  ['a second link to a folder is removed', (project) => fs.unlinkSync(project.at('two'))],
  ['a link to a folder of the project is made', (project) => fs.symlinkSync('src', project.at('inside'))],
  ['a link to a folder of the project is removed', (project) => fs.unlinkSync(project.at('source'))],
])('the program reads the change when %s', async (_, change) => {
  await using outside = createProject({ 'a.js': '' });
  const project = createProject({
    'src/b.js': '',
    'main.js': `require(process.env.TEST_DIAL)({ hash: require(process.env.TEST_FINGERPRINT)('.') });`,
  });
  fs.symlinkSync(outside.path, project.at('one'));
  fs.symlinkSync(outside.path, project.at('two'));
  fs.symlinkSync('src', project.at('source'));
  await using app = await start({ project, args: ['main.js'], env: { TEST_FINGERPRINT: fingerprintModule } });
  expect((await app.caller()).says.hash).toBe(fingerprint(app.path));
  await app.event('watching');
  change(project, outside);
  const wanted = fingerprint(app.path);
  // The causes of the run after another save show whether devwatch noticed the change.
  app.write('fence.js', '');
  const { changes } = await app.event('start', ({ run }) => run === 2);
  expect(wanted).not.toBe(app.callers[0]?.says.hash);
  expect(changes.map(({ path }) => path)).not.toEqual([app.at('fence.js')]);
});

test('two files saved together cause one restart, even when devwatch is blocked in between', async () => {
  const { watch } = await import(path.resolve('dist/index.js'));
  await using home = await openHome();
  await using project = createProject({ 'main.js': 'require(process.env.TEST_DIAL)();', 'a.js': '', 'b.js': '' });
  await aged();
  await using watcher = watch({ cwd: project.path, script: 'main.js', env: home.env, onChangeOnly: true, delay: 200 });
  await watcher.ready();
  const starts: string[][] = [];
  const began = new Promise<void>((resolve) => {
    watcher.on('start', ({ changes }: { changes: { path: string }[] }) => {
      starts.push(changes.map((change) => path.basename(change.path)));
      if (starts.at(-1)?.includes('fence.js')) resolve();
    });
  });
  append(project, 'a.js');
  // The first event is read; then the other file is saved, and the loop is blocked for longer than the window. A fixed
  // window of 200 ms, because the machine may interrupt this process for longer than the adaptive 5 ms.
  for (let turn = 0; turn < 3; turn += 1) await nextTurn();
  append(project, 'b.js');
  for (const until = performance.now() + 250; performance.now() < until; );
  await home.caller();
  append(project, 'fence.js');
  await began;
  expect(starts).toEqual([['a.js', 'b.js'], ['fence.js']]);
});

test.each(['native', 'chokidar'])(
  'with --watcher %s a folder that is removed and made again at once stays watched',
  async (watcher) => {
    const files = { 'server.js': `require('./gen/lib.js');\n${dialHome()}`, 'gen/lib.js': '' };
    await using app = await start({ files, args: ['--watcher', watcher, 'server.js'] });
    await app.caller();
    await app.event('watching');
    fs.rmSync(app.at('gen'), { recursive: true });
    app.write('gen/lib.js', '// generated');
    await app.caller();
    app.write('gen/lib.js', '// edited');
    await app.caller();
    app.write('gen/lib.js', '// edited again');
    await app.caller();
  },
);
