/** A run of a program, from its start until its process tree is gone. */

import type { Drain, LoadFacts, Misfit, OpenWork, PreloadMessage, UncaughtError } from '../../preload/protocol.ts';
import { type CancelTimer, systemClock } from '../../shared/clock.ts';
import { createDeferred } from '../../shared/deferred.ts';
import { describeOutcome, type Outcome, type Remainder, type StopStage, type Survivor } from '../../shared/events.ts';
import { findDebugger } from '../debugger.ts';
import { platform } from '../platform.ts';
import { findRemainder } from '../remainder.ts';
import type { HeldPorts } from '../sockets/held-ports.ts';
import { serverOf } from '../sockets/server.ts';
import { Termination } from '../tree/terminate.ts';
import { TreeWrites, treeCpuTime, treeMemory } from '../tree/usage.ts';
import { askingOf, passSignal } from './asking.ts';
import type { Child, LaunchOptions } from './child.ts';
import { faultOfCode } from './exit-codes.ts';
import type { LauncherOptions } from './launcher.ts';
import { addError } from './node-crash.ts';
import { forwardOutput, type OutputStreams } from './output.ts';
import type { EndFacts, ProgramListener, RunningProgram } from './program-interface.ts';
import { relayMessages } from './relay.ts';
import type { findSyntaxError } from './syntax-check.ts';

export interface ProgramContext extends Pick<LauncherOptions, 'clock' | 'modes' | 'output'> {
  readonly child: Child;
  readonly fromStandby: boolean;
  readonly options: LaunchOptions;
  readonly listener: ProgramListener;
  readonly heldPorts: HeldPorts;
  /** Captured output of the run before. */
  readonly previousOutput?: OutputStreams | undefined;
  /** The program has settled, and reports what it has loaded. */
  readonly onFacts: (facts: LoadFacts) => void;
  readonly onStopRequested: () => void;
  /** The program asks for a package that this process cannot give it. */
  readonly onMisfit: (misfit: Misfit) => void;
  /** Finds a stream of devwatch that has no reader; tests replace it. */
  readonly findUnread?: typeof platform.output.unreadStream;
  /** Finds the place of a syntax error; tests replace it. */
  readonly locate?: typeof findSyntaxError;
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
  /** The program has ended, and its process is about to wait for a debugger. */
  #isWaiting = false;
  #isInterrupted = false;
  #termination: Termination | undefined;
  /** Set while requests in flight are answered, before the termination. */
  #cancelDrain: CancelTimer | undefined;
  /** Ids of the held sockets that the program listens on, and of those that it has ever listened on. */
  readonly #listening = new Set<string>();
  readonly #listened = new Set<string>();
  /** Epoch ms. */
  readonly #startedAt = Date.now();
  #beganAt: number | undefined;
  #firstListenedAt: number | undefined;
  /** The port that another process has, and that the program has not replaced by one of its own since. */
  #wantedPort: number | undefined;
  /** The latest error that the program has not caught. */
  #uncaught: { readonly error: UncaughtError; readonly at: number } | undefined;
  #cannotReceive = false;
  /** Ports that the program has listened on. */
  readonly #ports = new Set<number>();
  #onOpenWork: ((work: OpenWork) => void) | undefined;
  readonly #writes: TreeWrites;
  #ping: { readonly number: number; readonly onAnswer: () => void } | undefined;

