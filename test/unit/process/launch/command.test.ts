import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Command, type CommandRequest, resolveCommand } from '../../../../src/process/launch/command.ts';
import type { Host } from '../../../../src/process/launch/host.ts';
import { findOnPath, withProjectCommands } from '../../../../src/process/launch/search.ts';
import { createHost } from '../../../support/host.ts';
import { createProject } from '../../../support/project.ts';

/** A project in `/app`. A text that begins with `#!` is executable. */
const files = {
  'package.json':
    '{"main": "src/main", "scripts": {"api": "python3 -m api", "dev": "node server.js", "loop": "npm run loop"}}',
  'server.js': '',
  'module.mjs': '',
  'app.ts': '',
  'view.tsx': '',
  'run.py': '',
  'page.rb': '',
  'index.php': '',
  'script.xyz': '',
  'dist/main.js': '',
  'src/main.js': '',
  'built/index.js': '',
  'typed/package.json': '{"main": "./src/"}',
  'typed/src/index.ts': '',
  'empty/readme.md': '',
  'loads.js': 'require("ts-node/register");\nrequire("./app");',
  'cli.js': '#!/usr/bin/env node\n',
  'flags.js': '#!/usr/bin/env -S A=b node --expose-gc\n',
  'polyglot.js': '#!/bin/sh\n":" //# ; exec node "$0"',
  'deno.ts': '#!/usr/bin/env -S deno run\n',
  'bin/www': '#!/usr/bin/env node\nrequire("../server");',
  'tasks/www': '#!/usr/bin/node --title=www\n',
  'tasks/ts': '#!/usr/bin/env -S npx tsx\n',
  'tasks/dev': '#!/bin/bash\nexport A=b\npython3 run.py\n',
  'tasks/py': '#!/bin/sh\nexec python3 "$@"\n',
  'tasks/own': '#!/usr/bin/env python3\n',
  'tasks/plain': 'require("http");',
  'tasks/binary': '\0ELF',
  'dev.sh': '#!/bin/sh\nnode server.js\n',
  'tool.py': '#!/usr/bin/env python3\n',
  Makefile: 'dev:\n\tgo run ./cmd/api\n',
  '.venv/bin/python': '\0ELF',
  '.venv/bin/uvicorn': '#!/app/.venv/bin/python\n',
  '.venv/bin/serve': '#!/app/.venv/bin/python\n',
  'node_modules/.bin/vite': '#!/usr/bin/env node\n',
  'node_modules/.bin/tsx': '#!/usr/bin/env node\n',
  'node_modules/.bin/ts-node': '#!/usr/bin/env node\n',
  'node_modules/tsx/package.json': '{"exports": {".": "./loader.mjs"}}',
  'node_modules/tsx/loader.mjs': '',
  'node_modules/ts-node/package.json': '{"exports": {"./register": "./register.js", "./esm": "./esm.mjs"}}',
  'node_modules/typescript/package.json': '{}',
  '/opt/node/bin/node': '\0ELF',
};

const tsx = ['--import', 'file:///app/node_modules/tsx/loader.mjs'];
const tsNode = ['--require', '/app/node_modules/ts-node/register.js'];

type Given = Partial<CommandRequest & Pick<Host, 'stripsTypes'>> & { readonly more?: Readonly<Record<string, string>> };

function resolve(program: string | readonly string[], { more, stripsTypes = false, ...request }: Given = {}): Command {
  const words = typeof program === 'string' ? program.split(' ').filter(Boolean) : program;
  const full = { folder: '/app', nodeArgs: [], exec: undefined, execMap: {}, env: { PATH: '/usr/bin' }, ...request };
  return resolveCommand({ ...full, program: words }, createHost({ ...files, ...more }, { stripsTypes }));
}

/** The language in one word. */
const languages: Readonly<Record<string, string>> = {
  'js mjs cjs json': 'js',
  'js mjs cjs json ts mts cts tsx jsx': 'ts',
  py: 'py',
};

function languageOf({ extensions }: Command): string {
  const text = extensions.join(' ');
  return languages[text] ?? text;
}

