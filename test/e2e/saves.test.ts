/**
 * One save, one restart: whatever an editor or a tool does to a file in order to save it, the
 * program is replaced once, and what runs then is what was saved.
 */

import { type SpawnSyncOptionsWithStringEncoding, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Devwatch, startDevwatch } from '../support/devwatch.ts';
import { type Home, openHome } from '../support/home.ts';
import { createProject, type Project } from '../support/project.ts';
import { openTerminal } from '../support/terminal.ts';

/** A program that says what stood in its files when it began; `mark` makes each save another one. */
const server = (mark: number): string => `const fs = require('fs');
const texts = ['server.js', 'lib.js'].map((name) => fs.readFileSync(name, 'utf8'));
require(process.env.TEST_DIAL)({ texts });
// ${mark}
`;
const lib = (mark: number): string => `// ${mark}\n`;

class Session implements AsyncDisposable {
  readonly project: Project;
  readonly #home: Home;
  readonly #devwatch: Devwatch;
  #run = 1;

  constructor(project: Project, home: Home, devwatch: Devwatch) {
    this.project = project;
    this.#home = home;
    this.#devwatch = devwatch;
  }

  static async start(): Promise<Session> {
    const home = await openHome();
    const project = createProject({ 'server.js': server(1), 'lib.js': lib(1) });
    const devwatch = startDevwatch(['server.js'], { cwd: project.path, env: home.env });
    await home.caller();
    await devwatch.event('watching');
    return new Session(project, home, devwatch);
  }

  /** The next program to call is the next run, because of these files alone, and has read what is there. */
  async oneRestart(...files: string[]): Promise<void> {
    this.#run += 1;
    const { says } = await this.#home.caller();
    const { run, changes } = await this.#devwatch.event('start', (start) => start.run >= this.#run);
    expect(run).toBe(this.#run);
    // Temporary files may have been seen, too, while they were there.
    const there = changes.filter((change) => fs.existsSync(change.path));
    expect(there.map((change) => path.relative(this.project.path, change.path)).sort()).toEqual(files.sort());
    expect(says.texts).toEqual(['server.js', 'lib.js'].map((file) => fs.readFileSync(this.project.at(file), 'utf8')));
  }

  /** What is still to come of the saves before would be among the changes of this one, or come before it. */
  async nothingMore(): Promise<void> {
    this.project.write('fence.js', '');
    await this.oneRestart('fence.js');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#devwatch[Symbol.asyncDispose]();
    await this.#project[Symbol.asyncDispose]();
    await this.#home[Symbol.asyncDispose]();
  }

  get #project(): Project {
    return this.project;
  }
}

/** Saves `content` in the file with this absolute path. */
type Save = (file: string, content: string) => void | Promise<void>;

/** Saves twice in one file, with another one between, and expects a restart for each. */
async function expectOneRestartEach(save: Save): Promise<void> {
  await using session = await Session.start();
  const saves = [
    ['server.js', server(2)],
    ['lib.js', lib(2)],
    ['server.js', server(3)],
  ] as const;
  for (const [file, content] of saves) {
    await save(session.project.at(file), content);
    expect(fs.readFileSync(session.project.at(file), 'utf8')).toBe(content);
    await session.oneRestart(file);
  }
  await session.nothingMore();
}

const beside = (file: string, name: string): string => path.join(path.dirname(file), name);

function writeSynced(file: string, content: string): void {
  const descriptor = fs.openSync(file, 'w');
  fs.writeSync(descriptor, content);
  fs.fsyncSync(descriptor);
  fs.closeSync(descriptor);
}

/** What vim does beside each save: it looks whether it may write here, and has the swap file grow. */
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

describe('one restart for each save as it is made by', () => {
  test.each<[string, Save]>([
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
      'a temporary file that has the extension, too',
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
      'a tool that removes it and writes it anew',
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
  ])('%s', (_, save) => expectOneRestartEach(save));
});

test('attributes that are set a while after the write are no save: a slow disk puts that off in vim', async () => {
  await using session = await Session.start();
  session.project.write('server.js', server(2));
  await session.oneRestart('server.js');
  fs.chmodSync(session.project.at('server.js'), 0o600);
  fs.chmodSync(session.project.at('server.js'), 0o644);
  await session.nothingMore();
});

describe('one restart for a save of several files by', () => {
  test('a formatter that reads and writes one after the other', async () => {
    await using session = await Session.start();
    session.project.write('server.js', server(2));
    session.project.write('lib.js', lib(2));
    const others = Array.from({ length: 20 }, (_, index) => `src/${index}.js`);
    for (const file of others) session.project.write(file, lib(1));
    await session.oneRestart('server.js', 'lib.js', ...others);

    for (const file of ['server.js', 'lib.js', ...others]) {
      const text = fs.readFileSync(session.project.at(file), 'utf8');
      session.project.write(file, `${text}// formatted\n`);
    }
    await session.oneRestart('server.js', 'lib.js', ...others);
    await session.nothingMore();
  });

  test('an editor that saves all of them by renaming', async () => {
    await using session = await Session.start();
    session.project.replace('server.js', server(2));
    session.project.replace('lib.js', lib(2));
    await session.oneRestart('server.js', 'lib.js');
    await session.nothingMore();
  });
});

/** Runs a program to its end; whatever goes wrong in it fails the test. */
function run(command: string, args: readonly string[], options: Partial<SpawnSyncOptionsWithStringEncoding> = {}) {
  const { error, status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (error !== undefined || status !== 0) throw error ?? new Error(`${command} ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

/** Replaces the last line, in which all contents of these tests differ. */
const lastLineOf = (content: string): string => content.trimEnd().split('\n').at(-1) ?? '';

/** What vim does depends on these alone: no settings, no history, and it makes backups in temporary folders, too. */
const vim =
  (...settings: string[]): Save =>
  (file, content) => {
    const commands = ['set backupskip=', ...settings, `$s#.*#${lastLineOf(content)}#`, 'wq'];
    run('vim', ['-Nu', 'NONE', '-i', 'NONE', '-es', ...commands.flatMap((command) => ['-c', command]), file]);
  };

/** Ctrl-O writes, Ctrl-X leaves. */
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

/** Takes the file out of the index, into which the content has been put. */
const gitCheckout: Save = (file, content) => {
  const options = { cwd: path.dirname(file) };
  const name = path.basename(file);
  if (!fs.existsSync(beside(file, '.git'))) run('git', ['init', '-q'], options);
  const blob = run('git', ['hash-object', '-w', '--stdin'], { ...options, input: content }).trim();
  run('git', ['update-index', '--add', '--cacheinfo', `100644,${blob},${name}`], options);
  run('git', ['checkout', '--', name], options);
};

describe('one restart for each save by the real', () => {
  test.for<[string, string, Save]>([
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
  ])('%s %s', async ([command, , save], { skip }) => {
    skip(spawnSync(command, ['--version']).error !== undefined, `${command} is not installed`);
    await expectOneRestartEach(save);
  });
});
