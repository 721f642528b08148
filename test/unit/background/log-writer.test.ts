import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Log, type LogOptions } from '../../../src/background/log-writer.ts';
import { clearLogs } from '../../../src/background/rotating-log-file.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import { createClock } from '../../support/clock.ts';
import { until } from '../../support/facts.ts';
import { createProject } from '../../support/project.ts';

const newline = 10;

async function open(file: string, options: Partial<LogOptions> = {}) {
  const clock = createClock();
  const problems: string[] = [];
  const log = await Log.open({
    file,
    maxSize: 10_485_760,
    maxFiles: 5,
    lineStart: 'none',
    clock,
    onProblem: (message) => problems.push(message),
    ...options,
  });
  return { clock, problems, log, write: (text: string) => log.write(Buffer.from(text)) };
}

/** Returns an empty text while the file is being rotated. */
function read(file: string): string {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

const modeOf = (file: string): number => fs.statSync(file).mode & 0o777;

/** Returns the contents of the files of a log, the oldest first. */
function filesOf(file: string): Buffer[] {
  const numberOf = (name: string): number => Number(name.slice(path.basename(file).length + 1));
  return fs
    .readdirSync(path.dirname(file))
    .filter((name) => name.startsWith(path.basename(file)))
    .sort((one, other) => numberOf(other) - numberOf(one))
    .map((name) => fs.readFileSync(path.join(path.dirname(file), name)));
}

test('the files and folders of a log are closed to other users, whatever the umask', async () => {
  await using project = createProject();
  const before = process.umask(0);
  try {
    for (const umask of [0, 0o777]) {
      process.umask(umask);
      const file = project.at(`logs-${umask}/app.log`);
      const { log, write } = await open(file, { maxSize: 4 });
      write('one\ntwo\n');
      await log.close();
      expect([file, `${file}.1`].map(modeOf)).toEqual([0o600, 0o600]);
      expect(modeOf(path.dirname(file))).toBe(0o700);
    }
  } finally {
    process.umask(before);
  }
});

test('a file that was open to other users is closed', async () => {
  await using project = createProject({ 'app.log': 'before\n' });
  fs.chmodSync(project.at('app.log'), 0o644);
  const { log, write } = await open(project.at('app.log'));
  write('after\n');
  await log.close();
  expect(modeOf(project.at('app.log'))).toBe(0o600);
  expect(read(project.at('app.log'))).toBe('before\nafter\n');
});

test('a log refuses a link, and what is not a regular file', async () => {
  await using project = createProject({ target: 'precious\n', 'folder/file': '' });
  fs.symlinkSync(project.at('target'), project.at('link'));
  fs.symlinkSync(project.at('nowhere'), project.at('dangling'));
  for (const name of ['link', 'dangling']) {
    await expect(open(project.at(name))).rejects.toThrow(UsageError);
    await expect(open(project.at(name))).rejects.toThrow(/is a symbolic link/);
  }
  await expect(clearLogs(project.at('link'))).rejects.toThrow(/is a symbolic link/);
  await expect(open(project.at('folder'))).rejects.toThrow(/is not a regular file/);
  await expect(open('/dev/full')).rejects.toThrow(/is not a regular file/);
  await expect(open(project.at('target/app.log'))).rejects.toThrow(/cannot make the folder .*target/);
  expect(read(project.at('target'))).toBe('precious\n');
  expect(fs.existsSync(project.at('nowhere'))).toBe(false);
});

test.skipIf(process.geteuid?.() !== 0)(
  'a log refuses a file or folder of another user (only root can make one)',
  async () => {
    await using project = createProject({ 'app.log': '', 'theirs/other': '' });
    fs.chownSync(project.at('app.log'), 12345, 12345);
    fs.chownSync(project.at('theirs'), 12345, 12345);
    await expect(open(project.at('app.log'))).rejects.toThrow(/belongs to another user/);
    await expect(open(project.at('theirs/app.log'))).rejects.toThrow(/belongs to another user/);
  },
);

test('a log refuses a folder in which every user may replace files', async () => {
  await using project = createProject({ 'open/file': '' });
  fs.chmodSync(project.at('open'), 0o777);
  await expect(open(project.at('open/app.log'))).rejects.toThrow(/every user may replace/);
  fs.chmodSync(project.at('open'), 0o1777);
  await (await open(project.at('open/app.log'))).log.close();
});

test('rotation keeps whole lines, the newest output, and the configured sizes', async () => {
  const byte = fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 0, max: 255 }) }, fc.constant(newline));
  const chunks = fc.array(
    fc
      .uint8Array({ maxLength: 40 })
      .chain((bytes) =>
        fc.array(byte, { minLength: bytes.length, maxLength: bytes.length }).map((values) => Buffer.from(values)),
      ),
    { maxLength: 20 },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(chunks, { maxLength: 4 }),
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 4 }),
      async (bursts, maxSize, maxFiles) => {
        await using project = createProject({}, 'large');
        const file = project.at('app.log');
        const { log, problems } = await open(file, { maxSize, maxFiles });
        for (const burst of bursts) {
          for (const chunk of burst) log.write(chunk);
          await new Promise((resolve) => setImmediate(resolve));
        }
        await log.close();
        const files = filesOf(file);
        const input = Buffer.concat(bursts.flat());
        const kept = Buffer.concat(files);
        const dropped = input.length - kept.length;
        expect(input.subarray(dropped)).toEqual(kept);
        if (dropped > 0) expect(input[dropped - 1]).toBe(newline);
        expect(files.length).toBeLessThanOrEqual(maxFiles);
        if (files.length < maxFiles) expect(dropped).toBe(0);
        for (const content of files) {
          if (content.length > maxSize) expect(content.indexOf(newline) + 1 || content.length).toBe(content.length);
        }
        expect(problems).toEqual([]);
      },
    ),
    { numRuns: 200 },
  );
});

