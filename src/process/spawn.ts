/** Starts a program as a tree that can be ended as a whole. */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { parseEnv } from 'node:util';
import type { Clock } from '../clock.ts';
import { codeOf, messageOf, UsageError } from '../errors.ts';
import type { Outcome, Survivor } from '../events.ts';
import type { Command } from './command.ts';
import { endTree, type Stage, type TreeEnding } from './stop.ts';
import type { OpenTree, ProcessTree } from './tree.ts';

export interface LaunchOptions {
  readonly command: Command;
  readonly folder: string;
  /** The variables at this start; removed ones are gone. */
  readonly env: NodeJS.ProcessEnv;
  readonly signal: NodeJS.Signals;
}

export interface ProgramListener {
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
  /** Hands a signal to the root process. */
  signal(name: NodeJS.Signals): void;
}

export type Launch = (run: number, options: LaunchOptions, listener: ProgramListener) => Program;

/**
 * A launcher whose programs are told apart from everybody else's by a variable of their
 * environment, with a name of its own so that a devwatch inside a devwatch keeps both.
 */
export function createLauncher(openTree: OpenTree, clock: Clock): Launch {
  const markerName = `DEVWATCH_TREE_${randomBytes(6).toString('hex').toUpperCase()}`;
  return (run, options, listener) => {
    const marker = { name: markerName, value: String(run) };
    // On a terminal the program stays in devwatch's group, the foreground one: it may read, gets
    // Ctrl-C, Ctrl-Z and resizes. Elsewhere a session of its own keeps it apart.
    const detached = process.platform !== 'win32' && !process.stdin.isTTY;
    const { command, folder, env, signal } = options;
    let child: ChildProcess;
    try {
      child = spawn(command.file, command.args, {
        cwd: folder,
        env: { [marker.name]: marker.value, ...env },
        stdio: 'inherit',
        detached,
        windowsHide: true,
        windowsVerbatimArguments: command.file.toLowerCase().endsWith('cmd.exe'),
      });
    } catch (error) {
      // Bad arguments (a NUL byte, E2BIG) are thrown; ENOENT and EACCES arrive as an event.
      return failed(messageOf(error), listener);
    }
    if (child.pid === undefined) {
      child.once('error', (error) => listener.onExit({ code: null, signal: null, error: startError(error, command) }));
      return unstarted(listener);
    }
    return track(child, child.pid, openTree({ pid: child.pid, detached, marker }), signal, clock, listener);
  };
}

function track(
  child: ChildProcess,
  pid: number,
  tree: ProcessTree,
  signal: NodeJS.Signals,
  clock: Clock,
  listener: ProgramListener,
): Program {
  let ending: TreeEnding | undefined;
  let exited = false;
  child.once('exit', (code, name) => {
    exited = true;
    listener.onExit({ code, signal: name });
    ending?.rootExited();
  });
  child.on('error', () => {}); // A signal that could not be sent; the tree's end does not rest on it.
  return {
    pid,
    end(stage) {
      ending ??= endTree({ tree, signal, clock, onGone: (survivors) => listener.onGone(survivors) });
      ending.push(stage);
    },
    signal(name) {
      if (!exited) child.kill(name);
    },
  };
}

function failed(error: string, listener: ProgramListener): Program {
  queueMicrotask(() => listener.onExit({ code: null, signal: null, error }));
  return unstarted(listener);
}

/** What stands for a program that has no process: its tree is gone as soon as somebody asks. */
function unstarted(listener: ProgramListener): Program {
  return { pid: undefined, end: () => listener.onGone([]), signal: () => {} };
}

function startError(error: Error, command: Command): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return `${command.file} cannot be started: it, its interpreter or the working folder is missing`;
    case 'EACCES':
      return `${command.file} may not be executed`;
    default:
      return `${command.file} cannot be started: ${error.message}`;
  }
}

export interface EnvironmentOptions {
  /** devwatch's own environment. */
  readonly inherited: NodeJS.ProcessEnv;
  /** Absolute paths; later files win over earlier ones, the inherited environment over all of them, as in `node --env-file`. */
  readonly files: readonly string[];
  /** Variables from the settings; they win over everything. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * The program's environment, read anew.
 *
 * @throws UsageError when a file cannot be read
 */
export function readEnvironment({ inherited, files, variables }: EnvironmentOptions): NodeJS.ProcessEnv {
  const fromFiles: NodeJS.ProcessEnv = {};
  for (const file of files) {
    try {
      Object.assign(fromFiles, parseEnv(fs.readFileSync(file, 'utf8')));
    } catch (error) {
      throw new UsageError(`${file}: the environment file cannot be read (${codeOf(error) ?? messageOf(error)})`);
    }
  }
  return { ...fromFiles, ...inherited, ...variables };
}
