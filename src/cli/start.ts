/** `devwatch start`: starts programs in the background. */

import fs from 'node:fs';
import { request } from '../background/control-client.ts';
import { acquireName } from '../background/name-lock.ts';
import { listEntries } from '../background/records.ts';
import { type Daemon, type StartResult, spawnDaemon } from '../background/spawn-daemon.ts';
import type { Settings } from '../config/settings-types.ts';
import { commandOf } from '../run/command-plan.ts';
import { UsageError } from '../shared/errors.ts';
import type { Next } from '../shared/events.ts';
import { argvFor, awaitResult, nameOf, printResult, startTimeoutMs } from './background-programs.ts';
import { exitCodes, fail, print } from './print.ts';
import { remarksOn } from './remarks.ts';
import { type NamedProgram, programsOf } from './select-programs.ts';
import { backgroundVariable, type Invocation } from './subcommands.ts';

/** Size of devwatch's own log above which the next start rotates it. */
const maxOwnLogBytes = 1024 * 1024;

/** A devwatch to be started in the background: its program, the program's name there, and its own arguments. */
interface Launch {
  readonly program: NamedProgram;
  readonly name: string;
  readonly argv: readonly string[];
}

/**
 * Starts a devwatch in the background for each program, and waits until all are up or have failed. A program that
 * depends on others is started when they are up.
 *
 * @returns the exit code
 * @throws UsageError if a name is taken or used twice, or there is nothing that could be run
 */
export async function execute({ line }: Invocation): Promise<number> {
  const programs = programsOf(line);
  for (const remark of [...remarksOn(line, programs), ...programs[0].loaded.notes]) fail(remark);
  const launches = programs.map((program) => ({ program, name: nameOf(program), argv: argvFor(program, line) }));
  const [only, ...others] = launches;
  if (only !== undefined && others.length === 0) return (await launch(only)).code;
  requireDistinct(launches);
  const launched = new Map<string, Promise<Launched>>();
  /** Launches a program once, after those that it depends on. */
  const launchInTurn = (one: Launch): Promise<Launched> => {
    const result = launched.get(one.name) ?? afterOthers(one);
    launched.set(one.name, result);
    return result;
  };
  const afterOthers = async (one: Launch): Promise<Launched> => {
    const awaited = launches.filter(({ program: { app = '' } }) => one.program.loaded.settings.after.includes(app));
    const down: string[] = [];
    for (const other of awaited) if (!(await launchInTurn(other)).isUp) down.push(other.name);
    if (down.length === 0) return tryLaunch(one);
    print(`${one.name} is not started: it depends on ${down.join(', ')}`);
    return { code: exitCodes.failed, isUp: false };
  };
  const results = await Promise.all(launches.map(launchInTurn));
  return Math.max(...results.map(({ code }) => code));
}

/** `isUp`: programs that depend on this one need not wait: it is up, or has done its work. */
interface Launched {
  readonly code: number;
  readonly isUp: boolean;
}

async function tryLaunch(one: Launch): Promise<Launched> {
  try {
    return await launch(one);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    fail(error.message);
    return { code: exitCodes.usage, isUp: await isUpAlready(one.name) };
  }
}

async function isUpAlready(name: string): Promise<boolean> {
  const record = listEntries().find((entry) => entry.name === name && entry.alive)?.record;
  if (record === undefined) return false;
  const starting = request(record, 'start', { timeoutMs: startTimeoutMs }) as Promise<StartResult>;
  return isUp(await awaitResult(name, starting).catch(() => ({ state: 'gone' })));
}

const isUp = ({ state }: { readonly state: string }): boolean => ['up', 'running', 'ended'].includes(state);

/** Each program needs a name and logs of its own. */
function requireDistinct(launches: readonly Launch[]): void {
  const seen = new Set<string>();
  for (const { name, program } of launches) {
    const { log } = program.loaded.settings;
    if (seen.has(name)) {
      throw new UsageError(`two programs would be named ${name} · set a different "name" for one of them`);
    }
    if (log !== undefined && seen.has(log)) {
      throw new UsageError(`two programs would share the log ${log} · remove "log", or set a different one for each`);
    }
    seen.add(name);
    if (log !== undefined) seen.add(log);
  }
}

async function launch({ program, name, argv }: Launch): Promise<Launched> {
  const { loaded } = program;
  const { display } = commandOf(program);
  const lock = acquireName(name, loaded.folder);
  const ownLog = `${lock.folder}/devwatch.log`;
  if (sizeOf(ownLog) > maxOwnLogBytes) fs.renameSync(ownLog, `${ownLog}.1`);
  const ownSize = sizeOf(ownLog);
  let daemon: Daemon;
  try {
    daemon = await spawnDaemon({
      file: process.execPath,
      args: [process.argv[1] ?? '', ...argv],
      env: { ...process.env, [backgroundVariable]: name },
      folder: process.cwd(),
      log: ownLog,
      prepare: (identity) => lock.transferTo(identity),
    });
  } catch (error) {
    lock.release();
    throw error;
  }
  const silent: StartResult = { state: 'gone' };
  const starting = daemon.result.then((known) => known ?? silent);
  const result = await awaitResult(name, starting);
  daemon.leave();
  const errors = result === silent ? textAfter(ownLog, ownSize) : [];
  if (errors.length > 0) {
    print(`${name} could not be started: ${display}`, ...errors.map((error) => `  ${error}`));
    return { code: exitCodes.failed, isUp: false };
  }
  const describe = (next: Next['kind']): string => describeNext(next, name, loaded.settings);
  const code = printResult(name, result, { pid: daemon.identity.pid, describeNext: describe });
  return { code, isUp: isUp(result) };
}

/** Returns 0 if there is no log or it cannot be read: opening it will report that. */
const sizeOf = (log: string): number => fs.lstatSync(log, { throwIfNoEntry: false })?.size ?? 0;

/** Returns the last lines that were written to devwatch's own log after it had this size. */
function textAfter(log: string, size: number): readonly string[] {
  const text = fs.readFileSync(log).subarray(size).toString().trimEnd();
  return text === '' ? [] : text.split('\n').slice(-10);
}

function describeNext(next: Next['kind'], name: string, { watch }: Settings): string {
  if (next === 'end') return 'devwatch has ended with it';
  if (next === 'restart') return 'devwatch restarts it';
  return `devwatch waits for ${watch.length > 0 ? 'a change' : `devwatch restart ${name}`}`;
}
