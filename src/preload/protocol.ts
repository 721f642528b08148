/**
 * The protocol between devwatch and the preload inside a Node program. Orders are JSON in the variable DEVWATCH_CHANNEL,
 * or are sent while the program runs; messages are JSON objects, one per line, on the channel.
 */

/** A file of a package that the program itself asked for. */
export interface PackageEntry {
  /** Absolute path. */
  readonly file: string;
  /** The file of the program that asked for it; undefined if an ES module did. */
  readonly parent?: string | undefined;
  readonly kind: 'require' | 'import';
  /** It changes what lies outside of it. */
  readonly hasEffects?: boolean;
  /** Files of other packages whose exports it changes. */
  readonly touches?: readonly string[];
  /** It depends on the working folder; undefined if that is not known. */
  readonly readsFolder?: boolean | undefined;
  /** Folders of packages that it calls while it is loaded. */
  readonly calls?: readonly string[];
  /** A function of a package has asked for it: `parent` is a file of a package, which had been loaded. */
  readonly isLate?: boolean | undefined;
  /** The program may have it only if it has been linked before anything was evaluated. */
  readonly mustBeLinkedFirst?: boolean;
}

/** ES modules that Node links for a program. */
export interface ModulePackages {
  /** Files of the program. */
  readonly own: readonly string[];
  /** Names of the packages that they import, as compiled. */
  readonly asked: readonly string[];
  /** Names of the packages that have ES modules. */
  readonly names: readonly string[];
  /** Those of them that may load, and change, what is no ES module. */
  readonly acting: readonly string[];
  /** Names of the packages that ES modules of packages import. */
  readonly needed: readonly string[];
}

/** Packages to load ahead of time; see packages/packages.cts. */
export interface PackageOrders {
  /** The program's script, absolute. */
  readonly script: string;
  readonly isCommonJs: boolean;
  /** In the order in which the last run asked for them. */
  readonly entries: readonly PackageEntry[];
  /** Files of ES modules to link without evaluating them: what they import comes first. */
  readonly modules: readonly string[];
  /** Variables that the last run has set, or deleted (null). */
  readonly variables: Readonly<Record<string, string | null>>;
  /** Properties that the program itself changes before it asks for packages. */
  readonly learned: readonly string[];
  /** Find out everything about the packages. The process is ended afterwards. */
  readonly isAudit: boolean;
}

/** The result of loading an entry ahead of time. */
export interface EntryReport {
  readonly file: string;
  readonly ms: number;
  /** All files that were loaded for it. */
  readonly files: readonly string[];
  /** Reasons not to hand it over to the program. */
  readonly blames: readonly { readonly file: string; readonly why: string }[];
  readonly hasEffects: boolean;
  /** Names of the things outside of it that it changes. */
  readonly effects: readonly string[];
  readonly touches: readonly string[];
  /** All that it changes is what other files export. */
  readonly changesOnlyExports?: boolean;
  /** It adds to its own package, of which the program has asked for another file before: `moment/locale/de`. */
  readonly isExtension?: boolean;
  /** Folders of packages, loaded before it, whose functions it calls while it is loaded. Only from an audit. */
  readonly calls?: readonly string[];
  /** It asks for the working folder while it is loaded; undefined if that is not known. */
  readonly readsFolder?: boolean | undefined;
  /** Names of its exports that cannot be read without running code; `*` stands for all. */
  readonly accessors?: readonly string[];
  /** Names of the variables that it reads. */
  readonly variables: readonly string[];
  /** It cannot be loaded a second time in the same process. */
  readonly isIncurable: boolean;
  /** It has changed something for good that the program would find without it: the process is of no use. */
  readonly isRuinous: boolean;
}

/** A file of the program itself that was loaded as a CommonJS module. */
export interface OwnFile {
  readonly file: string;
  /** The file that asked for it first. */
  readonly parent?: string | undefined;
  /** The number of entries that were loaded before. */
  readonly entriesBefore: number;
}

/** The files that a run has loaded when it has settled. */
export interface LoadFacts {
  readonly isCommonJs: boolean;
  readonly entries: readonly PackageEntry[];
  /** Files that functions of packages have asked for. */
  readonly late?: readonly PackageEntry[];
  readonly variables: Readonly<Record<string, string | null>>;
  /** Files of the program itself, in order. */
  readonly own: readonly OwnFile[];
  /**
   * From a standby with packages: how many files the program has taken over, which of them it has asked for itself, and why
   * it has loaded others itself.
   */
  readonly adopted?: number | undefined;
  readonly handedOver?: readonly string[] | undefined;
  readonly cold?: readonly string[] | undefined;
  /** Variables that had other values when the program has asked for packages than ahead of time. */
  readonly differed?: readonly string[] | undefined;
  readonly learned?: readonly string[] | undefined;
}

