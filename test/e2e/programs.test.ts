/** Real programs of many kinds: each is started, queried, edited and queried again. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { start } from '../support/app.ts';
import { cli, type Devwatch, startDevwatch } from '../support/devwatch.ts';
import { isAlive, until } from '../support/facts.ts';
import { freePort } from '../support/ports.ts';
import { createProject, type Project } from '../support/project.ts';
import { ask, edit, nextAddress, projectOf } from '../support/servers.ts';
import { readText } from '../support/text.ts';

const anyPort = { PORT: '0' };

interface Case {
  readonly name: string;
  readonly fixtures: readonly string[];
  readonly args: readonly string[];
  /** The file that holds the greeting. */
  readonly file: string;
}

const cases: readonly Case[] = [
  { name: 'a plain server', fixtures: ['server.js'], args: ['server.js'], file: 'server.js' },
  { name: 'an Express server', fixtures: ['express.js'], args: ['express.js'], file: 'express.js' },
  { name: 'a Fastify server', fixtures: ['fastify.js'], args: ['fastify.js'], file: 'fastify.js' },
  { name: 'an ES module', fixtures: ['esm.mjs', 'greeting.mjs'], args: ['esm.mjs'], file: 'greeting.mjs' },
  { name: 'a TypeScript server', fixtures: ['typescript.ts'], args: ['typescript.ts'], file: 'typescript.ts' },
  { name: 'a Python server', fixtures: ['script.py'], args: ['script.py'], file: 'script.py' },
  {
    name: 'a command from node_modules/.bin',
    fixtures: ['typescript.ts'],
    args: ['tsx', 'typescript.ts'],
    file: 'typescript.ts',
  },
  {
    name: 'Node with a loader as the first word',
    fixtures: ['typescript.ts'],
    args: ['node', '--import', 'tsx', 'typescript.ts'],
    file: 'typescript.ts',
  },
  {
    name: 'a server behind npm run and a shell',
    fixtures: ['npm-chain'],
    args: ['--cwd', 'npm-chain', '--', 'npm', 'run', 'serve'],
    file: 'npm-chain/server.js',
  },
  { name: 'a shell line', fixtures: ['server.js'], args: ['--exec', 'node', 'server.js'], file: 'server.js' },
  {
    name: 'a shell line of several commands',
    fixtures: ['server.js'],
    args: ['--exec', 'echo from the shell && node server.js && true'],
    file: 'server.js',
  },
];

for (const { name, fixtures, args, file } of cases) {
  test(`${name} answers, and after an edit with the new content`, async () => {
    const project = projectOf(...fixtures);
    await using app = await start({ project, args: ['--watch', '.', ...args], env: anyPort });
    const stdout = readText(app.process.stdout);

    const before = await ask(await nextAddress(stdout));
    await app.event('watching');
    edit(project, file, 'hello', 'goodbye');
    const after = await ask(await nextAddress(stdout));

    expect(before.greeting).toBe('hello');
    expect(after.greeting).toBe('goodbye');
    expect(isAlive(before.pid)).toBe(false);
    expect(isAlive(after.pid)).toBe(true);
    await app.end();
    expect(isAlive(after.pid)).toBe(false);
  });
}

test('a server gets the same port back at every restart', async () => {
  const port = await freePort();
  const project = projectOf('server.js');
  await using app = await start({ project, args: ['server.js'], env: { PORT: String(port) } });
  const stdout = readText(app.process.stdout);
  await nextAddress(stdout);
  await app.event('watching');

  for (const [from, to] of [
    ['hello', 'one'],
    ['one', 'two'],
    ['two', 'three'],
  ] as const) {
    edit(project, 'server.js', `'${from}'`, `'${to}'`);
    const address = await nextAddress(stdout);
    expect(address).toBe(`http://127.0.0.1:${port}`);
    expect((await ask(address)).greeting).toBe(to);
  }
  expect(app.events.filter(({ event }) => event === 'crash')).toEqual([]);
});

test('a server that closes cleanly on SIGTERM has the time to', async () => {
  const project = projectOf('fastify.js');
  await using app = await start({ project, args: ['fastify.js'], env: anyPort });
  const stdout = readText(app.process.stdout);
  await nextAddress(stdout);
  await app.event('watching');

  edit(project, 'fastify.js', 'hello', 'goodbye');
  await stdout.next(/closed tidily\n/);
  expect((await ask(await nextAddress(stdout))).greeting).toBe('goodbye');
});

