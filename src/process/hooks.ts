/**
 * Commands of the user's that run when something happens. They never hold up or break what devwatch
 * does: they are started when everything that waits has had its turn, at most one of each at a
 * time, and whatever becomes of them is only told.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import type { HookCommand, HookName } from '../config/options.ts';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import { codeOf, messageOf } from '../shared/errors.ts';
import type { Survivor } from '../shared/events.ts';
import { findOnPath } from './launch/command.ts';
import { platform } from './platform.ts';
import { terminateTree } from './tree/terminate.ts';
import type { Containment, ProcessTree } from './tree/tree.ts';

export interface HooksOptions {
  readonly containment: Containment;
  /** A fresh number for the containment. */
  readonly serial: () => number;
  readonly clock: Clock;
  /** Absolute folder in which they run. */
  readonly folder: string;
  /** Asked each time, for settings may change. */
  readonly commands: () => Readonly<Partial<Record<HookName, HookCommand>>>;
  /** The variables besides a hook's own; asked each time. */
  readonly env: () => NodeJS.ProcessEnv;
  /** One line: a hook cannot be started, failed, or took too long. */
  readonly onProblem: (message: string) => void;
}

export interface Hooks {
  /**
   * Runs the command of this name, if there is one, with these variables and DEVWATCH_EVENT, its
   * name. While it still runs, the latest call is remembered and comes after it.
   */
  run(name: HookName, variables: Readonly<Record<string, string>>): void;
  /** Ends what still runs and forgets what is remembered; resolves when its trees are gone. */
  close(): Promise<void>;
}

type Variables = Readonly<Record<string, string>>;

/** A hook that runs, or is about to. */
interface Active {
  /** To be run after it. */
  next: Variables | undefined;
  end(): void;
}

/** A hook that runs longer than this, in ms, is ended, … */
const longestRun = 30_000;
/** … killed when it goes on for so long after it was asked. */
const grace = 1000;
/** Between two looks at what a command left behind when it ended, in ms: at first, and at most. */
const firstPause = 20;
const longestPause = 1000;

export function createHooks({ containment, serial, clock, folder, commands, env, onProblem }: HooksOptions): Hooks {
  const active = new Map<HookName, Active>();
  let closing: Promise<void> | undefined;
  let allOver: () => void = () => {};

  function run(name: HookName, variables: Variables): void {
    if (closing !== undefined || commands()[name] === undefined) return;
    const before = active.get(name);
    if (before !== undefined) {
      before.next = variables;
      return;
    }
    // To start a process takes a millisecond or two, which the program's own start has first.
    const cancel = clock.soon(() => begin(name, variables));
    active.set(name, {
      next: undefined,
      end() {
        cancel();
        over(name);
      },
    });
  }

  function begin(name: HookName, variables: Variables): void {
    const hook = active.get(name);
    const command = commands()[name];
    if (hook === undefined || command === undefined) {
      over(name);
      return;
    }
    const tell = (what: string): void => onProblem(`on.${name}: ${what}`);
    const failed = (error: unknown): void => {
      tell(startError(error, folder));
      over(name);
    };
    try {
      const { open, child } = start(command, { ...env(), ...variables, DEVWATCH_EVENT: name });
      if (child.pid === undefined) child.once('error', failed);
      else hook.end = follow({ child, tree: open(child.pid), clock, tell, onOver: () => over(name) });
    } catch (error) {
      failed(error);
    }
  }

  function start(
    command: HookCommand,
    { DEVWATCH_KEEP: _, ...variables }: NodeJS.ProcessEnv,
  ): { open(pid: number): ProcessTree; child: ChildProcess } {
    const { file, args, verbatim } = executableOf(command, folder, variables);
    const { open, ...invocation } = containment.contain(serial(), { file, args, env: variables }, false);
    const child = spawn(invocation.file, invocation.args, {
      cwd: folder,
      env: invocation.env,
      // Both to devwatch's stderr: what the program prints may be read by another one.
      stdio: ['ignore', 2, 2],
      // A session of its own: Ctrl-C in the terminal is not meant for it.
      detached: platform.isPosix,
      windowsHide: true,
      windowsVerbatimArguments: verbatim,
    });
    return { open, child };
  }

  function over(name: HookName): void {
    const next = active.get(name)?.next;
    active.delete(name);
    if (next !== undefined) run(name, next);
    if (active.size === 0) allOver();
  }

  return {
    run,
    close() {
      closing ??= new Promise((resolve) => {
        allOver = resolve;
        if (active.size === 0) resolve();
      });
      for (const hook of [...active.values()]) hook.end();
      return closing;
    },
  };
}

