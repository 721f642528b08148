/**
 * Who runs in the background: one folder per name, closed to others, with a lock and a record.
 *
 *     $XDG_STATE_HOME/devwatch/background/<name>/record.json    what is told about it
 *                                               /lock/<holder>  who has the name
 *                                               /logs.json      where its logs are, if elsewhere
 *                                               /last.json      what its last holder had yet to tell
 *
 * **The lock** is the folder `lock` with one file in it, whose name says who holds it: process
 * number, start time, boot, pid namespace and a random number. It is taken by renaming a prepared
 * folder, file included, to `lock`, which the kernel does only where `lock` is missing or empty.
 *
 * 1. Whoever takes it found it empty at that very moment: two cannot, for the first one's file is in it.
 * 2. The file goes away in two ways. Its holder removes it; or somebody does who saw that the
 *    holder is dead, which it stays. A late remover hurts nobody, for no other file has that name.
 * 3. Handing it on renames the file. That fails when it is no longer there, and never makes a second one.
 *
 * So there is one holder at most, a crash at any point frees the name, and no step has to be undone.
 */

import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { everything, flawOfName } from '../config/names.ts';
import { bootId, pidNamespace } from '../process/tree/identity.ts';
import { isDead, parseStat } from '../process/tree/proc.ts';
import { codeOf, messageOf, UsageError } from '../shared/errors.ts';
import { stateFolder } from '../shared/user-folders.ts';

/** One process, and no later one that got its number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Linux: clock ticks from boot to its start. macOS: seconds since the epoch. As text. */
  readonly startTime: string;
  /** Differs after every boot. */
  readonly boot: string;
  /** Inode of its pid namespace; empty where there are none. In another one its number means somebody else. */
  readonly namespace: string;
}

/** Where what a program prints is kept. Absolute. */
export interface Logs {
  readonly out: string;
  readonly err: string;
}

/** What a devwatch in the background tells about itself. */
export interface BackgroundRecord extends ProcessIdentity {
  readonly name: string;
  /** Where the program runs. Absolute. */
  readonly folder: string;
  /** Where `devwatch start` was called. Absolute. */
  readonly startedIn: string;
  /** As shown to people. */
  readonly program: string;
  /** What came after `devwatch start`. */
  readonly argv: readonly string[];
  /** Opens its control socket: 32 random bytes in hex. */
  readonly token: string;
  readonly socket: string;
  readonly log: Logs;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Of devwatch. */
  readonly version: string;
}

/** One name, as it stands now. */
export interface BackgroundEntry {
  readonly name: string;
  /** Verified by number, start time, boot and namespace: its process may be signalled. */
  readonly alive: boolean;
  /** Missing while it is being started, and when it is damaged. */
  readonly record?: BackgroundRecord;
  /** Who has the name, where there is no record. */
  readonly holder?: ProcessIdentity;
  /** What is wrong, or unknown, in words. */
  readonly problem?: string;
}

/** The right to a name, until the process that has it ends. */
export interface Claim {
  readonly name: string;
  /** For its logs and whatever else it keeps. */
  readonly folder: string;
  /** Replaces the record in one step. */
  write(record: BackgroundRecord): void;
  /**
   * Removes the record: the program has ended in order. Its logs stay, and what it would have
   * answered to somebody who had not asked yet; see `lastWordOf`.
   */
  strike(lastWord?: object): void;
  /**
   * Gives the name to another live process, which gets hold of it by `claimed`. Throws a
   * UsageError when it is no longer this process's to give.
   */
  handTo(process: ProcessIdentity): void;
  /** Frees the name; the record stays. Does nothing when it was handed on or released before. */
  release(): void;
}

interface Holder extends ProcessIdentity {
  /** Name of its file in the lock. */
  readonly file: string;
}

type Standing = 'alive' | 'dead' | 'foreign';

/** Longest path of a socket in bytes; Node 20 cuts longer ones off without a word. */
export const longestSocketPath: number = process.platform === 'linux' ? 107 : 103;

/** Larger records are none of ours. Bytes. */
const largestRecord = 1024 * 1024;

/** Throws a UsageError unless it can be the name of a program in the background. */
export function checkName(name: string): void {
  const flaw = flawOfName(name);
  if (flaw !== undefined) throw new UsageError(`"${name.slice(0, 80)}" cannot be a name: ${flaw} · --name`);
}

/** The name of the package in a folder, or else the folder's, made fit to be one: `@shop/web` becomes `shop-web`. */
export function defaultName(folder: string): string {
  const name = [packageName(folder), path.basename(path.resolve(folder))].map(fitName).find((fit) => fit !== '');
  return name === undefined || name === everything ? 'app' : name;
}

