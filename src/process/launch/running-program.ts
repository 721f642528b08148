/** A run of a program, from its start until its process tree is gone. */

import fs from 'node:fs';
import type { PreloadMessage } from '../../preload/messages.ts';
import type { PackageFile } from '../../preload/orders.ts';
import type { CancelTimer, Clock } from '../../shared/clock.ts';
import { codeOf, messageOf } from '../../shared/errors.ts';
import type { StopStage } from '../../shared/events.ts';
import type { HeldPorts } from '../sockets/held-ports.ts';
import { Termination } from '../tree/terminate.ts';
import { treeCpuTime, treeMemory } from '../tree/usage.ts';
import type { Child } from './child.ts';
import { relayMessages } from './ipc-relay.ts';
import type { LaunchOptions } from './launch-options.ts';
import { forwardOutput, type Output } from './output.ts';
import type { ProgramListener } from './program-events.ts';
import type { TerminalModes } from './tty.ts';

/** A started program. */
export interface RunningProgram {
  /** Undefined when it could not be started. */
  readonly pid: number | undefined;
  /** A standby became this run. */
  readonly fromStandby: boolean;
  /** Terminates the whole tree, or escalates its termination to a further stage. */
  end(stage: StopStage): void;
  /** Sends a signal to the root process, or to every process of the tree. */
  signal(name: NodeJS.Signals, to: 'root' | 'tree'): void;
  /** Calls back when the program's event loop answers; returns false if it cannot be pinged. */
  ping(onAnswer: () => void): boolean;
  /** Resident memory of the tree in bytes; undefined where it is unknown. */
  memory(): number | undefined;
  /** CPU time used by the tree so far, in ms; undefined where it is unknown. */
  cpu(): number | undefined;
  /** Writes to a piped stdin; null ends it. `done`: the pipe took the chunk, or it is lost because the reader is gone. */
  write(chunk: string | Buffer | null, done?: (isLost: boolean) => void): void;
}

export interface ProgramContext {
  readonly child: Child;
  readonly fromStandby: boolean;
  readonly options: LaunchOptions;
  readonly listener: ProgramListener;
  readonly clock: Clock;
  readonly modes: TerminalModes;
  readonly heldPorts: HeldPorts;
  /** Receives the captured output. */
  readonly output: Output | undefined;
  /** The program loads a file of a package. */
  readonly onPackage: (item: PackageFile) => void;
  /** The program begins to read the terminal. */
  readonly onReadsTerminal: () => void;
  /** The program does not use a held socket any more. Resolves when no duplicate of it is left. */
  readonly onSocketReleased: (id: string) => Promise<void>;
  /** The output is captured; `forwarded` resolves at its end. */
  readonly onCapture: (forwarded: Promise<void>) => void;
}

export class ContainedProgram implements RunningProgram {
  readonly #context: ProgramContext;
  /** The program may have changed the terminal's modes; programs other than Node do not report that. */
  #mayChangeModes: boolean;
  #hasExited = false;
  #termination: Termination | undefined;
  /** Set while requests in flight are answered, before the termination. */
  #cancelDrain: CancelTimer | undefined;
  /** Ids of the held sockets that the program listens on, and of those that it has ever listened on. */
  readonly #listening = new Set<string>();
  readonly #listened = new Set<string>();
  /** The port that another process has, and that the program has not replaced by one of its own since. */
  #wantedPort: number | undefined;
  #cannotReceive = false;
  #ping: { readonly number: number; readonly onAnswer: () => void } | undefined;

