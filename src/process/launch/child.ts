/** A child process of devwatch's, contained and with its channel open. */

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { Socket } from 'node:net';
import path from 'node:path';
import type { PreloadMessage } from '../../preload/messages.ts';
import type { LaunchOrders, ParkOrders } from '../../preload/orders.ts';
import { cacheFolder } from '../../shared/user-folders.ts';
import { platform } from '../platform.ts';
import { makeBlocking, withSockets } from '../sockets/handover.ts';
import { type Held, type HeldPorts, ipcCommand } from '../sockets/held-ports.ts';
import type { Containment, Invocation, ProcessTree } from '../tree/tree.ts';
import { channelDescriptor, channelVariable, preloadFile, readMessages } from './channel.ts';
import type { Command } from './command.ts';
import type { Printed } from './output.ts';
import { openPipes, type Pipes } from './pipes.ts';
import { isForeground, stdinIsTerminal } from './tty.ts';

/** How the program is asked to end: a signal, or the message `shutdown` over Node's IPC channel. */
export type StopSignal = NodeJS.Signals | 'message';

export interface ChildOptions {
  readonly command: Command;
  readonly folder: string;
  /** The variables at this start; removed ones are gone. */
  readonly env: NodeJS.ProcessEnv;
  readonly signal: StopSignal;
  /** `pipe`: what `write` is given; `ignore`: nothing. */
  readonly stdin: 'inherit' | 'pipe' | 'ignore';
  /** Relays IPC messages between whoever started devwatch and a Node program. */
  readonly relay: boolean;
  /** A Node program reports every file of its own that it loads. */
  readonly reportLoads: boolean;
  /** A Node program reports which packages it loads, all or those named, for standbys to load ahead of time. */
  readonly prewarm: boolean | readonly string[];
  /** A Node program's listening sockets outlive its runs (see process/hold.ts). */
  readonly hold: boolean;
  /** Its event loop is asked whether it comes round. */
  readonly isPinged: boolean;
  /** It is to say that it is ready over Node's IPC channel. */
  readonly sendsReady: boolean;
  /** What it prints is heard: it sees a pipe. */
  readonly hearsOutput: boolean;
}

/** A started process. */
export interface Child {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly tree: ProcessTree;
  /** What it prints, where that is heard. */
  readonly printed: Printed;
  /** The terminal's modes that Node puts back at its end were perhaps not the right ones at its start. */
  readonly modesAreDoubtful: boolean;
  /** Sets the receiver of the preload's messages from now on. */
  listen(onMessage: (message: PreloadMessage) => void): void;
  /** Answers a message for whose answer the preload waits. */
  answer(value: unknown): void;
  /** Tells the preload something that it hears while the program runs; false when it cannot. */
  tell(message: object): boolean;
}

/**
 * Starts a process.
 *
 * @param serial tells its tree from all others of this devwatch
 * @param held what it inherits to listen on
 * @param park instead of becoming the program, wait to be released
 * @returns what kept it from being started, where that failed
 */
export function startChild(
  containment: Containment,
  serial: number,
  options: ChildOptions,
  held: HeldPorts,
  park?: ParkOrders,
): Child | { readonly failure: Promise<unknown> } {
  const { command, folder } = options;
  const opened = command.isNode ? [] : held.all;
  const inherited = isTold(options) ? inheritedBy(options, held) : undefined;
  const invoked = invocationOf(options, inherited, park);
  const { open, ...invocation } = containment.contain(
    serial,
    opened.length === 0 ? invoked : withSockets(invoked, opened),
    beginsWithPreload(options),
  );
  const pipes = options.hearsOutput ? openPipes() : undefined;
  let child: ChildProcess;
  try {
    requireExecutable(command);
    makeBlocking(opened);
    child = spawn(invocation.file, invocation.args, {
      cwd: folder,
      env: invocation.env,
      stdio: stdioOf(options, pipes, inherited, opened),
      detached: isDetached(),
      windowsHide: true,
      windowsVerbatimArguments: command.file.toLowerCase().endsWith('cmd.exe'),
    });
  } catch (error) {
    // A file that is gone, or bad arguments (a NUL byte, E2BIG).
    pipes?.close();
    return { failure: Promise.resolve(error) };
  }
  if (child.pid === undefined) {
    pipes?.close();
    return { failure: once(child, 'error').then(([error]) => error) };
  }
  // A signal or message that could not be sent; the end of the tree does not rest on it.
  child.on('error', () => {});
  // It no longer reads.
  child.stdin?.on('error', () => {});
  let receive = (_: PreloadMessage): void => {};
  const channel = child.stdio[channelDescriptor];
  if (command.isNode && channel instanceof Socket) {
    readMessages(channel, (message) => receive(message));
    channel.unref();
  }
  if (inherited !== undefined) {
    held.listen(child);
    child.channel?.unref();
  }
  return {
    process: child,
    pid: child.pid,
    tree: open(child.pid),
    printed: pipes?.read(child) ?? child,
    // Node puts back, when it ends, those that it found at its start: in the background, the shell's.
    modesAreDoubtful: stdinIsTerminal() && (!command.isNode || !isForeground()),
    listen(onMessage) {
      receive = onMessage;
    },
    answer(value) {
      if (channel instanceof Socket) channel.write(`${JSON.stringify(value)}\n`);
    },
    tell: (message) =>
      inherited !== undefined && child.connected && child.send({ cmd: ipcCommand, ...message }, () => {}),
  };
}

