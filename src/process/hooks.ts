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
import type { Survivor } from '../shared/events.ts';
import { findOnPath } from './launch/command.ts';
import { platform } from './platform.ts';
import { terminateTree } from './tree/terminate.ts';
import type { Containment, ProcessTree } from './tree/tree.ts';

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
    if (this.#closed !== undefined || commands()[name] === undefined) return;
    const running = this.#active.get(name);
    if (running !== undefined) {
      running.next = variables;
      return;
    }
    // Starting a process takes a millisecond or two. The program's own start comes first.
    const cancel = clock.soon(() => this.#start(name, variables));
    const terminate = (): void => {
      cancel();
      this.#onOver(name);
    };
    this.#active.set(name, { next: undefined, terminate });
  }

  /** Terminates all hooks and forgets remembered calls. Resolves when their process trees are gone. */
  close(): Promise<void> {
    this.#closed ??= createDeferred();
    for (const hook of [...this.#active.values()]) hook.terminate();
    if (this.#active.size === 0) this.#closed.resolve();
    return this.#closed.promise;
  }

  #start(name: HookName, variables: Variables): void {
    const { folder, clock, commands, env, onProblem } = this.#options;
    const hook = this.#active.get(name);
    const command = commands()[name];
    if (hook === undefined || command === undefined) {
      this.#onOver(name);
      return;
    }
    const report = (problem: string): void => onProblem(`on.${name}: ${problem}`);
    const onOver = (): void => this.#onOver(name);
    const onFailure = (error: unknown): void => {
      report(describeStartError(error, folder));
      onOver();
    };
    try {
      const { open, child } = this.#spawn(command, { ...env(), ...variables, DEVWATCH_EVENT: name });
      if (child.pid === undefined) {
        child.once('error', onFailure);
      } else {
        const run = new HookRun({ child, tree: open(child.pid), clock, report, onOver });
        hook.terminate = () => run.terminate();
      }
    } catch (error) {
      onFailure(error);
    }
  }

  #spawn(
    command: HookCommand,
    { DEVWATCH_KEEP: _, ...variables }: NodeJS.ProcessEnv,
  ): { open(pid: number): ProcessTree; child: ChildProcess } {
    const { containment, serial, folder } = this.#options;
    const { file, args, verbatim } = executableOf(command, folder, variables);
    const { open, ...contained } = containment.contain(serial(), { file, args, env: variables }, false);
    const child = spawn(contained.file, contained.args, {
      cwd: folder,
      env: contained.env,
      // Both streams go to devwatch's stderr: stdout may be piped into another command.
      stdio: ['ignore', 2, 2],
      // In a session of its own: Ctrl-C in the terminal does not reach it.
      detached: platform.isPosix,
      windowsHide: true,
      windowsVerbatimArguments: verbatim,
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

interface HookRunContext {
  readonly child: ChildProcess;
  readonly tree: ProcessTree;
  readonly clock: Clock;
  readonly report: (problem: string) => void;
  /** Called when its tree is gone. */
  readonly onOver: () => void;
}

/** A run of a hook, from its start until its process tree is gone. */
class HookRun {
  readonly #context: HookRunContext;
  readonly #cancelDeadline: CancelTimer;
  #cancelScan: CancelTimer = () => {};
  #termination: ReturnType<typeof terminateTree> | undefined;
  #isOver = false;

  constructor(context: HookRunContext) {
    const { child, clock, report } = context;
    this.#context = context;
    this.#cancelDeadline = clock.after(maxRunMs, () => {
      report(`still runs after ${maxRunMs / 1000} s · terminating it`);
      this.terminate();
    });
    // A signal could not be sent; the termination of the tree does not depend on it.
    child.on('error', () => {});
    child.once('exit', (code, signal) => this.#onExit(code, signal));
  }

  terminate(): void {
    const { tree, clock } = this.#context;
    if (this.#termination !== undefined || this.#isOver) return;
    this.#cancelDeadline();
    this.#cancelScan();
    this.#termination = terminateTree(tree, { signal: 'SIGTERM', graceMs, clock });
    void this.#termination.gone.then((survivors) => this.#onGone(survivors));
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    const { report } = this.#context;
    if (this.#termination !== undefined) {
      this.#termination.scanNow();
      return;
    }
    if (signal !== null) report(`ended by ${signal}`);
    else if (code !== 0) report(`ended with code ${code}`);
    this.#awaitRest(minPauseMs);
  }

  /** Waits for processes that the command left behind (`paplay alarm.wav &`): they belong to the run. */
  #awaitRest(pauseMs: number): void {
    const { tree, clock } = this.#context;
    const { members, proven } = tree.scan();
    if (members.length === 0 && proven) {
      tree.release?.();
      this.#finish();
    } else {
      this.#cancelScan = clock.after(pauseMs, () => this.#awaitRest(Math.min(pauseMs * 1.5, maxPauseMs)));
    }
  }

  #onGone(survivors: readonly Survivor[]): void {
    for (const { pid, command, reason } of survivors) {
      this.#context.report(`left running: pid ${pid} (${command}) ${reason}`);
    }
    this.#finish();
  }

  #finish(): void {
    this.#isOver = true;
    this.#cancelDeadline();
    this.#context.onOver();
  }
}

interface Executable {
  readonly file: string;
  readonly args: readonly string[];
  /** On Windows: the arguments are already quoted. */
  readonly verbatim: boolean;
}

/** @throws Error if there is no such command */
function executableOf(command: HookCommand, folder: string, env: NodeJS.ProcessEnv): Executable {
  if (typeof command === 'object' && 'shell' in command) {
    const { shell } = command;
    return platform.isPosix
      ? { file: '/bin/sh', args: ['-c', shell], verbatim: false }
      : { file: process.env.ComSpec ?? 'cmd.exe', args: ['/d', '/s', '/c', `"${shell}"`], verbatim: true };
  }
  const [word = '', ...args] = typeof command === 'string' ? splitWords(command) : command;
  if (word === '') throw new Error('names no command');
  // The wrapper that contains it would report this only on stderr.
  const file = findOnPath(word, folder, env);
  if (file === undefined) throw new Error(`${JSON.stringify(word)} was not found`);
  return { file, args, verbatim: false };
}

function describeStartError(error: unknown, folder: string): string {
  if (codeOf(error) === undefined) return messageOf(error);
  if (!fs.existsSync(folder)) return `cannot be started: ${folder} is missing`;
  return `cannot be started: ${messageOf(error)}`;
}

/**
 * Splits a text into words by the rules of sh for quotes and backslashes. Variables, patterns, comments and
 * operators have no meaning; a backslash at the end is kept.
 *
 * @throws Error if a quote is not closed
 */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  /** Undefined between two words; empty for empty quotes. */
  let word: string | undefined;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (/[ \t\n]/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === "'" || character === '"') {
      const close = closingQuote(text, index);
      const quoted = text.slice(index + 1, close);
      word = (word ?? '') + (character === "'" ? quoted : quoted.replace(/\\([$`"\\]|\n)/g, unescaped));
      index = close;
    } else if (character === '\\' && index + 1 < text.length) {
      index += 1;
      const next = text.charAt(index);
      // A backslash before a line feed joins two lines.
      if (next !== '\n') word = (word ?? '') + next;
    } else {
      word = (word ?? '') + character;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

const unescaped = (_: string, character: string): string => (character === '\n' ? '' : character);

/** Index of the closing quote. Within `"`, a backslash escapes the next character. */
function closingQuote(text: string, open: number): number {
  const quote = text.charAt(open);
  for (let index = open + 1; index < text.length; index += 1) {
    if (text.charAt(index) === quote) return index;
    if (quote === '"' && text.charAt(index) === '\\') index += 1;
  }
  throw new Error(`a ${quote} is not closed in ${JSON.stringify(text)}`);
}