test('a line without an end is split before it fills the disk', async () => {
  await using project = createProject();
  const file = project.at('app.log');
  const { log } = await open(file, { maxSize: 1000, maxFiles: 3 });
  for (let round = 0; round < 40; round += 1) {
    log.write(Buffer.alloc(128 * 1024, 'x'));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await log.close();
  const sizes = filesOf(file).map((content) => content.length);
  expect(sizes.length).toBeGreaterThan(1);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(1024 * 1024);
});

test('the beginning of a line is written if its end does not come, and the line stays in one file', async () => {
  await using project = createProject();
  const file = project.at('app.log');
  const { log, write, clock } = await open(file, { maxSize: 10 });
  write('one\nPassword: ');
  await until(() => read(file) === 'one\n' && clock.pending === 1);
  clock.advance(200);
  await until(() => read(file) === 'Password: ' && read(`${file}.1`) === 'one\n');
  write('hidden\nnext\n');
  await log.close();
  expect(filesOf(file).map(String)).toEqual(['one\n', 'Password: hidden\n', 'next\n']);
});

test('a rotation that was killed halfway loses no file', async () => {
  await using project = createProject({ 'app.log': 'c\n', 'app.log.1': 'b\n', 'app.log.3': 'a\n' });
  const { log, write } = await open(project.at('app.log'), { maxSize: 2, maxFiles: 4 });
  write('d\n');
  await log.close();
  expect(filesOf(project.at('app.log')).map(String)).toEqual(['a\n', 'b\n', 'c\n', 'd\n']);
});

test('the next rotation removes files beyond the configured number, and nothing else', async () => {
  await using project = createProject({ 'app.log': 'b\n', 'app.log.1': 'a\n', 'app.log.7': '', 'app.log.txt': '' });
  const { log, write } = await open(project.at('app.log'), { maxSize: 2, maxFiles: 2 });
  write('c\n');
  await log.close();
  expect(fs.readdirSync(project.path).sort()).toEqual(['app.log', 'app.log.1', 'app.log.txt']);
});

test('a file that was removed, moved or replaced is opened again', async () => {
  await using project = createProject();
  const file = project.at('logs/app.log');
  const { log, write, problems } = await open(file);
  const writes = async (text: string): Promise<void> => {
    write(text);
    await until(() => read(file).endsWith(text));
  };
  await writes('one\n');
  project.remove('logs/app.log');
  await writes('two\n');
  expect(read(file)).toBe('two\n');
  project.remove('logs');
  await writes('three\n');
  project.replace('logs/app.log', 'theirs\n');
  await writes('four\n');
  expect(read(file)).toBe('theirs\nfour\n');
  fs.renameSync(file, project.at('archive'));
  log.reopen();
  await until(() => fs.existsSync(file));
  await writes('five\n');
  expect(read(project.at('archive'))).toBe('theirs\nfour\n');
  expect(read(file)).toBe('five\n');
  await log.close();
  expect(problems).toEqual([]);
});

test('a log does not write through a link in place of its file, and continues when the link is gone', async () => {
  await using project = createProject({ target: 'precious\n' });
  const file = project.at('app.log');
  const { log, write, problems, clock } = await open(file);
  project.remove('app.log');
  fs.symlinkSync(project.at('target'), file);
  write('one\n');
  await until(() => problems.length > 0 && clock.pending === 1);
  clock.advance(1000);
  await until(() => clock.pending === 1);
  project.remove('app.log');
  clock.advance(1000);
  await until(() => read(file) === 'one\n');
  await log.close();
  expect(problems).toEqual([`cannot write the log ${file}: it is a symbolic link`]);
  expect(read(project.at('target'))).toBe('precious\n');
});

test('clearLogs empties a log while it is written', async () => {
  await using project = createProject();
  const file = project.at('app.log');
  const { log, write } = await open(file, { maxSize: 10 });
  write('one\ntwo\nthree\nfour\n');
  await until(() => read(file) === 'four\n');
  await clearLogs(file);
  expect(filesOf(file).map(String)).toEqual(['']);
  write('five\n');
  await log.close();
  expect(filesOf(file).map(String)).toEqual(['five\n']);
  await clearLogs(project.at('missing/app.log'));
});

test('each line gets one timestamp, and bytes are unchanged', async () => {
  await using project = createProject();
  const file = project.at('app.log');
  const { log } = await open(file, { lineStart: 'time' });
  const line = Buffer.concat([Buffer.from([0xff, 0xfe, 0x80, 0, 13]), Buffer.from('grüße')]);
  const input = Buffer.concat([line, Buffer.from('\n\n'), line, Buffer.from('\n')]);
  for (const byte of input) log.write(Buffer.of(byte));
  await log.close();
  const stamped = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (.*)$/s;
  const lines = read(file).split('\n').slice(0, -1);
  expect(lines.map((text) => stamped.exec(text)?.[1])).toEqual([line.toString('latin1'), '', line.toString('latin1')]);
});

test('a line that a killed devwatch left unfinished is ended first', async () => {
  await using project = createProject({ 'app.log': 'half' });
  const { log, write } = await open(project.at('app.log'));
  write('whole\n');
  await log.close();
  expect(read(project.at('app.log'))).toBe('half\nwhole\n');
});

test('output that is faster than the disk is dropped, and counted where it is missing', async () => {
  await using project = createProject();
  const file = project.at('app.log');
  const { log, write, problems } = await open(file);
  const line = `${'x'.repeat(1023)}\n`;
  // All in one turn of the event loop, in which nothing is written.
  for (let count = 0; count < 3000; count += 1) write(line);
  await until(() => read(file).includes('lost'));
  write('after\n');
  await log.close();
  const notice = '[devwatch] 2023424 bytes were lost: the disk is too slow\n';
  expect(read(file) === `${line.repeat(1024)}${notice}after\n`).toBe(true);
  expect(problems).toEqual([`cannot write the log ${file}: the disk is too slow`]);
});

test('a writer that waits for room loses nothing', async () => {
  await using project = createProject();
  const file = project.at('app.log');
  const { log, problems } = await open(file, { maxSize: 100 * 1024 * 1024 });
  const chunk = Buffer.from(`${'x'.repeat(65_535)}\n`);
  let waits = 0;
  for (let count = 0; count < 160; count += 1) {
    const room = log.write(chunk);
    if (room !== undefined) waits += 1;
    await room;
  }
  await log.close();
  expect([fs.statSync(file).size, problems]).toEqual([160 * chunk.length, []]);
  expect(waits).toBeGreaterThan(0);
});

test('a writer waits a second at most for a disk that takes nothing, until it takes something again', async () => {
  await using project = createProject();
  const file = project.at('app.log');
  const { clock, log } = await open(file);
  const chunk = Buffer.from(`${'x'.repeat(600 * 1024 - 1)}\n`);
  // All in one turn of the event loop, in which nothing is written.
  const room = log.write(chunk);
  expect(room).toBeInstanceOf(Promise);
  clock.advance(1000);
  await room;
  expect(log.write(Buffer.from('more\n'))).toBeUndefined();
  await until(() => read(file).length === chunk.length + 5);
  expect(log.write(chunk)).toBeInstanceOf(Promise);
  await log.close();
});

test('a writer does not wait for a disk that fails', async () => {
  await using project = createProject();
  const file = project.at('app.log');
  const { log, write, problems } = await open(file);
  project.remove('app.log');
  fs.mkdirSync(file);
  write('first\n');
  await until(() => problems.length > 0);
  expect(log.write(Buffer.from(`${'x'.repeat(600 * 1024 - 1)}\n`))).toBeUndefined();
  await log.close();
});

test('the notice about lost bytes begins a line of its own', async () => {
  await using project = createProject();
  const file = project.at('app.log');
  const { log, write } = await open(file);
  write('begun');
  log.write(Buffer.alloc(1024 * 1024, 'x'));
  await log.close();
  expect(read(file)).toBe('begun\n[devwatch] 1048576 bytes were lost: the disk is too slow\n');
});

test('close waits a second at most for a disk that fails', async () => {
  await using project = createProject();
  const file = project.at('app.log');
  const { log, write, problems } = await open(file);
  project.remove('app.log');
  fs.mkdirSync(file);
  write('one\n');
  await log.close();
  await log.close();
  write('ignored\n');
  expect(problems).toEqual([
    expect.stringContaining('illegal operation on a directory'),
    `the last 4 bytes of the log ${file} are lost: illegal operation on a directory`,
  ]);
});

/** Script of a process that fills a small disk, then makes room as `ROOM` says. */
const filler = `
const { Log } = await import(${JSON.stringify(pathToFileURL(path.resolve('src/background/log-writer.ts')).href)});
const { systemClock } = await import(${JSON.stringify(pathToFileURL(path.resolve('src/shared/clock.ts')).href)});
const fs = await import('node:fs');
const { execSync } = await import('node:child_process');
const file = process.env.LOG;
const problems = [];
let failed;
const failure = new Promise((resolve) => { failed = resolve; });
const log = await Log.open({ file, maxSize: 10_485_760, maxFiles: 5, lineStart: 'none', clock: systemClock, onProblem: (problem) => { problems.push(problem); failed(); } });
const line = 'x'.repeat(1023) + '\\n';
const numbered = (count) => String(count).padStart(6, '0') + line.slice(6);
for (let count = 0; count < 512; count += 1) log.write(Buffer.from(numbered(count)));
await failure;
for (let count = 512; count < 2048; count += 1) log.write(Buffer.from(numbered(count)));
const full = fs.statSync(file).size;
let text = '';
let isNoticed = false;
for (let archived = 0; !text.includes('after\\n'); archived += 1) {
  // The log is moved away, or the disk gets larger.
  if (process.env.ROOM === 'archive') {
    if (fs.existsSync(file)) fs.renameSync(file, file + '-' + archived);
  } else if (archived === 0) execSync(process.env.ROOM, { stdio: 'ignore' });
  log.reopen();
  const read = (name) => { try { return fs.readFileSync(name, 'latin1'); } catch { return ''; } };
  await new Promise((resolve) => setTimeout(resolve, 10));
  text = '';
  for (let count = 0; count <= archived; count += 1) text += read(file + '-' + count);
  text += read(file);
  if (!isNoticed && text.includes('lost')) {
    isNoticed = true;
    log.write(Buffer.from('after\\n'));
  }
}
await log.close();
const at = text.indexOf('[devwatch]');
const expected = Array.from({ length: at / 1024 }, (_, count) => numbered(count)).join('');
console.log(JSON.stringify({ full, problems, kept: at, whole: text.slice(0, at) === expected, end: text.slice(at) }));
`;

function fill(command: string, folder: string, room: string) {
  const node = 'exec "$NODE" --import tsx --input-type=module --eval "$SCRIPT"';
  const { stdout, stderr } = spawnSync('sh', ['-c', command.replace('NODE', node)], {
    encoding: 'utf8',
    timeout: 20_000,
    env: {
      ...process.env,
      NODE: process.execPath,
      SCRIPT: filler,
      FOLDER: folder,
      LOG: path.join(folder, 'app.log'),
      ROOM: room,
    },
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

/** Expects that queued lines were kept in order, and that the notice counts the rest of 2048 lines. */
function expectLoss(result: { kept: number; whole: boolean; end: string; problems: string[] }, why: string): void {
  expect(result.whole).toBe(true);
  expect(result.end).toBe(`[devwatch] ${2048 * 1024 - result.kept} bytes were lost: ${why}\nafter\n`);
  expect(result.problems).toEqual([expect.stringContaining(`app.log: ${why}`)]);
}

const canMount =
  process.platform === 'linux' &&
  spawnSync('unshare', ['-Urm', 'sh', '-c', 'mount -t tmpfs -o size=64k tmpfs /mnt']).status === 0;

test.skipIf(!canMount)(
  'a full disk loses what does not fit, and the log mentions it (needs user namespaces)',
  async () => {
    await using project = createProject();
    // Another file takes all but 64 kB, until it is removed.
    const mount = 'mount -t tmpfs -o size=4m,mode=700 tmpfs "$FOLDER"';
    const inside = `${mount} && head -c ${4032 * 1024} /dev/zero >"$FOLDER/ballast" && NODE`;
    const room = 'rm "$FOLDER/ballast"';
    const result = fill(`exec unshare -Urm sh -c '${inside}'`, project.path, room);
    expect(result.full).toBe(65536);
    expectLoss(result, 'no space left on device');
  },
);

test.skipIf(process.platform === 'win32')('a limit on the size of files is handled like a full disk', async () => {
  await using project = createProject();
  expectLoss(fill('ulimit -f 256; NODE', project.path, 'archive'), 'file too large');
});
