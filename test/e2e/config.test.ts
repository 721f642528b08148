import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { parse } from 'jsonc-parser';
import { expect, test } from 'vitest';
import { start } from '../support/app.ts';
import { cli, type DevwatchOptions, runDevwatch, startDevwatch } from '../support/devwatch.ts';
import { dialHome, openHome } from '../support/home.ts';
import { createProject } from '../support/project.ts';

/** Returns the settings that `devwatch config --all` prints. */
async function settingsIn(cwd: string, ...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout } = await runDevwatch([...args, 'config', '--all'], { cwd });
  expect(code).toBe(0);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** Runs devwatch with these arguments; returns the facts that its program sends home. */
async function runs(args: readonly string[], { cwd }: DevwatchOptions): Promise<Readonly<Record<string, unknown>>> {
  await using home = await openHome();
  await using _devwatch = startDevwatch(args, { cwd, env: home.env });
  return (await home.caller()).says;
}

// init

test.each([
  [['index.js', 'server.js'], 'index.js'],
  [['server.js', 'app.js'], 'server.js'],
  [['main.js', 'src/index.ts'], 'src/index.ts'],
  [[], undefined],
])('devwatch init beside %j writes a .watchrc that loads and names %s', async (files, script) => {
  await using project = createProject(Object.fromEntries(files.map((file) => [file, ''])));

  const { code, stdout, stderr } = await runDevwatch(['init'], { cwd: project.path });

  expect({ code, stdout, stderr }).toStrictEqual({
    code: 0,
    stdout: 'wrote .watchrc · now run: devwatch\n',
    stderr: '',
  });
  const written = parse(fs.readFileSync(project.at('.watchrc'), 'utf8'));
  expect(written).toStrictEqual(script === undefined ? {} : { script });
  expect(await settingsIn(project.path)).toMatchObject(written);
});

test('devwatch init writes the script that package.json names', async () => {
  await using project = createProject({
    'package.json': '{ "main": "lib/start.js" }',
    'lib/start.js': dialHome({ is: 'main' }),
    'server.js': dialHome({ is: 'server' }),
  });
  await runDevwatch(['init'], { cwd: project.path });
  expect(await runs([], { cwd: project.path })).toMatchObject({ is: 'main' });
});

test('warns of a flag that has no effect in the foreground', async () => {
  await using app = await start({
    files: { '.watchrc': '{ "logSize": "1m" }', 'server.js': '' },
    args: ['--name', 'web', '--log', 'out.log', 'server.js'],
  });
  const warnings = [await app.event('warning'), await app.event('warning')];
  const only = 'has no effect in the foreground; it is for devwatch start';
  expect(warnings.map(({ message }) => message)).toEqual([`--name ${only}`, `--log ${only}`]);
  await app.event('exit');
});

// The help of each subcommand: test/unit/cli/help.test.ts.
test.each(['init', 'start', 'stop'])('devwatch %s --help prints its usage, and does nothing else', async (command) => {
  await using project = createProject({ 'package.json': '{ "main": "server.js" }', 'server.js': '' });
  for (const flag of command === 'start' ? ['-h', '--help'] : ['--help']) {
    const { code, stdout, stderr } = await runDevwatch([command, flag], { cwd: project.path });
    expect([code, stderr, stdout.split('\n')[0]]).toEqual([0, '', expect.stringMatching(`^devwatch ${command}`)]);
  }
  expect(fs.readdirSync(project.path).sort()).toEqual(['package.json', 'server.js']);
});

test('devwatch runs the .watchrc that devwatch init wrote', async () => {
  await using project = createProject({ 'server.js': dialHome({ is: 'server' }) });
  await runDevwatch(['init'], { cwd: project.path });
  expect(await runs([], { cwd: project.path })).toMatchObject({ is: 'server' });
});

test('devwatch accepts the .watchrc that it wrote although the umask forbids nothing', async () => {
  await using project = createProject();
  const script = 'umask 0; exec "$0" "$1" init';
  spawnSync('/bin/sh', ['-c', script, process.execPath, cli], { cwd: project.path });
  expect(await settingsIn(project.path)).toHaveProperty('watch', ['.']);
});

test('devwatch init overwrites neither a file nor a folder nor a broken link', async () => {
  await using project = createProject({ '.watchrc': '{"script": "mine.js"}' });
  const refused = { code: 2, signal: null, stdout: '', stderr: 'devwatch: .watchrc: already exists\n' };

  expect(await runDevwatch(['init'], { cwd: project.path })).toStrictEqual(refused);
  expect(fs.readFileSync(project.at('.watchrc'), 'utf8')).toBe('{"script": "mine.js"}');
  project.remove('.watchrc');
  fs.mkdirSync(project.at('.watchrc'));
  expect(await runDevwatch(['init'], { cwd: project.path })).toStrictEqual(refused);
  fs.rmdirSync(project.at('.watchrc'));
  fs.symlinkSync('gone', project.at('.watchrc'));
  expect(await runDevwatch(['init'], { cwd: project.path })).toStrictEqual(refused);
  expect(fs.existsSync(project.at('gone'))).toBe(false);
});

