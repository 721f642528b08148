/** The commands for programs in the background: start, stop, restart, reload, list, logs, attach. */

import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { request, stream } from '../background/control-client.ts';
import type { Status } from '../background/daemon.ts';
import { type Daemon, daemonize } from '../background/daemonize.ts';
import { clearLogs } from '../background/log-file.ts';
import { followLog } from '../background/log-follower.ts';
import { readTail } from '../background/log-reader.ts';
import { acquireName } from '../background/name-lock.ts';
import { defaultName } from '../background/names.ts';
import {
  type BackgroundEntry,
  type BackgroundRecord,
  deleteRecord,
  findEntries,
  listEntries,
  logsOf,
} from '../background/records.ts';
import { parseStartResult, type StartResult } from '../background/start-result.ts';
import { defaultSettings, type Settings } from '../config/options.ts';
import { readDuration } from '../config/values.ts';
import { terminateStaleOrphans } from '../process/crash-safety/orphans.ts';
import { livenessOf, type ProcessIdentity } from '../process/tree/identity.ts';
import { planCommand } from '../run/command-plan.ts';
import type { Reread } from '../run/settings.ts';
import { codeOf, messageOf, UsageError } from '../shared/errors.ts';
import type { Next } from '../shared/events.ts';
import { formatTime } from '../terminal/format.ts';
import type { NamedProgram, Programs } from './select-programs.ts';
import { awaitResult, describeResult } from './start-report.ts';
import { backgroundVariable, type Managing } from './subcommands.ts';

export interface StartRequest {
  readonly programs: Programs;
  /** What came after `devwatch start`. */
  readonly argv: readonly string[];
  /** The command line's own file. */
  readonly cli: string;
}

/** How long a program may take to be up, in ms, before `start` no longer waits. */
const patience = 30_000;
/** Between two looks at whether something has come about, in ms. */
const look = 20;
/** What a devwatch that does not answer is given after SIGTERM, in ms. */
const grace = 10_000;
/** An end that takes longer than this, in ms, makes people wonder. */
const wonder = 1500;
/** Node's own, in ms. */
const longestTimer = 2 ** 31 - 1;
/** Bytes that one order to write hands on. */
const mostHandedOn = 32 * 1024;
const maxOwnLogBytes = 1024 * 1024;
const failedExitCode = 1;
const usageExitCode = 2;

const print = (text: string): void => void process.stdout.write(`${text}\n`);

/**
 * Starts a devwatch in the background for each program, and waits until all are up or have failed. One
 * that waits for others is started when they are up.
 *
 * @returns the exit code
 * @throws UsageError when a name is taken or meant twice, or there is nothing that could be run
 */
export async function start({ programs, argv, cli }: StartRequest): Promise<number> {
  const launches = programs.map((program) => ({
    program,
    name: nameOf(program),
    argv: program.app === undefined ? argv : [...argv, '--only', program.app],
    cli,
  }));
  const [only, ...others] = launches;
  if (only !== undefined && others.length === 0) return launch(only);
  refuseShared(launches);
  const launched = new Map<string, Promise<Launched>>();
  /** Launches it, once, after those that it waits for. */
  const launchInTurn = (one: Launch): Promise<Launched> => {
    const result = launched.get(one.name) ?? afterOthers(one);
    launched.set(one.name, result);
    return result;
  };
  const afterOthers = async (one: Launch): Promise<Launched> => {
    const awaited = launches.filter(({ program: { app = '' } }) => one.program.loaded.settings.after.includes(app));
    const down: string[] = [];
    for (const other of awaited) if (!(await launchInTurn(other)).isUp) down.push(other.name);
    if (down.length === 0) return launchOrTell(one);
    print(`${one.name} is not started: it waits for ${down.join(', ')}`);
    return { code: failedExitCode, isUp: false };
  };
  const results = await Promise.all(launches.map(launchInTurn));
  return Math.max(...results.map(({ code }) => code));
}

/** What came of launching one of several. */
interface Launched {
  readonly code: number;
  /** It is up, or has done its work: whoever waits for it waits no longer. */
  readonly isUp: boolean;
}