interface Followed {
  readonly child: ChildProcess;
  readonly tree: ProcessTree;
  readonly clock: Clock;
  readonly tell: (what: string) => void;
  /** Nothing of its tree is left. */
  readonly onOver: () => void;
}

/** Sees a started command through to the end of its tree; returns what ends it before its time. */
function follow({ child, tree, clock, tell, onOver }: Followed): () => void {
  let termination: ReturnType<typeof terminateTree> | undefined;
  let cancelLook: CancelTimer | undefined;
  let isOver = false;
  const cancelDeadline = clock.after(longestRun, () => {
    tell(`still runs after ${longestRun / 1000} s · ending it`);
    end();
  });

  // A signal that could not be sent; the end of the tree does not rest on it.
  child.on('error', () => {});
  child.once('exit', (code, signal) => {
    if (termination !== undefined) {
      termination.rootExited();
      return;
    }
    if (signal !== null) tell(`ended by ${signal}`);
    else if (code !== 0) tell(`ended with code ${code}`);
    awaitRest(firstPause);
  });

  /** What it left behind (`paplay alarm.wav &`) is part of it. */
  function awaitRest(pause: number): void {
    const { members, proven } = tree.scan();
    if (members.length > 0 || !proven) {
      cancelLook = clock.after(pause, () => awaitRest(Math.min(pause * 1.5, longestPause)));
      return;
    }
    tree.release?.();
    finish();
  }

  function end(): void {
    if (termination !== undefined || isOver) return;
    cancelDeadline();
    cancelLook?.();
    termination = terminateTree(tree, { signal: 'SIGTERM', graceMs: grace, clock });
    void termination.gone.then(onGone);
  }

  function onGone(survivors: readonly Survivor[]): void {
    for (const { pid, command, reason } of survivors) tell(`left running: pid ${pid} (${command}) ${reason}`);
    finish();
  }

  function finish(): void {
    isOver = true;
    cancelDeadline();
    onOver();
  }

  return end;
}

interface Executable {
  readonly file: string;
  readonly args: readonly string[];
  /** Windows: the arguments are quoted already. */
  readonly verbatim: boolean;
}

/** @throws Error when there is no such command */
function executableOf(command: HookCommand, folder: string, env: NodeJS.ProcessEnv): Executable {
  if (typeof command === 'object' && 'shell' in command) {
    const { shell } = command;
    return platform.isPosix
      ? { file: '/bin/sh', args: ['-c', shell], verbatim: false }
      : { file: process.env.ComSpec ?? 'cmd.exe', args: ['/d', '/s', '/c', `"${shell}"`], verbatim: true };
  }
  const [word = '', ...args] = typeof command === 'string' ? splitWords(command) : command;
  if (word === '') throw new Error('names no command');
  // What wraps it to contain it would say this only on stderr.
  const file = findOnPath(word, folder, env);
  if (file === undefined) throw new Error(`${JSON.stringify(word)} is not there`);
  return { file, args, verbatim: false };
}

function startError(error: unknown, folder: string): string {
  if (codeOf(error) === undefined) return messageOf(error);
  if (!fs.existsSync(folder)) return `cannot be started: ${folder} is missing`;
  return `cannot be started: ${messageOf(error)}`;
}

/**
 * Splits a text into words as sh does, with its quotes and backslashes and nothing else: no
 * variable, pattern, comment or operator means anything. A backslash at the end stands for itself.
 *
 * @throws Error when a quote is not closed
 */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  /** Undefined between two words; an empty word has been quoted. */
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
      // Before the end of a line it joins the next one.
      if (next !== '\n') word = (word ?? '') + next;
    } else {
      word = (word ?? '') + character;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

const unescaped = (_: string, character: string): string => (character === '\n' ? '' : character);

/** Where the quote that opens here is closed; within `"` a backslash takes the next character with it. */
function closingQuote(text: string, open: number): number {
  const quote = text.charAt(open);
  for (let index = open + 1; index < text.length; index += 1) {
    if (text.charAt(index) === quote) return index;
    if (quote === '"' && text.charAt(index) === '\\') index += 1;
  }
  throw new Error(`a ${quote} is not closed in ${JSON.stringify(text)}`);
}
