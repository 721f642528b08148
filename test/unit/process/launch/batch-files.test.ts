import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batchArguments, quoteForCmd, readShim, startOf } from '../../../../src/process/launch/batch-files.ts';
import { npmOfNode, npmShims, pnpmShims, yarnShims } from '../../../platforms/shims.mjs';
import { createHost } from '../../../support/host.ts';

const npm = npmShims['tool.cmd'];

describe('a batch file of a package manager', () => {
  test.each([
    ['npm', npm, undefined],
    ['pnpm', pnpmShims['tool.CMD'], 'C:\\nowhere\\node_modules'],
    ['Yarn', yarnShims['tool.cmd'], undefined],
  ])('of %s is read', (_, text, nodePath) => {
    expect(readShim(text)).toEqual({ script: '..\\tool\\cli.js', nodeArgs: [], nodePath });
  });

  test('may have flags for Node, and a script on another drive', () => {
    expect(readShim(npm.replace('"%_prog%"  ', '"%_prog%" --no-warnings --expose-gc '))).toMatchObject({
      nodeArgs: ['--no-warnings', '--expose-gc'],
    });
    expect(readShim(npm.replace('%dp0%\\..', 'D:\\store'))).toMatchObject({ script: 'D:\\store\\tool\\cli.js' });
  });

  test.each([
    ['another interpreter', npm.replace('_prog=node', '_prog=python')],
    ['a variable', npm.replace('SETLOCAL', 'SET "NODE_ENV=test"\r\nSETLOCAL')],
    ['another command', `${npm}echo done\r\n`],
    ['arguments of its own', npm.replace('%*', '--port 1 %*')],
    ['no script', '@ECHO OFF\r\n'],
    ['nothing', ''],
  ])('with %s is left to cmd.exe', (_, text) => {
    expect(readShim(text)).toBeUndefined();
  });

  test('is started without cmd.exe, by the Node beside it or the one on PATH', () => {
    const given = { file: '/app/node_modules/.bin/tool.cmd', args: ['a b'], variables: { A: '1' } };
    const files = { 'node_modules/.bin/tool.cmd': npm };
    const facts = { isPosix: false, isExecutable: (file: string) => file === '/usr/bin/node.exe' };
    const context = { folder: '/app', env: { PATH: '/usr/bin' } };
    expect(startOf(given, { ...context, host: createHost(files, facts) })).toEqual({
      file: '/usr/bin/node.exe',
      args: ['/app/node_modules/tool/cli.js', 'a b'],
      variables: { A: '1' },
    });
    const beside = { isPosix: false, isExecutable: (file: string) => file === '/app/node_modules/.bin/node.exe' };
    expect(startOf(given, { ...context, host: createHost(files, beside) }).file).toBe(
      '/app/node_modules/.bin/node.exe',
    );
    const none = { isPosix: false, isExecutable: () => false, node: '/node.exe' };
    expect(startOf(given, { ...context, host: createHost(files, none) }).file).toBe('/node.exe');
  });

  test('of pnpm adds its folders to NODE_PATH', () => {
    const host = createHost({ 'tool.cmd': pnpmShims['tool.CMD'] }, { isPosix: false });
    const start = (env: NodeJS.ProcessEnv): unknown =>
      startOf({ file: '/app/tool.cmd', args: [], variables: {} }, { folder: '/app', env, host }).variables;
    expect(start({})).toEqual({ NODE_PATH: 'C:\\nowhere\\node_modules' });
    expect(start({ NODE_PATH: '/own' })).toEqual({ NODE_PATH: 'C:\\nowhere\\node_modules:/own' });
  });

  test('of npm itself is started without cmd.exe: the global one, the one beside it, or else by cmd.exe', () => {
    const start = (env: NodeJS.ProcessEnv, ...scripts: readonly string[]): unknown => {
      const npm = { 'nodejs/npm.cmd': npmOfNode, 'nodejs/npx.cmd': npmOfNode.replaceAll('NPM_CLI', 'NPX_CLI') };
      const files = { ...npm, ...Object.fromEntries(scripts.map((script) => [script, ''])) };
      const host = createHost(files, { isPosix: false, isExecutable: (file) => file === '/app/nodejs/node.exe' });
      const tool = scripts.some((script) => script.includes('npx')) ? 'npx' : 'npm';
      const given = { file: `/app/nodejs/${tool}.cmd`, args: ['run', 'dev'], variables: {} };
      return startOf(given, { folder: '/app', env, host }).args;
    };
    const own = 'nodejs/node_modules/npm/bin/npm-cli.js';
    const global = 'data/npm/node_modules/npm/bin/npm-cli.js';
    expect(start({ APPDATA: '/app/data' }, own, global)).toEqual([`/app/${global}`, 'run', 'dev']);
    expect(start({ npm_config_prefix: '/app/data/npm' }, own, global)).toEqual([`/app/${global}`, 'run', 'dev']);
    expect(start({ APPDATA: '/app/data' }, own)).toEqual([`/app/${own}`, 'run', 'dev']);
    expect(start({}, own.replace('npm-cli', 'npx-cli'))).toEqual([
      `/app/${own.replace('npm-cli', 'npx-cli')}`,
      'run',
      'dev',
    ]);
    expect(start({})).toEqual(['/d', '/s', '/c', '""/app/nodejs/npm.cmd" "run" "dev""']);
  });

  test('is a file like any other on POSIX', () => {
    const given = { file: '/app/tool.cmd', args: [], variables: {} };
    const host = createHost({ 'tool.cmd': npm });
    expect(startOf(given, { folder: '/app', env: {}, host })).toEqual(given);
  });
});

