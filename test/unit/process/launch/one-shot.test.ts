import { expect, test } from 'vitest';
import type { Command } from '../../../../src/process/launch/command.ts';
import { isOneShot } from '../../../../src/process/launch/one-shot.ts';

const command = (fields: Partial<Command>): Command => ({
  file: process.execPath,
  nodeArgs: [],
  args: [],
  display: '',
  script: undefined,
  extensions: [],
  isNode: false,
  variables: {},
  notes: [],
  ...fields,
});
const line = (text: string, ...program: readonly string[]): Command =>
  command({ file: '/bin/sh', args: program.length === 0 ? ['-c', text] : ['-c', `${text} "$@"`, 'sh', ...program] });
const words = (text: string): Command => {
  const [file = '', ...args] = text.split(' ');
  return command({ file, args });
};

test.each<[string, Command, boolean]>([
  ['node --test a.js', command({ isNode: true, nodeArgs: ['--test'], args: ['a.js'] }), true],
  [
    'node --test-reporter tap a.js',
    command({ isNode: true, nodeArgs: ['--test-reporter', 'tap'], args: ['a.js'] }),
    false,
  ],
  ['node a.js --test', command({ isNode: true, args: ['a.js', '--test'] }), false],
  ...Object.entries({
    '/usr/bin/node --test': true,
    '/usr/bin/node server.js --test': false,
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
  }).map(([text, expected]): [string, Command, boolean] => [text, words(text), expected]),
  ['--exec "node --test"', line('node --test'), true],
  ['--exec node --test', line('node', '--test'), true],
  ['--exec "A=b npm run build && npm test"', line('A=b npm run build && npm test'), true],
  ['--exec "npm run build && node" server.js', line('npm run build && node', 'server.js'), false],
  ['--exec "eslint . ; node server.js"', line('eslint . ; node server.js'), false],
  ['--exec "sleep 1; false"', line('sleep 1; false'), false],
  ['--exec ""', line(''), false],
])('%s', (_, one, expected) => {
  expect(isOneShot(one)).toBe(expected);
});
