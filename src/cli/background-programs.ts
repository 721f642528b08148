/** Programs in the background that a command is about, and the results of their starts. */

import fs from 'node:fs';
import { defaultName } from '../background/program-names.ts';
import {
  type BackgroundEntry,
  type BackgroundRecord,
  entriesIn,
  findEntries,
  knownNames,
  listEntries,
} from '../background/records.ts';
import type { StartResult } from '../background/spawn-daemon.ts';
import type { CommandLine } from '../config/argv.ts';
import { terminateStaleOrphans } from '../process/crash-safety/orphans.ts';
import { systemClock } from '../shared/clock.ts';
import { withDeadline } from '../shared/deadline.ts';
import { UsageError } from '../shared/errors.ts';
import type { Next } from '../shared/events.ts';
import { formatTime } from '../shared/format.ts';
import { workingFolder } from '../shared/working-folder.ts';
import { formatAddress, formatPath } from '../terminal/format.ts';
import { exitCodes, note, print, printRaw } from './print.ts';
import { argumentsOf, type NamedProgram } from './select-programs.ts';

/**
 * Returns the entries that the words mean, each of them once; without words, the only program of this folder. A folder
 * and `all` leave out programs that have ended, unless they are included.
 *
 * @throws UsageError if a word means no program, or the folder has none, or several
 */
export function selectEntries(words: readonly string[], verb: string, withEnded = false): readonly BackgroundEntry[] {
  if (words.length === 0) return onlyEntryHere(verb);
  const entries = words.flatMap((word) => {
    const found = findEntries(word);
    const isName = found.length === 1 && found[0]?.name === word;
    return isName || withEnded ? found : found.filter((entry) => !hasEnded(entry));
  });
  return [...new Map(entries.map((entry) => [entry.name, entry])).values()];
}

const hasEnded = ({ record }: BackgroundEntry): boolean => record?.end !== undefined;

/** `.` means all programs of a folder, for commands that take several. */
const forAll = (verb: string): string => (verb === 'attach' || verb === 'start' ? '' : ', or . for all');

/** Returns the only program of this folder; if several were started here, the only one that has not ended. */
export function onlyEntryHere(verb: string): readonly BackgroundEntry[] {
  const here = entriesIn('.');
  const unended = here.filter((entry) => !hasEnded(entry));
  const found = unended.length > 0 ? unended : here;
  if (found.length === 1) return found;
  if (found.length === 0) {
    throw new UsageError(
      `${verb} needs a name: no background program was started in this folder${knownNames(listEntries())}`,
    );
  }
  const names = found.map(({ name }) => name).join(', ');
  throw new UsageError(
    `${verb} needs a name: this folder has ${names} · devwatch ${verb} ${found[0]?.name}${forAll(verb)}`,
  );
}

/**
 * Applies an action to each program that the words mean, to all of them at the same time.
 *
 * @returns the exit code: the highest one of the programs
 * @throws UsageError as `selectEntries` does
 */
export async function forEachEntry(
  words: readonly string[],
  verb: string,
  act: (entry: BackgroundEntry) => Promise<number>,
): Promise<number> {
  const entries = selectEntries(words, verb);
  if (entries.length === 0) print('nothing runs in the background');
  return actOnEach(entries, act);
}

/** Applies an action to each program; prints what goes wrong. Returns the highest exit code. */
export async function actOnEach(
  entries: readonly BackgroundEntry[],
  act: (entry: BackgroundEntry) => Promise<number>,
): Promise<number> {
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

export const notRunning = (name: string, alive: boolean): string =>
  alive ? `${name} is being started` : `${name} is not running · devwatch start ${name}`;

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

/** `describeNext` describes what devwatch does next, if that is known. */
interface ReportOptions {
  readonly isRestart?: boolean;
  readonly describeNext?: (next: Next['kind']) => string;
}

/** Prints the result of a start or restart, with the last output of a program that failed; returns the exit code. */
export function printResult(name: string, result: AwaitedResult, options: ReportOptions = {}): 0 | 1 {
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
  { isRestart = false, describeNext }: ReportOptions,
): { readonly code: 0 | 1; readonly lines: readonly string[] } {
  const again = isRestart ? ' again' : '';
  const logs = `logs: devwatch logs ${name}`;
  const pid = 'pid' in result && result.pid !== undefined ? `pid ${result.pid}` : undefined;
  const tail = 'tail' in result ? (result.tail ?? []) : [];
  const report = <Code extends 0 | 1>(code: Code, ...parts: readonly (string | undefined)[]) => ({
    code,
    lines: [`${name} ${parts.filter((part) => part !== undefined).join(' · ')}`, ...tail.map((line) => `  ${line}`)],
  });
  const where = [pid, logs] as const;
  switch (result.state) {
    case 'up': {
      const address = formatAddress(result) || undefined;
      return report(0, `is up${again} after ${formatTime(result.ms)}`, address, ...where);
    }
    case 'running':
      return report(0, `is running${again}`, ...where);
    case 'ended':
      return report(0, `has run${again} and ended`, describeNext?.(result.next), ...where);
    case 'failed':
      return report(1, `failed: ${result.reason}`, describeNext?.(result.next), ...where);
    case 'waiting':
      return report(0, `is waiting for ${formatPath(result.awaited, workingFolder())}`, ...where);
    case 'late':
      return report(1, `is not up${again} after ${formatTime(startTimeoutMs)}`, 'it keeps running', ...where);
    case 'gone':
      return report(1, `ended before it was up${again}`, logs);
  }
}
