/** A child process of devwatch, contained and with its channel open. */

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { Socket } from 'node:net';
import type { ParkOrders, PreloadMessage } from '../../preload/protocol.ts';
import { platform } from '../platform.ts';
import { type HeldPorts, ipcCommand, makeBlocking } from '../sockets/held-ports.ts';
import type { Containment, Invocation, ProcessTree } from '../tree/tree.ts';
import { channelDescriptor, readMessages } from './channel.ts';
import type { ChildOptions } from './invocation.ts';
import { inheritedSockets, invocationOf, startsWithPreload, stdioOf } from './invocation.ts';
import { type OutputStreams, openPipes } from './output.ts';
import { isForeground, stdinIsTerminal } from './tty.ts';

/** A started process. */
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

/** The reason why a process could not be started. */
export interface StartFailure {
  readonly failure: Promise<unknown>;
}

/** Starts a process. `serial` distinguishes its tree from all others of this devwatch; with `park` it is a standby. */
export function startChild(
  containment: Containment,
  serial: number,
  options: ChildOptions,
  heldPorts: HeldPorts,
  park?: ParkOrders,
): Child | StartFailure {
  const sockets = inheritedSockets(options, heldPorts);
  const invocation = invocationOf(options, sockets, park);
  const { open, ...contained } = containment.contain(serial, invocation, startsWithPreload(options));
  const pipes = options.capturesOutput ? openPipes() : undefined;
  let child: ChildProcess;
  try {
    makeBlocking(sockets.byProgram);
    child = spawnContained(contained, options, stdioOf(options, sockets, pipes));
  } catch (error) {
    // The file is missing, or the arguments are bad (a NUL byte, E2BIG).
    pipes?.close();
    return { failure: Promise.resolve(error) };
  }
  if (child.pid === undefined) {
    pipes?.close();
    return { failure: once(child, 'error').then(([error]) => error) };
  }
  const hasIpc = sockets.byPreload !== undefined;
  if (hasIpc) {
    heldPorts.receiveFrom(child);
    child.channel?.unref();
  }
  return {
    process: child,
    pid: child.pid,
    tree: open(child.pid),
    output: pipes?.read(child) ?? child,
    // At its exit Node restores the modes that it found at its start: in the background, those of the shell.
    hasDoubtfulModes: stdinIsTerminal() && (!options.command.isNode || !isForeground()),
    ...openChannel(child),
    send: (message) => hasIpc && child.connected && child.send({ cmd: ipcCommand, ...message }, () => {}),
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
    windowsVerbatimArguments: command.file.toLowerCase().endsWith('cmd.exe'),
  });
  // A signal or message could not be sent; the termination of the tree does not depend on it.
  if (child.pid !== undefined) child.on('error', () => {});
  // The program no longer reads.
  child.stdin?.on('error', () => {});
  return child;
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
