/** Everything that devwatch reports, as one discriminated union: emitted here and there, printed by the reporter alone. */

import type { OptionKey } from '../config/options.ts';
import type { Settings } from '../config/settings-types.ts';
import type { OpenWork } from '../preload/protocol.ts';
import type { LeftPackage } from './package-reasons.ts';

/** Why a run was started. */
export type Cause = 'start' | 'change' | 'crash' | 'exit' | 'manual' | 'settings' | 'schedule';

/** A file that changed; `path` is absolute. */
export interface Change {
  readonly kind: 'add' | 'change' | 'unlink';
  readonly path: string;
  /** The pattern that matched; set with `--verbose` only. */
  readonly rule?: string;
}

/** A feature that devwatch has, and that may be off for a program. */
export type Feature =
  | 'standby'
  | 'packages'
  | 'held ports'
  | 'readiness check'
  | 'health checks'
  | 'memory limit'
  | 'cgroup'
  | 'mark by a limit'
  | 'guardian'
  | 'records'
  | 'written files'
  | 'cache';

/** Features that are off for one reason, and what to do, if anything helps. */
export interface Limitation {
  readonly features: readonly Feature[];
  readonly reason: string;
  readonly remedy?: string;
  /** The command line looks as if the features were on: printed without `--verbose` as well. */
  readonly isUnexpected?: true;
}

/** Why a path does or does not count. `pattern` is the deciding pattern as the user wrote it. */
export type Verdict =
  | { readonly watched: true; readonly pattern: string }
  | { readonly watched: false; readonly reason: 'ignored' | 'excluded'; readonly pattern: string }
  /** `pattern`: the place where a file system of the kernel is mounted, such as `/proc`. */
  | { readonly watched: false; readonly reason: 'pseudo-file-system'; readonly pattern: string }
  /** `pattern`: the name that is ignored by default, with a trailing slash for a folder. */
  | { readonly watched: false; readonly reason: 'ignored-by-default'; readonly pattern: string }
  /** `pattern`: the top of another working tree of git, relative to the watched folder, with a trailing slash. */
  | { readonly watched: false; readonly reason: 'other-checkout'; readonly pattern: string }
  /** `pattern`: the rule, followed by its file in parentheses. */
  | { readonly watched: false; readonly reason: 'gitignored'; readonly pattern: string }
  | { readonly watched: false; readonly reason: 'extension' | 'outside' };

/** Why a change of a file that is watched does not count. */
export type ChangeVerdict =
  | { readonly watched: false; readonly reason: 'unchanged' }
  /** `event`: what happened to the file, in the words of `events`. */
  | { readonly watched: false; readonly reason: 'event'; readonly event: string };

/** How a program ended by itself. `code` is null after a signal; `error` says why it could not be started at all. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly error?: string;
  /**
   * Why devwatch itself ended it: it did not answer, used too much memory or took too long. Or why it ended, where
   * that follows from nothing that it has printed.
   */
  readonly reason?: string;
  /** The error that ended it, because the program did not catch it (Node). */
  readonly uncaught?: ProgramError;
}

/** An error that a program did not catch. */
export interface ProgramError {
  /** `TypeError`; empty if the program threw something else than an error. */
  readonly name: string;
  /** The first line of its message, which may be cut; says what was thrown if that was no error. */
  readonly message: string;
  /** The first place in the project's own code, in the error's stack or in those of its causes. */
  readonly location?: SourceLocation;
  /** The stack as Node reports it, which may be cut; empty if what was thrown is no error. */
  readonly stack: string;
}

/** A place in a file. `file` is absolute; `line` and `column` count from 1. */
export interface SourceLocation {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

/**
 * Why a run failed, where that decides about another try. It would fail in the same way:
 * - `defect`: a file is wrong or missing
 * - `uncaught-error`: an error of JavaScript; a program that has come up before it may come up again
 * - `by-design`: the program ends when its work is done, as a test runner does
 * - `unread-output`: the reader of its stdout or stderr has ended (`devwatch server.js | head`)
 *
 * It may succeed, however often it has failed:
 * - `shortage`: the program could not be started for want of processes, memory or descriptors, or because its file is
 *   being written
 */
export type Fault = 'defect' | 'uncaught-error' | 'by-design' | 'unread-output' | 'shortage';

/** The next step after a program ended by itself. */
export type Next =
  /** The restart number `attempt` of at most `limit`, after `delay` ms; there is no limit if they are missing. */
  | { readonly kind: 'restart'; readonly delay: number; readonly attempt?: number; readonly limit?: number }
  /** devwatch waits for a change, for the next time of a schedule, or for a request to restart the program. */
  | ({ readonly kind: 'wait'; readonly for: 'change' | 'schedule' | 'request' } & Effort)
  /** devwatch ends with the program's exit code. */
  | ({ readonly kind: 'end' } & Effort);

/** `gaveUp`: as many restarts as `limit` allows have failed. */
interface Effort {
  readonly gaveUp: boolean;
  readonly limit?: number;
}

/** A run that ended by itself. */
interface RunEnd {
  readonly run: number;
  readonly outcome: Outcome;
  readonly uptime: number;
  readonly next: Next;
}

/** Why devwatch ends: the user or the API asked for it, a signal came, or the program itself ended. */
export type StopReason =
  | { readonly kind: 'requested' }
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
  /** The name of its user, or the number where the user has no name here. */
  readonly user: string;
  /** Epoch ms of its start. */
  readonly since: number;
}

