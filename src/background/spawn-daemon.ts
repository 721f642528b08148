/**
 * Starts a process that depends neither on the terminal nor on the caller, and passes on how its program starts, as
 * s6's notification-fd does: on a descriptor that `devwatch start` leaves it, the daemon writes one line of JSON when
 * the result of the first start is known. If it closes the descriptor without a line, it failed before that.
 */

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { platform } from '../process/platform.ts';
import { shellFailure } from '../process/shell-line.ts';
import { identityOf, type ProcessIdentity } from '../process/tree/identity.ts';
import { departure } from '../process/tree/leave.ts';
import type { StartOutcome } from '../run/readiness.ts';
import { systemClock } from '../shared/clock.ts';
import { withDeadline } from '../shared/deadline.ts';
import { codeOf, messageOf, UsageError } from '../shared/errors.ts';
import { ownershipFlaw } from '../shared/file-ownership.ts';
import { packAllVariables } from '../shared/packed-variables.ts';

export interface DaemonOptions {
  /** A program that resets its signals to their defaults, as Node does when it starts; see `script`. */
  readonly file: string;
  readonly args: readonly string[];
  /** The complete environment, which the program gets packed: see packed-variables.ts. */
  readonly env: NodeJS.ProcessEnv;
  readonly folder: string;
  /** File for stdout and stderr; appended to, made (mode 0600) if it is missing. */
  readonly log: string;
  /** Called with the final process before the program starts, to transfer a name to it; not started if this throws. */
  readonly prepare?: (daemon: ProcessIdentity) => void;
}

/** A daemon whose program has started; it may have ended since. */
export interface Daemon {
  readonly identity: ProcessIdentity;
  /** Result of the first start; undefined if the daemon ended without one. */
  readonly result: Promise<StartResult | undefined>;
  /** Stops waiting for the result; until then, waiting keeps this process alive. */
  leave(): void;
}

/** Time for the shell to fork and to report. */
const forkTimeoutMs = 10_000;

/** Result of a start. `tail`: the last lines of the program's output, if it failed or ended before it was up. */
export type StartResult = StartOutcome & {
  /** The program's process, while it runs. */
  readonly pid?: number | undefined;
  readonly tail?: readonly string[];
};

/** Time for `devwatch start` to read the result: it may be stopped, and macOS buffers no more than 8 KB. */
const sendTimeoutMs = 1000;
/** Connects `devwatch start` and the daemon. Node closes it in every child process. */
const notificationDescriptor = 3;

/**
 * Descriptors: 1 reports the pid, 2 is the log, 3 is a socket on which the order to go comes and the daemon answers
 * later. (Node would close stdin itself when the shell exits.)
 *
 * The shell leaves the process trees of other devwatches. It leads the session (setsid) and forks: the daemon is not the
 * leader, so that no terminal that it opens becomes its controlling terminal. The fork waits for the order, and exits if the caller dies before. Processes that
 * a shell starts in the background ignore SIGINT and SIGQUIT, which not every shell can undo: the program must do so.
 */
const script = `
  { read -r go <&3 && [ "$go" = go ] && exec "$@" </dev/null >&2; } &
  echo "$!"`;

/**
 * Starts a daemon: in a session without a terminal that it does not lead, without its parent, with /dev/null as stdin
 * and the log as stdout and stderr. @throws UsageError if it cannot be started, and what `prepare` throws
 */
export async function spawnDaemon(options: DaemonOptions): Promise<Daemon> {
  const { file, folder, log } = options;
  check(folder, () => fs.accessSync(`${folder}/.`, fs.constants.X_OK));
  check(file, () => fs.accessSync(file, fs.constants.X_OK));
  const output = openOutputFile(log);
  let shell: ChildProcess;
  try {
    shell = startShell(options, output);
  } finally {
    fs.closeSync(output);
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
    throw new UsageError(`${file} cannot be started in the background: ${shellFailure(error)}`);
  });
  // There are no pipes if the shell could not be spawned; the error explains why.
  if (socket === undefined || !stdout) return exited.then(() => Promise.reject(new Error('the shell has no pipes')));
  socket.on('error', () => {});
  const closed = once(stdout, 'close');
  const [, report] = await Promise.all([exited, firstLine(stdout)]);
  const pid = Number(report);
  const identity = pid > 0 ? identityOf(pid) : undefined;
  // A process that has reused the pid would be in another session.
  if (identity === undefined || !platform.processes.isInSession(pid, shell.pid ?? 0)) {
    throw new UsageError(`${file} cannot be started in the background · see ${log}`);
  }
  prepare?.(identity);
  // No line, or half of one: the daemon has ended.
  const result = firstLine(socket)
    .then((line): StartResult => JSON.parse(line))
    .catch(() => undefined);
  socket.write('go\n');
  // The report ends when the program replaces the shell.
  await closed;
  return { identity, result, leave: () => void socket.destroy() };
}

function socketOf(shell: ChildProcess): Duplex | undefined {
  const stream = shell.stdio?.[notificationDescriptor];
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

function startShell({ file, args, env: given, folder }: DaemonOptions, log: number): ChildProcess {
  const { env, commands } = departure(given);
  const words = ['-c', `${commands}\n${script}`, 'devwatch-start', file, ...args];
  const stdio: StdioOptions = ['ignore', 'pipe', log, 'pipe'];
  return spawn('/bin/sh', words, { cwd: folder, env: packAllVariables(env), stdio, detached: true });
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

/** Sends the result to `devwatch start`, and closes the descriptor. Never rejects. */
export async function sendStartResult(result: StartResult): Promise<void> {
  const socket = new net.Socket({ fd: notificationDescriptor, readable: false });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  // The user may have left with Ctrl-C.
  socket.on('error', () => {});
  socket.end(`${JSON.stringify(result)}\n`, () => socket.destroy());
  await withDeadline(systemClock, sendTimeoutMs, closed);
}

/**
 * Closes descriptors that the caller of `devwatch start` leaked into it: a pipe that the daemon kept open would never
 * end for its reader. Node itself marks the first 16 descriptors, and those that follow without a gap, as
 * close-on-exec when it starts, and opens its own with that flag; all others are inherited. Only Linux lists them.
 */
export function closeLeakedDescriptors(): void {
  for (const descriptor of platform.processes.inheritableDescriptors()) {
    if (descriptor > notificationDescriptor) fs.closeSync(descriptor);
  }
}