function invocationOf(options: ChildOptions, inherited: readonly Held[] | undefined, park?: ParkOrders): Invocation {
  const { command, env, stdin, reportLoads, prewarm } = options;
  // It is meant for single processes; inherited by all, it would keep all.
  const { DEVWATCH_KEEP: _, ...variables } = env;
  // Into a pipe Python prints late, and what it has not printed when it is ended never.
  const unbuffered = options.hearsOutput ? { PYTHONUNBUFFERED: '1' } : {};
  if (!command.isNode) return { file: command.file, args: command.args, env: { ...unbuffered, ...variables } };
  const sharesTerminal = stdin === 'inherit' && stdinIsTerminal();
  const orders: LaunchOrders = {
    channel: channelDescriptor,
    parent: process.pid,
    sharesTerminal,
    reportLoads,
    reportPackages: prewarm !== false,
    compileCache: compileCacheFor(env),
    hold: inherited && {
      ...(!hasOwnIpc(options) && { descriptor: pipeDescriptor }),
      keeps: options.hold,
      isPinged: options.isPinged,
      held: inherited.map(({ socket }, index) => ({ ...socket, descriptor: pipeDescriptor + 1 + index })),
    },
    park,
  };
  return {
    file: command.file,
    args: ['--require', preloadFile, ...command.nodeArgs, ...command.args],
    env: {
      // Of two variables with one name the first counts: Node there takes the pipe for no channel of its own.
      ...(inherited !== undefined && !hasOwnIpc(options) && { NODE_CHANNEL_FD: '' }),
      ...variables,
      [channelVariable]: JSON.stringify(orders),
    },
  };
}

/** Is nothing of the user's executed before our preload? What is preloaded through NODE_OPTIONS is. */
const beginsWithPreload = ({ command, env }: Pick<ChildOptions, 'command' | 'env'>): boolean =>
  command.isNode &&
  !/(?:^|\s)["']?(?:-r|--require|--import|--loader|--experimental-loader)\b/.test(env.NODE_OPTIONS ?? '');

/** A folder of our own, unless the program has one, wants none, or measures what is executed of its code. */
function compileCacheFor(env: NodeJS.ProcessEnv): string | undefined {
  const { NODE_COMPILE_CACHE, NODE_DISABLE_COMPILE_CACHE, NODE_V8_COVERAGE } = env;
  if (NODE_COMPILE_CACHE || NODE_DISABLE_COMPILE_CACHE || NODE_V8_COVERAGE) return undefined;
  const folder = cacheFolder(env);
  return folder && path.join(folder, 'compiled');
}

/** The descriptor of Node's IPC, or of our own pipe in its place. */
const pipeDescriptor = channelDescriptor + 1;

/** Can its preload be told something? A shell that is between loses the difference of two equal variables. */
const isTold = (options: ChildOptions): boolean => beginsWithPreload(options) && platform.isPosix;

/**
 * A descriptor is closed with the server that listens on it, and Node cannot duplicate one. What the program
 * would get for itself again and again is therefore there so often: some try by listening whether a port is free.
 */
const duplicates = 8;

const inheritedBy = ({ hold }: ChildOptions, { all, handed }: HeldPorts): readonly Held[] =>
  (hold ? all : handed).flatMap((one) => (one.socket.isHanded ? Array<Held>(duplicates).fill(one) : [one]));

/** The program sees Node's IPC channel. */
const hasOwnIpc = ({ signal, relay, sendsReady }: ChildOptions): boolean =>
  signal === 'message' || sendsReady || (relay && process.send !== undefined);

function stdioOf(
  options: ChildOptions,
  pipes: Pipes | undefined,
  inherited: readonly Held[] | undefined,
  opened: readonly Held[],
): StdioOptions {
  const { command, stdin, hearsOutput } = options;
  const output = hearsOutput ? 'pipe' : 'inherit';
  const stdio: StdioOptions = [stdin, pipes?.stdout ?? output, pipes?.stderr ?? output];
  if (!command.isNode) return [...stdio, ...opened.map(({ descriptor }) => descriptor)];
  stdio[channelDescriptor] = 'pipe';
  if (hasOwnIpc(options) || inherited !== undefined) stdio.push('ipc');
  for (const { descriptor } of inherited ?? []) stdio.push(descriptor);
  return stdio;
}

/**
 * On a terminal the program stays in devwatch's group, the foreground one: it may read, and gets
 * Ctrl-C, Ctrl-Z and resizes. Elsewhere a session of its own keeps it apart.
 */
const isDetached = (): boolean => platform.isPosix && !stdinIsTerminal();

/** What wraps the program would report this only to the program's stderr. */
function requireExecutable({ file }: Command): void {
  if (platform.isPosix) fs.accessSync(file, fs.constants.X_OK);
}
