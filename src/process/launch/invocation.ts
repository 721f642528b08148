/** Options of a program, and what is executed according to them: arguments, variables, descriptors. */

import type { StdioOptions } from 'node:child_process';
import path from 'node:path';
import type { LaunchOrders, ParkOrders } from '../../preload/protocol.ts';
import { cacheFolder } from '../../shared/user-folders.ts';
import { platform } from '../platform.ts';
import { type HeldPort, type HeldPorts, withSockets } from '../sockets/held-ports.ts';
import type { Invocation } from '../tree/tree.ts';
import { channelDescriptor, channelVariable, preloadFile } from './channel.ts';
import type { Command } from './command.ts';
import type { Pipes } from './output.ts';
import { stdinIsTerminal } from './tty.ts';

/** Asks a program to end: a signal, or the message `shutdown` over Node's IPC channel. */
export type StopSignal = NodeJS.Signals | 'message';

export interface ChildOptions {
  readonly command: Command;
  readonly folder: string;
  /** The variables, without those that were removed. */
  readonly env: NodeJS.ProcessEnv;
  readonly signal: StopSignal;
  /** `pipe`: the program reads the chunks given to `write`; `ignore`: it reads nothing. */
  readonly stdin: 'inherit' | 'pipe' | 'ignore';
  /** Relays IPC messages between devwatch's parent and a Node program. */
  readonly relay: boolean;
  /** A Node program reports each file of its own that it loads. */
  readonly reportLoads: boolean;
  /** A Node program reports the packages it loads (all, or those named), for standbys to load ahead of time. */
  readonly prewarm: boolean | readonly string[];
  /** A Node program's listening sockets outlive its runs (sockets/held-ports.ts). */
  readonly hold: boolean;
  /** Its event loop is pinged. */
  readonly isPinged: boolean;
  /** The program sends `ready` over Node's IPC channel. */
  readonly sendsReady: boolean;
  /** devwatch reads its output, so the program sees a pipe. */
  readonly capturesOutput: boolean;
}

export interface LaunchOptions extends ChildOptions {
  /** Variables of this run alone. */
  readonly variables: Readonly<Record<string, string>>;
  /** Prepare a standby for the next run when this one has settled, where that is possible. */
  readonly standby: boolean;
  /** Time for the requests in flight to be answered before a restart, in ms, where ports are held. */
  readonly drain: number;
}

/** Listening sockets that a child process inherits. */
export interface InheritedSockets {
  /** For the preload of a Node program, which takes the socket that a server asks for. Undefined without a preload. */
  readonly byPreload: readonly HeldPort[] | undefined;
  /** For any other program, which looks for them as sd_listen_fds(3) says. */
  readonly byProgram: readonly HeldPort[];
}

/**
 * A descriptor is closed together with the server that listens on it, and Node cannot duplicate one. Several
 * duplicates are passed, because a program that probes a port by listening on it closes one each time.
 */
const activatedDuplicates = 8;

/** Chooses the listening sockets that a child process inherits. */
export function inheritedSockets(options: ChildOptions, { all, activated }: HeldPorts): InheritedSockets {
  if (!options.command.isNode) return { byPreload: undefined, byProgram: all };
  // A program that does not start with the preload is started by a shell, which drops one of two variables with
  // the same name (NODE_CHANNEL_FD): its preload can receive no messages.
  if (!startsWithPreload(options) || !platform.isPosix) return { byPreload: undefined, byProgram: [] };
  const byPreload = (options.hold ? all : activated).flatMap((held) =>
    held.socket.isSocketActivated ? Array<HeldPort>(activatedDuplicates).fill(held) : [held],
  );
  return { byPreload, byProgram: [] };
}

/** The command with the preload and its orders, before it is contained. */
export function invocationOf(options: ChildOptions, sockets: InheritedSockets, park?: ParkOrders): Invocation {
  const { file, args, isNode } = options.command;
  // Meant for single processes; if all inherited it, it would exempt them all.
  const { DEVWATCH_KEEP: _, ...env } = options.env;
  if (isNode) return withPreload({ ...options, env }, sockets, park);
  // With a pipe as stdout, Python buffers output, and loses it when it is killed.
  const unbuffered = options.capturesOutput ? { PYTHONUNBUFFERED: '1' } : {};
  const invocation = { file, args, env: { ...unbuffered, ...env } };
  return sockets.byProgram.length === 0 ? invocation : withSockets(invocation, sockets.byProgram);
}

function withPreload(options: ChildOptions, { byPreload }: InheritedSockets, park?: ParkOrders): Invocation {
  const { command, env, stdin, reportLoads, prewarm } = options;
  const hasPipe = byPreload !== undefined && !hasOwnIpc(options);
  const orders: LaunchOrders = {
    channel: channelDescriptor,
    parent: process.pid,
    sharesTerminal: stdin === 'inherit' && stdinIsTerminal(),
    reportLoads,
    reportPackages: prewarm !== false,
    compileCache: compileCacheFor(env),
    hold: byPreload && {
      ...(hasPipe && { descriptor: ipcDescriptor }),
      keeps: options.hold,
      isPinged: options.isPinged,
      held: byPreload.map(({ socket }, index) => ({ ...socket, descriptor: ipcDescriptor + 1 + index })),
    },
    park,
  };
  return {
    file: command.file,
    args: ['--require', preloadFile, ...command.nodeArgs, ...command.args],
    env: {
      // If two variables have the same name, the first one counts: this one hides the one that spawn adds.
      ...(hasPipe && { NODE_CHANNEL_FD: '' }),
      ...env,
      [channelVariable]: JSON.stringify(orders),
    },
  };
}

/** The descriptors of the child, in the order of the orders. */
export function stdioOf(options: ChildOptions, sockets: InheritedSockets, pipes: Pipes | undefined): StdioOptions {
  const { command, stdin, capturesOutput } = options;
  const { byPreload, byProgram } = sockets;
  const output = capturesOutput ? 'pipe' : 'inherit';
  const stdio: StdioOptions = [stdin, pipes?.stdout ?? output, pipes?.stderr ?? output];
  if (!command.isNode) return [...stdio, ...byProgram.map(({ descriptor }) => descriptor)];
  stdio[channelDescriptor] = 'pipe';
  if (hasOwnIpc(options) || byPreload !== undefined) stdio.push('ipc');
  for (const { descriptor } of byPreload ?? []) stdio.push(descriptor);
  return stdio;
}

/** Whether none of the user's code runs before the preload, as code preloaded through NODE_OPTIONS does. */
export const startsWithPreload = ({ command, env }: ChildOptions): boolean =>
  command.isNode &&
  !/(?:^|\s)["']?(?:-r|--require|--import|--loader|--experimental-loader)\b/.test(env.NODE_OPTIONS ?? '');

/** The descriptor of Node's IPC, or of our own pipe in its place. */
const ipcDescriptor = channelDescriptor + 1;

/** Whether the program sees Node's IPC channel. */
const hasOwnIpc = ({ signal, relay, sendsReady }: ChildOptions): boolean =>
  signal === 'message' || sendsReady || (relay && process.send !== undefined);

/** devwatch's folder, unless the program has its own, turns the cache off, or measures its code coverage. */
function compileCacheFor(env: NodeJS.ProcessEnv): string | undefined {
  const { NODE_COMPILE_CACHE, NODE_DISABLE_COMPILE_CACHE, NODE_V8_COVERAGE } = env;
  if (NODE_COMPILE_CACHE || NODE_DISABLE_COMPILE_CACHE || NODE_V8_COVERAGE) return undefined;
  const folder = cacheFolder(env);
  return folder && path.join(folder, 'compiled');
}
