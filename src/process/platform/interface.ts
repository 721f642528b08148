/** The interface of an operating system, as devwatch needs it. Each system has a file beside this one; `../platform.ts` chooses. */

import type { PortHolder } from '../../shared/events.ts';
import type { NativeEvents } from '../../shared/native-events.ts';
import type { Mount } from '../../watch/shared-mounts.ts';
import type { GitProcess } from '../git-processes.ts';
import type { Keep } from '../tree/exemptions.ts';
import type { Containment, ContainmentRecord, ProcessTree } from '../tree/tree.ts';

export interface Platform {
  readonly name: NodeJS.Platform;
  /** Its name in messages. */
  readonly title: string;
  /** All but Windows: signals, sessions, file modes and /bin/sh. */
  readonly isPosix: boolean;
  /** Names of files are found in upper and lower case alike, on most disks. */
  readonly ignoresCase: boolean;
  readonly processes: ProcessFacts;
  readonly trees: TreeFacts;
  readonly programs: ProgramFacts;
  readonly usage: UsageFacts;
  readonly terminal: TerminalFacts;
  readonly sockets: SocketFacts;
  readonly output: OutputFacts;
  readonly service: ServiceFacts;
  readonly watching: WatchingFacts;
}

/** Processes other than the members of a tree. */
export interface ProcessFacts {
  /** Returns why processes cannot be found here, and what to do; undefined if they can. */
  obstacle(): string | undefined;
  /** Returns an id that differs after every boot; empty where it is unknown. */
  bootId(): string;
  /**
   * Returns the start time of the process with this pid, as text that no other process with the pid has; undefined if
   * there is none, or only a zombie. @throws Error if that cannot be determined
   */
  startTimeOf(pid: number): string | undefined;
  /** Returns the process groups of those of these processes for which they are known. */
  groupsOf(pids: readonly number[]): ReadonlyMap<number, number>;
  /** Whether a process has been stopped by SIGSTOP or SIGTSTP; false where that is unknown. */
  isStopped(pid: number): boolean;
  /** Whether a SIGCHLD that has just arrived is that of a command which has answered one of these questions. */
  isOwnChildSignal(): boolean;
  /** Whether a process is in the session of this leader; true where that is unknown. */
  isInSession(pid: number, leader: number): boolean;
  /** Returns the variables with which this process was started, each followed by a NUL; undefined where Node has changed them. */
  initialVariables(): string | undefined;
  /** Yields the running git commands that change files and do not wait for a person; none where processes cannot be looked into. */
  gitCommands(): Iterable<GitProcess>;
  /** Returns the git command that a process runs, if it is such a one. */
  gitCommandOf(pid: number): GitProcess | undefined;
  /** Returns how many files this process may open at once; Infinity where that is unknown. */
  openFileLimit(): number;
  /** Returns the descriptors of this process that its children inherit; none where they cannot be listed. */
  inheritableDescriptors(): readonly number[];
}

/** Which processes belong to a program, and how they are found. */
export interface TreeFacts {
  /**
   * `marks`: by a cgroup, or by marks that all processes inherit. `variables`: by parents, and by a variable that the
   * programs of the system itself hide. `parents`: by parents alone. What is not marked is lost when the processes in
   * between have ended.
   */
  readonly finding: 'marks' | 'variables' | 'parents';
  /**
   * Makes the programs of this devwatch recognisable.
   *
   * @param keep the processes that may outlive the program; see tree/exemptions.ts
   */
  contain(keep: Keep, mayUseCgroup: boolean): Containment;
  /** Opens everything that another devwatch, dead by now, contained; none where it cannot be found. */
  openOrphans(record: ContainmentRecord, keep: Keep): ProcessTree[];
  /** The guardian executes Node from a descriptor, which outlives the file, or from its file; or there is none. */
  readonly guardian: 'from descriptors' | 'from files' | 'none';
}

