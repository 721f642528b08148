/** `devwatch logs`: prints, follows or clears the logs of programs in the background. */

import { type LogLine, mergeLines, type StreamName } from '../background/log-lines.ts';
import { followLog, readTail, type TailOptions } from '../background/log-reader.ts';
import { type LogPlace, logPlaceOf } from '../background/records.ts';
import { clearLogs } from '../background/rotating-log-file.ts';
import { readDuration } from '../config/option-kinds.ts';
import { createDeferred } from '../shared/deferred.ts';
import { UsageError } from '../shared/errors.ts';
import { selectEntries } from './background-programs.ts';
import { note, printRaw } from './print.ts';
import { abortOnInterrupt } from './signals.ts';
import type { Invocation } from './subcommands.ts';

const defaultLines = 20;

interface ProgramLog {
  readonly name: string;
  readonly place: LogPlace;
}

interface NamedLine extends LogLine {
  readonly log: ProgramLog;
}

/** @throws UsageError if a word means no program, or an option has a bad value */
export async function execute({ operands, options }: Invocation): Promise<void> {
  // The log of a program exists also after it has ended.
  const logs: ProgramLog[] = selectEntries(operands, 'logs', true).map(({ name, record }) => ({
    name,
    place: record?.log ?? logPlaceOf(name),
  }));
  if (options.clear === true) return void (await Promise.all(logs.map(({ place }) => clearLogs(place.file))));
  const since = options.since === undefined ? undefined : new Date(Date.now() - readDuration(options.since));
  const stream = readStream(options);
  const tailOptions = { lines: readLineCount(options.lines), since, stream };
  if (stream !== undefined) for (const log of logs) noteMixed(log);
  const write = ({ log, time, stream: known, text }: NamedLine): void => {
    const name = logs.length > 1 ? `${log.name} | ` : '';
    // In a file that the user has chosen the time is a part of the text.
    const showsTime = known !== undefined && (options.timestamps === true || log.place.timestamps);
    const stamp = showsTime && time !== undefined ? `${new Date(time).toISOString()} ` : '';
    printRaw(Buffer.concat([Buffer.from(name + stamp), text, Buffer.from('\n')]));
  };
  await (options.follow === true ? follow : printTails)(logs, tailOptions, write);
}

type Print = (logs: readonly ProgramLog[], options: TailOptions, write: (line: NamedLine) => void) => Promise<void>;

/** Prints the last lines of each log, all in the order of their times. */
const printTails: Print = async (logs, options, write) => {
  const tails = await Promise.all(
    logs.map(async (log) => ofLog(log, await readTail(log.place.file, { ...options, isTagged: log.place.isTagged }))),
  );
  mergeLines(tails).forEach(write);
};

/** The same, and then prints the lines that come. */
const follow: Print = async (logs, options, write) => {
  const abort = abortOnInterrupt();
  const tails: NamedLine[][] = [];
  const all = createDeferred();
  const followOne = (log: ProgramLog): Promise<void> =>
    followLog(log.place.file, {
      ...options,
      isTagged: log.place.isTagged,
      signal: abort.signal,
      onTail: async (lines) => {
        tails.push(ofLog(log, lines));
        if (tails.length === logs.length) {
          mergeLines(tails).forEach(write);
          all.resolve();
        }
        await all.promise;
      },
      onLine: (line) => write({ ...line, log }),
    });
  try {
    await Promise.all(logs.map(followOne));
  } finally {
    // If a log cannot be read, the others are not followed, either.
    abort.abort();
    all.resolve();
  }
};

const ofLog = (log: ProgramLog, lines: readonly LogLine[]): NamedLine[] => lines.map((line) => ({ ...line, log }));

function readStream({ out, err }: Invocation['options']): StreamName | undefined {
  if (out === err) return undefined;
  return err === true ? 'stderr' : 'stdout';
}

function noteMixed({ name, place }: ProgramLog): void {
  if (!place.isTagged) note(`${name}: ${place.file} does not tell stdout from stderr · all lines are shown`);
}

function readLineCount(text: string | boolean | undefined): number {
  const lines = text === undefined ? defaultLines : Number(text);
  if (Number.isInteger(lines) && lines >= 0) return lines;
  throw new UsageError(`--lines takes a whole number from 0, not ${text}`);
}