describe('a Node program, with its flags, arguments, script and language:', () => {
  type Row = [program: string, started: string, script: string | undefined, language: string, given?: Given];

  test.each<Row>([
    // Scripts
    ['server.js --port 1', 'server.js --port 1', 'server.js', 'js'],
    ['server.js', '--expose-gc | server.js', 'server.js', 'js', { nodeArgs: ['--expose-gc'] }],
    ['server', 'server', 'server.js', 'js'],
    ['./server x', './server x', 'server.js', 'js'],
    ['dist/main', 'dist/main', 'dist/main.js', 'js'],
    ['module', 'module.mjs', 'module.mjs', 'js'],
    ['.', '.', 'src/main.js', 'js'],
    ['./', './', 'src/main.js', 'js'],
    ['built', 'built', 'built/index.js', 'js'],
    ['./built', './built', 'built/index.js', 'js'],
    ['app.ts', `${tsx.join(' ')} | app.ts`, 'app.ts', 'ts'],
    ['app', `${tsx.join(' ')} | app.ts`, 'app.ts', 'ts'],
    ['view.tsx', `${tsx.join(' ')} | view.tsx`, 'view.tsx', 'ts'],
    ['./typed', `${tsx.join(' ')} | typed/src/index.ts`, 'typed/src/index.ts', 'ts'],
    ['app.ts', '-r ts-node/register | app.ts', 'app.ts', 'ts', { nodeArgs: ['-r', 'ts-node/register'] }],
    ['app.ts', 'app.ts', 'app.ts', 'ts', { env: { NODE_OPTIONS: '--import tsx' } }],
    ['server.js', '--import tsx | server.js', 'server.js', 'ts', { nodeArgs: ['--import', 'tsx'] }],
    ['loads.js', 'loads.js', 'loads.js', 'ts'],
    ['server.js', 'server.js', 'server.js', 'js mjs cjs json ts mts cts', { stripsTypes: true }],
    ['server.js', 'server.js', 'server.js', 'js', { stripsTypes: true, more: { 'tsconfig.json': '{}' } }],
    [
      'server.js',
      'server.js',
      'server.js',
      'js mjs cjs json ts mts cts',
      { stripsTypes: true, more: { 'tsconfig.json': '{"compilerOptions": {"noEmit": true}}' } },
    ],
    // First lines
    ['./bin/www', './bin/www', 'bin/www', 'js'],
    ['bin/www 80', 'bin/www 80', 'bin/www', 'js'],
    ['bin/www', '--inspect=0 | bin/www', 'bin/www', 'js', { nodeArgs: ['--inspect=0'] }],
    ['tasks/www', '--title=www | tasks/www', 'tasks/www', 'js'],
    ['tasks/ts', `${tsx.join(' ')} | tasks/ts`, 'tasks/ts', 'ts'],
    ['tasks/plain', 'tasks/plain', 'tasks/plain', 'js'],
    ['cli.js', 'cli.js', 'cli.js', 'js'],
    ['flags.js', '--expose-gc | flags.js', 'flags.js', 'js'],
    ['polyglot.js', 'polyglot.js', 'polyglot.js', 'js'],
    // node as the first word
    ['node server.js', 'server.js', 'server.js', 'js'],
    ['node server', 'server', 'server.js', 'js'],
    ['node .', '.', 'src/main.js', 'js'],
    ['nodejs server.js', 'server.js', 'server.js', 'js'],
    ['/usr/bin/node server.js', 'server.js', 'server.js', 'js'],
    ['node -r ./a.js --expose-gc server.js -r b', '-r ./a.js --expose-gc | server.js -r b', 'server.js', 'js'],
    ['node -- server.js', 'server.js', 'server.js', 'js'],
    ['node dist/gone.js', 'dist/gone.js', 'dist/gone.js', 'js'],
    ['node empty', 'empty', undefined, 'ts'],
    ['node --import tsx app.ts', '--import tsx | app.ts', 'app.ts', 'ts'],
    // nodemon's placeholders
    ['server.js a', 'server.js -x a', 'server.js', 'js', { exec: 'node {{filename}} -x' }],
    ['server.js', '--title=/app | server.js', 'server.js', 'js', { exec: 'node --title={{pwd}}' }],
    ['server.js a', 'server.js -x a', 'server.js', 'js', { execMap: { js: 'node {{filename}} -x' } }],
    ['server.js a', '--title=/app | server.js a', 'server.js', 'js', { execMap: { js: ['node', '--title={{pwd}}'] } }],
    ['node -r ts-node/register app.ts', '-r ts-node/register | app.ts', 'app.ts', 'ts'],
    ['node app.ts', 'app.ts', 'app.ts', 'ts'],
    ['node server.js', '--inspect | server.js', 'server.js', 'js', { nodeArgs: ['--inspect'] }],
    ['node -e 1 a', '-e 1 | a', undefined, 'ts'],
    ['node --test', '--test', undefined, 'ts'],
    ['node --test a.test.js', '--test | a.test.js', undefined, 'ts'],
    ['', '--test', undefined, 'ts', { nodeArgs: ['--test'] }],
    // tsx and ts-node
    ['tsx app.ts', `${tsx.join(' ')} | app.ts`, 'app.ts', 'ts'],
    ['./node_modules/.bin/tsx app.ts', `${tsx.join(' ')} | app.ts`, 'app.ts', 'ts'],
    ['tsx --import ./a.mjs app.ts x', `--import ./a.mjs ${tsx.join(' ')} | app.ts x`, 'app.ts', 'ts'],
    ['tsx server.js', `${tsx.join(' ')} | server.js`, 'server.js', 'ts'],
    ['ts-node app.ts', `${tsNode.join(' ')} | app.ts`, 'app.ts', 'ts'],
    ['ts-node app', `${tsNode.join(' ')} | app.ts`, 'app.ts', 'ts'],
    ['ts-node -r dotenv/config app.ts', `${tsNode.join(' ')} --require dotenv/config | app.ts`, 'app.ts', 'ts'],
    // Commands that only set variables or find the command
    ['env A=b node server.js', 'server.js', 'server.js', 'js'],
    [
      'cross-env A=b -- node server.js',
      'server.js',
      'server.js',
      'js',
      { more: { 'node_modules/.bin/cross-env': '' } },
    ],
    ['npx tsx app.ts', `${tsx.join(' ')} | app.ts`, 'app.ts', 'ts', { more: { '/usr/bin/npx': '' } }],
    ['npm exec -- tsx app.ts', `${tsx.join(' ')} | app.ts`, 'app.ts', 'ts', { more: { '/usr/bin/npm': '' } }],
    // Lines and execMap
    ['', 'server.js', 'server.js', 'js', { exec: 'node server.js' }],
    ['server.js 1', 'server.js 1', 'server.js', 'js', { exec: 'node' }],
    ['server.js', '--inspect -r "x" | server.js', 'server.js', 'js', { exec: `node --inspect -r '"x"'` }],
    ['dist/main.js', 'dist/main.js', 'dist/main.js', 'js', { exec: '/usr/bin/node' }],
    ['app.ts', '-r ts-node/register | app.ts', 'app.ts', 'ts', { exec: 'node -r ts-node/register' }],
    ['app.ts', `${tsNode.join(' ')} | app.ts`, 'app.ts', 'ts', { exec: 'A=b ts-node' }],
    ['', './bin/www', 'bin/www', 'js', { exec: './bin/www' }],
    ['server.js', '--inspect | server.js', 'server.js', 'js', { exec: 'node', nodeArgs: ['--inspect'] }],
    [
      'page.rb x',
      '-r ./hook.cjs | page.rb x',
      'page.rb',
      'js mjs cjs json rb',
      { execMap: { rb: 'node -r ./hook.cjs' } },
    ],
    ['app.ts', `${tsNode.join(' ')} | app.ts`, 'app.ts', 'ts', { execMap: { ts: 'NODE_ENV=dev ts-node' } }],
    ['app.ts', '--loader a b | app.ts', 'app.ts', 'ts', { execMap: { ts: ['node', '--loader', 'a b'] } }],
  ])('%s', (program, started, script, language, given) => {
    const command = resolve(program, given);
    const flags = command.nodeArgs.length === 0 ? '' : `${command.nodeArgs.join(' ')} | `;
    const words = `${flags}${command.args.join(' ')}`.replace(/ \| $/, '');
    expect([command.isNode, command.file, words]).toEqual([true, '/usr/bin/node', started]);
    expect([command.script, languageOf(command)]).toEqual([script && `/app/${script}`, language]);
  });

  test('has the variables that its words set', () => {
    expect(resolve('env A=b C=d=e node server.js').variables).toEqual({ A: 'b', C: 'd=e' });
    expect(resolve('flags.js').variables).toEqual({ A: 'b' });
    expect(resolve('server.js', { exec: 'A="b c" node' }).variables).toEqual({ A: 'b c' });
    expect(resolve('app.ts', { execMap: { ts: 'A=b node' } }).variables).toEqual({ A: 'b' });
    expect(resolve('tsx --tsconfig=x.json --no-cache app.ts').variables).toEqual({
      TSX_TSCONFIG_PATH: 'x.json',
      TSX_DISABLE_CACHE: '1',
    });
    expect(resolve('ts-node -T --files -P x.json app.ts').variables).toEqual({
      TS_NODE_TRANSPILE_ONLY: 'true',
      TS_NODE_FILES: 'true',
      TS_NODE_PROJECT: 'x.json',
    });
  });

  test('is run by the Node of devwatch, even if PATH has another one', () => {
    const host = createHost(files, { node: '/opt/node/bin/node' });
    const request = { folder: '/app', nodeArgs: [], exec: undefined, execMap: {}, env: { PATH: '/usr/bin' } };
    for (const program of [['node', 'server.js'], ['server.js'], ['bin/www'], ['/opt/node/bin/node', 'server.js']]) {
      expect(resolveCommand({ ...request, program }, host)).toMatchObject({ file: '/opt/node/bin/node', isNode: true });
    }
    expect(resolveCommand({ ...request, program: ['/usr/bin/node', 'server.js'] }, host).isNode).toBe(false);
  });

  test('has the files of variables that its flags name, and not the flags', () => {
    const expected = [
      { file: '/app/.env', isOptional: false },
      { file: '/app/local.env', isOptional: true },
    ];
    const command = resolve('node --env-file .env --env-file-if-exists=local.env --expose-gc server.js');
    expect(command).toMatchObject({ envFiles: expected, nodeArgs: ['--expose-gc'] });
    expect(resolve('server.js', { nodeArgs: ['--env-file=.env'] })).toMatchObject({
      envFiles: expected.slice(0, 1),
      nodeArgs: [],
    });
  });

  test('is shown as its words, without the loader', () => {
    expect(resolve('app.ts x', { nodeArgs: ['--inspect'] }).display).toBe('node --inspect app.ts x');
    expect(resolve('env A=b node server.js').display).toBe('node server.js');
    expect(resolve('npx tsx app.ts', { more: { '/usr/bin/npx': '' } }).display).toBe('tsx app.ts');
    expect(resolve('server.js', { exec: 'node', nodeArgs: ['--inspect'] }).display).toBe('node --inspect server.js');
  });
});

