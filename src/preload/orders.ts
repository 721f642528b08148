/** What devwatch tells the code that runs inside a program, as JSON in the variable DEVWATCH_CHANNEL. */

/** A file of a package, by the way in which the program loads it: there may be one for each. */
export interface PackageFile {
  readonly file: string;
  readonly kind: 'require' | 'import';
}

export interface LaunchOrders {
  /** The descriptor of the channel. */
  readonly channel: number;
  /** The process that this one is a child of, as long as devwatch lives. */
  readonly parent: number;
  /** stdin is the terminal that devwatch has, too. */
  readonly sharesTerminal: boolean;
  /** Report which files of its own the program loads. */
  readonly reportLoads: boolean;
  /** Report which packages it loads. */
  readonly reportPackages: boolean;
  /** A folder for what Node compiles; undefined where the program has one, or Node keeps nothing. */
  readonly compileCache?: string | undefined;
  /** Keep what it listens on through restarts; see hold.cts. */
  readonly hold?: HoldOrders | undefined;
  /** Wait, booted, for the release; see parking.cts. */
  readonly park?: ParkOrders | undefined;
}

export interface ParkOrders {
  /** Here, or where park.cjs or park.mjs stands behind the program's loaders. */
  readonly where: 'here' | 'later';
  /** The program is TypeScript: what compiles it is tried out on these files first, for its first use takes longest. */
  readonly samples: readonly string[];
  /** Packages to load before, in this order. */
  readonly packages: readonly PackageFile[];
}

export interface HoldOrders {
  /** The descriptor of a pipe for handles and for what devwatch says; undefined where the program has an IPC channel of its own. */
  readonly descriptor?: number | undefined;
  /** Its sockets are to outlive it. */
  readonly keeps: boolean;
  /** Its event loop is asked whether it comes round. */
  readonly isPinged: boolean;
  /** What the run before listened on. */
  readonly held: readonly HeldSocket[];
}

/** No connection is to be accepted any more; what is under way is to be answered. Another one changes the time. */
export interface Drain {
  /** Ms of the system's monotonic clock, as `process.hrtime` counts: nobody waits longer. */
  readonly until: number;
  /**
   * To be sent to itself after that, if it comes in time: that saves the way to devwatch and back, of which
   * a restart waits for half a millisecond. Undefined where the program is asked in another way.
   */
  readonly signal?: NodeJS.Signals | undefined;
}

/** A listening socket that one run after the other uses. */
export interface HeldSocket {
  readonly id: string;
  /** What was asked for: address type, address, port and flags. */
  readonly key: string;
  /** Node's own name for it. */
  readonly connectionKey?: string | undefined;
  /** Device and inode of a Unix socket's file. */
  readonly path?: string | undefined;
  /** The port that it has; undefined for a Unix socket. */
  readonly port?: number | undefined;
  /** A service manager has opened it: it is for whoever listens on this port or path, and never let go. */
  readonly isHanded?: boolean | undefined;
  /** The inherited descriptor. */
  readonly descriptor: number;
}
