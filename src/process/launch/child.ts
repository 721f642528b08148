/** A child process of devwatch: from its options to what is executed, contained and with its channel open. */

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { Socket } from 'node:net';
import { isatty } from 'node:tty';
import type { Selection } from '../../config/settings-types.ts';
import type { HeldSocket, LaunchOrders, ParkOrders, PreloadMessage } from '../../preload/protocol.ts';
import { openCache } from '../../shared/user-folders.ts';
import { platform } from '../platform.ts';
import type { HeldPorts } from '../sockets/held-ports.ts';
import { makeBlocking, type PassedSocket, withSockets } from '../sockets/passed-sockets.ts';
import type { Slot } from '../sockets/slots.ts';
import { type Containment, type Invocation, type ProcessTree, rootOf } from '../tree/tree.ts';
import { channelDescriptor, channelVariable, ipcCommand, readMessages } from './channel.ts';
import type { Command } from './command.ts';
import { preloadsIn, splitOptions } from './loaders.ts';
import { type OutputStreams, openPipes, type Pipes } from './output.ts';
import { preloadFile } from './preload-files.ts';
import { isForeground, stdinIsTerminal } from './tty.ts';

/** Asks a program to end: a signal, or the message `shutdown` over Node's IPC channel. */
export type StopSignal = NodeJS.Signals | 'message';

export interface ChildOptions {
  readonly command: Command;
  readonly folder: string;
  /** The variables, without those that were removed. */
  readonly env: NodeJS.ProcessEnv;
  /** NODE_OPTIONS as the program finds it, if that is not the one in `env` (node-options.ts). */
  readonly nodeOptions?: string | undefined;
  readonly signal: StopSignal;
  /** `pipe`: the program reads the chunks given to `write`; `ignore`: it reads nothing. */
  readonly stdin: 'inherit' | 'pipe' | 'ignore';
  /** Relays IPC messages between devwatch's parent and a Node program. */
  readonly relay: boolean;
  /** A Node program reports each file of its own that it loads. */
  readonly reportLoads: boolean;
  /** The packages of a Node program that standbys load ahead of time. */
  readonly prewarm: Selection;
  /** A Node program's listening sockets outlive its runs (sockets/held-ports.ts). */
  readonly hold: boolean;
  readonly isPinged: boolean;
  /** The program sends `ready` over Node's IPC channel. */
  readonly sendsReady: boolean;
  /** devwatch reads its output, so the program sees a pipe. */
  readonly capturesOutput: boolean;
  /** The user's code waits for the first answer; for commands with `startsWithPreload`. */
  readonly isHeld?: boolean;
}

export interface LaunchOptions extends ChildOptions {
  /** Variables of this run alone. */
  readonly variables: Readonly<Record<string, string>>;
  /** Prepare a standby for the next run when this one has settled, where that is possible. */
  readonly standby: boolean;
  /** Time for the requests in flight to be answered before a restart, in ms, where ports are held. */
  readonly drain: number;
}

export interface Child {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly tree: ProcessTree;
  /** Its output, where devwatch captures it. */
  readonly output: OutputStreams;
  /** The terminal may have been in modes other than its usual ones when the process started. */
  hasDoubtfulModes: boolean;
  /** Sets the receiver of the preload's messages. */
  receive(onMessage: (message: PreloadMessage) => void): void;
  /** Answers a message for whose answer the preload waits. */
  answer(value: unknown): void;
  /** Sends the preload a message while the program runs; returns false if that is impossible. */
  send(message: object): boolean;
}

/** A started process, or the reason why it could not be started. */
export type StartedChild = Child | { readonly failure: Promise<unknown> };

/** Starts a process. `serial` distinguishes its tree from all others of this devwatch; with `park` it is a standby. */
export function startChild(
  containment: Containment,
  serial: number,
  options: ChildOptions,
  heldPorts: HeldPorts,
  park?: ParkOrders,
): StartedChild {
  const sockets = inheritedSockets(options, heldPorts);
  const invocation = invocationOf(options, sockets, park);
  const pipes = options.capturesOutput ? openPipes() : undefined;
  let child: ChildProcess;
  let open: ReturnType<Containment['contain']>['open'];
  try {
    const contained = containment.contain(serial, invocation, {
      joinsCgroupItself: startsWithPreload(options),
    });
    open = contained.open;
    makeBlocking(sockets.byProgram);
    child = spawnContained(contained, options, stdioOf(options, sockets, pipes));
  } catch (error) {
    // The file is missing, the arguments are bad (a NUL byte, E2BIG), or no descriptor is left.
    pipes?.close();
    return { failure: Promise.resolve(error) };
  }
  if (child.pid === undefined) {
    pipes?.close();
    return { failure: once(child, 'error').then(([error]) => error) };
  }
  const hasPreload = sockets.byPreload !== undefined;
  if (hasPreload) child.channel?.unref();
  return {
    process: child,
    pid: child.pid,
    tree: open(rootOf(child, child.pid)),
    output: pipes?.read(child) ?? child,
    // At its exit Node restores the modes that it found at its start: in the background, those of the shell.
    hasDoubtfulModes: stdinIsTerminal() && (!options.command.isNode || !isForeground()),
    ...openChannel(child),
    send: hasPreload ? senderTo(child) : () => false,
  };
}