/** How running programs are reached. */
export interface ProgramFacts {
  /**
   * Programs can be sent signals. Elsewhere a Node program is asked to end by a message, all others are ended by force.
   */
  readonly hasSignals: boolean;
  /**
   * The descriptor for messages to a Node program without an IPC channel: `ipc`: Node's own IPC, which writes plain
   * lines; `pipe`: a plain pipe, because IPC has a format of its own.
   */
  readonly messages: 'ipc' | 'pipe';
  /** A Node program that ends names its children, which nobody could find afterwards. */
  readonly namesChildren: boolean;
}

/** Memory, CPU time and writes of processes. */
export interface UsageFacts {
  /** Whether `memoryOf` is known here. */
  readonly measuresMemory: boolean;
  /** Returns the resident memory of processes in bytes, what several share once; undefined where it is unknown. */
  memoryOf(pids: readonly number[]): number | undefined;
  /** Returns the CPU time in ms that processes and their ended children have used; undefined where it is unknown. */
  cpuTimeOf(pids: readonly number[]): number | undefined;
  /** Returns the bytes that processes and their ended children have written to files; undefined where that is unknown. */
  writtenBy(pids: readonly number[]): number | undefined;
  /** Returns the bytes that ended children of this process have written to files; undefined where that is unknown. */
  writtenByEndedChildren(): number | undefined;
  /** Whether as much memory is available as a second process like this one may need; true where that is unknown. */
  hasMemoryFor(pid: number): boolean;
}

export interface TerminalFacts {
  /** Returns the process group of this process, and the foreground one of its terminal; undefined where that is unknown. */
  groups(): { readonly own: number; readonly foreground: number } | undefined;
}

export interface SocketFacts {
  /** Sockets can be passed to other processes, and wait in flight between them. */
  readonly canPass: boolean;
  /** A listening socket that several processes have open can be made to refuse connections. */
  readonly canRefuse: boolean;
  /** Longest path of a socket in bytes (size of `sun_path`, less the final NUL). Node 20 truncates longer ones silently. */
  readonly maxPathBytes: number;
  /** Returns an address for a server that exists for a moment. @throws Error if there is no place for one */
  momentaryAddress(): MomentaryAddress;
  /** Describes the processes that listen on a TCP port, without children that have inherited the socket; none where they are unknown. */
  holdersOf(port: number): PortHolder[];
  /** Returns the TCP sockets that processes have open; none where they are unknown. */
  tcpSocketsOf(pids: readonly number[]): readonly TcpSocket[];
}

/** The address of a server to which only this process connects. */
export interface MomentaryAddress {
  readonly name: string;
  /** A secret by which our own connections are recognized, where others can connect; else empty. */
  readonly token: string;
  remove(): void;
}

export interface TcpSocket {
  readonly host: string;
  readonly port: number;
  readonly state: 'listening' | 'connected' | 'other';
}

export interface OutputFacts {
  /** Only a named pipe can be opened as /dev/stderr: the sockets that Node makes for output cannot. */
  readonly needsNamedPipes: boolean;
  /** Returns the stream of devwatch that nothing reads any more; undefined if both are read, or if that is unknown. */
  unreadStream(): 'stdout' | 'stderr' | undefined;
}

export interface ServiceFacts {
  /** The service manager that can run devwatch at boot. */
  readonly manager: 'systemd' | 'launchd' | undefined;
}

export interface WatchingFacts {
  /** Returns how changes of files are reported; undefined where devwatch does not know it. */
  events(): NativeEvents | undefined;
  /**
   * A subscription to a folder far above brings only the events of that folder, and leaves it movable. On macOS it brings
   * those of everything below as well, and on Windows it locks the folders above.
   */
  readonly reportsFolders: boolean;
  /** Returns the mounted file systems, in the order in which they were mounted; undefined where `watch/` reads them from /proc. */
  mounts(): readonly Mount[] | undefined;
  /** Returns how many watches and instances of inotify this user has, as far as that is known. */
  inotifyUse(): { readonly watches: number; readonly instances: number };
}