describe('a Node program that devwatch does not start itself names the reason:', () => {
  test.each<[program: string | string[], reason: string, language: string, given?: Given]>([
    ['node --watch server.js', '--watch is used · devwatch watches without it', 'js'],
    ['node --watch-path=src server.js', '--watch-path is used · devwatch watches without it', 'js'],
    ['node --run dev', '--run is used', 'ts'],
    ['node inspect server.js', 'it is a debugger', 'js'],
    ['node', 'it reads its program from stdin', 'ts'],
    ['/opt/node/bin/node server.js', '/opt/node/bin/node is not the Node that runs devwatch', 'js'],
    [
      'node server.js',
      '/opt/node/bin/node is not the Node that runs devwatch',
      'js',
      { env: { PATH: '/opt/node/bin' } },
    ],
    [
      'node server.js',
      '/app/node_modules/.bin/node is not the Node that runs devwatch',
      'js',
      { more: { 'node_modules/.bin/node': '' } },
    ],
    ['tsx watch app.ts', 'it watches by itself', 'ts'],
    ['tsx', 'it reads its program from stdin', 'ts'],
    ['ts-node --swc app.ts', '--swc is used', 'ts'],
    ['nice -n 5 node server.js', 'nice starts it', 'js'],
    ['env -i node server.js', 'env starts it', 'js'],
    ['dev', 'a shell runs the line', 'ts', { exec: 'npm run x; node server.js' }],
    ['dist/main.js', 'a shell runs the line', 'ts', { exec: 'npx tsc && node' }],
    ['server.js', 'a shell runs the line', 'js', { exec: 'node $FLAGS' }],
    ['server.js', '--permission is used', 'js', { nodeArgs: ['--permission'] }],
    ['server.js', '--watch is used · devwatch watches without it', 'js', { nodeArgs: ['--watch'] }],
    [['sh', '-c', 'node server.js'], 'a shell runs the line', 'js'],
    ['./dev.sh', 'sh starts it', 'js mjs cjs json ts mts cts tsx jsx sh'],
    ['npm run dev', 'npm starts it', 'js', { more: { '/usr/bin/npm': '' } }],
    ['yarn node server.js', 'yarn starts it', 'js', { more: { '/usr/bin/yarn': '' } }],
    ['pnpm tsx app.ts', 'pnpm starts it', 'ts', { more: { '/usr/bin/pnpm': '' } }],
  ])('%s', (program, obstacle, language, given) => {
    const command = resolve(program, given);
    expect([command.isNode, command.obstacle, languageOf(command)]).toEqual([false, obstacle, language]);
  });
});

