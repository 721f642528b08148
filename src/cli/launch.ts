/** Starts a devwatch in the background for each program, in their order, and prints how each start went. */

import fs from 'node:fs';
import { request } from '../background/control-client.ts';
import { acquireName } from '../background/name-lock.ts';
import { type BackgroundRecord, listEntries, readEnvironment } from '../background/records.ts';
import { type Daemon, type StartResult, spawnDaemon } from '../background/spawn-daemon.ts';
import { UsageError } from '../shared/errors.ts';
import type { Next } from '../shared/events.ts';
import { awaitResult, printResult, startTimeoutMs } from './background-programs.ts';
import { exitCodes, fail, print } from './print.ts';
import { backgroundVariable } from './subcommands.ts';

/** A program to be started in the background. */
export interface Launch {
  readonly name: string;
  /** The program as it is shown to people. */
  readonly display: string;
  /** Arguments of its devwatch, and the folder and the variables in which that runs. */
  readonly argv: readonly string[];
  readonly startedIn: string;
  readonly env: NodeJS.ProcessEnv;
  /** Working folder of the program. */
  readonly folder: string;
  /** Its name under `apps`, if it is one of them, and the apps that are started before it. */
  readonly app?: string | undefined;
  readonly after: readonly string[];
  /** Describes what devwatch does next, if that is known. */
  readonly describeNext?: (next: Next['kind']) => string;
}

/**
 * Variables that belong to a login, a terminal or the place of the records rather than to the program: a program that is
 * started again has them from whoever starts it.
 */
const callersVariables: ReadonlySet<string> = new Set(
  [
    'DBUS_SESSION_BUS_ADDRESS DESKTOP_STARTUP_ID DISPLAY GNOME_KEYRING_CONTROL GPG_AGENT_INFO HOME SESSION_MANAGER',
    'SSH_AGENT_PID SSH_AUTH_SOCK SSH_CLIENT SSH_CONNECTION SSH_TTY STY TMUX TMUX_PANE WAYLAND_DISPLAY WINDOWID',
    'XAUTHORITY XDG_RUNTIME_DIR XDG_SEAT XDG_SESSION_ID XDG_STATE_HOME XDG_VTNR',
  ].flatMap((names) => names.split(' ')),
);

/** Returns the launch that starts a program again as it was started: its arguments, its folder and its variables. */
export function launchOf(record: BackgroundRecord): Launch {
  const { name, program: display, argv, startedIn, folder, app, after } = record;
  return { name, display, argv, startedIn, env: environmentOf(name), folder, app, after };
}

function environmentOf(name: string): NodeJS.ProcessEnv {
  const known = readEnvironment(name);
  if (known === undefined) return process.env;
  const isCallers = ([variable]: readonly [string, unknown]): boolean => callersVariables.has(variable);
  const own = Object.entries(known).filter((entry) => !isCallers(entry));
  return Object.fromEntries([...own, ...Object.entries(process.env).filter(isCallers)]);
}

/** Size of devwatch's own log above which the next start rotates it. */
const maxOwnLogBytes = 1024 * 1024;

/** `isUp`: programs that depend on this one need not wait: it is up, or has done its work. */
interface Launched {
  readonly code: number;
  readonly isUp: boolean;
}

/**
 * Launches programs, each after those that it awaits, and waits until all are up or have failed.
 *
 * @returns the exit code
 * @throws UsageError if the only program cannot be started; the errors of several are printed
 */
export async function launchAll(launches: readonly Launch[]): Promise<number> {
  const [only, ...others] = launches;
  if (only !== undefined && others.length === 0) return (await launch(only)).code;
  const launched = new Map<string, Promise<Launched>>();
  const launchInTurn = (one: Launch): Promise<Launched> => {
    const result = launched.get(one.name) ?? afterOthers(one);
    launched.set(one.name, result);
    return result;
  };
  const afterOthers = async (one: Launch): Promise<Launched> => {
    const down: string[] = [];
    for (const other of launches.filter((candidate) => awaits(one, candidate))) {
      if (!(await launchInTurn(other)).isUp) down.push(other.name);
    }
    if (down.length === 0) return tryLaunch(one);
    print(`${one.name} is not started: it depends on ${down.join(', ')}`);
    return { code: exitCodes.failed, isUp: false };
  };
  const results = await Promise.all(launches.map(launchInTurn));
  return Math.max(0, ...results.map(({ code }) => code));
}

const awaits = ({ after, startedIn }: Launch, { app, startedIn: folder }: Launch): boolean =>
  app !== undefined && after.includes(app) && startedIn === folder;

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

async function launch({ name, display, argv, startedIn, env, folder, describeNext }: Launch): Promise<Launched> {
  if (!fs.existsSync(startedIn)) throw new UsageError(`${name} was started in ${startedIn}, which is gone`);
  const lock = acquireName(name, folder);
  const ownLog = `${lock.folder}/devwatch.log`;
  if (sizeOf(ownLog) > maxOwnLogBytes) fs.renameSync(ownLog, `${ownLog}.1`);
  const ownSize = sizeOf(ownLog);
  let daemon: Daemon;
  try {
    daemon = await spawnDaemon({
      file: process.execPath,
      args: [process.argv[1] ?? '', ...argv],
      env: { ...env, [backgroundVariable]: name },
      folder: startedIn,
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
  const code = printResult(name, result, { ...(describeNext && { describeNext }) });
  return { code, isUp: isUp(result) };
}

/** Returns 0 if there is no log or it cannot be read: opening it will report that. */
const sizeOf = (log: string): number => fs.lstatSync(log, { throwIfNoEntry: false })?.size ?? 0;

/** Returns the last lines that were written to devwatch's own log after it had this size. */
function textAfter(log: string, size: number): readonly string[] {
  const text = fs.readFileSync(log).subarray(size).toString().trimEnd();
  return text === '' ? [] : text.split('\n').slice(-10);
}