  constructor(context: ProgramContext) {
    const { child, options, listener, output, onCapture } = context;
    this.#context = context;
    this.#mayChangeModes = child.hasDoubtfulModes;
    child.receive((message) => this.#onMessage(message));
    child.process.on('message', (message) => listener.onEvent({ type: 'message', message }));
    if (options.capturesOutput) {
      onCapture(forwardOutput(child.output, (chunk) => listener.onEvent({ type: 'output', chunk }), output));
    }
    const endRelay = options.relay ? relayMessages(child.process) : () => {};
    child.process.once('exit', (code, signal) => {
      endRelay();
      this.#onExit(code, signal);
    });
  }

  get pid(): number {
    return this.#context.child.pid;
  }

  get fromStandby(): boolean {
    return this.#context.fromStandby;
  }

  end(stage: StopStage): void {
    this.#endDrain();
    if (stage === 'terminating' && this.#beginDrain()) return;
    this.#termination ??= this.#createTermination();
    this.#termination.escalate(stage);
  }

  signal(name: NodeJS.Signals, to: 'root' | 'tree'): void {
    const { process: root, tree } = this.#context.child;
    if (to === 'tree') for (const member of tree.scan().members) tree.signal(member, name);
    else if (!this.#hasExited) root.kill(name);
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

  write(chunk: string | Buffer | null, done: (isLost: boolean) => void = () => {}): void {
    const { stdin } = this.#context.child.process;
    if (stdin === null) done(false);
    else if (chunk === null) stdin.end();
    else stdin.write(chunk, (error) => done(error instanceof Error));
  }

  #onMessage(message: PreloadMessage): void {
    const { child, listener, onPackage, onReadsTerminal, onSocketReleased } = this.#context;
    switch (message.type) {
      case 'reads-stdin':
        this.#mayChangeModes = true;
        onReadsTerminal();
        child.answer(listener.onReadsInput());
        return;
      case 'leaves-stdin':
        listener.onEvent({ type: 'leavesInput' });
        return;
      case 'begins':
        listener.onEvent({ type: 'begin' });
        return;
      case 'loads':
        listener.onEvent({ type: 'load', file: message.file });
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
        listener.onEvent({ type: 'listens', port: message.port });
        return;
      case 'unhold':
        this.#listening.delete(message.id);
        void onSocketReleased(message.id).then(() => child.answer(true));
        return;
      case 'unclaimed':
        void onSocketReleased(message.id);
        return;
      case 'drained':
        this.#endDrain();
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
    const { heldPorts, listener } = this.#context;
    this.#hasExited = true;
    if (this.#termination === undefined) {
      // The program ended by itself, and no termination may follow for long.
      this.#restoreModes();
      if (this.#wantedPort !== undefined) this.#onPortTaken(this.#wantedPort);
      heldPorts.runEnded(this.#listened);
    }
    listener.onEvent({ type: 'exit', outcome: { code, signal } });
    this.#endDrain();
    this.#termination?.rootExited();
  }

  /** devwatch itself may hold the port: it closes its socket, and the next run can listen. */
  #onPortTaken(port: number): void {
    const { heldPorts, listener } = this.#context;
    if (!heldPorts.closeUnused(port, this.#listened)) listener.onEvent({ type: 'portTaken', port });
  }

  /** Lets the program answer the requests in flight before it is terminated; returns false if that is not possible. */
  #beginDrain(): boolean {
    const { child, clock, heldPorts, options } = this.#context;
    if (this.#termination !== undefined || this.#hasExited || this.#listening.size === 0) return false;
    if (!options.hold || options.drain === 0 || heldPorts.all.length === 0) return false;
    if (!child.send({ drainMs: options.drain })) return false;
    this.#cancelDrain = clock.after(options.drain, () => this.#endDrain());
    return true;
  }

  /** Begins the termination that a drain has delayed. */
  #endDrain(): void {
    if (this.#cancelDrain === undefined) return;
    this.#cancelDrain();
    this.#cancelDrain = undefined;
    this.#termination = this.#createTermination();
    this.#termination.escalate('terminating');
  }

  #createTermination(): Termination {
    const { child, options, clock, listener } = this.#context;
    const { pid, tree, process: root } = child;
    const { signal } = options;
    const ask = (): void => {
      root.send('shutdown');
    };
    return new Termination({
      tree,
      signal: signal === 'message' ? 'SIGTERM' : signal,
      askRoot: signal === 'message' && root.connected ? { pid, ask } : undefined,
      clock,
      onGone: (survivors) => {
        this.#restoreModes();
        listener.onEvent({ type: 'gone', survivors });
      },
    });
  }

  #restoreModes(): void {
    if (this.#mayChangeModes) this.#context.modes.restore();
  }
}

/** Stands for a program that could not be started. Its tree is gone as soon as it is terminated. */
export function unstartedProgram(
  failure: Promise<unknown>,
  options: LaunchOptions,
  listener: ProgramListener,
): RunningProgram {
  void failure.then((error) => {
    const outcome = { code: null, signal: null, error: describeStartError(error, options) };
    listener.onEvent({ type: 'exit', outcome });
  });
  return {
    pid: undefined,
    fromStandby: false,
    end: () => listener.onEvent({ type: 'gone', survivors: [] }),
    signal: () => {},
    ping: () => false,
    memory: () => undefined,
    cpu: () => undefined,
    write: () => {},
  };
}

function describeStartError(error: unknown, { command: { file }, folder }: LaunchOptions): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return `cannot be started: ${fs.existsSync(file) ? folder : file} is missing`;
    case 'EACCES':
      return `cannot be started: ${file} may not be executed`;
    default:
      return `cannot be started: ${messageOf(error)}`;
  }
}
