import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LogLine } from '../../../src/background/log-lines.ts';
import { followLog, readTail } from '../../../src/background/log-reader.ts';
import { Log } from '../../../src/background/log-writer.ts';
import { clearLogs } from '../../../src/background/rotating-log-file.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import { createClock } from '../../support/clock.ts';
import { until } from '../../support/facts.ts';
import { createProject } from '../../support/project.ts';

const texts = (lines: readonly LogLine[]): string[] => lines.map(({ text }) => String(text));
const tail = async (file: string, lines: number, since?: Date): Promise<string[]> =>
  texts(await readTail(file, { lines, since }));

/** Follows a log until it is disposed of. */
function follow(file: string, { lines = 0, clock = systemClock } = {}) {
  const seen: string[] = [];
  const controller = new AbortController();
  const done = followLog(file, {
    lines,
    clock,
    signal: controller.signal,
    onTail: (tail) => void seen.push(...texts(tail)),
    onLine: ({ text }) => void seen.push(String(text)),
  });
  return {
    seen,
    saw: (line: string) => until(() => seen.at(-1) === line),
    async [Symbol.asyncDispose]() {
      controller.abort();
      await done;
    },
  };
}

const writerOf = async (file: string, maxSize = 10_485_760, maxFiles = 5) => {
  const log = await Log.open({ file, maxSize, maxFiles, lineStart: 'none', clock: systemClock, onProblem: () => {} });
  return {
    write: (text: string) => log.write(Buffer.from(text)),
    reopen: () => log.reopen(),
    close: () => log.close(),
  };
};

test('readTail continues in rotated files, across gaps, and joins split lines', async () => {
  await using project = createProject({ 'app.log': 'ree\n\nfour\nfi', 'app.log.1': 'two\nth', 'app.log.3': '\none\n' });
  const all = ['', 'one', 'two', 'three', '', 'four', 'fi'];
  for (const lines of [0, 1, 2, 3, 4, 5, 6, 7, 8, Number.POSITIVE_INFINITY]) {
    expect(await tail(project.at('app.log'), lines)).toEqual(lines === 0 ? [] : all.slice(-lines));
  }
  expect(await tail(project.at('none.log'), 5)).toEqual([]);
  expect(await tail(project.at('nowhere/none.log'), 5)).toEqual([]);
});

test('readTail returns the last lines of any files', async () => {
  const content = fc.array(fc.constantFrom('\n', 'a', 'ü', 'long '.repeat(20_000)), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(fc.array(content, { minLength: 1, maxLength: 4 }), fc.nat(12), async (contents, lines) => {
      await using project = createProject({}, 'large');
      const parts = contents.map((pieces) => pieces.join(''));
      for (const [index, part] of parts.entries()) project.write(index === 0 ? 'app.log' : `app.log.${index}`, part);
      const whole = parts.reverse().join('').split('\n');
      if (whole.at(-1) === '') whole.pop();
      expect(await tail(project.at('app.log'), lines)).toEqual(lines === 0 ? [] : whole.slice(-lines));
    }),
    { numRuns: 100 },
  );
});

test('readTail returns bytes unchanged', async () => {
  await using project = createProject();
  const line = Buffer.from([0xff, 0xfe, 13, 0, 0x80]);
  fs.writeFileSync(project.at('app.log'), Buffer.concat([line, Buffer.from('\n')]));
  expect((await readTail(project.at('app.log'), { lines: 1 })).map(({ text }) => text)).toEqual([line]);
});

test('readTail reads no more than it needs', async () => {
  await using project = createProject({ 'app.log': '' });
  // A sparse file of 1 TB.
  fs.truncateSync(project.at('app.log'), 2 ** 40);
  fs.appendFileSync(project.at('app.log'), '\none\ntwo\n');
  expect(await tail(project.at('app.log'), 2)).toEqual(['one', 'two']);
});

