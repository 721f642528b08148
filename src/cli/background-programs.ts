/** Programs in the background that a command is about, and the results of their starts. */

import fs from 'node:fs';
import { defaultName } from '../background/program-names.ts';
import { type BackgroundEntry, type BackgroundRecord, findEntries } from '../background/records.ts';
import type { StartResult } from '../background/spawn-daemon.ts';
import type { CommandLine } from '../config/argv.ts';
import { terminateStaleOrphans } from '../process/crash-safety/orphans.ts';
import { systemClock } from '../shared/clock.ts';
import { withDeadline } from '../shared/deadline.ts';
import { UsageError } from '../shared/errors.ts';
import type { Next } from '../shared/events.ts';
import { formatTime } from '../shared/format.ts';
import { formatAddress, formatPath } from '../terminal/format.ts';
import { exitCodes, note, print, printRaw } from './print.ts';
import { argumentsOf, type NamedProgram } from './select-programs.ts';

/** Returns the entries that the words mean, each of them once. Throws as `findEntries` does. */
export function selectEntries(words: readonly string[]): BackgroundEntry[] {
  const entries = words.flatMap((word) => findEntries(word));
  return [...new Map(entries.map((entry) => [entry.name, entry])).values()];
}

/**
 * Applies an action to each program that the words mean, to all of them at the same time.
 *
 * @returns the exit code: the highest one of the programs
 * @throws UsageError if there are no words, or one of them means no program
 */
export async function forEachEntry(
  words: readonly string[],
  verb: string,
  act: (entry: BackgroundEntry) => Promise<number>,
): Promise<number> {
  if (words.length === 0) throw new UsageError(`${verb} needs a program · devwatch ${verb} <name|folder|all>`);
  const entries = selectEntries(words);
  if (entries.length === 0) print('nothing runs in the background');
  const codes = await Promise.all(
    entries.map(async (entry) => {
      try {
        return await act(entry);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        print(`${entry.name}: ${error.message}`);
        return exitCodes.failed;
      }
    }),
  );
  return Math.max(0, ...codes);
}

/** Applies an action to each running program; the others fail. See `forEachEntry`. */
export const forEachRunning = (
  words: readonly string[],
  verb: string,
  act: (record: BackgroundRecord) => Promise<number>,
): Promise<number> =>
  forEachEntry(words, verb, async ({ name, record, alive }) => {
    if (record !== undefined && alive) return act(record);
    print(notRunning(name, alive));
    return exitCodes.failed;
  });

export const notRunning = (name: string, alive: boolean): string =>
  alive ? `${name} is being started` : `${name} is not running · devwatch start`;

/** Returns the name that a program gets in the background. */
export const nameOf = ({ app, loaded }: NamedProgram): string =>
  loaded.settings.name ?? app ?? defaultName(loaded.folder);

/** Returns the arguments with which a devwatch runs only this one of the programs that a command line means. */
export function argvFor({ app }: NamedProgram, line: CommandLine): readonly string[] {
  const { optionWords, program, only, literal } = line;
  if (app === undefined) return [...optionWords, ...program, ...line.extra];
  const extra = line.extra.length > 0 ? line.extra : argumentsOf(program);
  const options = literal ? optionWords.slice(0, -1) : optionWords;
  const isNamed = only?.length === 1 && program.length === 0;
  return [...options, ...(isNamed ? [] : ['--only', app]), ...(extra.length === 0 ? [] : ['--', ...extra])];
}

/** Terminates processes that a killed devwatch has left in the program's folder. */
export async function terminateOrphansOf(record: BackgroundRecord | undefined): Promise<void> {
  if (record !== undefined && fs.existsSync(record.folder)) await terminateStaleOrphans(record.folder);
}

/** After this time `start` and `restart` no longer wait for the program to be up. */
export const startTimeoutMs = 30_000;
/** If a start takes longer, a notice is printed. A program without a port counts as running after 3 s. */
const slowStartNoticeMs = 5000;

/** `late`: the result was not known in time. */
export type AwaitedResult = StartResult | { readonly state: 'late' };

/** Waits for the result, for 30 s at most. */
export async function awaitResult(name: string, starting: Promise<StartResult>): Promise<AwaitedResult> {
  const cancelNotice = systemClock.after(slowStartNoticeMs, () =>
    note(`${name} is not up yet · Ctrl-C leaves it running`),
  );
  try {
    return (await withDeadline(systemClock, startTimeoutMs, starting)) ?? { state: 'late' };
  } finally {
    cancelNotice();
  }
}

/** `pid` is that of devwatch; `describeNext` describes what devwatch does next, if that is known. */
interface ReportOptions {
  readonly isRestart?: boolean;
  readonly pid: number;
  readonly describeNext?: (next: Next['kind']) => string;
}

/** Prints the result of a start or restart, with the last output of a program that failed; returns the exit code. */
export function printResult(name: string, result: AwaitedResult, options: ReportOptions): 0 | 1 {
  const { code, lines } = describeResult(name, result, options);
  const [own = '', ...output] = lines;
  print(own);
  printRaw(output.map((line) => `${line}\n`).join(''));
  return code;
}

/** Describes the result of a start or restart. */
export function describeResult(
  name: string,
  result: AwaitedResult,
  { isRestart = false, pid, describeNext }: ReportOptions,
): { readonly code: 0 | 1; readonly lines: readonly string[] } {
  const again = isRestart ? ' again' : '';
  const logs = `logs: devwatch logs ${name}`;
  const tail = 'tail' in result ? (result.tail ?? []) : [];
  const report = <Code extends 0 | 1>(code: Code, ...parts: readonly (string | undefined)[]) => ({
    code,
    lines: [`${name} ${parts.filter((part) => part !== undefined).join(' · ')}`, ...tail.map((line) => `  ${line}`)],
  });
  const where = `pid ${pid} · ${logs}`;
  switch (result.state) {
    case 'up': {
      const address = formatAddress(result) || undefined;
      return report(0, `is up${again} after ${formatTime(result.ms)}`, address, where);
    }
    case 'running':
      return report(0, `is running${again}`, where);
    case 'ended':
      return report(0, `has run${again} and ended`, describeNext?.(result.next), where);
    case 'failed':
      return report(1, `failed: ${result.reason}`, describeNext?.(result.next), where);
    case 'waiting':
      return report(0, `is waiting for ${formatPath(result.awaited, process.cwd())}`, where);
    case 'late':
      return report(1, `is not up${again} after ${formatTime(startTimeoutMs)}`, 'it keeps running', where);
    case 'gone':
      return report(1, `ended before it was up${again}`, logs);
  }
}
