/**
 * Records of background programs, in one folder per name:
 *
 *     $XDG_STATE_HOME/devwatch/background/<name>/record.json       the devwatch that runs or ran it
 *                                               /environment.json  the variables that `devwatch start` had
 *                                               /lock/<owner>      see name-lock.ts
 *
 * Both files stay when the program has ended, so that it can be started again as it was.
 */

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { everything } from '../config/apps.ts';
import { livenessOf, type ProcessIdentity } from '../process/tree/identity.ts';
import { attempt, codeOf, messageOf, UsageError } from '../shared/errors.ts';
import { ownershipFlaw, withOpenFile } from '../shared/file-ownership.ts';
import { isObject } from './control-protocol.ts';
import { type NameLock, ownerOf } from './name-lock.ts';
import { backgroundFolder } from './private-folder.ts';

/** The file that holds the output of a program. */
export interface LogPlace {
  /** Absolute path. */
  readonly file: string;
  /** Its lines tell their streams; see log-lines.ts. Not in a file that the user has chosen. */
  readonly isTagged: boolean;
  /** The user wants to see the time of each line. */
  readonly timestamps: boolean;
}

/** Describes a devwatch in the background and its program. Paths are absolute. */
export interface BackgroundRecord extends ProcessIdentity {
  readonly name: string;
  /** Working folder of the program. */
  readonly folder: string;
  /** Folder in which `devwatch start` was called. */
  readonly startedIn: string;
  /** The program as it is shown to people. */
  readonly program: string;
  /** Its name under `apps`, if it is one of them, and the apps that are started before it. */
  readonly app?: string | undefined;
  readonly after: readonly string[];
  /** Arguments of `devwatch start`. */
  readonly argv: readonly string[];
  /** Secret for its control socket: 32 random bytes in hex. */
  readonly token: string;
  readonly socket: string;
  readonly log: LogPlace;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly version: string;
  /** How it ended: a person or a signal stopped it, or the program ended by itself. Missing while it runs. */
  readonly end?: 'stopped' | 'ended';
}

/** State of one name. */
export interface BackgroundEntry {
  readonly name: string;
  /** Verified by pid, start time, boot and namespace: signals may be sent to the process. */
  readonly alive: boolean;
  /** Missing while the program is being started, and when the record is damaged. */
  readonly record?: BackgroundRecord;
  /** Owner of the name, if there is no record. */
  readonly owner?: ProcessIdentity;
  /** A message about what is wrong or unknown. */
  readonly problem?: string;
}

const maxRecordBytes = 1024 * 1024;

/** Returns a new token: 32 random bytes in hex. */
export const newToken = (): string => randomBytes(32).toString('hex');

/** Replaces the record of a name in one step. */
export function writeRecord(lock: NameLock, record: BackgroundRecord): void {
  lock.check();
  writeJson(recordFileOf(lock.name), record);
}

export const hasRecord = (name: string): boolean => fs.existsSync(recordFileOf(name));

/** Notes that the program of a name has ended; removes a record that is damaged. */
export function endRecord(lock: NameLock, end: 'stopped' | 'ended'): void {
  lock.check();
  const { record } = readRecord(lock.name);
  if (record === undefined) fs.rmSync(recordFileOf(lock.name), { force: true });
  else writeJson(recordFileOf(lock.name), { ...record, end });
}

function writeJson(file: string, value: object): void {
  const next = `${file}.${process.pid}`;
  fs.rmSync(next, { force: true });
  // Flushed, because a power cut could leave an empty file under the new name.
  fs.writeFileSync(next, JSON.stringify(value), { mode: 0o600, flag: 'wx', flush: true });
  fs.renameSync(next, file);
}

/** Deletes all that is kept about a name: its record and its logs, except those in a place that the user has chosen. */
export function deleteProgram(lock: NameLock): void {
  lock.check();
  for (const file of fs.readdirSync(lock.folder)) {
    if (file !== 'lock') fs.rmSync(path.join(lock.folder, file), { recursive: true, force: true });
  }
  lock.release();
  // These fail if another process has acquired the name since.
  attempt(() => fs.rmdirSync(path.join(lock.folder, 'lock')));
  attempt(() => fs.rmdirSync(lock.folder));
}

/** Keeps the variables with which a program is started again. */
export function writeEnvironment(lock: NameLock, variables: NodeJS.ProcessEnv): void {
  lock.check();
  writeJson(environmentFileOf(lock.name), variables);
}

/** Returns the variables that a program was started with; undefined if they are not known. */
export function readEnvironment(name: string): NodeJS.ProcessEnv | undefined {
  const { value } = readJson(environmentFileOf(name));
  return isObject(value) && Object.values(value).every(isText) ? (value as NodeJS.ProcessEnv) : undefined;
}

/** Returns where the output of a program goes. */
export const logPlaceOf = (name: string, log?: string, timestamps: boolean = false): LogPlace => ({
  file: log ?? fileOf(name, 'output.log'),
  isTagged: log === undefined,
  timestamps,
});

