import { expect, test } from 'vitest';
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