test('readTail omits earlier lines by their timestamp, or by the time of their file', async () => {
  await using project = createProject({
    'app.log': '2026-01-01T12:00:01.000Z c\nno time\n2026-01-01T12:00:02.000Z d\n',
    'app.log.1': '2026-01-01T11:00:00.000Z a\n2026-01-01T12:00:00.000Z b\n',
    'plain.log': 'new\n',
    'plain.log.1': 'old\n',
  });
  const since = (time: string): Promise<string[]> => tail(project.at('app.log'), 9, new Date(time));
  expect((await since('2026-01-01T12:00:00.000Z')).map((line) => line.slice(-1))).toEqual(['b', 'c', 'e', 'd']);
  expect((await since('2026-01-01T12:00:01.500Z')).map((line) => line.slice(-1))).toEqual(['e', 'd']);
  fs.utimesSync(project.at('plain.log.1'), 1000, 1000);
  expect(await tail(project.at('plain.log'), 9, new Date(2_000_000))).toEqual(['new']);
});

test('readTail refuses links', async () => {
  await using project = createProject({ target: 'secret\n' });
  fs.symlinkSync(project.at('target'), project.at('app.log'));
  await expect(readTail(project.at('app.log'), { lines: 1 })).rejects.toThrow(/is a symbolic link/);
});

test('followLog passes on 10,000 lines through rotation, once each and in order', async () => {
  await using project = createProject();
  const file = project.at('app.log');
  const log = await writerOf(file, 2000, 5);
  log.write('start\n');
  await until(() => fs.statSync(file).size > 0);
  await using follower = follow(file, { lines: 1 });
  await follower.saw('start');
  for (let count = 0; count < 10_000; count += 1) {
    log.write(`line ${count}\n`);
    if (count % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    // A follower may lag behind by the configured number of files.
    if (count % 400 === 399) await follower.saw(`line ${count}`);
  }
  await log.close();
  await follower.saw('line 9999');
  expect(follower.seen).toEqual(['start', ...Array.from({ length: 10_000 }, (_, count) => `line ${count}`)]);
  expect(fs.readdirSync(project.path)).toHaveLength(5);
});

test('followLog begins with the last lines, and passes on a line when it is complete', async () => {
  await using project = createProject({ 'app.log': 'two\nthr', 'app.log.1': 'zero\none\n' });
  await using follower = follow(project.at('app.log'), { lines: 2 });
  await follower.saw('two');
  fs.appendFileSync(project.at('app.log'), 'ee\nfour\nfi');
  await follower.saw('four');
  expect(follower.seen).toEqual(['one', 'two', 'three', 'four']);
});

test('followLog survives clearing, even if as much was written again', async () => {
  await using project = createProject({ 'app.log': 'one\n', 'app.log.1': 'zero\n' });
  const file = project.at('app.log');
  const log = await writerOf(file);
  await using follower = follow(file, { lines: 1 });
  await follower.saw('one');
  await clearLogs(file);
  log.write('two\n');
  await follower.saw('two');
  fs.truncateSync(file);
  fs.appendFileSync(file, 'three\nfour\n');
  await follower.saw('four');
  await log.close();
  expect(follower.seen).toEqual(['one', 'two', 'three', 'four']);
});

test('followLog survives removal and re-creation, without repeating lines', async () => {
  await using project = createProject({ 'app.log.1': 'old\n', 'app.log.2': 'older\n', 'app.log': 'one\n' });
  const file = project.at('app.log');
  const log = await writerOf(file);
  await using follower = follow(file, { lines: 3 });
  await follower.saw('one');
  for (const line of ['two', 'three', 'four']) {
    fs.rmSync(file);
    log.write(`${line}\n`);
    await follower.saw(line);
  }
  fs.renameSync(file, project.at('archive'));
  log.reopen();
  log.write('five\n');
  await follower.saw('five');
  await log.close();
  expect(follower.seen).toEqual(['older', 'old', 'one', 'two', 'three', 'four', 'five']);
});

test('followLog polls twice a second where the folder cannot be watched', async () => {
  await using project = createProject();
  const clock = createClock();
  await using follower = follow(project.at('logs/app.log'), { clock });
  await until(() => clock.pending === 1);
  project.write('logs/app.log', 'one\n');
  clock.advance(499);
  expect(follower.seen).toEqual([]);
  clock.advance(1);
  await follower.saw('one');
  fs.appendFileSync(project.at('logs/app.log'), 'two\n');
  await follower.saw('two');
  project.remove('logs');
  await until(() => clock.pending === 1);
  project.write('logs/app.log', 'three\n');
  clock.advance(500);
  await follower.saw('three');
  expect(follower.seen).toEqual(['one', 'two', 'three']);
});

test('followLog ends when it is aborted or its reader fails, and leaves no file open', async () => {
  await using project = createProject({ 'app.log': 'one\ntwo\n', 'app.log.1': 'zero\n' });
  const file = project.at('app.log');
  await followLog(file, {
    lines: 9,
    signal: AbortSignal.abort(),
    onTail: () => expect.fail('followLog was aborted before'),
    onLine: () => expect.fail('followLog was aborted before'),
  });
  const controller = new AbortController();
  const seen: string[] = [];
  await followLog(file, {
    lines: 9,
    signal: controller.signal,
    onTail: async (lines) => {
      seen.push(...texts(lines));
      await fs.promises.appendFile(file, 'three\nfour\nfive\n');
    },
    onLine: async ({ text }) => {
      seen.push(String(text));
      await Promise.resolve();
      if (seen.length === 5) controller.abort();
    },
  });
  expect(seen).toEqual(['zero', 'one', 'two', 'three', 'four']);
  const failing = followLog(file, {
    lines: 9,
    signal: new AbortController().signal,
    onLine: () => {},
    onTail: () => Promise.reject(new Error('the reader is gone')),
  });
  await expect(failing).rejects.toThrow('the reader is gone');
  if (process.platform === 'linux') expect(openFilesIn(project.path)).toEqual([]);
});

function openFilesIn(folder: string): string[] {
  return fs.readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = fs.readlinkSync(path.join('/proc/self/fd', fd));
      return target.startsWith(folder) ? [target] : [];
    } catch {
      return [];
    }
  });
}

