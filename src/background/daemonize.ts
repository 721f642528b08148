/** Starts a process that nothing ties to the terminal, to the caller, or to what the caller has open. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import type { Duplex } from 'node:stream';
import { identityOf, livenessOf, type ProcessIdentity } from '../process/tree/identity.ts';
import { readProc, readStat } from '../process/tree/proc.ts';
import { codeOf, messageOf, UsageError } from '../shared/errors.ts';
import { ownershipFlaw } from '../shared/ownership.ts';
import { requirePosix } from './private-folder.ts';

export interface DaemonOptions {
  /** A program that puts its signals back to their defaults, as Node does when it starts; see `script`. */
  readonly file: string;
  readonly args: readonly string[];
  /** Exactly its environment: nothing is added, nothing lost. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Its working folder. */
  readonly folder: string;
  /** Written to at their end; made with mode 600 if they are missing. One file may serve as both. */
  readonly log: { readonly out: string; readonly err: string };
  /** Default: 0o077. */
  readonly umask?: number;
  /**
   * Called when the process is there, under its final number, and the program has not begun: to
   * hand a name to it. If it throws, the program is not started.
   */
  readonly prepare?: (daemon: ProcessIdentity) => void;
}

/** How long the shell, or Node in its stead, may take to fork, in ms. */
const patience = 10_000;

/**
 * Descriptors: 1 the report, 2 and 3 the logs, 4 the order to go (Node closes stdin itself when the
 * shell ends). Whatever of 5 to 9 the caller leaks is closed; the numbers above are none to some
 * shells (see `closer`).
 *
 * The shell leads the session (setsid) and forks: the daemon is no leader, so that no terminal
 * that it opens becomes its own. It then waits for the order, and if the caller dies, goes. That a
 * shell has what it starts in the background ignore SIGINT and SIGQUIT cannot be undone by it
 * everywhere: the program must do so.
 */
const script = (umask: number): string => `
  umask ${umask.toString(8).padStart(4, '0')}
  exec 5>&- 6>&- 7>&- 8>&- 9>&-
  { read -r go <&4 && [ "$go" = go ] && exec "$@" </dev/null >&3 3>&- 4>&-; } &
  echo "$!"`;

/** Variables that some shell sets or changes by itself. */
const shellVariables: readonly string[] =
  '_ PWD OLDPWD SHLVL IFS OPTIND OPTARG PPID LINENO PS1 PS2 PS4 SHELLOPTS BASHOPTS RANDOM SECONDS'.split(' ');

/**
 * Starts a program in the background for good: in a session without a terminal that it does not
 * lead, its parent gone, in its folder, with /dev/null as its stdin, the logs as stdout and stderr
 * and no other descriptor.
 *
 * @returns who it is. It was alive as its program began; what becomes of it is not known.
 * @throws UsageError when it cannot be started, and what `prepare` throws.
 */
export async function daemonize(options: DaemonOptions): Promise<ProcessIdentity> {
  const { file, folder, log } = options;
  requirePosix();
  check(folder, () => fs.accessSync(`${folder}/.`, fs.constants.X_OK));
  check(file, () => fs.accessSync(file, fs.constants.X_OK));
  if (file.includes('=')) throw new UsageError(`${file}: env would take it for a variable · use a path without =`);
  const logs: number[] = [];
  let shell: ChildProcess;
  try {
    logs.push(openLog(log.out));
    logs.push(openLog(log.err));
    shell = startShell(options, logs);
  } finally {
    for (const descriptor of logs) fs.closeSync(descriptor);
  }
  const giveUp = (): void => {
    shell.kill('SIGKILL');
    // The program does not begin, if it has not been told to.
    ordersOf(shell)?.destroy();
    shell.stdout?.destroy();
  };
  const late = setTimeout(giveUp, patience);
  try {
    return await supervise(shell, options);
  } finally {
    clearTimeout(late);
    giveUp();
  }
}

