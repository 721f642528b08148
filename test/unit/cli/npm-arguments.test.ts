import { describe, expect, test } from 'vitest';
import { parseNpmArgv } from '../../../src/cli/npm-arguments.ts';

const parse = (script: string | undefined, line: string) =>
  parseNpmArgv(line.split(' '), script === undefined ? {} : { npm_lifecycle_script: script });

test.each([
  ['devwatch', '--port 8080', ['--port', '8080']],
  ['NODE_ENV=dev devwatch -q -w src', '-q -w src --port=80 -x', ['--port=80', '-x']],
  ['npm run build && npx devwatch', '-p 80', ['-p', '80']],
  ['./node_modules/.bin/devwatch', '--port 80', ['--port', '80']],
])('behind the script "%s", %s has arguments for the program: %j', (script, line, extra) => {
  expect(parse(script, line)).toMatchObject({ extra, program: [] });
});

test.each([
  // Options of devwatch and Node are theirs.
  ['devwatch', '--watch src server.js', ['server.js']],
  ['devwatch', '--inspect server.js', ['server.js']],
  ['devwatch -q', '-q server.js --port 80', ['server.js', '--port', '80']],
])('behind the script "%s", the program of %s is %j', (script, line, program) => {
  expect(parse(script, line)).toMatchObject({ extra: [], program });
});

test.each([
  [undefined, '--port 8080'],
  ['devwatch --port 8080', '--port 8080'],
  ['devwatch', '--wacth src'],
  ['devwatch -q', '--port 8080'],
  ['nodemon', '--port 8080'],
])('with the script "%s", %s is refused', (script, line) => {
  expect(() => parse(script, line)).toThrow('unknown option');
});

describe('pnpm and yarn pass on the dashes and the words behind them', () => {
  /** pnpm appends the words to the line that it tells, and yarn tells none. */
  const parseAll = (script: string, line: string) => {
    const manifest = JSON.stringify({ scripts: { dev: script } });
    const words = line === '' ? [] : line.split(' ');
    const own = script
      .replace(/^.*devwatch ?/, '')
      .split(' ')
      .filter(Boolean);
    const envs = [{ npm_lifecycle_script: `${script} ${line}` }, {}];
    const lines = envs.map((env) =>
      parseNpmArgv([...own, ...words], { npm_lifecycle_event: 'dev', ...env }, () => manifest),
    );
    expect(lines[0]).toEqual(lines[1]);
    return lines[0];
  };

  test.each<[script: string, line: string, program: readonly string[], extra: readonly string[]]>([
    ['devwatch', '-- --port 80', [], ['--port', '80']],
    ['devwatch', '-- seed', [], ['seed']],
    ['devwatch -q', '-- -- x', [], ['--', 'x']],
    ['devwatch', '--port 80', [], ['--port', '80']],
    ['devwatch server.js', '-- --port 80', ['server.js', '--port', '80'], []],
    ['devwatch server.js', '--port 80', ['server.js', '--port', '80'], []],
    ['devwatch server.js a', '-- b', ['server.js', 'a', 'b'], []],
    ['devwatch server.js a', '', ['server.js', 'a'], []],
    ['devwatch -- vite', '-- --port 80', ['vite', '--port', '80'], []],
    ['devwatch start', '-- --port 80', ['start', '--', '--port', '80'], []],
    ['devwatch --exec make', '-- all', ['all'], []],
  ])('behind the script "%s", %s', (script, line, program, extra) => {
    expect(parseAll(script, line)).toMatchObject({ program, extra });
  });

  test('dashes that the script itself has are its own', () => {
    const line = parseNpmArgv(
      ['server.js', '--', 'a'],
      { npm_lifecycle_event: 'dev' },
      () => '{"scripts":{"dev":"devwatch server.js -- a"}}',
    );
    expect(line.program).toEqual(['server.js', '--', 'a']);
  });
});