  constructor(context: ProgramContext) {
    const { child, fromStandby, options, listener, output, previousOutput } = context;
    this.#context = context;
    this.pid = child.pid;
    this.fromStandby = fromStandby;
    this.#writes = new TreeWrites(child.tree, context.clock, child.pid);
    child.receive((message) => this.#onMessage(message));
    child.process.on('message', (message) => listener.onEvent({ type: 'message', message }));
    this.forwarded = options.capturesOutput
      ? forwardOutput(child.output, (chunk) => listener.onEvent({ type: 'output', chunk }), output, previousOutput)
      : Promise.resolve();
    if (options.relay) relayMessages(child.process);
    child.process.once('exit', (code, signal) => this.#onExit(code, signal));
  }

  end(stage: StopStage): void {
    if (stage === 'terminating') this.#context.onStopRequested();
    if (this.#cancelDrain !== undefined) this.#sendDrain(0);
    this.#endDrain();
    if (stage === 'terminating' && this.#beginDrain()) return;
    this.#terminate(stage);
  }

  signal(name: NodeJS.Signals, to: 'root' | 'tree'): void {
    const { process: root, tree } = this.#context.child;
    if (passSignal(this.#context.child, name)) return;
    if (to === 'tree') for (const member of tree.scan().members) tree.signal(member, name);
    else if (!this.#hasExited) root.kill(name);
  }

  interrupted(): void {
    this.#isInterrupted = true;
    if (this.#hasExited) this.#endOtherGroups();
  }

  #endOtherGroups(): void {
    const { child, options } = this.#context;
    const { members } = child.tree.scan();
    const groups = platform.processes.groupsOf([process.pid, ...members.map(({ pid }) => pid)]);
    const others = members.filter(({ pid }) => groups.get(pid) !== groups.get(process.pid));
    for (const member of others) child.tree.signal(member, options.signal === 'message' ? 'SIGTERM' : options.signal);
  }

  ping(onAnswer: () => void): boolean {
    const number = this.#context.clock.now();
    this.#ping = { number, onAnswer };
    return !this.#cannotReceive && this.#context.child.send({ ping: number });
  }

  async isDebugged(): Promise<boolean> {
    const pids = this.#context.child.tree.scan().members.map(({ pid }) => pid);
    return (await findDebugger(pids, this.#ports)) !== undefined;
  }

  remainder(): Promise<Remainder> {
    const { clock, child } = this.#context;
    const answer = createDeferred<OpenWork>();
    this.#onOpenWork = answer.resolve;
    const isAsked = !this.#cannotReceive && child.send({ asksForOpenWork: true });
    const ask = isAsked ? () => answer.promise : undefined;
    return findRemainder({ tree: child.tree, root: this.pid, served: this.#ports, ask, clock });
  }

  memory(): number | undefined {
    return treeMemory(this.#context.child.tree);
  }

  cpu(): number | undefined {
    return treeCpuTime(this.#context.child.tree);
  }

  written(): number | undefined {
    return this.#writes.read();
  }

  write(chunk: string | Buffer | null, done: (isLost: boolean) => void = () => {}): void {
    const { stdin } = this.#context.child.process;
    if (stdin === null) done(false);
    else if (chunk === null) stdin.end();
    else stdin.write(chunk, (error) => done(error instanceof Error));
  }

  #onMessage(message: PreloadMessage): void {
    const { child, clock, heldPorts, listener, onFacts, onMisfit } = this.#context;
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
      case 'facts':
        onFacts(message.facts);
        return;
      case 'misfit':
        onMisfit(message);
        listener.onEvent({ type: 'packages', adopted: 0, packages: [], cold: [message.why], excluded: [] });
        listener.onEvent({ type: 'misfit' });
        // The process ends itself. It is being stopped by now, so that its end is no crash.
        child.answer(null);
        return;
      case 'address-in-use':
        // A program that handles the error may try another port.
        this.#wantedPort = message.isHandled ? message.port : undefined;
        if (!message.isHandled) this.#onPortTaken(message.port);
        return;
      case 'listens':
        this.#onListens(message);
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
      case 'leaves':
        child.answer(child.tree.killChildren?.(message.pids) ?? false);
        return;
      case 'deaf':
        this.#cannotReceive = true;
        this.#reportUnheld('the program has closed descriptor 3, by which devwatch asks it to stop accepting');
        return;
      case 'open-work':
        this.#onOpenWork?.(message.work);
        return;
      case 'ended':
        this.#isWaiting = true;
        this.#endDrain();
        if (this.#termination !== undefined) this.#killWaiting();
        return;
      case 'pong':
        if (this.#ping?.number === message.ping) this.#ping.onAnswer();
        return;
      default: // Only a standby sends the others.
    }
  }

  #onListens(message: Extract<PreloadMessage, { type: 'listens' }>): void {
    const { clock, heldPorts, listener } = this.#context;
    const { id, port, protocol } = message;
    const now = clock.now();
    this.#wantedPort = undefined;
    this.#listening.add(id);
    this.#listened.add(id);
    if (port !== undefined) this.#ports.add(port);
    this.#firstListenedAt ??= now;
    const times = { lagMs: now - this.#firstListenedAt, ageMs: now - (this.#beganAt ?? now) };
    heldPorts.noteListening(id, { isHttp: protocol === 'http', ...times });
    listener.onEvent({ type: 'listens', server: serverOf(message) });
    this.#checkIsHeld(message);
  }

  /** Reports a server whose connections do not wait during a restart, although others would. */
  #checkIsHeld({ id, port, path: file }: Extract<PreloadMessage, { type: 'listens' }>): void {
    const { slots, held, activated } = this.#context.heldPorts;
    if (this.#cannotReceive || slots.length === 0) return;
    if ([...held, ...activated].some((socket) => socket.id === id)) return;
    const server = port === undefined ? `the socket ${file}` : `port ${port}`;
    const isFull = held.length >= slots.length;
    if (isFull) this.#reportUnheld(`${server} is one too many for the files that may be open`, 'ulimit -n 1024');
    else
      this.#reportUnheld(`${server} is opened with an option that a second socket would not share, such as reusePort`);
  }

  #reportUnheld(reason: string, remedy?: string): void {
    const { options, listener } = this.#context;
    if (!options.hold) return;
    listener.onEvent({ type: 'limitation', features: ['held ports'], reason, ...(remedy !== undefined && { remedy }) });
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    const { heldPorts, fromStandby, listener } = this.#context;
    this.#hasExited = true;
    // A standby that cannot boot kills itself without a word; a cold start shows the reason, if it is still there.
    if (fromStandby && this.#beganAt === undefined && signal === 'SIGKILL' && this.#termination === undefined) {
      listener.onEvent({ type: 'misfit' });
    }
    if (this.#isInterrupted) this.#endOtherGroups();
    if (this.#termination === undefined) {
      // The program ended by itself, and no termination may follow for long. The tree takes note of who is left: later, the
      // number of its group may be that of others.
      this.#context.child.tree.scan();
      this.#restoreModes();
      if (this.#wantedPort !== undefined) this.#onPortTaken(this.#wantedPort);
      heldPorts.runEnded(this.#listened);
    }
    this.#reportExit({ code, signal });
    this.#endDrain();
    this.#termination?.scanNow();
  }

  #reportExit(outcome: Outcome): void {
    const { clock, listener, options, locate } = this.#context;
    const report = (facts: EndFacts = {}): void => listener.onEvent({ type: 'exit', outcome, ...facts });
    if (this.#termination !== undefined || outcome.code === 0) report();
    // The exit may be reported before the error that the preload has sent.
    else if (options.command.isNode) {
      clock.soon(() => {
        const error = this.#recentError;
        addError(outcome, error, { ...options, locate }, (known) => this.#reportCrash(known, error));
      });
    } else this.#reportCrash(outcome);
  }

  /** @param error not caught by a Node program */
  #reportCrash(outcome: Outcome, error?: UncaughtError): void {
    const { listener, options, findUnread = platform.output.unreadStream } = this.#context;
    const facts: EndFacts = {
      fault: error?.fault ?? faultOfCode(outcome, options.command, this.#startedAt, this.#beganAt !== undefined),
      missing: error?.missing,
    };
    const isOtherwiseExplained = facts.fault !== undefined || (error !== undefined && error.isBrokenPipe !== true);
    // devwatch reads captured output to its end.
    const unread = isOtherwiseExplained || options.capturesOutput ? undefined : findUnread();
    const busy = facts.fault === 'shortage' ? { reason: `${options.command.file} is being written` } : {};
    if (unread === undefined) listener.onEvent({ type: 'exit', outcome: { ...outcome, ...busy }, ...facts });
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
    if (this.#termination !== undefined || this.#hasExited || this.#isWaiting) return false;
    if (this.#listening.size === 0) return false;
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
    const { tree } = child;
    const onGone = (survivors: readonly Survivor[]): void => {
      this.#restoreModes();
      listener.onEvent({ type: 'gone', survivors });
    };
    const signal = options.signal === 'message' ? 'SIGTERM' : options.signal;
    const askRoot = this.#cannotReceive ? undefined : askingOf(child, options.signal, isRootAsked);
    this.#termination ??= new Termination({ tree, signal, askRoot, clock, onGone });
    this.#termination.escalate(stage);
    this.#killWaiting();
  }

  /** Kills a process that waits for a debugger: nothing of the program would run any more. */
  #killWaiting(): void {
    if (!this.#isWaiting || this.#hasExited) return;
    this.#isWaiting = false;
    this.#context.listener.onEvent({ type: 'killed-waiting' });
    this.#context.child.process.kill('SIGKILL');
  }

  #restoreModes(): void {
    const { child, modes } = this.#context;
    // Programs other than Node do not report that they read the terminal.
    if (child.hasDoubtfulModes || this.hasReadTerminal) modes.restore();
  }
}