async function supervise(shell: ChildProcess, { file, log, prepare }: DaemonOptions): Promise<ProcessIdentity> {
  const { stdout } = shell;
  const orders = ordersOf(shell);
  const ended = once(shell, 'exit').catch((error: unknown) => {
    throw new UsageError(`${file} cannot be started in the background: ${messageOf(error)}`);
  });
  // Without any descriptor to spare there are none; the error says so.
  if (!orders || !stdout) return ended.then(() => Promise.reject(new Error('the shell has no pipes')));
  orders.on('error', () => {});
  const closed = once(stdout, 'close');
  const [, report] = await Promise.all([ended, firstLine(stdout)]);
  const pid = Number(report);
  const daemon = pid > 0 ? identityOf(pid) : undefined;
  // By now its parent is gone; a stranger with its number would be in another session.
  if (daemon === undefined || (process.platform === 'linux' && readStat(pid)?.session !== shell.pid)) {
    throw new UsageError(`${file} cannot be started in the background · see ${log.err}`);
  }
  prepare?.(daemon);
  orders.write('go\n');
  // The end of the report is its last step before the program begins.
  await closed;
  if (livenessOf(daemon) !== 'alive') throw new UsageError(`${file} ended as it started (pid ${pid}) · see ${log.err}`);
  return daemon;
}

const ordersOf = (shell: ChildProcess): Duplex | undefined => shell.stdio?.[4] as Duplex | undefined;

/** Up to its newline; what there is, if the stream ends without one. Keeps reading, for its end to be seen. */
function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    stream.on('data', (chunk) => {
      text += String(chunk);
      if (text.includes('\n')) resolve(text.trim());
    });
    stream.once('close', () => resolve(text.trim()));
  });
}

function startShell({ file, args, env, folder, umask = 0o077 }: DaemonOptions, logs: readonly number[]): ChildProcess {
  // dash drops variables whose names are none for it (`a-b`, `npm.x`), and shells have some of
  // their own: env puts them right. Their values are seen in the process list until it has.
  const unset = shellVariables.filter((name) => env[name] === undefined).flatMap((name) => ['-u', name]);
  const set = Object.entries(env)
    .filter(([name, value]) => value !== undefined && (!/^[A-Za-z_]\w*$/.test(name) || shellVariables.includes(name)))
    .map(([name, value]) => `${name}=${value}`);
  const words = ['-c', script(umask), 'devwatch-start', '/usr/bin/env', ...unset, ...set, file, ...args];
  const stdio = ['ignore', 'pipe', logs[1], logs[0], 'pipe'] as const;
  const leaked = leakedDescriptors();
  if (leaked.length === 0) {
    return spawn('/bin/sh', words, { cwd: folder, env, stdio: [...stdio], detached: true });
  }
  const node = spawn(process.execPath, ['-e', closer, ...leaked.map(String)], {
    cwd: folder,
    env: {},
    stdio: [...stdio],
    detached: true,
  });
  const orders = ordersOf(node);
  // What goes wrong ends it, too, and is told by that.
  orders?.on('error', () => {});
  orders?.write(`${JSON.stringify({ words, env })}\n`);
  return node;
}

/**
 * Descriptors from 10 on that every process inherits from this one. No shell that is everywhere can
 * close them, nor can Node have them closed: another Node closes its own, then starts the shell.
 * That takes 40 ms and is rare. Linux only: elsewhere nothing tells which ones they are.
 */
function leakedDescriptors(): number[] {
  if (process.platform !== 'linux') return [];
  return fs
    .readdirSync('/proc/self/fd')
    .map(Number)
    .filter((descriptor) => {
      if (descriptor < 10) return false;
      const flags = /^flags:\s*([0-7]+)$/m.exec(readProc(`/proc/self/fdinfo/${descriptor}`) ?? '')?.[1];
      return flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0;
    });
}

/** O_CLOEXEC as Linux has it on all of Node's machines. */
const closeOnExec = 0o2000000;

const closer = `
  const fs = require('node:fs');
  for (const descriptor of process.argv.slice(1)) try { fs.closeSync(Number(descriptor)); } catch {}
  const byte = Buffer.alloc(1);
  const bytes = [];
  while (fs.readSync(4, byte) === 1 && byte[0] !== 10) bytes.push(byte[0]);
  const { words, env } = JSON.parse(Buffer.from(bytes).toString());
  const stdio = [0, 1, 2, 3, 4];
  require('node:child_process').spawn('/bin/sh', words, { env, stdio });`;

function openLog(file: string): number {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = fs.constants;
  return check(file, () => {
    // A pipe that nobody reads would be waited for.
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