test('devwatch init does not replace the settings in package.json', async () => {
  await using project = createProject({ 'package.json': '{"devwatch": {}}' });
  const { code, stderr } = await runDevwatch(['init'], { cwd: project.path });
  expect([code, stderr]).toEqual([2, expect.stringContaining('already has settings ("devwatch")')]);
  expect(fs.existsSync(project.at('.watchrc'))).toBe(false);
});

test('devwatch init converts nodemon.json, and devwatch then runs alike', async () => {
  const before = '{"script": "a.js", "env": {"PORT": 3000}, "restartable": "rr", "watch": ["*.*"]}';
  await using project = createProject({
    'nodemon.json': before,
    'package.json': '{"scripts": {"dev": "nodemon"}}',
    'a.js': dialHome({ port: '$PORT' }).replace('"$PORT"', 'process.env.PORT'),
  });
  const { code, stdout } = await runDevwatch(['init'], { cwd: project.path });
  expect([code, stdout.split('\n')]).toEqual([
    0,
    [
      'wrote .watchrc from nodemon.json · now run: devwatch',
      'not taken over: restartable: a line "rs" or "r" restarts, if the program does not read the terminal',
      'note: package.json: the script "dev" still runs nodemon',
      '',
    ],
  ]);
  expect(parse(fs.readFileSync(project.at('.watchrc'), 'utf8'))).toEqual({ script: 'a.js', env: { PORT: 3000 } });
  expect(fs.readFileSync(project.at('nodemon.json'), 'utf8')).toBe(before);
  expect(await runs([], { cwd: project.path })).toMatchObject({ port: '3000' });
});

test('devwatch init runs an ecosystem file of pm2, as pm2 does, and converts it', async () => {
  await using project = createProject({
    'ecosystem.config.js': `
      setInterval(() => {}, 1000);
      require('fs').writeFileSync('was-run', '');
      module.exports = { apps: [{ script: __dirname + '/a.js', watch: true, ignore_watch: [/x/] }] };
    `,
  });
  const { code, stdout } = await runDevwatch(['init'], { cwd: project.path });
  expect([code, stdout.split('\n')]).toEqual([
    0,
    [
      'running ecosystem.config.js to read its settings, as pm2 does',
      'wrote .watchrc from ecosystem.config.js · now run: devwatch start',
      'not taken over: ignore_watch: a regular expression (/x/) · write a glob into "ignore"',
      '',
    ],
  ]);
  expect(fs.existsSync(project.at('was-run'))).toBe(true);
  expect(parse(fs.readFileSync(project.at('.watchrc'), 'utf8'))).toEqual({
    ...{ script: 'a.js', ext: '*', restart: 'always', signal: 'SIGINT' },
  });
});

test.each([
  ['broken.config.js', 'throw new Error("no");', /^devwatch: broken\.config\.js: cannot be loaded: no\n$/],
  ['empty.json', '{}', /^devwatch: empty\.json: names no programs/],
  ['a.yml', 'apps: []', /^devwatch: a\.yml: devwatch reads no YAML/],
  ['', '', /^devwatch: gone\.json: no such file\n$/],
])('devwatch init %s is refused', async (name, content, message) => {
  await using project = createProject(name === '' ? {} : { [name]: content });
  const { code, stderr } = await runDevwatch(['init', name || 'gone.json'], { cwd: project.path });
  expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  expect(fs.existsSync(project.at('.watchrc'))).toBe(false);
});

// config

const hint = 'devwatch: only what differs from the defaults · devwatch config --all shows all settings\n';

test('devwatch config prints JSON to stdout, and its sources to stderr', async () => {
  await using project = createProject({ '.watchrc': '{\n  // mine\n  "delay": "2s", "ext": "ts",\n}' });
  const { code, stdout, stderr } = await runDevwatch(['--delay', '3s', '-q', 'config'], { cwd: project.path });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ delay: 3000, ext: ['ts'], quiet: true });
  const origins = 'devwatch: delay from --delay · quiet from --quiet';
  expect(stderr).toBe(`devwatch: settings from ${project.at('.watchrc')}\n${origins}\n${hint}`);
});

test('devwatch config --all also prints the settings that have their default values', async () => {
  await using project = createProject({ '.watchrc': '{"delay": "2s"}' });
  const { stdout, stderr } = await runDevwatch(['config', '--all'], { cwd: project.path });
  expect(JSON.parse(stdout)).toMatchObject({ delay: 2000, killTimeout: 5000 });
  expect(stderr).toBe(`devwatch: settings from ${project.at('.watchrc')}\n`);
});