function spawnContained({ file, args, env }: Invocation, options: ChildOptions, stdio: StdioOptions): ChildProcess {
  const { command, folder } = options;
  // The wrapper of the program would report this only on the program's stderr.
  if (platform.isPosix) fs.accessSync(command.file, fs.constants.X_OK);
  const child = spawn(file, args, {
    cwd: folder,
    env,
    stdio,
    // On a terminal the program stays in devwatch's process group, the foreground one: it may read, and receives
    // Ctrl-C, Ctrl-Z and resizes. Elsewhere it gets a session of its own.
    detached: platform.isPosix && !stdinIsTerminal(),
    windowsHide: true,
    windowsVerbatimArguments: command.isVerbatim === true,
  });
  // A signal or message could not be sent; the termination of the tree does not depend on it.
  if (child.pid !== undefined) child.on('error', () => {});
  // The program no longer reads.
  child.stdin?.on('error', () => {});
  return child;
}

/** Returns the function that sends messages to the preload while the program runs. */
function senderTo(child: ChildProcess): Child['send'] {
  const pipe = child.stdio[ipcDescriptor];
  if (!(pipe instanceof Socket)) {
    return (message) => child.connected && child.send({ cmd: ipcCommand, ...message }, () => {});
  }
  // The program has closed its end, or is dead.
  pipe.on('error', () => {});
  pipe.unref();
  return (message) => {
    if (pipe.writable) pipe.write(`${JSON.stringify(message)}\n`);
    return pipe.writable;
  };
}

function openChannel(child: ChildProcess): Pick<Child, 'receive' | 'answer'> {
  const stream = child.stdio[channelDescriptor];
  if (!(stream instanceof Socket)) return { receive: () => {}, answer: () => {} };
  let receiver = (_: PreloadMessage): void => {};
  readMessages(stream, (message) => receiver(message));
  stream.unref();
  return {
    receive(onMessage) {
      receiver = onMessage;
    },
    answer: (value) => stream.write(`${JSON.stringify(value)}\n`),
  };
}

/** Listening sockets that a child process inherits, or finds in slots that it inherits. */
interface InheritedSockets {
  /** For the preload of a Node program, which takes the socket that a server asks for. Undefined without a preload. */
  readonly byPreload:
    | {
        readonly slots: readonly Slot[];
        readonly held: readonly HeldSocket[];
        readonly activated: readonly PassedSocket[];
      }
    | undefined;
  /** For any other program, which looks for them as sd_listen_fds(3) says. */
  readonly byProgram: readonly PassedSocket[];
}

/**
 * A descriptor is closed together with the server that listens on it, and Node cannot duplicate one. Several
 * duplicates are passed, because a program that probes a port by listening on it closes one each time.
 */
const activatedDuplicates = 8;

/** Chooses the listening sockets that a child process inherits. */
function inheritedSockets(options: ChildOptions, { slots, held, activated, passed }: HeldPorts): InheritedSockets {
  if (!options.command.isNode) return { byPreload: undefined, byProgram: passed };
  if (!platform.sockets.canPass) return { byPreload: { slots: [], held: [], activated: [] }, byProgram: [] };
  const duplicates = activated.flatMap((socket) => Array<PassedSocket>(activatedDuplicates).fill(socket));
  const fromSlots = options.hold ? { slots, held } : { slots: [], held: [] };
  return { byPreload: { ...fromSlots, activated: duplicates }, byProgram: [] };
}

/** The command with the preload and its orders, before it is contained. */
function invocationOf(options: ChildOptions, sockets: InheritedSockets, park?: ParkOrders): Invocation {
  const { file, args, isNode } = options.command;
  // Meant for single processes; if all inherited it, it would exempt them all.
  const { DEVWATCH_KEEP: _, ...env } = options.env;
  if (isNode) return withPreload({ ...options, env }, sockets, park);
  // Unless stdout is a terminal, Python buffers output, and loses it when it is killed.
  const unbuffered = options.capturesOutput || !isatty(1) ? { PYTHONUNBUFFERED: '1' } : {};
  const invocation = { file, args, env: { ...unbuffered, ...env } };
  return sockets.byProgram.length === 0 ? invocation : withSockets(invocation, sockets.byProgram);
}