const fileOf = (name: string, file: string): string => path.join(backgroundFolder(), name, file);
const recordFileOf = (name: string): string => fileOf(name, 'record.json');
const environmentFileOf = (name: string): string => fileOf(name, 'environment.json');

/** Returns all names that have a record or an owner, in alphabetical order; damaged records with a `problem`. */
export const listEntries = (): BackgroundEntry[] => namesWithFolder().flatMap((name) => entryOf(name) ?? []);

/** Returns the names of which only files are left, such as the logs of a program that could not be started. */
export const leftoverNames = (): string[] => namesWithFolder().filter((name) => entryOf(name) === undefined);

const namesWithFolder = (): string[] =>
  fs
    .readdirSync(backgroundFolder())
    .filter((name) => !name.startsWith('.'))
    .sort();

/** Finds programs by name, by the folder they run or were started in, or `all`. @throws UsageError unless `all` or one is found */
export function findEntries(word: string): BackgroundEntry[] {
  // An empty word, from a variable that is not set, would mean the working folder and all programs in it.
  if (word === '') throw new UsageError('"" is neither a name nor a folder · use . for this folder');
  const entries = listEntries();
  if (word === everything) return entries;
  const named = entries.filter(({ name }) => name === word);
  if (named.length > 0) return named;
  const found = entriesIn(word, entries);
  if (found.length > 0) return found;
  throw new UsageError(
    `no background program is named ${word}, and none was started in that folder${knownNames(entries)}`,
  );
}

/** Returns the programs that run in a folder, or were started there. */
export function entriesIn(folder: string, entries: readonly BackgroundEntry[] = listEntries()): BackgroundEntry[] {
  const real = realPath(path.resolve(folder));
  // A link in the name of the working folder may lead elsewhere since the shell has entered it.
  const named = path.resolve(process.env.PWD ?? '', folder);
  return entries.filter(({ record }) =>
    [record?.folder, record?.startedIn].some(
      (other) => other !== undefined && (other === named || realPath(other) === real),
    ),
  );
}

/** Lists the names for a message; empty if there are none. */
export const knownNames = (entries: readonly BackgroundEntry[]): string =>
  entries.length === 0 ? '' : ` · known: ${entries.map(({ name }) => name).join(', ')}`;

function entryOf(name: string): BackgroundEntry | undefined {
  try {
    const { record, problem } = readRecord(name);
    if (record !== undefined) {
      const liveness = record.end === undefined ? livenessOf(record) : 'dead';
      const foreign = liveness === 'foreign' ? { problem: 'belongs to another container: its state is unknown' } : {};
      return { name, record, alive: liveness === 'alive', ...foreign };
    }
    const owner = ownerOf(name);
    if (owner !== undefined)
      return { name, alive: true, owner, problem: problem ?? `is being started (pid ${owner.pid})` };
    return problem === undefined ? undefined : { name, alive: false, problem };
  } catch (error) {
    return { name, alive: false, problem: messageOf(error) };
  }
}

function readRecord(name: string): { readonly record?: BackgroundRecord; readonly problem?: string } {
  const file = recordFileOf(name);
  const { value, problem } = readJson(file);
  if (isRecord(value) && value.name === name) return { record: value };
  return problem !== undefined ? { problem } : value === undefined ? {} : { problem: `${file}: is damaged` };
}

/** Reads a JSON file, which may hold any value. It is checked before, because only this user can replace it. */
function readJson(file: string): { value?: unknown; problem?: string } {
  try {
    return withOpenFile(file, (descriptor, stats) => {
      const flaw = ownershipFlaw(stats, { kind: 'file', forbidden: 0 });
      if (flaw === 'owner') return { problem: `${file}: belongs to another user (uid ${stats.uid})` };
      if (flaw !== undefined || stats.size > maxRecordBytes) return { problem: `${file}: is not a devwatch record` };
      return { value: JSON.parse(fs.readFileSync(descriptor, 'utf8')) };
    });
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return {};
    return {
      problem: `${file}: ${code === undefined ? `is damaged (${messageOf(error)})` : `cannot be read (${code})`}`,
    };
  }
}

const isText = (value: unknown): value is string => typeof value === 'string';

const isLogPlace = (value: unknown): value is LogPlace =>
  isObject(value) &&
  isText(value.file) &&
  [value.isTagged, value.timestamps].every((flag) => typeof flag === 'boolean');

const textFields = 'name startTime boot namespace program folder startedIn token socket version'.split(' ');

function isRecord(value: unknown): value is BackgroundRecord {
  if (!isObject(value)) return false;
  const { pid, startedAt, argv, after, log } = value;
  return (
    textFields.every((field) => isText(value[field])) &&
    Number.isSafeInteger(pid) &&
    Number(pid) > 0 &&
    Number.isFinite(startedAt) &&
    [argv, after].every((list) => Array.isArray(list) && list.every(isText)) &&
    isLogPlace(log)
  );
}

const realPath = (file: string): string => attempt(() => fs.realpathSync(file)) ?? file;
