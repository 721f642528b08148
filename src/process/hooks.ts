/**
 * Runs the user's own commands on events (`on`). They never delay or break devwatch's work: they are
 * started after pending events have been handled, at most one of each name at a time, and their failures are
 * only reported.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import type { HookCommand, HookName } from '../config/settings-types.ts';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import { createDeferred, type Deferred } from '../shared/deferred.ts';
import { codeOf, messageOf } from '../shared/errors.ts';
import { type Start, startOf } from './launch/batch-files.ts';
import { realHost } from './launch/host.ts';
import { findOnPath, withProjectCommands } from './launch/search.ts';
import { platform } from './platform.ts';
import { splitWords } from './shell-line.ts';
import { explainSpawnError } from './spawn-errors.ts';
import { terminateTree } from './tree/terminate.ts';
import { type Containment, type ProcessTree, type Root, rootOf } from './tree/tree.ts';
import { TreeWrites } from './tree/usage.ts';

export interface HooksOptions {
  readonly containment: Containment;
  /** Returns a new number for the containment. */
  readonly serial: () => number;
  readonly clock: Clock;
  /** Absolute path of the folder in which the hooks run. */
  readonly folder: string;
  /** Called for each run, because settings may change. */
  readonly commands: () => Readonly<Partial<Record<HookName, HookCommand>>>;
  /** Returns the variables other than a hook's own; called for each run. */
  readonly env: () => NodeJS.ProcessEnv;
  /** Receives one line: a hook cannot be started, failed, or took too long. */
  readonly onProblem: (message: string) => void;
}

type Variables = Readonly<Record<string, string>>;

/** A hook that runs, or is about to. */
interface ActiveHook {
  /** Variables of the run that follows. */
  next: Variables | undefined;
  terminate(): void;
  /** Set once it has been started. */
  writes?: TreeWrites;
}

/** A hook that runs longer is terminated, … */
const maxRunMs = 30_000;
/** … and killed after this grace period. */
const graceMs = 1000;
/** Pauses between two scans for processes that a command left behind when it exited. */
const minPauseMs = 20;
const maxPauseMs = 1000;

export class Hooks {
  readonly #options: HooksOptions;
  readonly #active = new Map<HookName, ActiveHook>();
  #closed: Deferred<void> | undefined;

  constructor(options: HooksOptions) {
    this.#options = options;
  }