describe('another program is run as it is:', () => {
  const rails = 'rb erb ru rake haml slim yml';

  test.each<[program: string, executed: string, language: string, script?: string | undefined, given?: Given]>([
    // Interpreters, versioned ones, and those of virtual environments
    ['run.py x', '/usr/bin/python3 run.py x', 'py', 'run.py'],
    ['tool.py x', '/app/tool.py x', 'py', 'tool.py'],
    ['python3.11 -m app', '/usr/bin/python3.11 -m app', 'py'],
    ['/usr/bin/python3.11 -m app', '/usr/bin/python3.11 -m app', 'py'],
    ['.venv/bin/python run.py', '/app/.venv/bin/python run.py', 'py', 'run.py'],
    ['.venv/bin/uvicorn main:app', '/app/.venv/bin/uvicorn main:app', 'py'],
    ['.venv/bin/serve', '/app/.venv/bin/serve', 'py'],
    ['uvicorn main:app --fd 3', '/usr/bin/uvicorn main:app --fd 3', 'py'],
    ['page.rb', '/usr/bin/ruby page.rb', rails, 'page.rb'],
    ['deno.ts', '/app/deno.ts', 'ts', 'deno.ts'],
    ['page.rb x', '/usr/bin/ruby -w page.rb x', rails, 'page.rb', { execMap: { rb: 'ruby -w' } }],
    // Scripts
    ['tasks/own', '/app/tasks/own', 'py', 'tasks/own'],
    ['tasks/py run.py', '/app/tasks/py run.py', 'js mjs cjs json ts mts cts tsx jsx sh py', 'tasks/py'],
    ['tasks/dev', '/app/tasks/dev', 'js mjs cjs json ts mts cts tsx jsx sh bash py', 'tasks/dev'],
    ['./dev.sh', '/app/dev.sh', 'js mjs cjs json ts mts cts tsx jsx sh', 'dev.sh'],
    ['make dev', '/usr/bin/make dev', 'js mjs cjs json ts mts cts tsx jsx c h cc cpp hpp mk go mod tmpl', 'Makefile'],
    // Commands
    ['vite build', '/app/node_modules/.bin/vite build', 'ts'],
    ['./node_modules/.bin/vite', '/app/node_modules/.bin/vite', 'ts'],
    [
      'tool --config=a.yml conf.toml main:app x.unknown',
      '/usr/bin/tool --config=a.yml conf.toml main:app x.unknown',
      'js mjs cjs json ts mts cts tsx jsx toml',
    ],
    ['go run ./cmd/api', '/usr/bin/go run ./cmd/api', 'go mod tmpl'],
    // Behind other commands
    ['nice -n 5 python3 run.py', '/usr/bin/nice -n 5 python3 run.py', 'py', 'run.py'],
    ['env A=b python3 -m app', '/usr/bin/env A=b python3 -m app', 'py'],
    ['uv run run.py', '/usr/bin/uv run run.py', 'py', 'run.py', { more: { '/usr/bin/uv': '' } }],
    ['uv run --with x -m app', '/usr/bin/uv run --with x -m app', 'py', undefined, { more: { '/usr/bin/uv': '' } }],
    ['poetry run serve', '/usr/bin/poetry run serve', 'py', undefined, { more: { '/usr/bin/poetry': '' } }],
    ['bundle exec puma', '/usr/bin/bundle exec puma', rails, undefined, { more: { '/usr/bin/bundle': '' } }],
    ['npm run api', '/usr/bin/npm run api', 'py', undefined, { more: { '/usr/bin/npm': '' } }],
    ['npm run loop', '/usr/bin/npm run loop', 'ts', undefined, { more: { '/usr/bin/npm': '' } }],
    ['sh -c "x"', '/usr/bin/sh -c "x"', 'ts'],
  ])('%s', (program, executed, language, script, given) => {
    const command = resolve(program, given);
    expect([command.isNode, [command.file, ...command.args].join(' ')]).toEqual([false, executed]);
    expect([languageOf(command), command.script]).toEqual([language, script && `/app/${script}`]);
  });

  test.each<[program: string, exec: string, args: string[], language: string, script?: string]>([
    ['server.js', 'npx tsc && node', ['npx tsc && node "$@"', 'sh', 'server.js'], 'ts'],
    [
      'dist/main.js a',
      'python3 build.py && node',
      ['python3 build.py && node "$@"', 'sh', 'dist/main.js', 'a'],
      'py js mjs cjs json',
    ],
    ['', 'go build -o bin/app && exec bin/app', ['go build -o bin/app && exec bin/app'], 'go mod tmpl'],
    ['', 'sleep 1 && ./task', ['sleep 1 && ./task'], 'ts'],
    ['', 'make all', ['exec make all'], 'js mjs cjs json ts mts cts tsx jsx c h cc cpp hpp mk go mod tmpl', 'Makefile'],
    ['.', 'electron', ['electron "$@"', 'sh', '.'], 'ts'],
    [
      'empty',
      'make',
      ['exec make "$@"', 'sh', 'empty'],
      'js mjs cjs json ts mts cts tsx jsx c h cc cpp hpp mk go mod tmpl',
      'Makefile',
    ],
    ['./cmd/api', 'go run', ['exec go run "$@"', 'sh', './cmd/api'], 'go mod tmpl'],
    ['app', 'python3 -m', ['exec python3 -m "$@"', 'sh', 'app'], 'py'],
    ['run.py', 'python3 -u', ['exec python3 -u "$@"', 'sh', 'run.py'], 'py', 'run.py'],
    ['hello', 'echo', ['echo "$@"', 'sh', 'hello'], 'ts'],
    ['app', 'A=b python3 -m', ['A=b python3 -m "$@"', 'sh', 'app'], 'py'],
    ['gone.py', 'cd api && python3', ['cd api && python3 "$@"', 'sh', 'gone.py'], 'py'],
  ])('%s by the line %j', (program, exec, args, language, script) => {
    const command = resolve(program, { exec });
    expect([command.file, command.args]).toEqual(['/bin/sh', ['-c', ...args]]);
    expect([languageOf(command), command.script]).toEqual([language, script && `/app/${script}`]);
  });

  test('by a line of execMap that only a shell can run', () => {
    expect(resolve('page.rb x', { execMap: { rb: 'cd . && ruby' } })).toMatchObject({
      file: '/bin/sh',
      args: ['-c', 'cd . && ruby "$@"', 'sh', 'page.rb', 'x'],
      script: '/app/page.rb',
    });
  });

  test("with the project's commands before all others on PATH, where it looks for commands", () => {
    const PATH = '/app/node_modules/.bin:/usr/bin';
    expect(resolve('', { exec: 'vite' }).variables).toEqual({ PATH });
    expect(resolve('nice vite').variables).toEqual({ PATH });
    expect(resolve('page.rb', { execMap: { rb: 'vite' } }).variables).toEqual({ PATH });
    expect(resolve('vite').variables).toEqual({ PATH });
    expect(resolve('make').variables).toEqual({});
    expect(resolve('server.js').variables).toEqual({});
  });
});

