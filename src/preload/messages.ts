import type { PackageFile } from './orders.ts';

/** A message from the preload inside a Node program to devwatch: one JSON object a line on the channel. */
export type PreloadMessage =
  /** The program's own code begins. */
  | { readonly type: 'begins' }
  /** The program is about to read the terminal. It waits for the text that was typed before. */
  | { readonly type: 'reads-stdin' }
  /** The program no longer reads the terminal: a child of it did, and has exited. */
  | { readonly type: 'leaves-stdin' }
  /** The program loads this file (absolute), or would if the file existed. */
  | { readonly type: 'loads'; readonly file: string }
  /** A file of the program's own loads this file of a package (absolute). */
  | ({ readonly type: 'package' } & PackageFile)
  /** The process is booted and waits for its release; it has loaded these files (absolute). */
  | { readonly type: 'parked'; readonly files: readonly string[] }
  /** A package could not be loaded ahead of time; the process ends. */
  | { readonly type: 'prewarm-failed'; readonly file: string; readonly message: string }
  /** The program listens on the socket `id`: on a port, or at the path of a Unix socket. */
  | { readonly type: 'listens'; readonly id: string; readonly port?: number; readonly path?: string }
  /** The program has no use for an inherited socket. */
  | { readonly type: 'unclaimed'; readonly id: string }
  /** The program closes a socket. It waits until devwatch has closed its duplicate. */
  | { readonly type: 'unhold'; readonly id: string }
  /** The requests in flight have been answered. */
  | { readonly type: 'drained' }
  /** The program cannot receive messages while it runs. */
  | { readonly type: 'deaf' }
  /** The event loop answers the ping of this number. */
  | { readonly type: 'pong'; readonly ping: number }
  /** Another process listens on this port. The program crashes from that, unless it handles the error. */
  | { readonly type: 'address-in-use'; readonly port: number; readonly isHandled?: boolean };