const fitName = (text: string): string =>
  text
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 64);

function packageName(folder: string): string {
  try {
    const { name } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')) as { name?: unknown };
    return typeof name === 'string' ? name : '';
  } catch {
    return '';
  }
}

/**
 * Takes a name for this process; at the same moment, one of many gets it. The name of a process
 * that has died is free.
 *
 * @param folder where the program is started, to be told to others.
 * @throws UsageError that names who has it, and where state cannot be kept.
 */
export function claim(name: string, folder: string): Claim {
  checkName(name);
  const state = programFolder(name);
  const lock = path.join(state, 'lock');
  const me = ownIdentity();
  const file = fileOf(me);
  const prepared = path.join(backgroundFolder(), `.${file}`);
  try {
    fs.mkdirSync(prepared, { mode: 0o700 });
    fs.writeFileSync(path.join(prepared, file), folder, { mode: 0o600, flag: 'wx' });
    for (;;) {
      try {
        fs.renameSync(prepared, lock);
        break;
      } catch (error) {
        const code = codeOf(error);
        // Somebody else has just forgotten the name, and removed the folder with it.
        if (code === 'ENOENT' && fs.existsSync(prepared)) programFolder(name);
        else if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
      }
      for (const holder of holdersOf(lock)) evict(name, lock, holder);
    }
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`${state}: cannot be claimed (${messageOf(error)})`);
  } finally {
    fs.rmSync(prepared, { recursive: true, force: true });
  }
  sweep();
  return createClaim(name, file);
}

/** Strikes a dead holder out; throws when it is not dead. */
function evict(name: string, lock: string, holder: Holder): void {
  const file = path.join(lock, holder.file);
  const standing = standingOf(holder);
  if (standing === 'dead') {
    fs.rmSync(file, { force: true });
    return;
  }
  let folder: string;
  try {
    folder = fs.readFileSync(file, 'utf8');
  } catch {
    return; // Released or handed on at this moment: the next look will tell.
  }
  throw new UsageError(
    standing === 'alive'
      ? `${name} is already running in ${folder} (pid ${holder.pid}) · devwatch stop ${name}, or --name for another one`
      : `${name} belongs to pid ${holder.pid} of another container, in ${folder} · --name for another one, or remove ${file} if that is gone`,
  );
}

/**
 * The name that another process handed to this one.
 *
 * @throws UsageError when it did not, or somebody else has it now.
 */
export function claimed(name: string): Claim {
  checkName(name);
  const me = ownIdentity();
  const mine = holdersOf(path.join(programFolder(name), 'lock')).find((holder) => isSame(holder, me));
  if (mine === undefined) throw new UsageError(`${name} was not handed to this process (pid ${me.pid})`);
  return createClaim(name, mine.file);
}

function createClaim(name: string, holder: string): Claim {
  const state = path.join(backgroundFolder(), name);
  const lock = path.join(state, 'lock');
  let file: string | undefined = holder;
  const held = (): string => {
    if (file !== undefined && fs.existsSync(path.join(lock, file))) return file;
    throw new UsageError(`${name} no longer belongs to this process (pid ${process.pid})`);
  };
  return {
    name,
    folder: state,
    write(record) {
      held();
      noteLogs(name, record.log);
      writeJson(path.join(state, 'record.json'), record);
    },
    strike(lastWord) {
      held();
      if (lastWord !== undefined) leaveWord(name, lastWord);
      fs.rmSync(path.join(state, 'record.json'), { force: true });
    },
    handTo(identity) {
      const next = fileOf(identity);
      fs.renameSync(path.join(lock, held()), path.join(lock, next));
      file = undefined;
    },
    release() {
      if (file === undefined) return;
      fs.rmSync(path.join(lock, file), { force: true });
      file = undefined;
    },
  };
}

/** Logs outlive the record. */
function noteLogs(name: string, log: Logs): void {
  const note = noteOf(name);
  if (isDeepStrictEqual(log, ownLogsOf(name))) fs.rmSync(note, { force: true });
  else writeJson(note, log);
}