describe('whether a program does some work and ends is known of', () => {
  test.each<[program: string, endsByDesign: boolean, given?: Given]>([
    ['server.js', false],
    ['server.js --test', false],
    ['node --test', true],
    ['node --test-reporter tap server.js', false],
    ['', true, { nodeArgs: ['--test'] }],
    ['server.js', true, { nodeArgs: ['--test'] }],
    ['go build ./...', true],
    ['go run .', false],
    ['server.js', true, { exec: 'npx tsc && jest' }],
    ['server.js', false, { exec: 'npm run build && node' }],
    ['--test', true, { exec: 'node' }],
  ])('%j: %j %j', (program, endsByDesign, given) => {
    expect(resolve(program, given).endsByDesign).toBe(endsByDesign);
  });

  test.each(
    Object.entries({
      '/usr/bin/node --test': true,
      '/usr/bin/node server.js --test': false,
      'node --check server.js': true,
      'node_modules/.bin/tsc': true,
      'node_modules/.bin/tsc --watch': false,
      'node_modules/.bin/tsc -w -p .': false,
      'npm test': true,
      'npm run test:unit': true,
      'npm --silent run build': true,
      'npm run dev': false,
      'npm start': false,
      'npx jest': true,
      'pnpm exec vitest run': true,
      'pnpm exec vitest': false,
      'cross-env CI=1 mocha': true,
      'python3 -m pytest': true,
      'python3 -m http.server': false,
      'uv run pytest -x': true,
      'bundle exec rspec': true,
      'cargo test': true,
      'cargo run': false,
      'go vet ./...': true,
      make: true,
      'make dev': false,
      'vite build': true,
      vite: false,
      'constructor x': false,
      'A=b npm run build && npm test': true,
      'eslint . ; node server.js': false,
      'sleep 1; false': false,
      '': false,
    }),
  )('the line %j: %j', (exec, endsByDesign) => {
    expect(resolve('', { exec }).endsByDesign).toBe(endsByDesign);
  });
});

