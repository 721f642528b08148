import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { expect, test } from 'vitest';
import { start } from '../support/app.ts';
import { cli, runDevwatch } from '../support/devwatch.ts';
import { dialHome } from '../support/home.ts';
import { createProject, type Project } from '../support/project.ts';

const isRoot = process.geteuid?.() === 0;

/** A program that leaves a trace and then ends devwatch, so that a test fails at once instead of waiting. */
const traitor = `require('node:fs').writeFileSync('ran', '');\nprocess.kill(process.ppid);\n`;
const binary = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0x02, 0x00, 0xff, 0xfe]);
const junk = Buffer.alloc(10 * 1024 * 1024, 'junk ');

interface Case {
  readonly what: string;
  readonly args?: readonly string[];
  readonly watchrc?: string | Buffer;
  readonly prepare?: (project: Project) => void;
  /** The message on stderr after `devwatch: `. */
  readonly says: RegExp;
}

const cases: readonly Case[] = [
  {
    what: 'a misspelt script',
    args: ['sever.js'],
    says: /^sever\.js: no such file in \/.* · did you mean server\.js\?$/,
  },
  {
    what: 'a missing script with --exit-on-crash',
    args: ['--exit-on-crash', 'gone.js'],
    says: /^gone\.js: no such file in \//,
  },
  { what: 'a missing command', args: ['no-such-command'], says: /^no-such-command: no such file or command in \// },
  {
    what: 'a folder without a script',
    args: ['views'],
    says: /^views: is a folder without an index\.js and .* · name a script$/,
  },
  {
    what: 'a bad glob',
    args: ['-w', 'src/{a', 'server.js'],
    says: /^-w has a bad glob "src\/\{a": "\{" is not closed$/,
  },
  { what: 'a bad duration', args: ['-d', 'soon', 'server.js'], says: /^-d takes a duration .*, not "soon"$/ },
  {
    what: 'an unknown option',
    args: ['--wacth', 'src', 'server.js'],
    says: /^unknown option --wacth · did you mean --watch\?/,
  },
  { what: 'an option without its value', args: ['--watch'], says: /^--watch needs a value: --watch <glob> ·/ },
  {
    what: 'a missing settings file',
    args: ['-c', 'gone.json', 'server.js'],
    says: /gone\.json: no such file \(--config\)$/,
  },
  {
    // In .watchrc: Node itself reads --env-file after a script as well, and exits with 9.
    what: 'a missing environment file',
    watchrc: '{"envFile": "gone.env"}',
    says: /gone\.env: .* cannot be read \(ENOENT\)$/,
  },
  {
    what: 'a missing folder to run in',
    args: ['--cwd', 'gone', 'server.js'],
    says: /^--cwd: there is no folder \/.*\/gone$/,
  },
  {
    what: "Node's flags for what is not Node",
    args: ['--inspect', 'true'],
    says: /^--inspect is a flag for Node, but true is not run by it/,
  },
  { what: 'nothing to run', args: [], says: /^nothing to run · devwatch <script>/ },
  {
    what: 'a bad duration in .watchrc',
    watchrc: '{\n  "delay": "soon"\n}',
    says: /^\.watchrc:2:12: "delay" takes a duration .*, not "soon"$/,
  },
  {
    what: 'a bad glob in .watchrc',
    watchrc: '{"watch": ["a", "src/{a"]}',
    says: /^\.watchrc:1:17: "watch" has a bad glob/,
  },
  {
    what: 'an unknown key in .watchrc',
    watchrc: '{\n  "wacth": "src"\n}',
    says: /^\.watchrc:2:3: unknown key "wacth" · did you mean "watch"\?$/,
  },
  {
    what: 'broken JSON in .watchrc',
    watchrc: '{\n  "quiet": true\n  "clear": true\n}',
    says: /^\.watchrc:3:3: broken JSON: comma expected/,
  },
  { what: 'an empty .watchrc', watchrc: '', says: /^\.watchrc: is empty/ },
  { what: 'a binary .watchrc', watchrc: binary, says: /^\.watchrc: is not a text file in UTF-8$/ },
  {
    what: '10 MB of junk in .watchrc',
    watchrc: junk,
    says: /^\.watchrc: has 10 MB; a settings file has at most 1 MB$/,
  },
  {
    what: 'a thousand levels in .watchrc',
    watchrc: '[['.repeat(1750),
    says: /^\.watchrc:1:101: is nested more than 100 levels deep$/,
  },
  {
    what: 'a .watchrc that is a folder',
    prepare: (project) => project.write('.watchrc/x', ''),
    says: /^\.watchrc: is a folder, not a settings file$/,
  },
  {
    what: 'a .watchrc that leads nowhere',
    prepare: (project) => fs.symlinkSync('gone', project.at('.watchrc')),
    says: /^\.watchrc: cannot be read \(ENOENT\)$/,
  },
  {
    what: 'a package.json in a circle',
    prepare: (project) => fs.symlinkSync('package.json', project.at('package.json')),
    says: /package\.json: cannot be read \(ELOOP\)$/,
  },
  {
    what: 'a broken package.json',
    prepare: (project) => project.write('package.json', '{'),
    says: /^package\.json:1:2: broken JSON: close brace expected/,
  },
];

test.each(cases)('$what is an error of one line, and no program starts', async (bad) => {
  await using project = createProject({ 'server.js': traitor, 'views/page.html': '' });
  if (bad.watchrc !== undefined) fs.writeFileSync(project.at('.watchrc'), bad.watchrc);
  bad.prepare?.(project);

  const { code, stdout, stderr } = await runDevwatch(bad.args ?? ['server.js'], { cwd: project.path });

  expect({ code, stdout, ran: fs.existsSync(project.at('ran')) }).toStrictEqual({ code: 2, stdout: '', ran: false });
  expect(stderr).toMatch(/^devwatch: [^\n]+\n$/);
  expect(stderr.slice('devwatch: '.length, -1)).toMatch(bad.says);
});

// Root may read everything.
test.runIf(!isRoot)('a script without read permission is an error of one line, and no program starts', async () => {
  await using project = createProject({ 'server.js': traitor });
  fs.chmodSync(project.at('server.js'), 0o200);
  const { code, stderr } = await runDevwatch(['server.js'], { cwd: project.path });
  expect({ code, stderr }).toStrictEqual({
    code: 2,
    stderr: 'devwatch: server.js: may not be read · chmod +r server.js\n',
  });
});

test('the program of these tests leaves a trace when it runs', async () => {
  await using project = createProject({ 'server.js': traitor });
  const { signal } = await runDevwatch(['server.js'], { cwd: project.path });
  expect({ signal, ran: fs.existsSync(project.at('ran')) }).toStrictEqual({ signal: 'SIGTERM', ran: true });
});

test.each(['server.js', 'list', 'start server.js'])('devwatch %s reports that its folder is gone', async (words) => {
  await using project = createProject({ 'folder/server.js': traitor });
  const line = `rm server.js && rmdir "$PWD" && exec "$0" "$1" ${words}`;
  const { status, stderr, stdout } = spawnSync('/bin/sh', ['-c', line, process.execPath, cli], {
    cwd: project.at('folder'),
    encoding: 'utf8',
  });
  // A command that needs no folder works.
  if (words === 'list') expect([status, stdout]).toEqual([0, expect.stringMatching(/^nothing runs/)]);
  else expect([status, stderr]).toEqual([2, 'devwatch: this folder is gone\n']);
});

test('broken settings leave the running program alone, and repaired ones take effect', async () => {
  await using app = await start({
    files: {
      'server.js': dialHome({ version: 1 }),
      '.watchrc': '{"script": "server.js"}',
    },
  });
  const first = await app.caller();
  await app.event('watching');

  const put = (content: string | Buffer): void => {
    fs.writeFileSync(app.at('.watchrc.new'), content);
    fs.renameSync(app.at('.watchrc.new'), app.at('.watchrc'));
  };
  const breakings: readonly (readonly [string, () => void, RegExp])[] = [
    ['broken JSON', () => put('{"script": \n server.js}'), /^\.watchrc:2:2: broken JSON: invalid symbol/],
    ['an unknown key', () => put('{"scirpt": "server.js"}'), /^\.watchrc:1:2: unknown key "scirpt" · did you mean/],
    ['a wrong type', () => put('{"script": 5}'), /^\.watchrc:1:12: "script" takes a text, not 5/],
    ['a bad duration', () => put('{"script": "server.js", "delay": "x"}'), /^\.watchrc:1:34: "delay" takes a duration/],
    ['a bad glob', () => put('{"script": "server.js", "watch": "{a"}'), /^\.watchrc:1:34: "watch" has a bad glob/],
    ['a misspelt script', () => put('{"script": "sever.js"}'), /^sever\.js: no such file/],
    ['a missing folder', () => put('{"script": "server.js", "cwd": "gone"}'), /^\.watchrc:1:32: "cwd": there is no/],
    ['a missing environment file', () => put('{"script": "server.js", "envFile": "x"}'), /environment file cannot be/],
    ['no script', () => put('{}'), /^nothing to run/],
    ['no bytes', () => put(''), /^\.watchrc: is empty/],
    ['bytes that are no text', () => put(binary), /^\.watchrc: is not a text file/],
    ['10 MB of junk', () => put(junk), /^\.watchrc: has 10 MB/],
    ['nothing at all', () => app.remove('.watchrc'), /^nothing to run/],
  ];
  for (const [what, breakIt, says] of breakings) {
    breakIt();
    const { message } = await app.event('problem', (problem) => says.test(problem.message));
    expect(message, what).toMatch(/ · the old settings stay in force$/);
    expect(message, what).not.toContain('\n');
  }

  put('{"script": "server.js", "killTimeout": "3s"}');
  expect((await app.event('settings')).changed).toStrictEqual(['killTimeout']);
  expect([first.isAlive(), app.callers.length]).toStrictEqual([true, 1]);

  // No earlier change has restarted the program: the second run is for this save.
  app.write('server.js', dialHome({ version: 2 }));
  expect((await app.caller()).says.version).toBe(2);
  expect((await app.event('start', ({ changes }) => changes.length > 0)).run).toBe(2);
  expect(app.otherLines).toStrictEqual([]);
});

test('repaired settings restart the program that they concern', async () => {
  await using app = await start({
    files: {
      'old.js': dialHome({ script: 'old' }),
      'new.js': dialHome({ script: 'new' }),
      '.watchrc': '{"script": "old.js"}',
    },
  });
  const first = await app.caller();
  await app.event('watching');

  app.replace('.watchrc', '{"script": "new.js"');
  expect((await app.event('problem')).message).toMatch(/^\.watchrc:1:20: broken JSON: close brace expected/);
  app.replace('.watchrc', '{"script": "new.js"}');
  expect((await app.event('settings')).changed).toStrictEqual(['script']);
  const second = await app.caller();
  expect([first.says.script, second.says.script, first.isAlive()]).toStrictEqual(['old', 'new', false]);
  expect(app.callers).toHaveLength(2);
});
