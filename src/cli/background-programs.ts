/** Programs in the background that a command is about. */

import fs from 'node:fs';
import { defaultName } from '../background/names.ts';
import { type BackgroundEntry, type BackgroundRecord, findEntries } from '../background/records.ts';
import type { CommandLine } from '../config/argv.ts';
import { terminateStaleOrphans } from '../process/crash-safety/orphans.ts';
import { UsageError } from '../shared/errors.ts';
import { exitCodes, print } from './print.ts';
import type { NamedProgram } from './select-programs.ts';

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
export function argvFor({ app }: NamedProgram, { optionWords, program, only }: CommandLine): readonly string[] {
  if (app === undefined) return [...optionWords, ...program];
  return only?.length === 1 && program.length === 0 ? optionWords : [...optionWords, '--only', app];
}

/** Terminates processes that a killed devwatch has left in the program's folder. */
export async function terminateOrphansOf(record: BackgroundRecord | undefined): Promise<void> {
  if (record !== undefined && fs.existsSync(record.folder)) await terminateStaleOrphans(record.folder);
}
