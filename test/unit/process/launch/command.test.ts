import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type CommandRequest, findOnPath, resolveCommand } from '../../../../src/process/launch/command.ts';
import { createProject } from '../../../support/project.ts';

const files = {
  'server.js': '',
  'module.mjs': '',
  'app.tsx': '',
  'tool.py': '',
  'page.rb': '',
  'run.sh': '',
  run: '',
  'src/index.js': '',
  'empty/readme.md': '',
  'node_modules/tsx/package.json': '{ "exports": "./loader.mjs" }',
  'node_modules/tsx/loader.mjs': '',
  'node_modules/.bin/vite': '',
};

function open() {
  const project = createProject(files);
  for (const name of ['run.sh', 'node_modules/.bin/vite']) fs.chmodSync(project.at(name), 0o755);
  const resolve = (program: readonly string[], request: Partial<CommandRequest> = {}) =>
    resolveCommand({ folder: project.path, program, nodeArgs: [], exec: undefined, execMap: {}, env: {}, ...request });
  return Object.assign(project, { resolve });
}

describe('resolveCommand', () => {
  test('runs a JavaScript file with this Node, with the flags for Node before it', async () => {
    await using project = open();
    expect(project.resolve(['server.js', '--port', '1'], { nodeArgs: ['--enable-source-maps'] })).toMatchObject({
      file: process.execPath,
      nodeArgs: ['--enable-source-maps'],
      args: ['server.js', '--port', '1'],
      display: 'node --enable-source-maps server.js --port 1',
      script: project.at('server.js'),
      isNode: true,
    });
  });

  test("runs TypeScript with the project's tsx", async () => {
    await using project = open();
    const { nodeArgs, args, display, extensions, isNode } = project.resolve(['app.tsx']);
    expect(nodeArgs).toEqual(['--import', `file://${project.at('node_modules/tsx/loader.mjs')}`]);
    expect([args, display, isNode]).toEqual([['app.tsx'], 'node app.tsx', true]);
    expect(extensions).toContain('tsx');
  });

  test('runs a script with the interpreter of its extension, which execMap can replace', async () => {
    await using project = open();
    expect(project.resolve(['tool.py', 'x'])).toMatchObject({ args: ['tool.py', 'x'], extensions: ['py'] });
    const mapped = project.resolve(['page.rb', 'x'], { execMap: { rb: 'node -r ./hook.cjs' } });
    expect(mapped).toMatchObject({
      args: ['-r', './hook.cjs', 'page.rb', 'x'],
      display: 'node -r ./hook.cjs page.rb x',
      isNode: false,
    });
    expect(mapped.extensions).toContain('rb');
  });

  test('runs an executable script directly', async () => {
    await using project = open();
    expect(project.resolve(['run.sh', 'x'])).toMatchObject({
      file: project.at('run.sh'),
      args: ['x'],
      extensions: ['sh'],
    });
  });

  test('finds a command in node_modules/.bin', async () => {
    await using project = open();
    expect(project.resolve(['vite', 'build'])).toMatchObject({
      file: project.at('node_modules/.bin/vite'),
      args: ['build'],
      script: undefined,
    });
  });

  test('passes the program to the shell line of --exec as parameters', async () => {
    await using project = open();
    expect(project.resolve(['server.js', 'a b'], { exec: 'node --inspect' })).toMatchObject({
      file: '/bin/sh',
      args: ['-c', 'node --inspect "$@"', 'sh', 'server.js', 'a b'],
      script: project.at('server.js'),
      isNode: false,
    });
    expect(project.resolve([], { exec: 'make all' }).args).toEqual(['-c', 'make all']);
  });

  test('runs Node without a preload when its flags restrict permissions', async () => {
    await using project = open();
    expect(project.resolve(['server.js'], { nodeArgs: ['--permission'] })).toMatchObject({
      nodeArgs: [],
      args: ['--permission', 'server.js'],
      isNode: false,
    });
  });

  test.each<[program: string[], request: Partial<CommandRequest>, message: string]>([
    [[''], {}, 'the script is an empty text'],
    [['serve.js'], {}, 'serve.js: no such file in'],
    [['server'], {}, 'did you mean server.js?'],
    [['src'], {}, 'src: is a folder · name a script, such as src/index.js'],
    [['empty'], {}, 'empty: is a folder · name a script'],
    [['page.rb'], {}, 'page.rb: no interpreter is known for .rb · name what runs it: "execMap": {"rb": "…"}'],
    [['run'], {}, 'run: no interpreter is known for it · make it executable (chmod +x)'],
    [['page.rb'], { execMap: { rb: 'no-such-ruby' } }, 'page.rb: needs "no-such-ruby", which is not installed'],
    [['run.sh'], { nodeArgs: ['--inspect'] }, '--inspect is a flag for Node, but run.sh is not run by it'],
    [['vite'], { nodeArgs: ['--inspect'] }, '--inspect is a flag for Node, but vite is not run by it'],
    [['x'], { exec: 'node', nodeArgs: ['--inspect'] }, "--inspect: with --exec, Node's flags belong into the line"],
  ])('rejects %j with %j', async (program, request, message) => {
    await using project = open();
    expect(() => project.resolve(program, request)).toThrow(message);
  });
});

test('findOnPath takes an empty element of PATH for the current folder', async () => {
  await using project = open();
  expect(findOnPath('run.sh', project.path, { PATH: '/no/such/folder:' })).toBe(project.at('run.sh'));
  expect(findOnPath('run', project.path, { PATH: '' })).toBeUndefined();
});
