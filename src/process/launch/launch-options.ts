import type { Command } from './command.ts';

/** How the program is asked to end: by a signal, or by the message `shutdown` over Node's IPC channel. */
export type StopSignal = NodeJS.Signals | 'message';

export interface ChildOptions {
  readonly command: Command;
  readonly folder: string;
  /** The variables, without those that were removed. */
  readonly env: NodeJS.ProcessEnv;
  readonly signal: StopSignal;
  /** `pipe`: the program reads the chunks given to `write`; `ignore`: it reads nothing. */
  readonly stdin: 'inherit' | 'pipe' | 'ignore';
  /** Relays IPC messages between devwatch's parent and a Node program. */
  readonly relay: boolean;
  /** A Node program reports each file of its own that it loads. */
  readonly reportLoads: boolean;
  /** A Node program reports the packages it loads (all, or those named), for standbys to load ahead of time. */
  readonly prewarm: boolean | readonly string[];
  /** A Node program's listening sockets outlive its runs (sockets/held-ports.ts). */
  readonly hold: boolean;
  /** Its event loop is pinged. */
  readonly isPinged: boolean;
  /** The program sends `ready` over Node's IPC channel. */
  readonly sendsReady: boolean;
  /** devwatch reads its output, so the program sees a pipe. */
  readonly capturesOutput: boolean;
}

export interface LaunchOptions extends ChildOptions {
  /** Variables of this run alone. */
  readonly variables: Readonly<Record<string, string>>;
  /** Prepare a standby for the next run when this one has settled, where that is possible. */
  readonly standby: boolean;
  /** Time for the requests in flight to be answered before a restart, in ms, where ports are held. */
  readonly drain: number;
}