test('readTail and followLog join the pieces of lines, of both streams or of one', async () => {
  const at = (second: number, rest: string): string => `2026-01-31T12:00:0${second}.000Z ${rest}\n`;
  await using project = createProject({
    'app.log.1': `${at(1, 'stdout F one')}${at(2, 'stdout P he')}${at(2, 'stderr F oops')}`,
    'app.log': `${at(3, 'stdout P ll')}${at(4, 'stdout F o')}${at(5, 'stderr P unfin')}${at(6, 'stdout F last')}`,
  });
  const file = project.at('app.log');
  const read = async (options: { lines: number; stream?: 'stdout' | 'stderr'; since?: Date }): Promise<string[]> =>
    texts(await readTail(file, { isTagged: true, ...options }));
  expect(await read({ lines: 9 })).toEqual(['one', 'oops', 'hello', 'last', 'unfin']);
  expect(await read({ lines: 3 })).toEqual(['hello', 'last', 'unfin']);
  expect(await read({ lines: 2, stream: 'stdout' })).toEqual(['hello', 'last']);
  expect(await read({ lines: 9, stream: 'stderr' })).toEqual(['oops', 'unfin']);
  expect(await read({ lines: 9, since: new Date('2026-01-31T12:00:05Z') })).toEqual(['last', 'unfin']);
  const controller = new AbortController();
  const seen: string[] = [];
  await followLog(file, {
    isTagged: true,
    lines: 1,
    stream: 'stderr',
    signal: controller.signal,
    onTail: async (lines) => {
      seen.push(...texts(lines));
      await fs.promises.appendFile(file, `${at(7, 'stdout F no')}${at(8, 'stderr F ished')}`);
    },
    onLine: ({ text }) => {
      seen.push(String(text));
      controller.abort();
    },
  });
  expect(seen).toEqual(['oops', 'unfinished']);
});