describe('a script that does not exist is described as an empty one:', () => {
  test.each<[program: string, expected: Partial<Command>]>([
    ['dist/late.js --port 80', { isNode: true, args: ['dist/late.js', '--port', '80'], needs: ['/app/dist/late.js'] }],
    ['node dist/late.js', { isNode: true, args: ['dist/late.js'], needs: ['/app/dist/late.js'] }],
    ['late.py', { isNode: false, file: '/usr/bin/python3', args: ['late.py'], needs: ['/app/late.py'] }],
    ['./late.sh x', { isNode: false, file: '/app/late.sh', args: ['x'], needs: ['/app/late.sh'] }],
  ])('%s', (program, expected) => {
    const { script, ...command } = resolve(program);
    expect(command).toMatchObject(expected);
    expect(script).toBe(expected.needs?.[0]);
  });

  test('a name without an extension may appear with any, or as a folder', () => {
    const { needs, isNode } = resolve('./dist/late');
    expect(isNode).toBe(true);
    expect(needs).toEqual(expect.arrayContaining(['/app/dist/late', '/app/dist/late.js', '/app/dist/late/index.js']));
  });

  test('the script of a line for a shell is not needed: the line may build it', () => {
    expect(resolve('dist/late.js', { exec: 'tsc && node' }).needs).toEqual([]);
  });
});