  /**
   * Runs the command of this name, if there is one, with these variables and DEVWATCH_EVENT, its name.
   * While it is still running, the latest call is remembered and runs after it.
   */
  run(name: HookName, variables: Variables): void {
    const { commands, clock } = this.#options;
    const command = commands()[name];
    if (this.#closed !== undefined || command === undefined) return;
    const running = this.#active.get(name);
    if (running !== undefined) {
      running.next = variables;
      return;
    }
    // Starting a process takes a millisecond or two. The program's own start comes first.
    const cancel = clock.soon(() => this.#start(name, command, variables));
    const terminate = (): void => {
      cancel();
      this.#onOver(name);
    };
    this.#active.set(name, { next: undefined, terminate });
  }

  /** Returns the bytes that the commands which run now have written to files, as `TreeWrites` counts them. */
  written(): number {
    return [...this.#active.values()].reduce((sum, { writes }) => sum + (writes?.read() ?? 0), 0);
  }

  /** Terminates all hooks and forgets remembered calls. Resolves when their process trees are gone. */
  close(): Promise<void> {
    this.#closed ??= createDeferred();
    for (const hook of [...this.#active.values()]) hook.terminate();
    if (this.#active.size === 0) this.#closed.resolve();
    return this.#closed.promise;
  }

  #start(name: HookName, command: HookCommand, variables: Variables): void {
    const { folder, clock, env, onProblem } = this.#options;
    const report = (problem: string): void => onProblem(`on.${name}: ${problem}`);
    const onOver = (): void => this.#onOver(name);
    const onFailure = (error: unknown): void => {
      report(describeStartError(error, folder));
      onOver();
    };
    try {
      const { open, child } = this.#spawn(command, { ...env(), ...variables, DEVWATCH_EVENT: name });
      const hook = this.#active.get(name);
      if (child.pid === undefined) child.once('error', onFailure);
      else if (hook !== undefined) {
        const tree = open(rootOf(child, child.pid));
        hook.writes = new TreeWrites(tree, clock);
        hook.terminate = followRun(child, tree, clock, report, onOver);
      }
    } catch (error) {
      onFailure(error);
    }
  }

  #spawn(
    command: HookCommand,
    { DEVWATCH_KEEP: _, ...given }: NodeJS.ProcessEnv,
  ): { open(root: Root): ProcessTree; child: ChildProcess } {
    const { containment, serial, folder } = this.#options;
    const env = withProjectCommands(folder, given);
    const { isVerbatim = false, variables, ...started } = executableOf(command, folder, env);
    const { open, ...contained } = containment.contain(
      serial(),
      { ...started, env: { ...env, ...variables } },
      { mayBeKept: true },
    );
    const child = spawn(contained.file, contained.args, {
      cwd: folder,
      env: contained.env,
      // Both streams go to devwatch's stderr: stdout may be piped into another command.
      stdio: ['ignore', 2, 2],
      // In a session of its own: Ctrl-C in the terminal does not reach it.
      detached: platform.isPosix,
      windowsHide: true,
      windowsVerbatimArguments: isVerbatim,
    });
    return { open, child };
  }

  #onOver(name: HookName): void {
    const next = this.#active.get(name)?.next;
    this.#active.delete(name);
    if (next !== undefined) this.run(name, next);
    if (this.#active.size === 0) this.#closed?.resolve();
  }
}

/** Follows a run of a hook until its process tree is gone. Returns a function that terminates it. */
function followRun(
  child: ChildProcess,
  tree: ProcessTree,
  clock: Clock,
  report: (problem: string) => void,
  onOver: () => void,
): () => void {
  let cancelScan: CancelTimer = () => {};
  let termination: ReturnType<typeof terminateTree> | undefined;
  const cancelDeadline = clock.after(maxRunMs, () => {
    // All that is left may be exempt: a browser that it has opened.
    if (tree.scan().members.length > 0) report(`still runs after ${maxRunMs / 1000} s · terminating it`);
    terminate();
  });

  const terminate = (): void => {
    if (termination !== undefined) return;
    cancelDeadline();
    cancelScan();
    termination = terminateTree(tree, { signal: 'SIGTERM', graceMs, clock });
    void termination.gone.then((survivors) => {
      for (const { pid, command, reason } of survivors) report(`left running: pid ${pid} (${command}) ${reason}`);
      onOver();
    });
  };

  /** Waits for processes that the command left behind (`paplay alarm.wav &`): they belong to the run. */
  const awaitRest = (pauseMs: number): void => {
    const { members, proven } = tree.scan();
    if (members.length > 0 || !proven) {
      cancelScan = clock.after(pauseMs, () => awaitRest(Math.min(pauseMs * 1.5, maxPauseMs)));
      return;
    }
    tree.release?.();
    cancelDeadline();
    onOver();
  };

  // A signal could not be sent; the termination of the tree does not depend on it.
  child.on('error', () => {});
  child.once('exit', (code, signal) => {
    if (termination !== undefined) {
      termination.scanNow();
      return;
    }
    if (signal !== null) report(`ended by ${signal}`);
    else if (code !== 0) report(`ended with code ${code}`);
    awaitRest(minPauseMs);
  });
  return terminate;
}

const isShellLine = (command: HookCommand): command is Extract<HookCommand, { shell: string }> =>
  typeof command === 'object' && 'shell' in command;

/** @throws Error if there is no such command */
function executableOf(command: HookCommand, folder: string, env: NodeJS.ProcessEnv): Start {
  if (isShellLine(command)) {
    return realHost.isPosix
      ? { file: '/bin/sh', args: ['-c', command.shell], variables: {} }
      : { file: realHost.shell, args: ['/d', '/s', '/c', `"${command.shell}"`], isVerbatim: true, variables: {} };
  }
  const [word = '', ...args] = typeof command === 'string' ? splitWords(command, realHost) : command;
  if (word === '') throw new Error('names no command');
  // The wrapper that contains it would report this only on stderr.
  const file = findOnPath(word, folder, env);
  if (file === undefined) throw new Error(`${JSON.stringify(word)} was not found`);
  return startOf({ file, args, variables: {} }, { folder, env, host: realHost });
}

function describeStartError(error: unknown, folder: string): string {
  if (codeOf(error) === undefined) return messageOf(error);
  if (!fs.existsSync(folder)) return `cannot be started: ${folder} is missing`;
  return `cannot be started: ${explainSpawnError(error, 'the command')}`;
}
