/** Every way of saving a file restarts the program once, with the saved content. */

import { type SpawnSyncOptionsWithStringEncoding, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type App, start } from '../support/app.ts';
import { rowsOf } from '../support/exhaustive.ts';
import { openTerminal } from '../support/terminal.ts';

/** A program that sends home the texts of its files as they were when it began. */
const server = `const fs = require('fs');
const texts = Object.fromEntries(fs.readdirSync('src').filter((name) => /^\\w+\\.js$/.test(name)).map((name) => [name, fs.readFileSync('src/' + name, 'utf8')]));
require(process.env.TEST_DIAL)({ texts });
`;
const content = (mark: number): string => `// A file of some lines.
// ${mark}
`;

/** A program whose files are saved in many ways, one after the other. */
class Saves implements AsyncDisposable {
  readonly app: App;
  #run = 1;
  #files = 0;

  constructor(app: App) {
    this.app = app;
  }

  static async start(): Promise<Saves> {
    const app = await start({
      files: { 'server.js': server, 'src/file.js': content(1) },
      args: ['--watch', '.', 'server.js'],
    });
    await app.caller();
    await app.event('watching');
    return new Saves(app);
  }

  /** Creates a file of its own for a test, and returns its absolute path. */
  async newFile(): Promise<string> {
    this.#files += 1;
    const file = `src/file${this.#files}.js`;
    this.app.write(file, content(1));
    await this.expectOneRestart(file);
    return this.app.at(file);
  }