export interface LaunchOrders {
  /** The descriptor of the channel. */
  readonly channel: number;
  /** The pid of the parent process while devwatch lives. */
  readonly parent: number;
  /** Wait for a line before anything of the user runs: devwatch is about to start its guardian. */
  readonly isHeld: boolean;
  /** stdin is the terminal that devwatch reads as well. */
  readonly sharesTerminal: boolean;
  /** Report which of its own files the program loads. */
  readonly reportLoads: boolean;
  /** Report which packages the program has loaded when it has settled. */
  readonly reportPackages: boolean;
  /** The value of NODE_OPTIONS for the program, whose preloads devwatch has moved to the command line. */
  readonly nodeOptions?: string | undefined;
  /** Name the children when the program ends, and wait until devwatch has ended them. */
  readonly namesChildren: boolean;
  /** A folder for Node's compile cache; undefined if the program has its own, or Node has none. */
  readonly compileCache?: string | undefined;
  /** Keep the program's sockets through restarts; see held-ports.cts. */
  readonly hold?: HoldOrders | undefined;
  /** Wait, booted, for the release; see parking.cts. */
  readonly park?: ParkOrders | undefined;
}

export interface ParkOrders {
  /** `here`: in the preload. `later`: in park.cjs or park.mjs, which are loaded after the program's loaders. */
  readonly where: 'here' | 'later';
  /** Files to compile first, if the program is TypeScript: the first use of a compiler takes longest. */
  readonly samples: readonly string[];
}

/** The answer for which a parked process waits: load packages and wait again, or become the next run. */
export type ParkAnswer = Release | { readonly packages: PackageOrders };

/** The answer between two packages: go on, or become the next run with what is there. */
export type LoadingAnswer = Release | { readonly next: true };

/** The answer for which a standby waits: it becomes the next run. */
export interface Release {
  /** The run's own variables. */
  readonly variables: Readonly<Record<string, string>>;
  /** The sockets of the run before. */
  readonly held: readonly HeldSocket[];
  /** Files of packages that have changed since they were loaded. */
  readonly changedFiles?: readonly string[] | undefined;
  /** Why no package may be handed over to this run. */
  readonly dropsPackages?: string | undefined;
}

export interface HoldOrders {
  /** The descriptor of a pipe for messages to the preload; undefined if the program has an IPC channel. */
  readonly descriptor?: number | undefined;
  /** Send duplicates of the program's sockets into slots. */
  readonly keeps: boolean;
  /** devwatch will check by pings whether the event loop is blocked. */
  readonly isPinged: boolean;
  /** devwatch asks the program to end by a message, because the system has no signals. */
  readonly isAsked: boolean;
  /** Refuse connections of the program itself to sockets on which it does not listen yet. */
  readonly refusesConnections: boolean;
  readonly slots: readonly SlotEnds[];
  /** The sockets of the run before. A standby receives them with its release. */
  readonly held: readonly HeldSocket[];
  readonly activated: readonly ActivatedSocket[];
}

/** The descriptors of a slot in the program (process/sockets/slots.ts). */
export interface SlotEnds {
  readonly into: number;
  readonly out: number;
}

/** Stop accepting connections, and answer the requests in flight. A second one only changes the deadline. */
export interface Drain {
  /** The deadline, in ms of the system's monotonic clock, as `process.hrtime` counts. */
  readonly until: number;
  /**
   * The signal that the process sends to itself when it is drained before the deadline, which saves the 0.2 to 1 ms of a
   * message to devwatch. Undefined if devwatch terminates the program in another way.
   */
  readonly signal?: NodeJS.Signals | undefined;
}

/** A listening socket that is passed from run to run. */
export interface HeldSocket {
  readonly id: string;
  /** The arguments of `listen`: address type, address, port and flags. */
  readonly key: string;
  /** Index of the slot in which it waits. */
  readonly slot: number;
  /** Node's own name for the socket. */
  readonly connectionKey?: string | undefined;
  /** Device and inode of a Unix socket's file. */
  readonly path?: string | undefined;
  /** Undefined for a Unix socket. */
  readonly name?: SocketName | undefined;
  /** In the run before, time from the first server to this one, and from the begin of the program, in ms. */
  readonly lagMs?: number | undefined;
  readonly ageMs?: number | undefined;
}

/** The address of a TCP socket, as `server.address()` returns it. */
export interface SocketName {
  readonly address: string;
  readonly family: string;
  readonly port: number;
}

/** A socket that a service manager opened: for any server on this port or path, and never released. */
export interface ActivatedSocket {
  readonly id: string;
  readonly descriptor: number;
  readonly port?: number | undefined;
  /** Device and inode of a Unix socket's file. */
  readonly path?: string | undefined;
}

/** The facts about a server from which its address, and its role, follow. */
export interface ServerFacts {
  readonly port?: number | undefined;
  readonly host?: string | undefined;
  /** Undefined for a server that is not known to serve HTTP. */
  readonly protocol?: 'http' | 'https' | undefined;
  readonly role?: ServerRole | undefined;
}

/** Facts about an error that nothing in the program has caught. */
export interface UncaughtError {
  /** Another run would fail in the same way: a file is wrong or missing, or the program has an error. */
  readonly fault?: 'defect' | 'uncaught-error' | undefined;
  /** The module that could not be found, as the program named it, and the file that did. */
  readonly missing?: { readonly request: string; readonly from?: string } | undefined;
  /** It was thrown by a write to a pipe or a socket that has no reader. */
  readonly isBrokenPipe?: boolean | undefined;
  /** Node itself cannot run the program's TypeScript. */
  readonly needsLoader?: boolean;
  /** The error, and those that it names as its causes. */
  readonly thrown?: readonly ThrownValue[] | undefined;
}