describe('a mistake is an error with its remedy:', () => {
  test.each<[program: string | string[], message: string | RegExp, given?: Given]>([
    [[''], 'the script is an empty text'],
    ['sever.js', 'sever.js: no such file in /app · did you mean server.js?'],
    ['./bin/wwww', './bin/wwww: no such file in /app · did you mean bin/www?'],
    ['scr/main.js', 'scr/main.js: no such file in /app · did you mean src/main.js?'],
    ['/app/sever.js', '/app/sever.js: no such file in /app · did you mean /app/server.js?'],
    ['sever', 'sever: no such file or command in /app · did you mean server.js?'],
    ['vitee build', 'vitee: no such file or command in /app · did you mean vite?'],
    ['nmp run dev', 'nmp: no such file or command in /app · did you mean npm?', { more: { '/usr/bin/npm': '' } }],
    ['nmp run dev', /^nmp: no such file or command in \/app$/],
    // A folder is no script.
    ['buitl', /^buitl: no such file or command in \/app$/],
    ['run', 'run: no such file or command in /app · did you mean run.py?'],
    ['empty', 'empty: is a folder without an index.js and without a "main" in its package.json · name a script'],
    ['script.xyz', 'script.xyz: no interpreter is known for .xyz · name what runs it: "execMap": {"xyz": "…"}'],
    ['script', 'script: no interpreter is known for it · make it executable', { more: { script: '\0' } }],
    ['page.rb', 'page.rb: needs "no-such-ruby", which is not installed', { execMap: { rb: 'no-such-ruby' } }],
    ['index.php', 'index.php: needs "php", which is not installed'],
    ['dev.sh', '--inspect is a flag for Node, but dev.sh is not run by it', { nodeArgs: ['--inspect'] }],
    ['vite', '--inspect is a flag for Node, but vite is not run by it', { nodeArgs: ['--inspect'] }],
    ['x', "--inspect: with --exec, Node's flags belong into the line", { exec: 'make', nodeArgs: ['--inspect'] }],
    ['app.ts', 'app.ts: running TypeScript needs tsx', { folder: '/lonely', more: { '/lonely/app.ts': '' } }],
  ])('%j', (program, message, given) => {
    expect(() => resolve(program, given)).toThrow(message);
  });

  test('a script that may not be read, and a path that cannot be looked up', () => {
    const request = { folder: '/app', nodeArgs: [], exec: undefined, execMap: {}, env: {} };
    const unreadable = createHost(files, { readStart: () => undefined });
    const message = 'server.js: may not be read · chmod +r server.js';
    expect(() => resolveCommand({ ...request, program: ['server.js'] }, unreadable)).toThrow(message);
    const locked = createHost({}, { flawOf: () => 'EACCES' });
    expect(() => resolveCommand({ ...request, program: ['a/b'] }, locked)).toThrow(
      '"a/b": cannot be looked up (EACCES)',
    );
  });
});

