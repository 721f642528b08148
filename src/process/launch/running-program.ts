/** A run of a program, from its start until its process tree is gone. */

import type { ChildProcess, SendHandle, Serializable } from 'node:child_process';
import type { Drain, PackageFile, PreloadMessage, UncaughtError } from '../../preload/protocol.ts';
import { type CancelTimer, systemClock } from '../../shared/clock.ts';
import { describeOutcome, type Fault, type Outcome, type StopStage, type Survivor } from '../../shared/events.ts';
import type { Server } from '../../shared/server.ts';
import type { HeldPorts } from '../sockets/held-ports.ts';
import { serverOf } from '../sockets/server.ts';
import { readStat } from '../tree/proc.ts';
import { Termination } from '../tree/terminate.ts';
import { TreeWrites, treeCpuTime, treeMemory } from '../tree/usage.ts';
import type { Child, LaunchOptions } from './child.ts';
import type { LauncherOptions } from './launcher.ts';
import { forwardOutput, type OutputStreams } from './output.ts';
import { findUnreadStream } from './readers.ts';

/** An event of one run of a program. */
export type ProgramEvent =
  | Extract<PreloadMessage, { type: 'begins' | 'leaves-stdin' | 'loads' | 'prewarm-failed' }>
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
  /** A standby is ready for the next run. */
  | { readonly type: 'standby'; readonly pid: number }
  /** After `end`: the tree is gone, except for `survivors`. Emitted at most once. */
  | { readonly type: 'gone'; readonly survivors: readonly Survivor[] };

interface EndFacts {
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
  /** Resident memory of the tree in bytes; undefined where it is unknown. */
  memory(): number | undefined;
  /** CPU time used by the tree so far, in ms; undefined where it is unknown. */
  cpu(): number | undefined;
  /** Bytes that the tree has written to files since it became this run; undefined where that is unknown. */
  written(): number | undefined;
  /** Writes to a piped stdin; null ends it. `done`: the pipe took the chunk, or it is lost because the reader is gone. */
  write(chunk: string | Buffer | null, done?: (isLost: boolean) => void): void;
}

export interface ProgramContext extends Pick<LauncherOptions, 'clock' | 'modes' | 'output'> {
  readonly child: Child;
  readonly fromStandby: boolean;
  readonly options: LaunchOptions;
  readonly listener: ProgramListener;
  readonly heldPorts: HeldPorts;
  /** Captured output of the run before. */
  readonly previousOutput?: OutputStreams | undefined;
  /** The program loads a file of a package. */
  readonly onPackage: (item: PackageFile) => void;
  /** Finds a stream of devwatch that has no reader; tests replace it. */
  readonly findUnread?: typeof findUnreadStream;
}

/** A program that handles all errors may take this long to write its log before it exits. */
const maxErrorToExitMs = 3000;
/** Additional time for a drain, in ms: the report of a program that was drained just in time arrives later. */
const drainSlackMs = 30;

export class ContainedProgram implements RunningProgram {
  readonly pid: number;
  readonly fromStandby: boolean;
  /** Resolves when the captured output has been forwarded to its end. */
  readonly forwarded: Promise<void>;
  /** The program has read the terminal, and may have changed its modes. */
  hasReadTerminal = false;
  readonly #context: ProgramContext;
  #hasExited = false;
  #isInterrupted = false;
  #termination: Termination | undefined;
  /** Set while requests in flight are answered, before the termination. */
  #cancelDrain: CancelTimer | undefined;
  /** Ids of the held sockets that the program listens on, and of those that it has ever listened on. */
  readonly #listening = new Set<string>();
  readonly #listened = new Set<string>();
  #beganAt: number | undefined;
  #firstListenedAt: number | undefined;
  /** The port that another process has, and that the program has not replaced by one of its own since. */
  #wantedPort: number | undefined;
  /** The latest error that the program has not caught. */
  #uncaught: { readonly error: UncaughtError; readonly at: number } | undefined;
  #cannotReceive = false;
  #writes: TreeWrites | undefined;
  #ping: { readonly number: number; readonly onAnswer: () => void } | undefined;