  /** Expects that the next caller is the next run, caused by these files alone, with the texts that they have now. */
  async expectOneRestart(...files: string[]): Promise<void> {
    this.#run += 1;
    const { says } = await this.app.caller();
    const { run, changes } = await this.app.event('start', (begun) => begun.run >= this.#run);
    expect(run).toBe(this.#run);
    // Temporary files may have been seen as well, while they existed.
    const existing = changes.filter((change) => fs.existsSync(change.path));
    expect(existing.map((change) => path.relative(this.app.path, change.path)).sort()).toEqual(files.sort());
    expect(says.texts).toMatchObject(
      Object.fromEntries(
        files
          .filter((file) => file.startsWith('src/'))
          .map((file) => [path.basename(file), fs.readFileSync(this.app.at(file), 'utf8')]),
      ),
    );
  }

  /** Changes of earlier saves that are still to come would be among those of this one, or come before it. */
  async expectNothingMore(): Promise<void> {
    this.app.write('fence.js', '');
    await this.expectOneRestart('fence.js');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.app[Symbol.asyncDispose]();
  }
}

/** Saves the content in the file with this absolute path. */
type Save = (file: string, content: string) => void | Promise<void>;

/** Saves a file twice, the second time beside what the first one has left, and expects a restart for each. */
async function expectOneRestartEach(save: Save): Promise<void> {
  try {
    await saveTwice(save);
  } catch (error) {
    // Its late changes would be those of the next test.
    await saves[Symbol.asyncDispose]();
    saves = await Saves.start();
    throw error;
  }
}

async function saveTwice(save: Save): Promise<void> {
  const file = await saves.newFile();
  for (const mark of [2, 3]) {
    await save(file, content(mark));
    expect(fs.readFileSync(file, 'utf8')).toBe(content(mark));
    await saves.expectOneRestart(path.relative(saves.app.path, file));
  }
  await saves.expectNothingMore();
}

const beside = (file: string, name: string): string => path.join(path.dirname(file), name);

function writeSynced(file: string, content: string): void {
  const descriptor = fs.openSync(file, 'w');
  fs.writeSync(descriptor, content);
  fs.fsyncSync(descriptor);
  fs.closeSync(descriptor);
}

/** Saves with all that vim does besides: it checks whether it may write here, and its swap file grows. */
function asVim(file: string, save: (probe: string) => void): void {
  const swap = beside(file, `.${path.basename(file)}.swp`);
  const probe = beside(file, '4913');
  fs.writeFileSync(swap, 'b0VIM 9.0');
  fs.writeFileSync(probe, '');
  fs.chownSync(probe, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  fs.rmSync(probe);
  fs.appendFileSync(swap, 'blocks');
  save(`${file}~`);
  fs.appendFileSync(swap, 'blocks');
  fs.rmSync(swap);
}

let saves: Saves;
beforeAll(async () => {
  saves = await Saves.start();
});
afterAll(() => saves[Symbol.asyncDispose]());

/** Kinds of saves that differ in what the kernel reports; the others are combinations of these. */
const representativeKinds: readonly string[] = [
  'a plain write in place',
  'a truncation and two writes',
  'a temporary file that is renamed over it',
  'vim with backupcopy=no and a backup',
  'JetBrains with safe write',
  'Emacs, with its lock, its auto-save and a backup',
  'a tool that removes the file and writes a new one',
  'a tool that keeps an old time of modification',
];

describe.sequential('a save is one restart when it is made by', () => {
  const kinds: readonly (readonly [string, Save])[] = [
    ['a plain write in place', (file, content) => fs.writeFileSync(file, content)],
    [
      'a truncation and two writes',
      (file, content) => {
        fs.truncateSync(file);
        fs.appendFileSync(file, content.slice(0, 5));
        fs.appendFileSync(file, content.slice(5));
      },
    ],
    [
      'a write that shortens the file last',
      (file, content) => {
        const descriptor = fs.openSync(file, 'r+');
        fs.writeSync(descriptor, content, 0);
        fs.ftruncateSync(descriptor, Buffer.byteLength(content));
        fs.closeSync(descriptor);
      },
    ],
    [
      'a temporary file that is renamed over it',
      (file, content) => {
        fs.writeFileSync(`${file}.tmp-1f2e`, content);
        fs.renameSync(`${file}.tmp-1f2e`, file);
      },
    ],
    [
      'a temporary file with the same extension',
      (file, content) => {
        fs.writeFileSync(`${file}.tmp.js`, content);
        fs.renameSync(`${file}.tmp.js`, file);
      },
    ],
    [
      'VS Code: truncated, written and synced',
      (file, content) => {
        const descriptor = fs.openSync(file, 'w');
        for (const line of content.split(/(?<=\n)/)) fs.writeSync(descriptor, line);
        fs.fdatasyncSync(descriptor);
        fs.closeSync(descriptor);
      },
    ],
    [
      'vim with backupcopy=yes and a backup',
      (file, content) =>
        asVim(file, (backup) => {
          fs.copyFileSync(file, backup);
          writeSynced(file, content);
          fs.chmodSync(file, 0o644);
        }),
    ],
    [
      'vim with backupcopy=no and a backup',
      (file, content) =>
        asVim(file, (backup) => {
          fs.renameSync(file, backup);
          writeSynced(file, content);
          fs.chmodSync(file, 0o644);
        }),
    ],
    [
      'vim with writebackup, which removes the backup',
      (file, content) =>
        asVim(file, (backup) => {
          fs.renameSync(file, backup);
          writeSynced(file, content);
          fs.chmodSync(file, 0o644);
          fs.rmSync(backup);
        }),
    ],
    [
      'JetBrains with safe write',
      (file, content) => {
        fs.writeFileSync(`${file}___jb_tmp___`, content);
        fs.renameSync(file, `${file}___jb_old___`);
        fs.renameSync(`${file}___jb_tmp___`, file);
        fs.rmSync(`${file}___jb_old___`);
      },
    ],
    [
      'Emacs, with its lock, its auto-save and a backup',
      (file, content) => {
        const lock = beside(file, `.#${path.basename(file)}`);
        const autoSave = beside(file, `#${path.basename(file)}#`);
        fs.symlinkSync('me@here.4711:1700000000', lock);
        fs.writeFileSync(autoSave, content);
        fs.renameSync(file, `${file}~`);
        writeSynced(file, content);
        fs.chmodSync(file, 0o644);
        fs.rmSync(autoSave);
        fs.unlinkSync(lock);
      },
    ],
    [
      'Sublime Text with atomic_save',
      (file, content) => {
        const temporary = beside(file, '.sublA3f.tmp');
        writeSynced(temporary, content);
        fs.chmodSync(temporary, 0o644);
        fs.renameSync(temporary, file);
      },
    ],
    [
      'gedit, through a hidden file and a linked backup',
      (file, content) => {
        const temporary = beside(file, '.goutputstream-X1Y2Z3');
        writeSynced(temporary, content);
        fs.rmSync(`${file}~`, { force: true });
        fs.linkSync(file, `${file}~`);
        fs.renameSync(temporary, file);
      },
    ],
    [
      'a tool that removes the file and writes a new one',
      (file, content) => {
        fs.rmSync(file);
        fs.writeFileSync(file, content);
      },
    ],
    [
      'a tool that keeps an old time of modification',
      (file, content) => {
        fs.writeFileSync(`${file}.part`, content);
        fs.utimesSync(`${file}.part`, 1_000_000_000, 1_000_000_000);
        fs.renameSync(`${file}.part`, file);
      },
    ],
  ];
  test.each(rowsOf(kinds, ([kind]) => representativeKinds.includes(kind)))('%s', (_, save) =>
    expectOneRestartEach(save),
  );
});

test.sequential('a change of attributes after the write is not a save: vim makes it late where the disk is slow', async () => {
  const file = await saves.newFile();
  fs.chmodSync(file, 0o600);
  fs.chmodSync(file, 0o644);
  await saves.expectNothingMore();
});

describe.sequential('a save of several files is one restart when it is made by', () => {
  test('a formatter that reads and writes one after the other', async () => {
    const files = Array.from({ length: 20 }, (_, index) => `src/many${index}.js`);
    for (const file of files) saves.app.write(file, content(1));
    await saves.expectOneRestart(...files);
    for (const file of files) {
      saves.app.write(file, `${fs.readFileSync(saves.app.at(file), 'utf8')}// formatted\n`);
    }
    await saves.expectOneRestart(...files);
    await saves.expectNothingMore();
  });

  test('an editor that saves all of them by renaming', async () => {
    const files = [await saves.newFile(), await saves.newFile()].map((file) => path.relative(saves.app.path, file));
    for (const file of files) saves.app.replace(file, content(2));
    await saves.expectOneRestart(...files);
    await saves.expectNothingMore();
  });
});

/** Runs a command to its end.
 *
 * @throws when it fails
 */
function run(command: string, args: readonly string[], options: Partial<SpawnSyncOptionsWithStringEncoding> = {}) {
  const { error, status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (error !== undefined || status !== 0) throw error ?? new Error(`${command} ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

/** All contents of these tests differ in their last line alone. */
const lastLineOf = (content: string): string => content.trimEnd().split('\n').at(-1) ?? '';

/** Saves by vim with these settings alone: no others, no history, and backups in temporary folders as well. */
const vim =
  (...settings: string[]): Save =>
  (file, content) => {
    const commands = ['set backupskip=', ...settings, `$s#.*#${lastLineOf(content)}#`, 'wq'];
    run('vim', ['-Nu', 'NONE', '-i', 'NONE', '-es', ...commands.flatMap((command) => ['-c', command]), file]);
  };

/** Saves by nano, in which Ctrl-O writes and Ctrl-X leaves. */
const nano =
  (...flags: string[]): Save =>
  async (file, content) => {
    await using terminal = openTerminal({ cwd: path.dirname(file), env: { TERM: 'xterm' } });
    await terminal.until(/\$ /);
    const line = content.trimEnd().split('\n').length;
    terminal.line(`nano --ignorercfiles ${flags.join(' ')} +${line},1 ${path.basename(file)}`);
    await terminal.until(/\^X/);
    // Ctrl-K cuts the line.
    terminal.type(`\x0b${lastLineOf(content)}\x0f`);
    await terminal.until(/Write/);
    terminal.type('\r');
    await terminal.until(/Wrote \d+ line/);
    terminal.type('\x18');
    await terminal.until(/\$ /);
  };

/** Puts the content into the index of a repository, and checks the file out. */
const gitCheckout: Save = (file, content) => {
  const options = { cwd: path.dirname(file) };
  const name = path.basename(file);
  if (!fs.existsSync(beside(file, '.git'))) run('git', ['init', '-q'], options);
  const blob = run('git', ['hash-object', '-w', '--stdin'], { ...options, input: content }).trim();
  run('git', ['update-index', '--add', '--cacheinfo', `100644,${blob},${name}`], options);
  run('git', ['checkout', '--', name], options);
};

const representativeTools = [
  'vim with backupcopy=yes',
  'vim with backupcopy=no',
  'nano as it is',
  'sed -i',
  'git checkout of one file',
];

describe.sequential('a save is one restart when it is made by the real', () => {
  const tools: readonly (readonly [string, string, Save])[] = [
    ['vim', 'with backupcopy=yes', vim('set backupcopy=yes')],
    ['vim', 'with backupcopy=no', vim('set backupcopy=no')],
    ['vim', 'with backupcopy=auto', vim('set backupcopy=auto')],
    ['vim', 'with backupcopy=yes and a backup', vim('set backupcopy=yes backup writebackup')],
    ['vim', 'with backupcopy=no and a backup', vim('set backupcopy=no backup writebackup')],
    ['vim', 'with backupcopy=auto and a backup', vim('set backupcopy=auto backup writebackup')],
    ['nano', 'as it is', nano()],
    ['nano', 'with a backup and a lock', nano('--backup', '--locking')],
    ['sed', '-i', (file, content) => void run('sed', ['-i', `$s#.*#${lastLineOf(content)}#`, file])],
    ['sed', '-i with a backup', (file, content) => void run('sed', ['-i~', `$s#.*#${lastLineOf(content)}#`, file])],
    ['perl', '-i', (file, content) => void run('perl', ['-i', '-pe', `s#.*#${lastLineOf(content)}# if eof`, file])],
    ['tee', 'through a pipe', (file, content) => void run('tee', [file], { input: content })],
    ['git', 'checkout of one file', gitCheckout],
    ...['cp', 'mv', 'install'].map((command): [string, string, Save] => [
      command,
      'over it',
      (file, content) => {
        fs.writeFileSync(`${file}.next`, content);
        run(command, [`${file}.next`, file]);
      },
    ]),
    [
      'cp',
      '-p over it, with an old time of modification',
      (file, content) => {
        fs.writeFileSync(`${file}.next`, content);
        const written = 1_000_000_000 + Number(lastLineOf(content).slice(3));
        fs.utimesSync(`${file}.next`, written, written);
        run('cp', ['-p', `${file}.next`, file]);
      },
    ],
  ];
  const rows = rowsOf(tools, ([command, how]) => representativeTools.includes(`${command} ${how}`));
  test.for(rows)('%s %s', async ([command, , save], { skip }) => {
    skip(spawnSync(command, ['--version']).error !== undefined, `${command} is not installed`);
    await expectOneRestartEach(save);
  });
});