describe('on the disk', () => {
  test('a command, a script with a first line and a folder are found', async () => {
    await using project = createProject({
      'package.json': '{"main": "lib"}',
      'lib/index.js': '',
      'bin/www': '#!/usr/bin/env node\n',
      'sh/run': '#!/bin/sh\n',
      'node_modules/.bin/vite': '',
    });
    for (const name of ['sh/run', 'node_modules/.bin/vite']) fs.chmodSync(project.at(name), 0o755);
    const run = (...program: string[]): Command =>
      resolveCommand({ folder: project.path, program, nodeArgs: [], exec: undefined, execMap: {}, env: process.env });
    expect(run('bin/www')).toMatchObject({ isNode: true, file: process.execPath, script: project.at('bin/www') });
    expect(run('.')).toMatchObject({ isNode: true, args: ['.'], script: project.at('lib/index.js') });
    expect(run('sh/run')).toMatchObject({ isNode: false, file: project.at('sh/run') });
    expect(run('vite')).toMatchObject({ isNode: false, file: project.at('node_modules/.bin/vite') });
    expect(run(process.execPath, 'lib')).toMatchObject({ isNode: true, script: project.at('lib/index.js') });
    fs.rmSync(project.at('lib'), { recursive: true });
    expect(run('.').needs).toContain(project.at('lib/index.js'));
    expect(() => run('bin/www/x')).toThrow('bin/www/x: no such file');
  });

  test('findOnPath takes an empty element of PATH for the current folder', async () => {
    await using project = createProject({ 'run.sh': '', run: '' });
    fs.chmodSync(project.at('run.sh'), 0o755);
    expect(findOnPath('run.sh', project.path, { PATH: '/no/such/folder:' })).toBe(project.at('run.sh'));
    expect(findOnPath('run', project.path, { PATH: '' })).toBeUndefined();
  });
});

test('PATH gets the commands of the folder and of all above it, once, the nearest first', () => {
  const host = createHost({ 'node_modules/.bin/a': '', 'packages/api/node_modules/.bin/b': '' });
  const path = (PATH: string | undefined): unknown => withProjectCommands('/app/packages/api', { PATH }, host).PATH;
  const both = '/app/packages/api/node_modules/.bin:/app/node_modules/.bin';
  expect(path('/bin')).toBe(`${both}:/bin`);
  expect(path('/app/node_modules/.bin:/bin')).toBe(`${both}:/bin`);
  expect(withProjectCommands('/x', { PATH: '/bin' }, host)).toEqual({ PATH: '/bin' });
});

describe('node_modules of another user, above the project', () => {
  const files = {
    '../node_modules/.bin/make': '',
    '../node_modules/.bin/evil': '',
    '../node_modules/tsx/package.json': '{"exports": "./loader.mjs"}',
  };
  const isOfProject = (folder: string): boolean => !folder.startsWith('/node_modules');
  const host = createHost({ ...files, 'a.ts': '', 'app.py': '' }, { isOfProject });
  const resolve = (...program: string[]): Command =>
    resolveCommand(
      { folder: '/app', program, nodeArgs: [], exec: undefined, execMap: {}, env: { PATH: '/usr/bin' } },
      host,
    );

  test('is not looked into for commands and interpreters', () => {
    expect(resolve('make').file).toBe('/usr/bin/make');
    expect(withProjectCommands('/app', { PATH: '/bin' }, host)).toEqual({ PATH: '/bin' });
    expect(() => resolve('evil')).toThrow(
      'evil: no such file or command in /app · /node_modules/.bin/evil is not used: another user could have put it there',
    );
  });

  test('is not looked into for loaders', () => {
    expect(() => resolve('a.ts')).toThrow('a.ts: running TypeScript needs tsx in the project');
  });
});

test('a command of any length is shown in one line', () => {
  const program = ['/bin/echo', 'x'.repeat(1e5)];
  const { display, args } = resolveCommand({
    ...{ folder: '/', env: {}, nodeArgs: [], exec: undefined, execMap: {} },
    program,
  });
  expect([display.length, args[0]?.length]).toEqual([501, 1e5]);
});