async function launchOrTell(one: Launch): Promise<Launched> {
  try {
    const code = await launch(one);
    return { code, isUp: code === 0 };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`devwatch: ${error.message}\n`);
    return { code: usageExitCode, isUp: await isUpAlready(one.name) };
  }
}

async function isUpAlready(name: string): Promise<boolean> {
  const record = listEntries().find((entry) => entry.name === name && entry.alive)?.record;
  if (record === undefined) return false;
  const starting = request(record, 'start', {}, { timeoutMs: patience }) as Promise<StartResult>;
  const { state } = await awaitResult(
    name,
    starting.catch(() => ({ state: 'gone' })),
  );
  return state === 'up' || state === 'running' || state === 'ended';
}

interface Launch {
  readonly program: NamedProgram;
  /** In the background. */
  readonly name: string;
  readonly argv: readonly string[];
  readonly cli: string;
}

/** What a program is called in the background, unless it was started by another name. */
export const nameOf = ({ app, loaded }: NamedProgram): string =>
  loaded.settings.name ?? app ?? defaultName(loaded.folder);

/** Of several programs each needs a name and logs of its own. */
function refuseShared(launches: readonly Launch[]): void {
  const seen = new Set<string>();
  for (const { name, program } of launches) {
    const { log } = program.loaded.settings;
    if (seen.has(name)) throw new UsageError(`two programs would be called ${name} · give one another "name"`);
    if (log !== undefined && seen.has(log))
      throw new UsageError(`two programs would share the log ${log} · leave out "log"`);
    seen.add(name);
    if (log !== undefined) seen.add(log);
  }
}

async function launch({ program, name, argv, cli }: Launch): Promise<number> {
  const { loaded } = program;
  const { display } = planCommand(program);
  const lock = acquireName(name, loaded.folder);
  const own = `${lock.folder}/devwatch.log`;
  rotateOwn(own);
  const ownSize = sizeOf(own);
  let daemon: Daemon;
  try {
    daemon = await daemonize({
      file: process.execPath,
      args: [cli, ...argv],
      env: { ...process.env, [backgroundVariable]: name },
      folder: process.cwd(),
      log: { out: own, err: own },
      // The program's files are the user's; devwatch's own have modes of their own.
      umask: process.umask(),
      prepare: (identity) => lock.transferTo(identity),
    });
  } catch (error) {
    lock.release();
    throw error;
  }
  let isSilent = false;
  const starting = daemon.notification.then((line): StartResult => {
    const result = parseStartResult(line);
    isSilent = result === undefined;
    return result ?? { state: 'gone' };
  });
  const result = await awaitResult(name, starting);
  daemon.leave();
  const complaints = isSilent ? textAfter(own, ownSize) : [];
  if (complaints.length > 0) {
    print([`${name} could not be started: ${display}`, ...complaints.map((line) => `  ${line}`)].join('\n'));
    return failedExitCode;
  }
  const { code, lines } = describeResult(name, result, {
    pid: daemon.identity.pid,
    describeNext: (next) => whatNext(next, name, loaded.settings),
  });
  print(lines.join('\n'));
  return code;
}

/** devwatch's own log is small; rotates it once it exceeds 1 MB. */
function rotateOwn(log: string): void {
  if (sizeOf(log) > maxOwnLogBytes) fs.renameSync(log, `${log}.1`);
}

/** 0 if there is none, or if it cannot be read: opening the log will report that. */
const sizeOf = (log: string): number => fs.lstatSync(log, { throwIfNoEntry: false })?.size ?? 0;

/** Returns the last lines that were written to devwatch's own log after it had this size. */
function textAfter(log: string, size: number): readonly string[] {
  const text = fs.readFileSync(log).subarray(size).toString().trimEnd();
  return text === '' ? [] : text.split('\n').slice(-10);
}

function whatNext(next: Next['kind'], name: string, { watch }: Settings): string {
  if (next === 'end') return 'devwatch has ended, too';
  if (next === 'restart') return 'devwatch stays and restarts it';
  return `devwatch stays and waits for ${watch.length > 0 ? 'a change' : `devwatch restart ${name}`}`;
}