/**
 * Stage of stopping a process tree: `delivered` (the signal reached the program without devwatch, as a Ctrl-C in
 * the terminal does), `terminating` (devwatch has sent its signal), `killing` (devwatch sends SIGKILL).
 */
export type StopStage = 'delivered' | 'terminating' | 'killing';

/** The address of the program's own server, as far as it is known. */
export interface ServerAddress {
  readonly port?: number | undefined;
  /** `http://localhost:3000`; set for HTTP servers only. */
  readonly url?: string | undefined;
}

/** The files that are watched for a program. `extensions` is null for all files. */
interface WatchedPatterns {
  readonly program: string;
  readonly patterns: readonly string[];
  readonly extensions: readonly string[] | null;
}

/** An event. Times are in milliseconds. */
export type DevwatchEvent =
  /**
   * A run was started. `run` counts from 1; `program` is its command; `standby`: a process booted ahead became the run.
   * Times since the cause: `gone` until the old tree was proven gone, `quiet` until the debounce had ended,
   * `ms` until this start.
   */
  | {
      readonly type: 'start';
      readonly run: number;
      readonly pid: number | undefined;
      readonly program: string;
      readonly cause: Cause;
      readonly changes: readonly Change[];
      readonly standby: boolean;
      readonly gone?: number;
      readonly quiet?: number;
      readonly ms: number;
    }
  /** The program is up, `ms` after the cause of the run, by the readiness check that `ready` names. */
  | ({ readonly type: 'ready'; readonly run: number; readonly ms: number } & ServerAddress)
  /** The program's own server turned out to be another one, which listens `ms` after the cause of the run. */
  | ({ readonly type: 'address'; readonly run: number; readonly ms: number } & ServerAddress)
  /**
   * The program has lived for 3 seconds without a sign of readiness: `ready` is not set and it does not listen on a
   * port. It counts as running, `ms` after the cause of the run; `ready` may still follow.
   */
  | { readonly type: 'running'; readonly run: number; readonly ms: number }
  /** Files changed that only pages load (`--live-reload`); `styles`: all are style sheets. Absolute paths. */
  | { readonly type: 'pages'; readonly paths: readonly string[]; readonly styles: boolean }
  /** Pages that load this script reload when the program is up again. */
  | { readonly type: 'liveReload'; readonly url: string }
  /** The program's own code begins (Node only), `ms` after the cause of the run. */
  | { readonly type: 'begin'; readonly run: number; readonly ms: number }
  /**
   * A standby process is booted and waits to become the next run; `packages`: it has also loaded so many files of packages.
   */
  | { readonly type: 'standby'; readonly pid: number; readonly packages?: number }
  /**
   * The program has settled: it has taken over `adopted` files of packages that a standby had loaded ahead of time;
   * `packages`: those of them that it asks for itself. `cold`: why it has loaded others itself; `excluded`: packages that
   * it always loads itself, and why.
   */
  | ({ readonly type: 'packages'; readonly run: number } & PackagesReport)
  /** The folders to watch have been read for 150 ms, and that is not done; `watching` follows. */
  | ({ readonly type: 'scanning' } & WatchedPatterns)
  /**
   * The watcher is armed: no save is missed from now on, nor since the start of the first run. `linkedPackages` of a
   * workspace, or of `npm link`, are watched as well.
   */
  | ({
      readonly type: 'watching';
      readonly backend: string;
      readonly directories: number;
      readonly files: number;
      readonly linkedPackages: number;
      readonly ms: number;
    } & WatchedPatterns)
  /** Features are off that could be expected. Emitted once for each reason. */
  | ({ readonly type: 'limitation' } & Limitation)
  /** Files that the program has loaded and no pattern matches are watched as well (`--deps`). */
  | { readonly type: 'watchingLoads'; readonly files: readonly string[] }
  /** Relevant files changed, and the debounce has ended. */
  | { readonly type: 'change'; readonly changes: readonly Change[] }
  /** Files changed, and the program, which reloads itself, was sent a signal (`onChange`). */
  | {
      readonly type: 'signal';
      readonly signal: NodeJS.Signals;
      readonly to: 'root' | 'tree';
      readonly changes: readonly Change[];
    }
  /** Saves restart nothing for now; `changes` wait for the end of the pause. Emitted at its begin, and when more wait. */
  | { readonly type: 'pause'; readonly changes: readonly Change[] }
  /** The pause is over. `changes` have waited for that, and lead to one restart. */
  | { readonly type: 'resume'; readonly changes: readonly Change[] }
  /** A file changed that does not count (with `--verbose`, once in a run), or whose change does not count. */
  | { readonly type: 'ignored'; readonly path: string; readonly verdict: Verdict | ChangeVerdict }
  /** A file was saved that does not count only because of its extension; the first one of each extension. */
  | {
      readonly type: 'unwatched';
      readonly path: string;
      readonly extension: string;
      /** The extensions that are watched. */
      readonly watched: readonly string[];
    }
  /** The reader of the lines typed into the terminal from now on. */
  | { readonly type: 'input'; readonly owner: 'program' | 'devwatch' }
  /** The program is ending because another process listens on its port; `holders` as far as they are visible. */
  | { readonly type: 'portTaken'; readonly port: number; readonly holders: readonly PortHolder[] }
  /** The program ended by itself with a non-zero code or by a signal, or could not be started. */
  | ({ readonly type: 'crash' } & RunEnd)
  /** The program ended by itself with code 0. */
  | ({ readonly type: 'exit' } & RunEnd)
  /**
   * The program is not started before a relevant file changes, before these programs are up, or before this file is there
   * (absolute). `reinstallation`: the file is one of devwatch's own.
   */
  | { readonly type: 'wait'; readonly reason: 'on-change-only' }
  | { readonly type: 'wait'; readonly reason: 'missing' | 'reinstallation'; readonly paths: readonly string[] }
  | { readonly type: 'wait'; readonly reason: 'after'; readonly programs: readonly string[] }
  /** The old process tree enters a stage of stopping; `grace` is how long it had before SIGKILL, or null. */
  | { readonly type: 'stopping'; readonly run: number; readonly stage: StopStage; readonly grace: number | null }
  /** The old process tree is still alive after `signal`; devwatch sends SIGKILL in `killIn` ms. */
  | {
      readonly type: 'slowStop';
      readonly run: number;
      readonly signal: Settings['signal'];
      readonly killIn: number;
      readonly waitsFor: Remainder;
    }
  /**
   * A debugger is connected. `killed`: the old run had ended, and its process waited until the debugger disconnects.
   * `spared`: the program does not answer for `reason`, and may be paused; it is not restarted.
   */
  | { readonly type: 'debugged'; readonly run: number; readonly effect: 'killed' }
  | { readonly type: 'debugged'; readonly run: number; readonly effect: 'spared'; readonly reason: string }
  /** The old process tree is proven gone, except for `survivors`, `ms` after its stop began. */
  | { readonly type: 'gone'; readonly run: number; readonly survivors: readonly Survivor[]; readonly ms: number }
  /** Changed settings are in force; `changed` names the keys. */
  | {
      readonly type: 'settings';
      readonly file: string;
      readonly changed: readonly OptionKey[];
      readonly settings: Settings;
    }
  /** Something the user should know; the program keeps running. */
  | { readonly type: 'warning'; readonly message: string }
  /** A configuration error; the program keeps running. */
  | { readonly type: 'problem'; readonly message: string }
  /** The last event: every process that devwatch started is gone. */
  | { readonly type: 'end'; readonly reason: StopReason };

