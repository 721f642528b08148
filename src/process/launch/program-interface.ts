/** A run of a program, as the rest of devwatch sees it. */

import type { PreloadMessage, UncaughtError } from '../../preload/protocol.ts';
import type {
  Fault,
  Limitation,
  Outcome,
  PackagesReport,
  Remainder,
  StopStage,
  Survivor,
} from '../../shared/events.ts';
import type { Server } from '../../shared/server.ts';

/** An event of one run of a program. */
export type ProgramEvent =
  | Extract<PreloadMessage, { type: 'begins' | 'leaves-stdin' | 'loads' }>
  /** The standby that became this run is of no use: the run has to start cold. */
  | { readonly type: 'misfit' }
  /** The program ends, because Node itself cannot run its TypeScript. */
  | { readonly type: 'needs-loader' }
  /** The program listens; a Unix socket has no port. */
  | { readonly type: 'listens'; readonly server: Server }
  /** The program no longer listens on the server with this id. */
  | { readonly type: 'closes'; readonly id: string }
  /** The program is about to end, because another process listens on this port. */
  | { readonly type: 'portTaken'; readonly port: number }
  /** The program sent a message over Node's IPC. */
  | { readonly type: 'message'; readonly message: unknown }
  /** The program printed something, which has been passed on. */
  | { readonly type: 'output'; readonly chunk: Buffer }
  /**
   * The root process ended, or could not be started. `fault`: why, if another run would end alike; `missing`: the module
   * that it did not find. Emitted exactly once.
   */
  | ({ readonly type: 'exit'; readonly outcome: Outcome } & EndFacts)
  /** A standby is ready for the next run. `packages`: the number of their files that it has loaded. */
  | { readonly type: 'standby'; readonly pid: number; readonly packages?: number }
  /** A feature is off for this program, as has turned out now. */
  | ({ readonly type: 'limitation' } & Limitation)
  /** The program has settled. */
  | ({ readonly type: 'packages' } & PackagesReport)
  /** The program had ended, but its process waited until its debugger disconnects. It was killed. */
  | { readonly type: 'killed-waiting' }
  /** After `end`: the tree is gone, except for `survivors`. Emitted at most once. */
  | { readonly type: 'gone'; readonly survivors: readonly Survivor[] };

export interface EndFacts {
  readonly fault?: Fault | undefined;
  readonly missing?: UncaughtError['missing'];
}

export interface ProgramListener {
  onEvent(event: ProgramEvent): void;
  /** The program is about to read the terminal, and waits. Returns the text typed before, which it reads first. */
  onReadsInput(): string;
}

export interface RunningProgram {
  /** Undefined when it could not be started. */
  readonly pid: number | undefined;
  /** A standby became this run. */
  readonly fromStandby: boolean;
  /** Terminates the whole tree, or escalates its termination to a further stage. */
  end(stage: StopStage): void;
  /** Sends a signal to the root process, or to every process of the tree. */
  signal(name: NodeJS.Signals, to: 'root' | 'tree'): void;
  /**
   * The terminal has sent a signal to devwatch's process group. Processes in other groups, such as daemons, get the stop signal
   * as soon as the root process has ended: while it lives, they are its own task.
   */
  interrupted(): void;
  /** Calls back when the program's event loop answers; returns false if it cannot be pinged. */
  ping(onAnswer: () => void): boolean;
  /** Whether a debugger is connected to the program, which may be paused then; false where that is unknown. */
  isDebugged(): Promise<boolean>;
  /** Finds out what is left of the program, and what it waits for. */
  remainder(): Promise<Remainder>;
  /** Resident memory of the tree in bytes; undefined where it is unknown. */
  memory(): number | undefined;
  /** CPU time used by the tree so far, in ms; undefined where it is unknown. */
  cpu(): number | undefined;
  /** Bytes that the tree has written to files since it became this run; undefined where that is unknown. */
  written(): number | undefined;
  /** Writes to a piped stdin; null ends it. `done`: the pipe took the chunk, or it is lost because the reader is gone. */
  write(chunk: string | Buffer | null, done?: (isLost: boolean) => void): void;
}