/** @returns the exit code */
export async function manage(command: Exclude<Managing, 'start' | 'unit'>, words: readonly string[]): Promise<number> {
  process.stdout.on('error', (error) => {
    // Whoever reads, such as head, has seen enough.
    if (codeOf(error) !== 'EPIPE') throw error;
  });
  switch (command) {
    case 'stop':
      return each(words, 'stop', stopOne);
    case 'restart':
      return each(words, 'restart', restartOne);
    case 'reload':
      return each(words, 'reload', reloadOne);
    case 'list':
    case 'ls':
    case 'status':
      return show(words);
    case 'logs':
      return showLogs(words);
    case 'attach':
      return attach(words);
  }
}

async function each(
  words: readonly string[],
  verb: string,
  act: (entry: BackgroundEntry) => Promise<number>,
): Promise<number> {
  if (words.length === 0) throw new UsageError(`${verb} what? · devwatch ${verb} <name|folder|all>`);
  const entries = findAll(words);
  if (entries.length === 0) print('nothing runs in the background');
  const codes = await Promise.all(
    entries.map(async (entry) => {
      try {
        return await act(entry);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        // What is wrong with one keeps nobody from the others.
        print(`${entry.name}: ${error.message}`);
        return failedExitCode;
      }
    }),
  );
  return Math.max(0, ...codes);
}

/** Each once, however often it is meant. */
function findAll(words: readonly string[]): BackgroundEntry[] {
  const entries = words.flatMap((word) => findEntries(word));
  return [...new Map(entries.map((entry) => [entry.name, entry])).values()];
}

async function stopOne({ name, record, owner: holder, alive }: BackgroundEntry): Promise<number> {
  const owner = record ?? holder;
  if (owner === undefined || !alive) {
    await sweep(record);
    claimAndStrike(name);
    print(`${name} was not running`);
    return 0;
  }
  try {
    if (record === undefined) throw new UsageError('without a record nobody knows where it listens');
    await endInOrder(record);
  } catch {
    // It does not answer: it is asked as every program is.
    send(owner, 'SIGTERM');
  }
  const deadline = Date.now() + grace;
  let isKilled = false;
  while (livenessOf(owner) === 'alive') {
    if (Date.now() > deadline) {
      // The guardian ends what it leaves.
      send(owner, 'SIGKILL');
      isKilled = true;
    }
    await sleep(look);
  }
  await sweep(record);
  if (isKilled) claimAndStrike(name);
  print(`${name} has been stopped`);
  return 0;
}

/**
 * Waits as long as its program may take to end, and says so when that takes long. An older devwatch does not
 * tell how long that may be.
 *
 * @throws when it does not answer
 */
async function endInOrder(record: BackgroundRecord): Promise<void> {
  const { killTimeout = defaultSettings.killTimeout } = (await request(record, 'status')) as Partial<Status>;
  const told = setTimeout(
    () => print(`${record.name} is still ending · it is given ${formatTime(killTimeout)} before SIGKILL`),
    wonder,
  );
  try {
    await request(record, 'stop', {}, { timeoutMs: Math.min(killTimeout + grace + patience, longestTimer) });
  } finally {
    clearTimeout(told);
  }
}