/** An error, or another value that was thrown. Long texts are cut. */
export interface ThrownValue {
  /** Empty if the value is not an error. */
  readonly name: string;
  /** A description of the value if it is not an error. */
  readonly message: string;
  readonly stack: string;
}

/** The work that keeps a program alive which has been asked to end, as far as Node shows it. */
export interface OpenWork {
  /** Ports of servers that are not closed. */
  readonly servers: readonly number[];
  /** Numbers of responses that are not complete: event streams, and others. */
  readonly eventStreams: number;
  readonly responses: number;
  readonly webSockets: number;
  /** The number of other connections that the program has accepted. */
  readonly connections: number;
  /** Addresses to which the program is connected. */
  readonly remotes: readonly string[];
  readonly readsStdin: boolean;
  readonly timers: number;
}

/**
 * Facts about a server that help to find the program's own one: its port is `named` by PORT or by an argument of the
 * program; it is `auxiliary`, because it only upgrades to WebSockets or does not keep the program alive; PORT names
 * an `other` port than its own.
 */
export type ServerRole = 'named' | 'auxiliary' | 'other';

/** A package that does not fit the program. */
export interface Misfit {
  readonly file: string;
  readonly why: string;
  readonly learned: readonly string[];
}

/** A message from the preload to devwatch. */
export type PreloadMessage = Readonly<
  /** The program's own code begins. */
  | { type: 'begins' }
  /** The program is about to read the terminal. It waits for the text that was typed before. */
  | { type: 'reads-stdin' }
  /** The program no longer reads the terminal: a child of it did, and has exited. */
  | { type: 'leaves-stdin' }
  /** The program loads this file (absolute), or would if the file existed. */
  | { type: 'loads'; file: string }
  /** The program has settled. */
  | { type: 'facts'; facts: LoadFacts }
  /** The process is booted and waits for its release; it has loaded these files (absolute). */
  | { type: 'parked'; files: readonly string[] }
  /** The parked process is about to load the entry of this index, or to link ES modules, and waits for an answer. */
  | { type: 'loading'; index: number }
  | { type: 'loaded'; index: number; report: EntryReport }
  /** ES modules have been linked. `files`: CommonJS modules that Node has read for them. */
  | { type: 'linked'; index: number; files: readonly string[] }
  /**
   * An audit has ended. `tainted`: entries that need a file which cannot be handed over; `imported`: those that need an ES
   * module which the program imports as well; `needs`: for each entry those whose files it needs; `modules`: files of packages that are ES modules, undefined if they could not
   * be found.
   */
  | {
      type: 'audited';
      tainted: readonly string[];
      imported?: readonly string[] | undefined;
      needs?: Readonly<Record<string, readonly string[]>>;
      modules?: readonly string[] | undefined;
      modulePackages?: ModulePackages | undefined;
    }
  /**
   * The program asks for a package that is not valid for it, and cannot be loaded again. The process waits for its end.
   * `file`: that the package was loaded for; `learned`: properties that the program has changed before.
   */
  | ({ type: 'misfit' } & Misfit)
  /**
   * The program listens on the socket `id`: on a port, or at the path of a Unix socket. `host` is an address, or
   * undefined for all of them.
   */
  | ({ type: 'listens'; id: string; key: string; path?: string | undefined } & ServerFacts)
  /** devwatch holds this socket of the program from now on. */
  | { type: 'holds'; socket: HeldSocket }
  /** The program has closed a server. Its socket is no longer held. */
  | { type: 'closes'; id: string }
  /** The program has no use for a socket of the run before, which is no longer held. */
  | { type: 'unclaimed'; id: string }
  /** The answer to the question what keeps the program alive. */
  | { type: 'open-work'; work: OpenWork }
  /** The program has ended; its process may wait until the debugger disconnects. */
  | { type: 'ended' }
  /** The drain has ended. `signalsItself`: the process sends itself the stop signal. */
  | { type: 'drained'; signalsItself: boolean }
  /** The program ends, and waits until these children of it are dead. */
  | { type: 'leaves'; pids: readonly number[] }
  /** The program cannot receive messages while it runs. */
  | { type: 'deaf' }
  /** The event loop answers the ping of this number. */
  | { type: 'pong'; ping: number }
  /** Another process listens on this port. The program crashes from that, unless it handles the error. */
  | { type: 'address-in-use'; port: number; isHandled?: boolean }
  /** An error was not caught. The program ends with it, unless it has a handler for all errors and goes on. */
  | ({ type: 'uncaught' } & UncaughtError)
>;

/** The channel to devwatch, for the parts of the preload. */
export interface Channel {
  send(message: PreloadMessage): void;
  /** Sends a message, and waits for the answer. Returns undefined if devwatch is gone. */
  request<Answer>(message: PreloadMessage): Answer | undefined;
}
