/** `devwatch logs`: prints, follows or clears the logs of programs in the background. */

import fs from 'node:fs';
import { followLog, readTail } from '../background/log-reader.ts';
import { defaultLogsOf } from '../background/records.ts';
import { clearLogs } from '../background/rotating-log-file.ts';
import { readDuration } from '../config/option-kinds.ts';
import { UsageError } from '../shared/errors.ts';
import { selectEntries } from './background-programs.ts';
import { printRaw } from './print.ts';
import { abortOnInterrupt } from './signals.ts';
import type { Invocation } from './subcommands.ts';

const defaultLines = 20;

/** @throws UsageError if a word means no program, or an option has a bad value */
export async function execute({ operands, options }: Invocation): Promise<void> {
  // The logs of a program exist also after it has ended.
  const programs = selectEntries(operands, 'logs', true).map(({ name, record }) => ({
    name,
    log: record?.log ?? defaultLogsOf(name),
  }));
  const isFollowing = options.follow === true;
  const files = programs.flatMap(({ name, log }) => {
    const all = options.err === true || log.out === log.err ? [log.err] : [log.out, log.err];
    return all.filter((file) => isFollowing || fs.existsSync(file)).map((file) => ({ name, file }));
  });
  if (options.clear === true) return void (await Promise.all(files.map(({ file }) => clearLogs(file))));
  const lines = readLineCount(options.lines);
  const since = options.since === undefined ? undefined : new Date(Date.now() - readDuration(options.since));
  const write = (name: string, line: Buffer): void => {
    const prefix = Buffer.from(programs.length > 1 ? `${name} | ` : '');
    printRaw(Buffer.concat([prefix, line, Buffer.from('\n')]));
  };
  if (!isFollowing) {
    for (const { name, file } of files) for (const line of await readTail(file, { lines, since })) write(name, line);
    return;
  }
  const { signal } = abortOnInterrupt();
  await Promise.all(
    files.map(({ name, file }) => followLog(file, { lines, since, signal, onLine: (line) => write(name, line) })),
  );
}

function readLineCount(text: string | boolean | undefined): number {
  const lines = text === undefined ? defaultLines : Number(text);
  if (Number.isInteger(lines) && lines >= 0) return lines;
  throw new UsageError(`--lines takes a whole number from 0, not ${text}`);
}