test('devwatch config reports that there is no settings file, or that it is that of nodemon', async () => {
  await using project = createProject();
  const said = async (): Promise<string> => (await runDevwatch(['config'], { cwd: project.path })).stderr;
  expect(await said()).toBe(
    'devwatch: no settings file\ndevwatch: all settings have their default values · devwatch config --all shows them\n',
  );
  project.write('nodemon.json', '{"verbose": true, "cwd": "."}');
  expect(await said()).toBe(
    `devwatch: settings from nodemon.json · not taken over: "cwd" (devwatch init prints why)\n${hint}`,
  );
});

test('devwatch config prints settings that mean the same in a .watchrc', async () => {
  await using project = createProject({
    '.watchrc': JSON.stringify({
      script: 'a.js',
      args: ['', '-x'],
      execMap: { rb: ['ruby', '-w'] },
      env: { A: '', B: 5 },
      envFile: '.env',
      cwd: '.',
      watch: ['src', '!src/x'],
      ext: 'js, ts',
      delay: '1.5s',
      signal: 'hup',
      restart: 'always',
      color: false,
    }),
  });
  const first = await settingsIn(project.path);
  project.write('.watchrc', JSON.stringify(first));
  expect(await settingsIn(project.path)).toStrictEqual(first);
  expect(first).toMatchObject({ args: ['', '-x'], delay: 1500, signal: 'SIGHUP', env: { A: '', B: '5' } });
});

test('devwatch config refuses the settings that devwatch refuses', async () => {
  await using project = createProject({ '.watchrc': '{"quiet": 1}' });
  const { code, stdout, stderr } = await runDevwatch(['config'], { cwd: project.path });
  expect({ code, stdout, stderr }).toStrictEqual({
    code: 2,
    stdout: '',
    stderr: 'devwatch: .watchrc:1:11: "quiet" takes true or false, not 1\n',
  });
});

// devwatch without a command

test('devwatch runs the script of .watchrc, with its arguments', async () => {
  await using project = createProject({
    'app/main.js': dialHome({ is: 'main' }),
    '.watchrc': '{"script": "app/main.js", "args": ["--port", "", "a b"]}',
    'package.json': '{"main": "other.js"}',
  });
  expect(await runs([], { cwd: project.path })).toMatchObject({ is: 'main', argv: ['--port', '', 'a b'] });
});

test('a script on the command line wins over that of .watchrc, and takes none of its arguments', async () => {
  await using project = createProject({
    'a.js': dialHome({ is: 'a' }),
    'b.js': dialHome({ is: 'b' }),
    '.watchrc': '{"script": "a.js", "args": ["x"]}',
  });
  expect(await runs(['b.js', 'y'], { cwd: project.path })).toMatchObject({ is: 'b', argv: ['y'] });
});

test('devwatch runs the script that "devwatch" in package.json names', async () => {
  await using project = createProject({
    'a.js': dialHome({ is: 'a' }),
    'package.json': '{"main": "other.js", "devwatch": {"script": "a.js"}}',
  });
  expect(await runs([], { cwd: project.path })).toMatchObject({ is: 'a' });
});

test('devwatch runs the script of nodemon.json and prints so', async () => {
  await using app = await start({
    files: {
      'a.js': dialHome({ is: 'a' }),
      'nodemon.json': '{"script": "a.js", "restartable": "rs"}',
    },
  });
  expect((await app.caller()).says.is).toBe('a');
  expect((await app.event('warning')).message).toBe('settings from nodemon.json');
});

test.each(['./lib/main.js', 'lib/main', 'lib/folder'])('devwatch runs the main %s of package.json', async (main) => {
  await using project = createProject({
    'lib/main.js': dialHome({ is: 'main' }),
    'lib/folder/index.js': dialHome({ is: 'main' }),
    'package.json': JSON.stringify({ main }),
  });
  expect(await runs([], { cwd: project.path })).toMatchObject({ is: 'main' });
});

test('after -- a program may have the name of a command of devwatch', async () => {
  await using project = createProject();
  fs.writeFileSync(project.at('config'), `#!${process.execPath}\n${dialHome({ is: 'mine' })}`, { mode: 0o755 });
  expect(await runs(['--', 'config', '-x'], { cwd: project.path })).toMatchObject({ is: 'mine', argv: ['-x'] });
});

test('--config reads another file, and --cwd another folder', async () => {
  await using project = createProject({
    'app/.watchrc': '{"script": "a.js"}',
    'app/a.js': dialHome({ is: 'a' }),
    'app/b.js': dialHome({ is: 'b' }),
    'other.json': '{"script": "b.js"}',
  });
  expect(await runs(['--cwd', 'app'], { cwd: project.path })).toMatchObject({ is: 'a' });
  expect(await runs(['--cwd', 'app', '-c', 'other.json'], { cwd: project.path })).toMatchObject({ is: 'b' });
});