  constructor(context: ProgramContext) {
    const { child, fromStandby, options, listener, output, previousOutput } = context;
    this.#context = context;
    this.pid = child.pid;
    this.fromStandby = fromStandby;
    child.receive((message) => this.#onMessage(message));
    child.process.on('message', (message) => listener.onEvent({ type: 'message', message }));
    this.forwarded = options.capturesOutput
      ? forwardOutput(child.output, (chunk) => listener.onEvent({ type: 'output', chunk }), output, previousOutput)
      : Promise.resolve();
    if (options.relay) relayMessages(child.process);
    child.process.once('exit', (code, signal) => this.#onExit(code, signal));
  }

  end(stage: StopStage): void {
    if (this.#cancelDrain !== undefined) this.#sendDrain(0);
    this.#endDrain();
    if (stage === 'terminating' && this.#beginDrain()) return;
    this.#terminate(stage);
  }

  signal(name: NodeJS.Signals, to: 'root' | 'tree'): void {
    const { process: root, tree } = this.#context.child;
    if (to === 'tree') for (const member of tree.scan().members) tree.signal(member, name);
    else if (!this.#hasExited) root.kill(name);
  }

  interrupted(): void {
    this.#isInterrupted = true;
    if (this.#hasExited) this.#endOtherGroups();
  }

  #endOtherGroups(): void {
    const { child, options } = this.#context;
    const own = readStat(process.pid)?.group;
    const others = child.tree.scan().members.filter(({ pid }) => readStat(pid)?.group !== own);
    for (const member of others) child.tree.signal(member, options.signal === 'message' ? 'SIGTERM' : options.signal);
  }

  ping(onAnswer: () => void): boolean {
    const number = this.#context.clock.now();
    this.#ping = { number, onAnswer };
    return !this.#cannotReceive && this.#context.child.send({ ping: number });
  }

  memory(): number | undefined {
    return treeMemory(this.#context.child.tree);
  }

  cpu(): number | undefined {
    return treeCpuTime(this.#context.child.tree);
  }

  written(): number | undefined {
    this.#writes ??= new TreeWrites(this.#context.child.tree, this.#context.clock);
    return this.#writes.read();
  }

  write(chunk: string | Buffer | null, done: (isLost: boolean) => void = () => {}): void {
    const { stdin } = this.#context.child.process;
    if (stdin === null) done(false);
    else if (chunk === null) stdin.end();
    else stdin.write(chunk, (error) => done(error instanceof Error));
  }

  #onMessage(message: PreloadMessage): void {
    const { child, clock, heldPorts, listener, onPackage } = this.#context;
    switch (message.type) {
      case 'begins':
        this.#beganAt = clock.now();
        listener.onEvent(message);
        return;
      case 'loads':
      case 'leaves-stdin':
        listener.onEvent(message);
        return;
      case 'reads-stdin':
        this.hasReadTerminal = true;
        child.answer(listener.onReadsInput());
        return;
      case 'package':
        onPackage({ file: message.file, kind: message.kind });
        return;
      case 'address-in-use':
        // A program that handles the error may try another port.
        this.#wantedPort = message.isHandled ? message.port : undefined;
        if (!message.isHandled) this.#onPortTaken(message.port);
        return;
      case 'listens':
        this.#wantedPort = undefined;
        this.#listening.add(message.id);
        this.#listened.add(message.id);
        this.#firstListenedAt ??= clock.now();
        heldPorts.noteTimes(message.id, {
          lagMs: clock.now() - this.#firstListenedAt,
          ageMs: clock.now() - (this.#beganAt ?? clock.now()),
        });
        listener.onEvent({ type: 'listens', server: serverOf(message) });
        return;
      case 'holds':
        heldPorts.hold(message.socket);
        return;
      case 'closes':
        this.#listening.delete(message.id);
        heldPorts.release(message.id);
        listener.onEvent(message);
        return;
      case 'uncaught':
        this.#uncaught = { error: message, at: clock.now() };
        if (message.needsLoader === true) listener.onEvent({ type: 'needs-loader' });
        return;
      case 'unclaimed':
        heldPorts.release(message.id);
        return;
      case 'drained':
        this.#endDrain(message.signalsItself);
        return;
      case 'deaf':
        this.#cannotReceive = true;
        return;
      case 'pong':
        if (this.#ping?.number === message.ping) this.#ping.onAnswer();
        return;
      default: // Only a standby sends the others.
    }
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    const { heldPorts } = this.#context;
    this.#hasExited = true;
    if (this.#isInterrupted) this.#endOtherGroups();
    if (this.#termination === undefined) {
      // The program ended by itself, and no termination may follow for long.
      this.#restoreModes();
      if (this.#wantedPort !== undefined) this.#onPortTaken(this.#wantedPort);
      heldPorts.runEnded(this.#listened);
    }
    this.#reportExit({ code, signal });
    this.#endDrain();
    this.#termination?.scanNow();
  }

  #reportExit(outcome: Outcome): void {
    const { clock, listener, options } = this.#context;
    const report = (facts: EndFacts = {}): void => listener.onEvent({ type: 'exit', outcome, ...facts });
    if (this.#termination !== undefined || outcome.code === 0) report();
    // The exit may be reported before the error that the preload has sent.
    else if (options.command.isNode) clock.soon(() => this.#reportCrash(outcome, this.#recentError));
    else this.#reportCrash(outcome);
  }

  /** @param error not caught by a Node program */
  #reportCrash(outcome: Outcome, error?: UncaughtError): void {
    const { listener, options, findUnread = findUnreadStream } = this.#context;
    const facts: EndFacts = { fault: error?.fault ?? shellFaultOf(outcome), missing: error?.missing };
    const isOtherwiseExplained = facts.fault !== undefined || (error !== undefined && error.isBrokenPipe !== true);
    // devwatch reads captured output to its end.
    const unread = isOtherwiseExplained || options.capturesOutput ? undefined : findUnread();
    if (unread === undefined) listener.onEvent({ type: 'exit', outcome, ...facts });
    else {
      const reason = `the reader of ${unread} has ended, and so has the program (${describeOutcome(outcome)})`;
      listener.onEvent({ type: 'exit', outcome: { ...outcome, reason }, fault: 'unread-output' });
    }
  }

  get #recentError(): UncaughtError | undefined {
    const { error, at = 0 } = this.#uncaught ?? {};
    return this.#context.clock.now() - at < maxErrorToExitMs ? error : undefined;
  }

  /** devwatch itself may hold the port: it closes its socket, and the next run can listen. */
  #onPortTaken(port: number): void {
    const { heldPorts, listener } = this.#context;
    if (!heldPorts.closeUnused(port, this.#listened)) listener.onEvent({ type: 'portTaken', port });
  }

  /** Lets the program answer the requests in flight before it is terminated; returns false if that is not possible. */
  #beginDrain(): boolean {
    const { clock, heldPorts, options } = this.#context;
    if (this.#termination !== undefined || this.#hasExited || this.#listening.size === 0) return false;
    if (!options.hold || options.drain === 0 || heldPorts.isEmpty) return false;
    if (!this.#sendDrain(options.drain)) return false;
    this.#cancelDrain = clock.after(options.drain + drainSlackMs, () => {
      // The report may have arrived in time and not been read.
      this.#cancelDrain = clock.soon(() => this.#endDrain());
    });
    return true;
  }

  #sendDrain(ms: number): boolean {
    const { child, options } = this.#context;
    // The program uses the system's clock, whichever clock devwatch has.
    const until = systemClock.now() + ms;
    const drain: Drain = { until, signal: options.signal === 'message' ? undefined : options.signal };
    return child.send({ drain });
  }

  /** Begins the termination that a drain has delayed. */
  #endDrain(signalsItself = false): void {
    if (this.#cancelDrain === undefined) return;
    this.#cancelDrain();
    this.#cancelDrain = undefined;
    this.#terminate('terminating', signalsItself);
  }

  /** @param isRootAsked the root process sends itself the signal */
  #terminate(stage: StopStage, isRootAsked = false): void {
    const { child, options, clock, listener } = this.#context;
    const { pid, tree, process: root } = child;
    const onGone = (survivors: readonly Survivor[]): void => {
      this.#restoreModes();
      listener.onEvent({ type: 'gone', survivors });
    };
    const signal = options.signal === 'message' ? 'SIGTERM' : options.signal;
    const ask = (): void => void (isRootAsked || root.send('shutdown'));
    const askRoot = isRootAsked || (options.signal === 'message' && root.connected) ? { pid, ask } : undefined;
    this.#termination ??= new Termination({ tree, signal, askRoot, clock, onGone });
    this.#termination.escalate(stage);
  }

  #restoreModes(): void {
    const { child, modes } = this.#context;
    // Programs other than Node do not report that they read the terminal.
    if (child.hasDoubtfulModes || this.hasReadTerminal) modes.restore();
  }
}

/** Relays messages between devwatch's parent and the program, in both directions. */
function relayMessages(child: ChildProcess): void {
  if (process.send === undefined) return;
  const toProgram = (message: Serializable, handle: SendHandle): void => {
    if (child.connected) child.send(message, handle);
  };
  const disconnect = (): void => {
    if (child.connected) child.disconnect();
  };
  child.on('message', (message, handle) => {
    if (process.connected) process.send?.(message, handle);
  });
  process.on('message', toProgram);
  process.on('disconnect', disconnect);
  child.once('exit', () => {
    process.off('message', toProgram);
    process.off('disconnect', disconnect);
  });
}

/** A shell's codes for a command that cannot be executed, and for one that does not exist. */
const shellFaultOf = ({ code }: Outcome): Fault | undefined => (code === 126 || code === 127 ? 'defect' : undefined);