/** Reads a line as cmd.exe does: quotes suspend the meaning of characters, a caret takes it from the next one. */
function readByCmd(line: string): string {
  let text = '';
  let isQuoted = false;
  for (let index = 0; index < line.length; index += 1) {
    const character = line.charAt(index);
    if (character === '"') isQuoted = !isQuoted;
    else if (character === '^' && !isQuoted) index += 1;
    else if (!isQuoted && /[&|<>()%]/.test(character)) throw new Error(`${character} has a meaning in ${line}`);
    text += line.charAt(index);
  }
  return text;
}

/** Splits a command line as programs do: https://learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments. */
function splitByProgram(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let isQuoted = false;
  for (const [, slashes = '', other = ''] of line.matchAll(/(\\*)(["\s]|[^\\"\s]|$)/gs)) {
    if (slashes !== '')
      word = (word ?? '') + (other === '"' ? slashes.slice(0, Math.floor(slashes.length / 2)) : slashes);
    if (other === '"' && slashes.length % 2 === 1) word = `${word ?? ''}"`;
    else if (other === '"') {
      isQuoted = !isQuoted;
      word ??= '';
    } else if (/^\s$/.test(other) && !isQuoted) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (other !== '') word = (word ?? '') + other;
  }
  return word === undefined ? words : [...words, word];
}

/** Texts of characters that are hard to quote. */
const words = fc.array(fc.string({ unit: fc.constantFrom(...'ab "\\&|<>^%!(),;=*?\'`[]$é'), maxLength: 12 }), {
  minLength: 1,
  maxLength: 4,
});

describe('arguments for cmd.exe', () => {
  test('arrive at a program as they are', () => {
    fc.assert(
      fc.property(words, (all) => {
        const line = all.map((word) => quoteForCmd(word)).join(' ');
        expect(splitByProgram(readByCmd(line))).toEqual(all);
      }),
    );
  });

  test.each([false, true])('arrive by a batch file as they are; it passes them on: %s', (passesOn) => {
    fc.assert(
      fc.property(words, (all) => {
        const [, , , line = ''] = batchArguments('C:\\my tools\\run.bat', all, passesOn);
        // With /s only the outer quotes are removed.
        const once = readByCmd(line.slice(1, -1));
        const [file, ...given] = splitByProgram(passesOn ? readByCmd(once) : once);
        expect([file?.replaceAll('"', ''), ...given].slice(-all.length)).toEqual(all);
      }),
    );
  });

  test('are written plainly where that is enough', () => {
    expect(batchArguments('C:\\my tools\\run.bat', ['one', 'a b', 'c\\d'], true)).toEqual([
      '/d',
      '/s',
      '/c',
      '""C:\\my tools\\run.bat" "one" "a b" "c\\d""',
    ]);
  });
});