function withPreload(options: ChildOptions, { byPreload }: InheritedSockets, park?: ParkOrders): Invocation {
  const { command, env, stdin, reportLoads, prewarm } = options;
  const hasPipe = byPreload !== undefined && !hasOwnIpc(options);
  const orders: LaunchOrders = {
    channel: channelDescriptor,
    parent: process.pid,
    isHeld: options.isHeld === true,
    sharesTerminal: stdin === 'inherit' && stdinIsTerminal(),
    reportLoads,
    reportPackages: prewarm !== false,
    compileCache: compileCacheFor(env),
    nodeOptions: options.nodeOptions,
    namesChildren: platform.programs.namesChildren,
    hold: byPreload && {
      ...(hasPipe && { descriptor: ipcDescriptor }),
      keeps: options.hold && platform.sockets.canPass,
      isPinged: options.isPinged,
      isAsked: !platform.programs.hasSignals,
      refusesConnections: platform.sockets.canRefuse,
      slots: byPreload.slots.map((_, index) => ({ into: firstEnd + 2 * index, out: firstEnd + 2 * index + 1 })),
      // A standby receives them with its release.
      held: park === undefined ? byPreload.held : [],
      activated: byPreload.activated.map(({ id, port, path }, index) => {
        return { id, port, path, descriptor: firstEnd + 2 * byPreload.slots.length + index };
      }),
    },
    park,
  };
  const args = ['--require', preloadFile('preload.cjs'), ...command.nodeArgs, ...command.args];
  // If two variables have the same name, the first one counts: this one hides the one that spawn adds.
  const hiding = hasPipe && platform.programs.messages === 'ipc' ? { NODE_CHANNEL_FD: '' } : {};
  return { file: command.file, args, env: { ...hiding, ...env, [channelVariable]: JSON.stringify(orders) } };
}

/** The descriptors of the child, in the order of the orders. */
function stdioOf(options: ChildOptions, { byPreload, byProgram }: InheritedSockets, pipes?: Pipes): StdioOptions {
  const output = options.capturesOutput ? 'pipe' : 'inherit';
  const stdio: StdioOptions = [options.stdin, pipes?.stdout ?? output, pipes?.stderr ?? output];
  if (!options.command.isNode) return [...stdio, ...byProgram.map(({ descriptor }) => descriptor)];
  stdio[channelDescriptor] = 'pipe';
  if (hasOwnIpc(options)) stdio.push('ipc');
  else if (byPreload !== undefined) stdio.push(platform.programs.messages === 'ipc' ? 'ipc' : 'overlapped');
  if (byPreload !== undefined) {
    stdio.push(...byPreload.slots.flatMap(({ into, out }) => [into, out]));
    stdio.push(...byPreload.activated.map(({ descriptor }) => descriptor));
  }
  return stdio;
}

/** Whether none of the user's code runs before the preload, as that of a loader in NODE_OPTIONS does. */
export function startsWithPreload({
  command: { isNode, nodeArgs },
  env,
}: Pick<ChildOptions, 'command' | 'env'>): boolean {
  if (!isNode) return false;
  const inEnvironment = splitOptions(env.NODE_OPTIONS ?? '').map(({ word }) => word);
  return preloadsIn(inEnvironment).length === 0 && preloadsIn(nodeArgs).every(({ kind }) => kind !== 'loader');
}

/** The descriptor of Node's IPC, or of our own pipe in its place. */
const ipcDescriptor = channelDescriptor + 1;

/** The descriptor of the first end of a slot. */
const firstEnd = ipcDescriptor + 1;

/** Whether the program sees Node's IPC channel. */
const hasOwnIpc = ({ signal, relay, sendsReady }: ChildOptions): boolean =>
  signal === 'message' || sendsReady || (relay && process.send !== undefined);

/** This Node may have a compile cache: those before 22 have none, and need not look for it. */
const mayCompileAhead = Number.parseInt(process.versions.node, 10) >= 22;

/** devwatch's folder, unless the program has its own, turns the cache off, or measures its code coverage. */
function compileCacheFor(env: NodeJS.ProcessEnv): string | undefined {
  if (!mayCompileAhead) return undefined;
  const { NODE_COMPILE_CACHE, NODE_DISABLE_COMPILE_CACHE, NODE_V8_COVERAGE } = env;
  if (NODE_COMPILE_CACHE || NODE_DISABLE_COMPILE_CACHE || NODE_V8_COVERAGE) return undefined;
  return openCache('compiled', env);
}
