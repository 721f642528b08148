/** Starts a process that depends neither on the terminal nor on the caller. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { Duplex } from 'node:stream';
import { platform } from '../process/platform.ts';
import { identityOf, type ProcessIdentity } from '../process/tree/identity.ts';
import { readStat } from '../process/tree/proc.ts';
import { codeOf, messageOf, UsageError } from '../shared/errors.ts';
import { ownershipFlaw } from '../shared/ownership.ts';
import { requirePosix } from './private-folder.ts';

export interface DaemonOptions {
  /** A program that resets its signals to their defaults, as Node does when it starts; see `script`. */
  readonly file: string;
  readonly args: readonly string[];
  /** The complete environment. */
  readonly env: NodeJS.ProcessEnv;
  readonly folder: string;
  /** Files for stdout and stderr; appended to, made (mode 0600) if they are missing. Both may be the same. */
  readonly log: { readonly out: string; readonly err: string };
  /** Default: 0o077. */
  readonly umask?: number;
  /**
   * Called when the process exists, under its final pid, and before the program starts: to transfer a name to it. If
   * it throws, the program is not started.
   */
  readonly prepare?: (daemon: ProcessIdentity) => void;
}

/** A daemon whose program has started; it may have ended since. */
export interface Daemon {
  readonly identity: ProcessIdentity;
  /** The first line that the daemon writes to descriptor 3; empty if it closes that without a line. */
  readonly notification: Promise<string>;
  /** Stops waiting for the notification; until then, waiting keeps this process alive. */
  leave(): void;
}

/** Time for the shell to fork and to report. */
const forkTimeoutMs = 10_000;

/**
 * Descriptors: 1 reports the pid, 2 and 3 are the logs, 4 is a socket on which the order to go comes and the daemon
 * answers later, as its descriptor 3. (Node would close stdin itself when the shell exits.)
 *
 * The shell leads the session (setsid) and forks: the daemon is not the leader, so that no terminal that it opens
 * becomes its controlling terminal. The fork waits for the order, and exits if the caller dies before. Processes that
 * a shell starts in the background ignore SIGINT and SIGQUIT, which not every shell can undo: the program must do so.
 */
const script = (umask: number): string => `
  umask ${umask.toString(8).padStart(4, '0')}
  { read -r go <&4 && [ "$go" = go ] && exec "$@" </dev/null >&3 3>&4 4>&-; } &
  echo "$!"`;

/** Variables that some shell sets or changes by itself. */
const shellVariables: readonly string[] =
  '_ PWD OLDPWD SHLVL IFS OPTIND OPTARG PPID LINENO PS1 PS2 PS4 SHELLOPTS BASHOPTS RANDOM SECONDS'.split(' ');

/**
 * Starts a daemon: in a session without a terminal that it does not lead, without its parent, with /dev/null as stdin,
 * the logs as stdout and stderr, and a socket to this process as descriptor 3.
 *
 * @throws UsageError if it cannot be started, and what `prepare` throws
 */
export async function daemonize(options: DaemonOptions): Promise<Daemon> {
  const { file, folder, log } = options;
  requirePosix();
  check(folder, () => fs.accessSync(`${folder}/.`, fs.constants.X_OK));
  check(file, () => fs.accessSync(file, fs.constants.X_OK));
  if (file.includes('=')) throw new UsageError(`${file}: env would take it for a variable · use a path without =`);
  const logs: number[] = [];
  let shell: ChildProcess;
  try {
    for (const output of [log.out, log.err]) logs.push(openOutputFile(output));
    shell = startShell(options, logs);
  } finally {
    for (const descriptor of logs) fs.closeSync(descriptor);
  }
  const giveUp = (): void => {
    shell.kill('SIGKILL');
    // Without the order the program does not start.
    socketOf(shell)?.destroy();
    shell.stdout?.destroy();
  };
  const timer = setTimeout(giveUp, forkTimeoutMs);
  try {
    return await release(shell, options);
  } catch (error) {
    giveUp();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Lets the program start once the shell has reported its pid. */
async function release(shell: ChildProcess, { file, log, prepare }: DaemonOptions): Promise<Daemon> {
  const { stdout } = shell;
  const socket = socketOf(shell);
  const exited = once(shell, 'exit').catch((error: unknown) => {
    throw new UsageError(`${file} cannot be started in the background: ${messageOf(error)}`);
  });
  // There are no pipes if the shell could not be spawned; the error explains why.
  if (socket === undefined || !stdout) return exited.then(() => Promise.reject(new Error('the shell has no pipes')));
  socket.on('error', () => {});
  const closed = once(stdout, 'close');
  const [, report] = await Promise.all([exited, firstLine(stdout)]);
  const pid = Number(report);
  const identity = pid > 0 ? identityOf(pid) : undefined;
  // A process that has reused the pid would be in another session.
  if (identity === undefined || (platform.hasProc && readStat(pid)?.session !== shell.pid)) {
    throw new UsageError(`${file} cannot be started in the background · see ${log.err}`);
  }
  prepare?.(identity);
  const notification = firstLine(socket);
  socket.write('go\n');
  // The report ends when the program replaces the shell.
  await closed;
  return { identity, notification, leave: () => void socket.destroy() };
}

function socketOf(shell: ChildProcess): Duplex | undefined {
  const stream = shell.stdio?.[4];
  return stream instanceof Duplex ? stream : undefined;
}

/** Returns the first line, or what there is if the stream ends before. Keeps reading, so that the end is noticed. */
function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    stream.on('data', (chunk) => {
      text += String(chunk);
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
    for (const event of ['end', 'close']) stream.once(event, () => resolve(text));
  });
}

function startShell({ file, args, env, folder, umask = 0o077 }: DaemonOptions, logs: readonly number[]): ChildProcess {
  // dash drops variables whose names it does not accept (`a-b`, `npm.x`), and shells have some of their own: `env`
  // restores them. Their values are visible in the process list for that moment.
  const unset = shellVariables.filter((name) => env[name] === undefined).flatMap((name) => ['-u', name]);
  const set = Object.entries(env)
    .filter(([name, value]) => value !== undefined && (!/^[A-Za-z_]\w*$/.test(name) || shellVariables.includes(name)))
    .map(([name, value]) => `${name}=${value}`);
  return spawn('/bin/sh', ['-c', script(umask), 'devwatch-start', '/usr/bin/env', ...unset, ...set, file, ...args], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', logs[1], logs[0], 'pipe'],
    detached: true,
  });
}

function openOutputFile(file: string): number {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = fs.constants;
  return check(file, () => {
    // O_NONBLOCK: opening a named pipe that nobody reads would block.
    const descriptor = fs.openSync(file, O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_WRONLY, 0o600);
    if (ownershipFlaw(fs.fstatSync(descriptor), { kind: 'file', forbidden: 0 }) === undefined) return descriptor;
    fs.closeSync(descriptor);
    throw new UsageError(`${file}: is not a file of this user`);
  });
}

function check<Result>(file: string, act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`${file}: ${codeOf(error) ?? messageOf(error)}`);
  }
}