/** The rest of a program that was asked to end, as far as that is known. */
export interface Remainder {
  /** The port of the inspector to which a debugger is connected. */
  readonly debugger?: number | undefined;
  /** Its processes, without the one that was started first. */
  readonly processes: readonly { readonly pid: number; readonly command: string }[];
  /** Work of a Node program; `none` if the program does not answer, undefined if it cannot be asked. */
  readonly work?: OpenWork | 'none' | undefined;
}

export interface PackagesReport {
  readonly adopted: number;
  readonly packages: readonly string[];
  readonly cold: readonly string[];
  readonly excluded: readonly LeftPackage[];
}

export type EventType = DevwatchEvent['type'];

/** The event of this type. */
export type EventOf<Type extends EventType> = Extract<DevwatchEvent, { readonly type: Type }>;

/** Receives every event. */
export type Emit = (event: DevwatchEvent) => void;

/** Describes an error in one line: its name and message. */
export const describeError = ({ name, message }: ProgramError): string => [name, message].filter(Boolean).join(': ');

/** A program without a readiness check counts as running once it has lived this long (pm2's `listen_timeout`). */
export const assumedRunningAfterMs = 3000;

/** Describes how a program ended: devwatch's reason to end it, an error, a signal's name, or `exit 1`. */
export const describeOutcome = ({ reason, error, code, signal }: Outcome): string =>
  reason ?? error ?? (signal === null ? `exit ${code}` : signal);
