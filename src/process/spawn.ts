/** Starts a program as a tree that can be ended as a whole. */

import { type ChildProcess, type SendHandle, type Serializable, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { codeOf, messageOf } from '../errors.ts';
import type { Outcome, Stage, Survivor } from '../events.ts';
import { channelDescriptor, channelVariable, type ProgramNotices, preloadFile, readNotices } from './channel.ts';
import type { Command } from './command.ts';
import { endTree, type TreeEnding } from './stop.ts';
import { isForeground, type TerminalModes } from './terminal.ts';
import type { Containment, Invocation, ProcessTree } from './tree.ts';

/** How the program is asked to end: a signal, or the message `shutdown` over Node's IPC channel. */
export type StopSignal = NodeJS.Signals | 'message';

export interface LaunchOptions {
  readonly command: Command;
  readonly folder: string;
  /** The variables at this start; removed ones are gone. */
  readonly env: NodeJS.ProcessEnv;
  readonly signal: StopSignal;
  /** `pipe`: what `write` is given; `ignore`: nothing. */
  readonly stdin: 'inherit' | 'pipe' | 'ignore';
  /** Relays IPC messages between whoever started devwatch and a Node program. */
  readonly relay: boolean;
  /** A Node program reports every file that it loads. */
  readonly reportLoads: boolean;
}

export interface ProgramListener extends ProgramNotices {
  /** The root process ended, or could not be started. Called exactly once. */
  onExit(outcome: Outcome): void;
  /** After `end`: the whole tree is gone, save for those named. Called at most once. */
  onGone(survivors: readonly Survivor[]): void;
}

/** A started program. */
export interface Program {
  /** Undefined when it could not be started. */
  readonly pid: number | undefined;
  /** Pushes the end of the whole tree to a stage. */
  end(stage: Stage): void;
  /** Hands a signal to the root process, or to everything in the tree. */
  signal(name: NodeJS.Signals, to: 'root' | 'tree'): void;
  /** Writes to a piped stdin; null ends it. */
  write(chunk: string | Buffer | null): void;
}

export type Launch = (run: number, options: LaunchOptions, listener: ProgramListener) => Program;

/** A launcher whose programs are contained: whatever they start can be found and ended. */
export function createLauncher(containment: Containment, clock: Clock, modes: TerminalModes): Launch {
  return (run, options, listener) => {
    const { command, folder } = options;
    const { open, ...invocation } = containment.contain(run, invocationOf(options));
    let child: ChildProcess;
    try {
      requireExecutable(command);
      child = spawn(invocation.file, invocation.args, {
        cwd: folder,
        env: invocation.env,
        stdio: stdioOf(options),
        detached: isDetached(),
        windowsHide: true,
        windowsVerbatimArguments: command.file.toLowerCase().endsWith('cmd.exe'),
      });
    } catch (error) {
      // A file that is gone, or bad arguments (a NUL byte, E2BIG).
      return unstarted(Promise.resolve(error), options, listener);
    }
    if (child.pid === undefined) {
      const failure = once(child, 'error').then(([error]) => error);
      return unstarted(failure, options, listener);
    }
    return track({ child, pid: child.pid, tree: open(child.pid), options, clock, modes, listener });
  };
}

function invocationOf({ command, env, stdin, reportLoads }: LaunchOptions): Invocation {
  // It is meant for single processes; inherited by all, it would keep all.
  const { DEVWATCH_KEEP: _, ...inherited } = env;
  const sharesTerminal = stdin === 'inherit' && process.stdin.isTTY;
  if (!command.isNode) return { file: command.file, args: command.args, env: inherited };
  return {
    file: command.file,
    args: ['--require', preloadFile, ...command.args],
    env: {
      ...inherited,
      [channelVariable]: `${channelDescriptor}${sharesTerminal ? ' tty' : ''}${reportLoads ? ' loads' : ''}`,
    },
  };
}

function stdioOf({ command, stdin, signal, relay }: LaunchOptions): StdioOptions {
  const stdio: StdioOptions = [stdin, 'inherit', 'inherit'];
  if (!command.isNode) return stdio;
  stdio[channelDescriptor] = 'pipe';
  if (signal === 'message' || (relay && process.send !== undefined)) stdio.push('ipc');
  return stdio;
}

/**
 * On a terminal the program stays in devwatch's group, the foreground one: it may read, and gets
 * Ctrl-C, Ctrl-Z and resizes. Elsewhere a session of its own keeps it apart.
 */
const isDetached = (): boolean => process.platform !== 'win32' && !process.stdin.isTTY;

interface Tracked {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly tree: ProcessTree;
  readonly options: LaunchOptions;
  readonly clock: Clock;
  readonly modes: TerminalModes;
  readonly listener: ProgramListener;
}

function track({ child, pid, tree, options, clock, modes, listener }: Tracked): Program {
  const { command, signal, relay } = options;
  let ending: TreeEnding | undefined;
  let exited = false;
  // Other programs than Node may change the terminal's modes without telling; Node puts back, when
  // it ends, those that it found at its start: in the background, the shell's.
  let mayChangeModes = process.stdin.isTTY && (!command.isNode || !isForeground());

  const channel = child.stdio[channelDescriptor];
  if (command.isNode && channel instanceof Socket) {
    readNotices(channel, {
      onReadsInput() {
        mayChangeModes = true;
        return listener.onReadsInput();
      },
      onLoad: (file) => listener.onLoad(file),
      onPortTaken: (port) => listener.onPortTaken(port),
    });
    channel.unref();
  }
  const endRelay = relay ? relayMessages(child) : () => {};
  child.once('exit', (code, name) => {
    exited = true;
    endRelay();
    listener.onExit({ code, signal: name });
    ending?.rootExited();
  });
  child.on('error', () => {}); // A signal or message that could not be sent; the end of the tree does not rest on it.
  child.stdin?.on('error', () => {}); // It no longer reads.

  function startEnding(): TreeEnding {
    return endTree({
      tree,
      signal: signal === 'message' ? 'SIGTERM' : signal,
      askRoot: signal === 'message' && child.connected ? { pid, ask: () => child.send('shutdown') } : undefined,
      clock,
      onGone(survivors) {
        if (mayChangeModes) modes.restore();
        listener.onGone(survivors);
      },
    });
  }

  return {
    pid,
    end(stage) {
      ending ??= startEnding();
      ending.push(stage);
    },
    signal(name, to) {
      if (to === 'tree') for (const member of tree.look().members) tree.signal(member, name);
      else if (!exited) child.kill(name);
    },
    write(chunk) {
      if (chunk === null) child.stdin?.end();
      else child.stdin?.write(chunk);
    },
  };
}

/** Passes messages on in both directions while the program lives; returns what ends it. */
function relayMessages(child: ChildProcess): () => void {
  if (process.send === undefined) return () => {};
  const down = (message: Serializable, handle: SendHandle): void => {
    if (child.connected) child.send(message, handle);
  };
  const disconnect = (): void => {
    if (child.connected) child.disconnect();
  };
  child.on('message', (message, handle) => {
    if (process.connected) process.send?.(message, handle);
  });
  process.on('message', down);
  process.on('disconnect', disconnect);
  return () => {
    process.off('message', down);
    process.off('disconnect', disconnect);
  };
}

/** What stands for a program that has no process: its tree is gone as soon as somebody asks. */
function unstarted(reason: Promise<unknown>, options: LaunchOptions, listener: ProgramListener): Program {
  void reason.then((error) => listener.onExit({ code: null, signal: null, error: startError(error, options) }));
  return { pid: undefined, end: () => listener.onGone([]), signal: () => {}, write: () => {} };
}

/** What wraps the program would report this only to the program's stderr. */
function requireExecutable({ file }: Command): void {
  if (process.platform !== 'win32') fs.accessSync(file, fs.constants.X_OK);
}

function startError(error: unknown, { command: { file }, folder }: LaunchOptions): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return `cannot be started: ${fs.existsSync(file) ? folder : file} is missing`;
    case 'EACCES':
      return `cannot be started: ${file} may not be executed`;
    default:
      return `cannot be started: ${messageOf(error)}`;
  }
}