test('a server that crashes on a request runs again without an edit', async () => {
  const project = projectOf('server.js');
  await using app = await start({ project, args: ['server.js'], env: anyPort });
  const stdout = readText(app.process.stdout);
  const address = await nextAddress(stdout);
  const before = await ask(address);
  // An uncaught error right after the program listened would happen again at the next start. By now that time is over.
  await app.event('standby');

  // The program may crash before its response is sent.
  await fetch(`${address}/crash`).catch(() => {});
  const after = await ask(await nextAddress(stdout));

  expect(after.greeting).toBe('hello');
  expect(after.pid).not.toBe(before.pid);
  expect((await app.event('crash')).outcome).toMatchObject({ code: 1, signal: null });
});

test('a command is found in node_modules/.bin of a folder above', async () => {
  const project = projectOf('server.js');
  project.remove('node_modules');
  project.write('node_modules/.bin/serve', '#!/bin/sh\nexec node ../../server.js\n');
  fs.chmodSync(project.at('node_modules/.bin/serve'), 0o755);
  project.write('packages/web/index.js', '');
  await using app = await start({ project, args: ['serve'], folder: 'packages/web', env: anyPort });

  const { greeting } = await ask(await nextAddress(readText(app.process.stdout)));
  expect(greeting).toBe('hello');
});

/** A program that prints its arguments, flags and variables as one line of JSON. */
const mirror = `
const { argv, execArgv, env } = process;
console.log(JSON.stringify({ args: argv.slice(2), execArgv, given: env.GIVEN, inherited: env.INHERITED, cwd: process.cwd() }));
setInterval(() => {}, 60_000);
`;

async function reflection(project: Project, devwatch: Devwatch): Promise<Record<string, unknown>> {
  const [, line = ''] = await readText(devwatch.process.stdout).next(/^({.*})\n/m);
  const given = JSON.parse(line) as Record<string, unknown>;
  return { ...given, cwd: given.cwd === project.path ? 'the project' : given.cwd };
}

test('arguments reach the program unchanged, including those that look like options of devwatch', async () => {
  const project = projectOf();
  project.write('mirror.js', mirror);
  const args = ['--watch', 'x', '-q', 'two words', '', '*', '--', '"quoted"', '$HOME'];
  await using app = await start({ project, args: ['mirror.js', ...args] });

  expect(await reflection(project, app)).toMatchObject({ args, execArgv: [], cwd: 'the project' });
});

test('arguments of a shell line reach the program unchanged', async () => {
  const project = projectOf();
  project.write('mirror.js', mirror);
  const args = ['two words', '', '*', '"quoted"', "it's", '$HOME', '; exit 1'];
  await using app = await start({ project, args: ['--exec', 'node', 'mirror.js', ...args] });

  expect(await reflection(project, app)).toMatchObject({ args });
});

test('flags before the script go to Node, followed by those of the settings', async () => {
  const project = projectOf();
  project.write('mirror.js', mirror);
  project.write('first.js', '');
  project.write('.watchrc', '{"nodeArgs": ["--no-warnings"]}');
  const flags = ['--stack-trace-limit=50', '--import', './first.js'];
  await using app = await start({ project, args: [...flags, 'mirror.js', 'arg'] });

  expect(await reflection(project, app)).toMatchObject({ execArgv: [...flags, '--no-warnings'], args: ['arg'] });
});

test('the program inherits the environment, with the variables of an environment file and of the settings', async () => {
  const project = projectOf();
  project.write('mirror.js', mirror);
  project.write('.env', 'GIVEN=by the file\nINHERITED=by the file\n');
  await using app = await start({
    project,
    args: ['--env-file', '.env', 'mirror.js'],
    env: { INHERITED: 'by the caller' },
  });
  expect(await reflection(project, app)).toMatchObject({ given: 'by the file', inherited: 'by the caller' });

  app.write('.watchrc', '{"env": {"GIVEN": "by the settings"}, "envFile": ".env"}');
  await using other = startDevwatch(['mirror.js'], { cwd: app.path });
  expect(await reflection(project, other)).toMatchObject({ given: 'by the settings' });
});

