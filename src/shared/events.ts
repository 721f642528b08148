/**
 * Everything devwatch has to say, as one union of facts. The supervisor and the watcher
 * state them, the API hands them on, the reporter renders them; nothing else prints.
 */

import type { OptionKey, Settings } from '../config/options.ts';

/** Why a run was started. */
export type Cause = 'start' | 'change' | 'crash' | 'exit' | 'manual' | 'settings';

/** One file that changed; `path` is absolute. */
export interface Change {
  readonly kind: 'add' | 'change' | 'unlink';
  readonly path: string;
  /** The pattern that makes it count; told with `--verbose`. */
  readonly rule?: string;
}

/** Why a path does or does not count. `pattern` is the deciding one as it was written. */
export type Verdict =
  | { readonly watched: true; readonly pattern: string }
  | { readonly watched: false; readonly reason: 'ignored' | 'excluded'; readonly pattern: string }
  /** `pattern`: the name that is ignored by default, with a slash for a folder. */
  | { readonly watched: false; readonly reason: 'ignored-by-default'; readonly pattern: string }
  /** `pattern`: the rule, and the file that holds it in parentheses. */
  | { readonly watched: false; readonly reason: 'gitignored'; readonly pattern: string }
  | { readonly watched: false; readonly reason: 'extension' | 'outside' };

/** How a program ended by itself. `code` is null after a signal; `error` says why it could not be started at all. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly error?: string;
  /** Why devwatch itself ended it: it did not answer, took too much memory or too long. */
  readonly reason?: string;
}

/** What happens after a program ended by itself. */
export type Next =
  | { readonly kind: 'restart'; readonly delay: number; readonly attempt: number; readonly limit: number }
  | { readonly kind: 'wait'; readonly gaveUp: boolean }
  | { readonly kind: 'end' };

/** Why everything ends: the user or the API asked, a signal came, or the program itself ended it. */
export type Ending =
  | { readonly kind: 'asked' }
  | { readonly kind: 'signal'; readonly signal: NodeJS.Signals }
  | { readonly kind: 'program'; readonly outcome: Outcome };

/** A process that could not be ended, and why. */
export interface Survivor {
  readonly pid: number;
  readonly command: string;
  readonly reason: string;
}

/** A process that listens on a port. */
export interface PortHolder {
  readonly pid: number;
  readonly command: string;
  /** Its user's name, or the number when it has none here. */
  readonly user: string;
  /** Epoch ms of its start. */
  readonly since: number;
}

/**
 * How far the end of a process tree has been pushed: the signal that ends it has reached it without
 * devwatch (Ctrl-C in a terminal), devwatch has sent its own, devwatch kills.
 */
export type Stage = 'told' | 'asked' | 'killed';

export interface EventMap {
  /**
   * A run has been started. `run` counts from 1; `standby`: by a process that had been booted before.
   * Times in ms since what caused it: `gone` when the old tree was proven gone, `quiet` when no change
   * had come for a moment, `ms` until this start.
   */
  start: {
    run: number;
    pid: number | undefined;
    cause: Cause;
    changes: readonly Change[];
    standby: boolean;
    gone?: number;
    quiet?: number;
    ms: number;
  };
  /** The program is up, `ms` after what caused the run; by the sign that `ready` names. */
  ready: { run: number; ms: number; port?: number };
  /** Files changed that only pages load (`--live-reload`); `styles`: all of them are style sheets. Absolute paths. */
  pages: { paths: readonly string[]; styles: boolean };
  /** Pages that load this script reload when the program is up again. */
  liveReload: { url: string };
  /** The program's own code begins (Node), `ms` after what caused the run. */
  begin: { run: number; ms: number };
  /** A process is booted and waits to become the next run. */
  standby: { pid: number };
  /** The watcher is armed: from here on, and back to the first run's start, no save is missed. */
  watching: {
    program: string;
    backend: string;
    patterns: readonly string[];
    extensions: readonly string[] | null;
    directories: number;
    files: number;
    ms: number;
  };
  /** Files that the program has loaded, which no pattern covers, are watched, too (`--deps`). */
  watchingLoads: { files: readonly string[] };
  /** Relevant files changed and the quiet window has passed. */
  change: { changes: readonly Change[] };
  /** A file changed that does not count, or was saved as it was; told with `--verbose`, once in a run. */
  ignored: { path: string; verdict: Verdict | { readonly watched: false; readonly reason: 'unchanged' } };
  /** Who gets the lines typed into the terminal from now on. */
  input: { owner: 'program' | 'devwatch' };
  /** The program dies because somebody else listens on its port: `holders`, as far as they can be seen. */
  portTaken: { port: number; holders: readonly PortHolder[] };
  /** The program ended by itself with a non-zero code, a signal, or could not be started. Times in ms. */
  crash: { run: number; outcome: Outcome; uptime: number; next: Next };
  /** The program ended by itself with code 0. */
  exit: { run: number; outcome: Outcome; uptime: number; next: Next };
  /** Nothing runs and nothing will until a relevant file changes, or (one of several) until these programs are up. */
  wait: { reason: 'on-change-only' } | { reason: 'after'; programs: readonly string[] };
  /** The end of the old process tree is pushed on; `grace` is how long, in ms, it was given before SIGKILL, or null. */
  stopping: { run: number; stage: Stage; grace: number | null };
  /** The old process tree, asked to end by `signal`, is still there; it will be killed in `killIn` ms. */
  lingering: { run: number; signal: Settings['signal']; killIn: number };
  /** The old process tree is proven gone, `ms` after its end was asked for, save for `survivors`. */
  gone: { run: number; survivors: readonly Survivor[]; ms: number };
  /** Settings were read again while running; `changed` names the keys. */
  settings: { file: string; changed: readonly OptionKey[]; settings: Settings };
  /** Something the user should know; the program goes on. */
  warning: { message: string };
  /** Something the user gave us is wrong; the program goes on as it was. `isCommon`: it is about none of several programs. */
  problem: { message: string; isCommon?: boolean };
  /** All is over: every process that devwatch started is gone. */
  end: { ending: Ending };
}

/** A program that has lived so long runs, where there is no sign that it is up; in ms. */
export const proofOfLife = 1000;

export type EventName = keyof EventMap;

/** States a fact. */
export type Emit = <Name extends EventName>(name: Name, event: EventMap[Name]) => void;
