/** nodemon's settings, key by key: the settings of devwatch, and what is reported as missing. */

import { expect, test } from 'vitest';
import { type Converted, fromNodemon } from '../../../src/config/nodemon.ts';
import { readDocument } from '../../../src/config/settings-file.ts';
import { createProject } from '../../support/project.ts';

async function convert(settings: object): Promise<Converted> {
  await using project = createProject({
    'nodemon.json': JSON.stringify(settings),
    'public/a.js': '',
    'lib/x/a.js': '',
    'node_modules/a/index.js': '',
  });
  return fromNodemon(readDocument(project.at('nodemon.json')));
}

const shell = (line: string): object => ({ shell: line });

test.each([
  [
    { script: 'a.js', args: ['-x'] },
    { script: 'a.js', args: ['-x'] },
  ],
  [{ nodeArgs: ['--inspect'] }, { nodeArgs: ['--inspect'] }],
  [
    { exec: 'node', nodeArgs: ['--inspect'] },
    { exec: 'node', nodeArgs: ['--inspect'] },
  ],
  [{ exec: 'python3 -u' }, { exec: 'python3 -u' }],
  [{ exec: ['node', '-r', './my setup.js'] }, { exec: "node -r './my setup.js'" }],
  [{ execMap: { rb: 'ruby -w' } }, { execMap: { rb: 'ruby -w' } }],
  [{ env: { A: 1, B: 'b', C: true, D: null } }, { env: { A: 1, B: 'b', C: 'true', D: 'null' } }],
  [{ ext: 'js json' }, { ext: 'js json' }],
  [{ ext: '' }, { ext: '*' }],
  [{ delay: 2500 }, { delay: 2500 }],
  [{ signal: 'SIGHUP' }, { signal: 'SIGHUP' }],
  [
    { legacyWatch: true, pollingInterval: 500 },
    { poll: true, pollInterval: 500 },
  ],
  [{ exitCrash: true }, { exitOnCrash: true }],
  [{ exitcrash: true }, { exitOnCrash: true }],
  [{ runOnChangeOnly: true }, { onChangeOnly: true }],
  [
    { quiet: true, verbose: false },
    { quiet: true, verbose: false },
  ],
  [{ colours: false }, { color: false }],
  [{ watchOptions: { usePolling: true, interval: 200 } }, { poll: true, pollInterval: 200 }],
  [{ watchOptions: { followSymlinks: false, awaitWriteFinish: true } }, { follow: false }],
  [{ restartable: 'rs', stdin: true, stdout: true, spawn: true, dump: false, noUpdateNotifier: true }, {}],
  [{ $schema: 'https://json.schemastore.org/nodemon.json' }, {}],
])('%j is taken over', async (settings, expected) => {
  expect(await convert(settings)).toMatchObject({ settings: expected, missing: [], remarks: [] });
  expect((await convert(settings)).settings).toEqual(expected);
});

test.each([
  // The whole folder is the default.
  [['*.*'], undefined],
  [['.'], undefined],
  [['**/*'], undefined],
  [[], undefined],
  ['', undefined],
  [false, []],
  [
    ['src', './lib/'],
    ['src', './lib/'],
  ],
  ['src/**/*.ts', ['src/**/*.ts']],
  [
    ['.', 'views'],
    ['.', 'views'],
  ],
])('"watch": %j becomes %j', async (watch, expected) => {
  expect((await convert({ watch })).settings).toEqual(expected === undefined ? {} : { watch: expected });
});

test('a pattern with `*.*` selects all extensions, whatever "ext" says', async () => {
  const { settings } = await convert({ watch: ['src/**/*.*'], ext: 'ts' });
  expect(settings).toEqual({ watch: ['src/**/*.*'], ext: '*' });
});

test.each([
  [['.git'], { watch: ['.', 'node_modules'] }],
  [['node_modules'], {}],
  [['**/node_modules/**'], {}],
])('"ignoreRoot": %j decides whether packages are watched', async (ignoreRoot, expected) => {
  expect((await convert({ ignoreRoot })).settings).toEqual(expected);
});

test.each([
  // nodemon ignores an existing folder where it is, and matches everything else at any depth.
  ['public', './public'],
  ['lib/x', 'lib/x'],
  ['lib/x/', 'lib/x/'],
  ['db.json', 'db.json'],
  ['*.test.js', '*.test.js'],
  ['test/*', '**/test/*'],
  ['src/**/*.spec.ts', '**/src/**/*.spec.ts'],
  ['gen*', '**/gen*/**'],
  ['./public', './public'],
  ['../shared', '../shared'],
  ['**/docs/**', '**/docs/**'],
  ['.env', './.env'],
])('"ignore": ["%s"] becomes "%s"', async (pattern, expected) => {
  expect((await convert({ ignore: [pattern] })).settings).toEqual({ ignore: [expected] });
});

test.each(['node_modules', 'node_modules/', '**/node_modules/**', '.git', './node_modules/*'])(
  '"ignore": ["%s"] is the default',
  async (pattern) => {
    expect((await convert({ ignore: [pattern] })).settings).toEqual({});
  },
);

test.each([
  [{ crash: 'echo C' }, { crash: shell('echo C') }],
  [{ start: 'echo S' }, { start: shell('echo S'), restart: shell('echo S') }],
  [
    { restart: 'echo R', start: ['echo', 'S'] },
    { start: shell('echo S'), restart: shell('echo R\necho S') },
  ],
  [{ restart: 'echo $FILENAME' }, { restart: shell(`FILENAME=\${DEVWATCH_CHANGED%%\n*}\necho $FILENAME`) }],
])('"events": %j become hooks', async (events, on) => {
  expect(await convert({ events })).toMatchObject({ settings: { on }, missing: [] });
});

test.each([
  [{ cwd: 'src' }, 'cwd', 'nodemon ignores it in a file'],
  [{ restartable: 'rr' }, 'restartable', 'a line "rs" or "r" restarts'],
  [{ restartable: false }, 'restartable', 'a line "rs" or "r" restarts'],
  [{ exec: 'ts-node', nodeArgs: ['--inspect'] }, 'nodeArgs', 'nodemon ignores it beside "exec"'],
  [{ events: { quit: 'echo' } }, 'events.quit', 'devwatch runs no command at its own end'],
  [{ events: { 'config:update': 'echo' } }, 'events.config:update', 'devwatch has no such event'],
  [{ watchOptions: { depth: 2 } }, 'watchOptions.depth', 'devwatch has no such option'],
  [{ wacth: ['src'] }, 'wacth', 'nodemon has no such key either'],
])('of %j, %s is reported as missing', async (settings, key, reason) => {
  const { missing } = await convert(settings);
  expect(missing).toEqual([{ key, reason: expect.stringContaining(reason) }]);
});

test.each([
  [{ delay: 2 }, '"delay": 2 means 2 ms, as in nodemon.json · "2s" would be seconds'],
  [{ delay: '2.5' }, '"delay": 2.5 means 2.5 ms, as in nodemon.json · "2.5s" would be seconds'],
  [{ events: { exit: 'echo' } }, '"exit" in "events" runs when the program ends by itself, not at every restart'],
])('%j has a remark', async (settings, remark) => {
  expect((await convert(settings)).remarks).toEqual([remark]);
});
