/**
 * Records of running programs: the settings, the command and the loaded files that are in force. `devwatch explain`,
 * `config` and `doctor` answer by them, because neither the flags of another devwatch nor settings that have become wrong
 * since its start can be found out otherwise. One file for each program, in a folder that is closed to other users:
 *
 *     $XDG_STATE_HOME/devwatch/programs/<pid>-<number>.json
 *
 * The file is written when the files of the program are watched, so that no start waits for it.
 */

import fs from 'node:fs';
import path from 'node:path';
import type { Command } from '../process/launch/command.ts';
import { livenessOf, ownIdentity, type ProcessIdentity } from '../process/tree/identity.ts';
import { attempt } from '../shared/errors.ts';
import type { Limitation } from '../shared/events.ts';
import { makeTrustedFolder, readTrusted } from '../shared/file-ownership.ts';
import { stateFolder } from '../shared/user-folders.ts';
import { version } from '../shared/version.ts';
import { workingFolder } from '../shared/working-folder.ts';
import { isAtOrBelow } from '../watch/paths.ts';
import { type RunPlan, writtenFiles } from './command-plan.ts';

/** The settings and the command that a running devwatch has in force for one program. */
export interface ProgramRecord extends ProcessIdentity, Pick<RunPlan, 'loaded' | 'program' | 'nodeArgs'> {
  readonly version: string;
  /** Folder in which devwatch was started, absolute. */
  readonly startedIn: string;
  /** Its name under `apps`, if it is one of them. */
  readonly app?: string | undefined;
  readonly command: Command;
  /** Files that no pattern selects, but that count because the program has loaded them (`deps`), absolute. */
  readonly loads: readonly string[];
  /** Features of which it has turned out while it runs that they are off. */
  readonly limitations: readonly Limitation[];
  /** Files and folders that this devwatch writes; see `writtenFiles`. */
  readonly written: readonly string[];
}

type Facts = Pick<ProgramRecord, 'app' | 'loads' | 'limitations'> & { readonly plan: RunPlan };

/** Numbers the records of this process. */
let recordCount = 0;

/** Keeps the record of one program. Where none can be written, everything else works as well. */
export class ProgramRecorder {
  #file: string | undefined;
  #text = '';
  #isClosed = false;

  /** Writes the record, unless it is the same. */
  write({ plan: { loaded, program, nodeArgs, command }, ...others }: Facts): void {
    const written = writtenFiles(loaded.settings);
    const facts = { version, startedIn: workingFolder(), program, nodeArgs, command, written, ...others };
    const record = { ...facts, loaded: { ...loaded, origins: [...loaded.origins] } };
    const text = JSON.stringify(record);
    if (this.#isClosed || text === this.#text) return;
    attempt(() => {
      const folder = makeTrustedFolder(recordFolder(), 0o077);
      this.#file ??= path.join(folder, `${process.pid}-${++recordCount}.json`);
      const next = `${this.#file}.next`;
      fs.rmSync(next, { force: true });
      fs.writeFileSync(next, JSON.stringify({ ...ownIdentity(), ...record }), { mode: 0o600, flag: 'wx' });
      fs.renameSync(next, this.#file);
      this.#text = text;
    });
  }

  /** Deletes the record for good. */
  close(): void {
    this.#isClosed = true;
    const file = this.#file;
    if (file !== undefined) attempt(() => fs.rmSync(file, { force: true }));
  }
}

/** @throws Error where there is no such folder */
function recordFolder(): string {
  const state = stateFolder(process.env);
  if (state === undefined) throw new Error('this user has no home folder');
  return path.join(state, 'programs');
}

/**
 * Returns the records of the programs that run or were started in a folder (absolute); with `isAbove`, if there are none,
 * of those that run in the nearest folder above. Deletes the records of processes that have been killed.
 */
export function programsRunningIn(folder: string, isAbove = false): readonly ProgramRecord[] {
  const real = realPath(folder);
  const found = readRecords().flatMap((record) => {
    const places = [record.loaded.folder, record.startedIn].map(realPath).filter((place) => isAtOrBelow(real, place));
    const depth = Math.max(...places.map((place) => place.length));
    return places.length === 0 || (!isAbove && depth < real.length) ? [] : [{ record, depth }];
  });
  const nearest = Math.max(...found.map(({ depth }) => depth));
  return found.filter(({ depth }) => depth === nearest).map(({ record }) => record);
}

function readRecords(): readonly ProgramRecord[] {
  const folder = attempt(() => makeTrustedFolder(recordFolder(), 0o077));
  if (folder === undefined) return [];
  const names = (attempt(() => fs.readdirSync(folder)) ?? []).filter((name) => name.endsWith('.json'));
  // Those of one devwatch in the order of their start.
  const inOrder = names.toSorted((one, other) => one.localeCompare(other, 'en', { numeric: true }));
  return inOrder.flatMap((name) => readRecord(path.join(folder, name)) ?? []);
}

/**
 * Returns the record of a process that lives and has this version: in another one the settings may mean something else. Files
 * of dead processes are deleted.
 */
function readRecord(file: string): ProgramRecord | undefined {
  const record = attempt(() => parse(readTrusted(file, { forbidden: 0o077 })));
  const liveness = record === undefined ? 'dead' : attempt(() => livenessOf(record));
  if (liveness === 'dead') attempt(() => fs.rmSync(file, { force: true }));
  return liveness === 'alive' && record?.version === version ? record : undefined;
}

/** @throws Error if it is no record */
function parse(text: Buffer | string): ProgramRecord {
  const { loaded, ...record } = JSON.parse(String(text)) as ProgramRecord;
  return { ...record, loaded: { ...loaded, origins: new Map(loaded.origins) } };
}

const realPath = (place: string): string => attempt(() => fs.realpathSync(place)) ?? place;