function writeJson(file: string, value: object): void {
  const next = `${file}.${process.pid}`;
  fs.rmSync(next, { force: true });
  const descriptor = fs.openSync(next, 'wx', 0o600);
  try {
    fs.writeFileSync(descriptor, JSON.stringify(value));
    // Else a power cut may leave the new name with nothing in it.
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
  fs.renameSync(next, file);
}

/** Where the logs of a program are, whether it runs or not. */
export function logsOf(name: string): Logs {
  checkName(name);
  const { value } = readJson(noteOf(name));
  return isLogs(value) ? { out: value.out, err: value.err } : ownLogsOf(name);
}

/** Where they are unless the settings name another place. */
export const ownLogsOf = (name: string): Logs => {
  const folder = path.join(backgroundFolder(), name);
  return { out: path.join(folder, 'out.log'), err: path.join(folder, 'err.log') };
};

const noteOf = (name: string): string => path.join(backgroundFolder(), name, 'logs.json');

/** What a process that had this name told as it struck its record out; undefined if it was nothing, or another one's. */
export function lastWordOf(name: string, process: ProcessIdentity): unknown {
  const { value } = readJson(lastWordFile(name));
  const word = value as (ProcessIdentity & { readonly said: unknown }) | null | undefined;
  return word && isSame(word, process) ? word.said : undefined;
}

function leaveWord(name: string, said: object): void {
  try {
    writeJson(lastWordFile(name), { ...ownIdentity(), said });
  } catch {
    // A full disk: who asks is told less, and the end goes on.
  }
}

const lastWordFile = (name: string): string => path.join(backgroundFolder(), name, 'last.json');

/** All names that have a record or a holder, in alphabetical order. Damaged ones are told, never thrown. */
export function list(): BackgroundEntry[] {
  return namesIn(backgroundFolder()).flatMap((name) => entryOf(name) ?? []);
}

/**
 * Those that are meant: one by its name, all that run or were started in a folder, or `all`.
 *
 * @throws UsageError when there is none of that name or in that folder; `all` may be none.
 */
export function find(what: string): BackgroundEntry[] {
  // Else it would be the working folder, and all in it: for a variable that is not set, say.
  if (what === '') throw new UsageError('"" is neither a name nor a folder · . is this one');
  const entries = list();
  if (what === everything) return entries;
  const folder = realPath(path.resolve(what));
  const named = entries.filter(({ name }) => name === what);
  const isThere = ({ record }: BackgroundEntry): boolean =>
    record !== undefined && [record.folder, record.startedIn].some((one) => realPath(one) === folder);
  const found = named.length > 0 ? named : entries.filter(isThere);
  if (found.length > 0) return found;
  const known =
    entries.length === 0
      ? ''
      : ` · ${entries.map(({ name }) => name).join(', ')} ${entries.length === 1 ? 'is' : 'are'} known`;
  throw new UsageError(`nothing in the background is called ${what} or was started in such a folder${known}`);
}

/**
 * Removes all that is kept of a name: record, logs, socket.
 *
 * @throws UsageError when it is running, or is nobody's name.
 */
export function forget(name: string): void {
  checkName(name);
  const state = path.join(backgroundFolder(), name);
  if (fs.lstatSync(state, { throwIfNoEntry: false }) === undefined) {
    throw new UsageError(`nothing in the background is called ${name}`);
  }
  const held = claim(name, state);
  try {
    const { record } = readRecord(name);
    // By older versions the name was not locked: what lives is not forgotten.
    if (record !== undefined && standingOf(record) === 'alive' && record.pid !== process.pid) {
      throw new UsageError(`${name} is still running (pid ${record.pid}) · devwatch stop ${name}`);
    }
    if (record !== undefined) removeSocket(record.socket);
    for (const file of fs.readdirSync(state)) {
      if (file !== 'lock') fs.rmSync(path.join(state, file), { recursive: true, force: true });
    }
  } finally {
    held.release();
  }
  // Not by force: another one may already have taken it.
  for (const folder of [path.join(state, 'lock'), state]) {
    try {
      fs.rmdirSync(folder);
    } catch {
      return;
    }
  }
}

function removeSocket(file: string): void {
  if (fs.lstatSync(file, { throwIfNoEntry: false })?.isSocket() === true) fs.rmSync(file, { force: true });
}

function entryOf(name: string): BackgroundEntry | undefined {
  try {
    const { record, problem } = readRecord(name);
    if (record !== undefined) {
      const standing = standingOf(record);
      const foreign = standing === 'foreign' ? { problem: 'belongs to another container: it cannot be looked at' } : {};
      return { name, record, alive: standing === 'alive', ...foreign };
    }
    const holder = holdersOf(path.join(backgroundFolder(), name, 'lock')).find((held) => standingOf(held) === 'alive');
    if (holder !== undefined)
      return { name, alive: true, holder, problem: problem ?? `is being started (pid ${holder.pid})` };
    return problem === undefined ? undefined : { name, alive: false, problem };
  } catch (error) {
    return { name, alive: false, problem: messageOf(error) };
  }
}

/** No record is no problem; one that cannot be believed is. */
function readRecord(name: string): { record?: BackgroundRecord; problem?: string } {
  const file = path.join(backgroundFolder(), name, 'record.json');
  const { value, problem } = readJson(file);
  if (problem !== undefined) return { problem };
  if (value === undefined) return {};
  return isRecord(value) && value.name === name ? { record: value } : { problem: `${file}: is damaged` };
}

/** What this user has written there, of whatever kind. */
function readJson(file: string): { value?: unknown; problem?: string } {
  let descriptor: number;
  try {
    // Neither a link, nor a pipe that nobody writes to.
    descriptor = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? {} : { problem: `${file}: cannot be read (${codeOf(error)})` };
  }
  try {
    const stats = fs.fstatSync(descriptor);
    if (!stats.isFile() || stats.size > largestRecord) return { problem: `${file}: is no record` };
    if (stats.uid !== process.geteuid?.()) return { problem: `${file}: belongs to another user (uid ${stats.uid})` };
    return { value: JSON.parse(fs.readFileSync(descriptor, 'utf8')) };
  } catch (error) {
    return { problem: `${file}: is damaged (${messageOf(error)})` };
  } finally {
    fs.closeSync(descriptor);
  }
}

const isLogs = (value: unknown): value is Logs =>
  typeof value === 'object' && value !== null && ['out', 'err'].every((key) => isText((value as never)[key]));

function isRecord(value: unknown): value is BackgroundRecord {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as { [Key in keyof BackgroundRecord]?: unknown };
  return (
    [fields.name, fields.startTime, fields.boot, fields.namespace, fields.program].every(isText) &&
    [fields.folder, fields.startedIn].every(isText) &&
    [fields.token, fields.socket, fields.version].every(isText) &&
    isLogs(fields.log) &&
    Number.isSafeInteger(fields.pid) &&
    Number(fields.pid) > 0 &&
    Number.isFinite(fields.startedAt) &&
    Array.isArray(fields.argv) &&
    fields.argv.every(isText)
  );
}

const isText = (value: unknown): value is string => typeof value === 'string';

/** A new token: 32 random bytes in hex. */
export const newToken = (): string => randomBytes(32).toString('hex');

/**
 * Where the program of this name listens for orders: below $XDG_RUNTIME_DIR if that is the user's
 * own, else with its state, or in /tmp/devwatch-<uid> where those paths are too long for a socket.
 * The folder is there then, and closed to others.
 *
 * @throws UsageError when the last one cannot be trusted.
 */
export function socketPath(name: string): string {
  checkName(name);
  const state = programFolder(name);
  // Several state folders may share one folder for sockets.
  const hash = createHash('sha256').update(state).digest('hex');
  const runtime = runtimeFolder();
  const candidates = [
    ...(runtime === undefined ? [] : [path.join(runtime, `${name}-${hash.slice(0, 8)}.sock`)]),
    path.join(state, 'control.sock'),
  ];
  const fitting = candidates.find((file) => Buffer.byteLength(file) <= longestSocketPath);
  if (fitting !== undefined) return fitting;
  const short = path.join('/tmp', `devwatch-${process.geteuid?.()}`);
  try {
    makeClosed(short);
  } catch (error) {
    throw new UsageError(
      `no place for a socket: ${state} is too long (${longestSocketPath} bytes at most), and ${messageOf(error)}`,
    );
  }
  return path.join(short, `${hash.slice(0, 24)}.sock`);
}

/** Those who cannot make use of it are many: containers, su, cron. They do without. */
function runtimeFolder(): string | undefined {
  const home = process.env.XDG_RUNTIME_DIR ?? '';
  try {
    if (!path.isAbsolute(home)) return undefined;
    checkClosed(home);
    const folder = path.join(home, 'devwatch');
    makeClosed(folder);
    fs.accessSync(folder, fs.constants.W_OK);
    return folder;
  } catch {
    return undefined;
  }
}

/** The folder of all names, made if it is missing. */
function backgroundFolder(): string {
  if (process.platform === 'win32') {
    throw new UsageError('devwatch cannot run programs in the background on Windows yet · run it in a terminal');
  }
  const devwatch = stateFolder(process.env);
  if (devwatch === undefined) throw new UsageError('this user has no home folder · set HOME or XDG_STATE_HOME');
  const folder = path.join(devwatch, 'background');
  try {
    fs.mkdirSync(devwatch, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UsageError(`${devwatch}: cannot be made (${codeOf(error)}) · set XDG_STATE_HOME`);
  }
  // Whoever may write here could put another folder in our place; reading gains nothing.
  checkClosed(devwatch, 0o022);
  makeClosed(folder);
  return folder;
}

/** The folder of one name, made if it is missing. */
function programFolder(name: string): string {
  const folder = path.join(backgroundFolder(), name);
  makeClosed(folder);
  return folder;
}

function makeClosed(folder: string): void {
  try {
    fs.mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw new UsageError(`${folder}: cannot be made (${codeOf(error)})`);
  }
  checkClosed(folder);
}

/**
 * Throws a UsageError unless it is a folder, no link to one, that belongs to this user and that others may not use.
 *
 * @param closed the permissions that nobody may have; by default all that are for others.
 */
export function checkClosed(folder: string, closed = 0o077): void {
  const stats = fs.lstatSync(folder, { throwIfNoEntry: false });
  if (stats?.isDirectory() !== true) throw new UsageError(`${folder}: is not a folder`);
  if (stats.uid !== process.geteuid?.()) throw new UsageError(`${folder}: belongs to another user (uid ${stats.uid})`);
  if ((stats.mode & closed) !== 0) {
    const mode = (stats.mode & 0o777).toString(8);
    throw new UsageError(`${folder}: is open to other users (mode ${mode}) · chmod 700 ${folder}`);
  }
}

function namesIn(folder: string): string[] {
  return fs
    .readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .sort();
}

/** Removes what claimers that were killed had prepared. */
function sweep(): void {
  const folder = backgroundFolder();
  for (const name of fs.readdirSync(folder)) {
    const holder = name.startsWith('.') ? parseHolder(name.slice(1)) : undefined;
    if (holder !== undefined && standingOf(holder) === 'dead') {
      fs.rmSync(path.join(folder, name), { recursive: true, force: true });
    }
  }
}

const fileOf = ({ pid, startTime, boot, namespace }: ProcessIdentity): string =>
  `${pid}_${startTime}_${boot}_${namespace}_${randomBytes(8).toString('hex')}`;

function parseHolder(file: string): Holder | undefined {
  const match = /^(\d+)_(\d+)_([0-9A-Fa-f-]*)_(\d*)_[0-9a-f]{16}$/.exec(file);
  if (match === null) return undefined;
  const [, pid, startTime = '', boot = '', namespace = ''] = match;
  return { file, pid: Number(pid), startTime, boot, namespace };
}

/** One or none; two are seen for a moment while the lock is handed on. */
function holdersOf(lock: string): Holder[] {
  let files: string[];
  try {
    files = fs.readdirSync(lock);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
  return files.map((file) => {
    const holder = parseHolder(file);
    if (holder === undefined) throw new UsageError(`${path.join(lock, file)}: is not devwatch's · remove it`);
    return holder;
  });
}

const isSame = (one: ProcessIdentity, other: ProcessIdentity): boolean =>
  one.pid === other.pid &&
  one.startTime === other.startTime &&
  one.boot === other.boot &&
  one.namespace === other.namespace;

/**
 * Does a process live? `foreign` when it cannot be known here: its number belongs to another pid namespace.
 *
 * @throws Error when the system does not tell. To take somebody for dead who is not would be worse.
 */
export function standingOf(process: ProcessIdentity): Standing {
  if (process.boot !== bootId()) return 'dead';
  if (process.namespace !== pidNamespace()) return 'foreign';
  return startTimeOf(process.pid) === process.startTime ? 'alive' : 'dead';
}

/** Who has this number now; undefined for nobody, and for a zombie. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const startTime = startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime, boot: bootId(), namespace: pidNamespace() };
}

/** This process. */
export function ownIdentity(): ProcessIdentity {
  const identity = identityOf(process.pid);
  if (identity === undefined) throw new UsageError('devwatch cannot find itself among the processes · is /proc there?');
  return identity;
}

/** Undefined when there is no such process, or only its remains. Throws when that cannot be told. */
function startTimeOf(pid: number): string | undefined {
  if (process.platform !== 'linux') return startTimeByPs(pid);
  let text: string;
  try {
    text = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    // Other errors (no free descriptor, say) tell nothing about it.
    if (['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
  const stat = parseStat(text);
  return stat === undefined || isDead(stat) ? undefined : stat.startTime;
}

function startTimeByPs(pid: number): string | undefined {
  let line: string;
  try {
    line = execFileSync('/bin/ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch (error) {
    // ps ends with 1 when there is none.
    if ((error as { status?: unknown }).status === 1) return undefined;
    throw error;
  }
  const [state = '', ...started] = line.split(/\s+/);
  return state.startsWith('Z') ? undefined : String(Date.parse(`${started.join(' ')} UTC`) / 1000);
}

function realPath(file: string): string {
  try {
    return fs.realpathSync(file);
  } catch {
    return file;
  }
}
