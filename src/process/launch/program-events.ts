import type { Outcome, Survivor } from '../../shared/events.ts';

/** An event of one run of a program. */
export type ProgramEvent =
  /** The program's own code begins (Node only). */
  | { readonly type: 'begin' }
  /** The program no longer reads the terminal: a child of it did, and has exited. */
  | { readonly type: 'leavesInput' }
  /** The program loads this file (absolute), or would if the file existed. */
  | { readonly type: 'load'; readonly file: string }
  /** The program listens; `port` is undefined for a Unix socket. */
  | { readonly type: 'listens'; readonly port: number | undefined }
  /** The program is about to end, because another process listens on this port. */
  | { readonly type: 'portTaken'; readonly port: number }
  /** The program sent a message over Node's IPC. */
  | { readonly type: 'message'; readonly message: unknown }
  /** The program printed something, which has been passed on. */
  | { readonly type: 'output'; readonly chunk: Buffer }
  /** The root process ended, or could not be started. Emitted exactly once. */
  | { readonly type: 'exit'; readonly outcome: Outcome }
  /** A standby is ready for the next run. */
  | { readonly type: 'standby'; readonly pid: number }
  /** This file of a package cannot be loaded ahead of time; the next standbys load no packages. */
  | { readonly type: 'prewarmFailed'; readonly file: string; readonly message: string }
  /** After `end`: the tree is gone, except for `survivors`. Emitted at most once. */
  | { readonly type: 'gone'; readonly survivors: readonly Survivor[] };

export interface ProgramListener {
  onEvent(event: ProgramEvent): void;
  /** The program is about to read the terminal, and waits. Returns the text typed before, which it reads first. */
  onReadsInput(): string;
}