test('a change of the environment file restarts the program with the new values', async () => {
  const project = projectOf();
  project.write('print.js', 'console.log("GIVEN is", process.env.GIVEN);\nsetInterval(() => {}, 60_000);\n');
  project.write('.env', 'GIVEN=1\n');
  await using app = await start({ project, args: ['--env-file', '.env', 'print.js'] });
  const stdout = readText(app.process.stdout);
  await stdout.next(/GIVEN is 1\n/);
  await app.event('watching');

  app.write('.env', 'GIVEN=2\n');
  await stdout.next(/GIVEN is 2\n/);
  app.write('.env', '');
  await stdout.next(/GIVEN is undefined\n/);
});

test('the start script of package.json is run as Node runs it, with its file of variables and a standby', async () => {
  const project = projectOf();
  const line = 'A="b c" node --env-file-if-exists=.env ./bin/www';
  project.write('package.json', JSON.stringify({ main: 'gone.js', scripts: { start: line } }));
  const code = `require('node:http').createServer().listen(0, () => console.log(process.env.A, process.env.GIVEN))`;
  project.write('bin/www', `#!/usr/bin/env node\n${code}\n`);
  await using app = await start({ project });
  const stdout = readText(app.process.stdout);
  await stdout.next(/b c undefined\n/);
  expect(await app.event('watching')).toMatchObject({ program: 'node --env-file-if-exists=.env ./bin/www' });
  await app.event('standby');
  edit(project, 'bin/www', 'console.log(', "console.log('again',");
  await stdout.next(/again b c undefined\n/);
  expect(await app.event('start', ({ run }) => run === 2)).toMatchObject({ standby: true });

  app.write('.env', 'GIVEN=1\n');
  await stdout.next(/again b c 1\n/);
  app.write('.env', 'GIVEN=2\n');
  await stdout.next(/again b c 2\n/);
  app.remove('.env');
  await stdout.next(/again b c undefined\n/);
});

test('piped input reaches the program, also after a restart', async () => {
  const project = projectOf();
  const echo = (name: string): string =>
    `process.stdin.on('data', (text) => console.log('${name} got ' + String(text).trim()));\nconsole.log('${name} is ready');\n`;
  project.write('echo.js', echo('first'));
  await using app = await start({ project, args: ['echo.js'] });
  const stdout = readText(app.process.stdout);
  await stdout.next(/first is ready\n/);
  app.process.stdin?.write('one\n');
  await stdout.next(/first got one\n/);

  await app.event('watching');
  app.write('echo.js', echo('second'));
  await stdout.next(/second is ready\n/);
  app.process.stdin?.write('two\n');
  await stdout.next(/second got two\n/);

  app.process.stdin?.end();
  expect(await app.event('exit')).toMatchObject({ run: 2, outcome: { code: 0 }, next: { kind: 'wait' } });
});

test('a program runs with permission to read its own folder alone', async () => {
  const isOld = process.allowedNodeEnvironmentFlags.has('--experimental-permission');
  await using project = createProject({ 'server.js': `console.log('version 1'); setInterval(() => {}, 1000);` });
  const flags = [
    isOld ? '--experimental-permission' : '--permission',
    `--allow-fs-read=${fs.realpathSync(project.path)}/*`,
  ];
  await using devwatch = startDevwatch([...flags, 'server.js'], { cwd: fs.realpathSync(project.path) });
  await until(() => devwatch.stdout() === 'version 1\n');
  await devwatch.event('watching');
  project.write('server.js', `console.log('version 2'); setInterval(() => {}, 1000);`);
  await until(() => devwatch.stdout().endsWith('version 2\n'));
});

/** Reports whether other users may enter a folder: a checkout in root's home is closed to them. */
const mayEnter = (file: string): boolean =>
  file === path.dirname(file) || ((fs.statSync(file).mode & 0o005) === 0o005 && mayEnter(path.dirname(file)));

test.runIf(process.getuid?.() === 0 && mayEnter(path.dirname(cli)))(
  'a program runs for a user without a name and a home',
  async () => {
    await using project = createProject({ 'server.js': `console.log('runs'); setInterval(() => {}, 1000);` });
    for (const folder of [project.path, path.dirname(project.path)]) fs.chmodSync(folder, 0o755);
    const nobody = 54_321;
    const child = spawn(process.execPath, [cli, 'server.js'], {
      cwd: project.path,
      env: { PATH: process.env.PATH },
      uid: nobody,
      gid: nobody,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [text] = await once(child.stdout.setEncoding('utf8'), 'data');
    expect(text).toBe('runs\n');
    child.kill('SIGTERM');
    await once(child, 'close');
  },
);