/** It may end at any moment by itself. */
function send(owner: ProcessIdentity, signal: NodeJS.Signals): void {
  try {
    if (livenessOf(owner) === 'alive') process.kill(owner.pid, signal);
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

/** The record of one that is dead says nothing any more. */
function claimAndStrike(name: string): void {
  const lock = acquireName(name, process.cwd());
  deleteRecord(lock);
  lock.release();
}

/** Ends what a killed devwatch has left in its folder. */
async function sweep(record: BackgroundRecord | undefined): Promise<void> {
  if (record === undefined || !fs.existsSync(record.folder)) return;
  await terminateStaleOrphans(record.folder);
}

const notRunning = (name: string, alive: boolean): string =>
  alive ? `${name} is being started` : `${name} is not running · devwatch start`;

async function restartOne({ name, record, alive }: BackgroundEntry): Promise<number> {
  if (record === undefined || !alive) {
    print(notRunning(name, alive));
    return failedExitCode;
  }
  const abort = new AbortController();
  const restarting = request(record, 'restart', {}, { timeoutMs: longestTimer, signal: abort.signal });
  const result = await awaitResult(name, restarting as Promise<StartResult>);
  abort.abort();
  const { code, lines } = describeResult(name, result, { pid: record.pid, isRestart: true });
  print(lines.join('\n'));
  return code;
}

async function reloadOne({ name, record, alive }: BackgroundEntry): Promise<number> {
  if (record === undefined || !alive) {
    print(notRunning(name, alive));
    return failedExitCode;
  }
  const { changed, problem } = (await request(record, 'reload')) as Reread;
  if (problem !== undefined) {
    print(`${name}: ${problem} · the old settings stay in force`);
    return failedExitCode;
  }
  print(
    `${name} has read its settings again · ${changed.length === 0 ? 'as before' : `changed: ${changed.join(', ')}`}`,
  );
  return 0;
}

interface Row {
  readonly name: string;
  readonly state: Status['state'] | 'dead' | 'unknown';
  readonly reason?: string | undefined;
  readonly pid?: number | undefined;
  /** Of the devwatch that keeps it. */
  readonly owner?: number | undefined;
  /** ms since the run's start. */
  readonly uptime?: number | undefined;
  readonly restarts?: number | undefined;
  readonly memory?: number | undefined;
  readonly cpu?: number | undefined;
  readonly port?: number | undefined;
  readonly folder?: string | undefined;
  readonly problem?: string | undefined;
}

async function show(words: readonly string[]): Promise<number> {
  const { values, positionals } = options(words, { json: { type: 'boolean' } });
  const entries = positionals.length === 0 ? listEntries() : findAll(positionals);
  const rows = await Promise.all(entries.map(rowOf));
  if (values.json === true) print(JSON.stringify(rows, null, 2));
  else if (rows.length === 0) print('nothing runs in the background · devwatch start <script>');
  else print(table(rows));
  return 0;
}

async function rowOf({ name, record, alive, problem }: BackgroundEntry): Promise<Row> {
  if (record === undefined) return { name, state: 'unknown', problem };
  const common = { name, folder: record.folder, problem };
  // Nobody knows of one that belongs to another container.
  if (!alive && problem !== undefined) return { ...common, state: 'unknown' };
  if (!alive) {
    await sweep(record);
    return { ...common, state: 'dead' };
  }
  try {
    const { state, reason, pid, run, since, memory, cpu, port } = (await request(record, 'status')) as Status;
    const uptime = pid === undefined ? undefined : Date.now() - since;
    const restarts = Math.max(0, run - 1);
    return { ...common, state, reason, pid, owner: record.pid, uptime, restarts, memory, cpu, port };
  } catch (error) {
    return { ...common, state: 'unknown', owner: record.pid, problem: error instanceof Error ? error.message : '' };
  }
}

function table(rows: readonly Row[]): string {
  const head = ['name', 'state', 'pid', 'uptime', 'restarts', 'memory', 'cpu', 'port', 'folder'];
  const lines = rows.map((row) => [
    row.name,
    row.reason === undefined ? row.state : `${row.state} (${row.reason})`,
    String(row.pid ?? '–'),
    row.uptime === undefined ? '–' : formatTime(row.uptime),
    String(row.restarts ?? '–'),
    row.memory === undefined ? '–' : `${Math.round(row.memory / 2 ** 20)} MB`,
    row.cpu === undefined ? '–' : formatTime(row.cpu),
    String(row.port ?? '–'),
    row.problem ?? row.folder ?? '–',
  ]);
  const widths = head.map((title, column) =>
    Math.max(...[head, ...lines].map((line) => (line[column] ?? title).length)),
  );
  return [head, ...lines]
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

async function showLogs(words: readonly string[]): Promise<number> {
  const { values, positionals } = options(words, {
    follow: { type: 'boolean', short: 'f' },
    lines: { type: 'string', short: 'n' },
    err: { type: 'boolean' },
    since: { type: 'string' },
    clear: { type: 'boolean' },
  });
  if (positionals.length === 0) throw new UsageError('logs of what? · devwatch logs <name|folder|all>');
  const programs = [...new Map(positionals.flatMap(logsFor).map((program) => [program.name, program])).values()];
  const files = programs.flatMap(({ name, log }) => {
    const all = values.err === true || log.out === log.err ? [log.err] : [log.out, log.err];
    return all.filter((file) => fs.existsSync(file) || values.follow === true).map((file) => ({ name, file }));
  });
  if (values.clear === true) {
    await Promise.all(files.map(({ file }) => clearLogs(file)));
    return 0;
  }
  const lines = values.lines === undefined ? 20 : Number(values.lines);
  if (!Number.isInteger(lines) || lines < 0)
    throw new UsageError(`--lines takes a whole number from 0, not ${values.lines}`);
  const since = values.since === undefined ? undefined : new Date(Date.now() - readDuration(values.since));
  const prefixOf = (name: string): string => (programs.length > 1 ? `${name} | ` : '');
  const write = (name: string, line: Buffer): void =>
    void process.stdout.write(Buffer.concat([Buffer.from(prefixOf(name)), line, Buffer.from('\n')]));
  if (values.follow !== true) {
    for (const { name, file } of files) for (const line of await readTail(file, { lines, since })) write(name, line);
    return 0;
  }
  const abort = abortWhenLeft();
  await Promise.all(
    files.map(({ name, file }) =>
      followLog(file, { lines, since, signal: abort.signal, onLine: (line) => write(name, line) }),
    ),
  );
  return 0;
}

/** Those of a program that no longer runs are still there. */
function logsFor(word: string): Pick<BackgroundRecord, 'name' | 'log'>[] {
  try {
    return findEntries(word).flatMap(({ name, record }) => ({ name, log: record?.log ?? logsOf(name) }));
  } catch (error) {
    if (error instanceof UsageError && /^[\w.-]+$/.test(word) && fs.existsSync(logsOf(word).out)) {
      return [{ name: word, log: logsOf(word) }];
    }
    throw error;
  }
}

/** Shows what a program prints, and hands on what is typed; Ctrl-C ends the showing, not the program. */
async function attach(words: readonly string[]): Promise<number> {
  const [entry, ...others] = findAll(words);
  if (entry === undefined || others.length > 0)
    throw new UsageError('attach takes one program · devwatch attach <name>');
  const { record, name, alive } = entry;
  if (record === undefined || !alive) throw new UsageError(notRunning(name, alive));
  const abort = abortWhenLeft();
  process.stdin.on('data', (chunk: Buffer) => {
    // One after the other: orders that are under way at the same time have no order.
    process.stdin.pause();
    handOn(record, chunk).then(
      () => void (abort.signal.aborted || process.stdin.resume()),
      (error) => abort.abort(error),
    );
  });
  process.stderr.write(`attached to ${name} · Ctrl-C leaves it running\n`);
  try {
    for await (const item of stream(record, 'attach', {}, abort.signal)) {
      process.stdout.write(Buffer.from(String((item as { data?: unknown }).data ?? ''), 'base64'));
    }
  } finally {
    process.stdin.pause();
  }
  if (abort.signal.reason instanceof UsageError) throw abort.signal.reason;
  if (!abort.signal.aborted) process.stderr.write(`${name} has been stopped\n`);
  return 0;
}

/** In pieces that fit into an order, which knows only text. */
async function handOn(record: BackgroundRecord, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; at += mostHandedOn) {
    await request(record, 'write', { data: bytes.toString('base64', at, at + mostHandedOn) });
  }
}

/** By Ctrl-C, and by nobody reading any more. */
function abortWhenLeft(): AbortController {
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  process.stdout.once('error', () => abort.abort());
  return abort;
}

type Flags = NonNullable<Parameters<typeof parseArgs>[0]>['options'];

function options<Given extends NonNullable<Flags>>(words: readonly string[], flags: Given) {
  try {
    return parseArgs({ args: [...words], options: flags, allowPositionals: true });
  } catch (error) {
    const [message = ''] = messageOf(error).split('. ');
    throw new UsageError(message.replace(/^Unknown option '(.+)'$/, 'unknown option $1'));
  }
}
