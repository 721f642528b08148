/** Starts a program as a tree that can be ended as a whole. */

import type { ChildProcess, SendHandle, Serializable } from 'node:child_process';
import fs from 'node:fs';
import type { Clock } from '../clock.ts';
import { codeOf, messageOf } from '../errors.ts';
import type { Outcome, Stage, Survivor } from '../events.ts';
import type { ParkOrders } from '../preload/orders.ts';
import type { ProgramNotices } from './channel.ts';
import { type Child, type ChildOptions, startChild } from './child.ts';
import { createStandbys } from './standby.ts';
import { endTree, type TreeEnding } from './stop.ts';
import type { TerminalModes } from './terminal.ts';
import type { Containment } from './tree.ts';

export interface LaunchOptions extends ChildOptions {
  /** Variables that this run alone has. */
  readonly variables: Readonly<Record<string, string>>;
  /** Prepare a process for the next run when this one has settled, where that is possible. */
  readonly standby: boolean;
}

export interface ProgramListener extends Pick<ProgramNotices, 'onBegin' | 'onReadsInput' | 'onLoad' | 'onPortTaken'> {
  /** The root process ended, or could not be started. Called exactly once. */
  onExit(outcome: Outcome): void;
  /** A process is prepared for the next run. */
  onStandby(pid: number): void;
  /** This file of a package cannot be loaded ahead of time; processes are prepared without any from now on. */
  onPrewarmFailed(file: string, message: string): void;
  /** After `end`: the whole tree is gone, save for those named. Called at most once. */
  onGone(survivors: readonly Survivor[]): void;
}

/** A started program. */
export interface Program {
  /** Undefined when it could not be started. */
  readonly pid: number | undefined;
  /** It had been booted before. */
  readonly fromStandby: boolean;
  /** Pushes the end of the whole tree to a stage. */
  end(stage: Stage): void;
  /** Hands a signal to the root process, or to everything in the tree. */
  signal(name: NodeJS.Signals, to: 'root' | 'tree'): void;
  /** Writes to a piped stdin; null ends it. */
  write(chunk: string | Buffer | null): void;
}

export interface Launcher {
  /** Starts a program; nothing of the one before may be alive. */
  launch(options: LaunchOptions, listener: ProgramListener): Program;
  /** What a prepared process has read may have changed. */
  discardStandbys(): void;
  /** Nothing will be launched any more. Resolves when no prepared process is left. */
  close(): Promise<void>;
}

/** A launcher whose programs are contained: whatever they start can be found and ended. */
export function createLauncher(containment: Containment, clock: Clock, modes: TerminalModes): Launcher {
  let serial = 0;
  /** The program reads the terminal, and may have put it into other modes. */
  let terminalIsClaimed = false;
  const start = (options: ChildOptions, park?: ParkOrders): ReturnType<typeof startChild> => {
    serial += 1;
    const child = startChild(containment, serial, options, park);
    return terminalIsClaimed && !('failure' in child) ? { ...child, modesAreDoubtful: true } : child;
  };
  const standbys = createStandbys({ start, clock });
  return {
    launch(options, listener) {
      const { variables, ...common } = options;
      terminalIsClaimed = false;
      const parked = options.standby ? standbys.take(common, variables) : undefined;
      const child = parked ?? start({ ...common, env: { ...common.env, ...variables } });
      if ('failure' in child) return unstarted(child.failure, options, listener);
      const onPackage = options.standby ? standbys.launched(common, child, listener) : () => {};
      const onClaim = (): void => {
        terminalIsClaimed = true;
      };
      return track({ child, fromStandby: parked !== undefined, options, clock, modes, listener, onPackage, onClaim });
    },
    discardStandbys: () => standbys.discard(),
    close: () => standbys.close(),
  };
}

interface Tracked {
  readonly child: Child;
  readonly fromStandby: boolean;
  readonly options: LaunchOptions;
  readonly clock: Clock;
  readonly modes: TerminalModes;
  readonly listener: ProgramListener;
  readonly onPackage: ProgramNotices['onPackage'];
  /** The program begins to read the terminal. */
  readonly onClaim: () => void;
}

function track(tracked: Tracked): Program {
  const { child, fromStandby, options, clock, modes, listener, onPackage, onClaim } = tracked;
  const { signal, relay } = options;
  const { process: root, pid, tree } = child;
  let ending: TreeEnding | undefined;
  let exited = false;
  // Programs may change the terminal's modes; other ones than Node without telling.
  let mayChangeModes = child.modesAreDoubtful;

  child.listen({
    onReadsInput() {
      mayChangeModes = true;
      onClaim();
      return listener.onReadsInput();
    },
    onBegin: () => listener.onBegin(),
    onLoad: (file) => listener.onLoad(file),
    onPortTaken: (port) => listener.onPortTaken(port),
    onPackage,
  });
  const endRelay = relay ? relayMessages(root) : () => {};
  root.once('exit', (code, name) => {
    exited = true;
    endRelay();
    // It ended by itself, and perhaps nothing else will happen for long.
    if (ending === undefined && mayChangeModes) modes.restore();
    listener.onExit({ code, signal: name });
    ending?.rootExited();
  });

  function startEnding(): TreeEnding {
    return endTree({
      tree,
      signal: signal === 'message' ? 'SIGTERM' : signal,
      askRoot: signal === 'message' && root.connected ? { pid, ask: () => root.send('shutdown') } : undefined,
      clock,
      onGone(survivors) {
        if (mayChangeModes) modes.restore();
        listener.onGone(survivors);
      },
    });
  }

  return {
    pid,
    fromStandby,
    end(stage) {
      ending ??= startEnding();
      ending.push(stage);
    },
    signal(name, to) {
      if (to === 'tree') for (const member of tree.look().members) tree.signal(member, name);
      else if (!exited) root.kill(name);
    },
    write(chunk) {
      if (chunk === null) root.stdin?.end();
      else root.stdin?.write(chunk);
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
  return {
    pid: undefined,
    fromStandby: false,
    end: () => listener.onGone([]),
    signal: () => {},
    write: () => {},
  };
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
