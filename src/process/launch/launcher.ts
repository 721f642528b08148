/** Starts programs, each as a process tree that can be terminated as a whole. */

import type { Misfit, ParkOrders } from '../../preload/protocol.ts';
import type { Clock } from '../../shared/clock.ts';
import { withDeadline } from '../../shared/deadline.ts';
import { parseListenAddress } from '../../shared/listen-address.ts';
import { Hooks, type HooksOptions } from '../hooks.ts';
import { platform } from '../platform.ts';
import { type Accept, HeldPorts } from '../sockets/held-ports.ts';
import { canPassSockets, openPort, type PassedSocket } from '../sockets/passed-sockets.ts';
import { StandbyPool } from '../standby/pool.ts';
import type { Containment } from '../tree/tree.ts';
import { type ChildOptions, type LaunchOptions, type StartedChild, startChild, startsWithPreload } from './child.ts';
import type { Command } from './command.ts';
import { withPreloadsMoved } from './node-options.ts';
import type { Output, OutputStreams } from './output.ts';
import type { ProgramListener, RunningProgram } from './program-interface.ts';
import { ContainedProgram } from './running-program.ts';
import type { TerminalModes } from './tty.ts';
import { unstartedProgram } from './unstarted-program.ts';

export interface LauncherOptions {
  readonly containment: Containment;
  readonly clock: Clock;
  readonly modes: TerminalModes;
  /** Receives the captured output; by default it goes to devwatch's own stdout and stderr. */
  readonly output?: Output | undefined;
  /** Sockets opened by a service manager, which every program inherits. */
  readonly activated?: readonly PassedSocket[] | undefined;
  /** Starts the guardian of all processes. Called once, before anything of the user runs. */
  readonly guard?: (() => void) | undefined;
  /** Starts a process; tests replace it. */
  readonly start?: typeof startChild;
}

/** Time to read the rest of the output at the end, in ms: an exempted process may keep its stdout open for ever. */
const outputTimeoutMs = 1000;

export class Launcher {
  readonly #options: LauncherOptions;
  readonly #heldPorts: HeldPorts;
  readonly #standbys: StandbyPool;
  /** Captured outputs that have not been forwarded to their end. */
  readonly #outputs = new Set<Promise<void>>();
  #serial = 0;
  #isGuarded = false;
  #program: ContainedProgram | undefined;
  /** Captured output of the latest run. */
  #output: OutputStreams | undefined;

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.#standbys = new StandbyPool({
      start: (child, park) => this.#start(child, park),
      clock: options.clock,
      held: () => this.#heldPorts.held,
    });
    this.#heldPorts = new HeldPorts(() => void this.#standbys.discard(), options.activated);
  }

  /** Starts a program, from a standby if there is one. Every process of the run before must be gone. */
  launch(options: LaunchOptions, listener: ProgramListener): RunningProgram {
    this.#heldPorts.endAnswering();
    const { variables, ...common } = withPreloadsMoved(options);
    this.#program = undefined;
    if (common.command.isNode) {
      this.#heldPorts.closeOpened();
      // The settings have changed. The next run holds ports.
      if (common.hold && this.#heldPorts.slots.length === 0) void this.#heldPorts.openSlots();
    }
    const standby = options.standby ? this.#standbys.take(common, variables) : undefined;
    const child = standby ?? this.#startGuarded({ ...common, env: { ...common.env, ...variables } });
    if ('failure' in child) return unstartedProgram(child.failure, options, listener);
    const onMisfit = (misfit: Misfit): void => this.#standbys.onMisfit(misfit);
    const onFacts = options.standby ? this.#standbys.launched(common, child, listener) : () => {};
    const program = new ContainedProgram({
      ...this.#options,
      ...{ child, fromStandby: standby !== undefined, options, listener, onFacts, onMisfit },
      // Not before the program has been asked: what takes some time is done while it ends.
      onStopRequested: () => {
        this.#options.clock.soon(() => {
          child.tree.prepare?.();
          this.#standbys.lookAhead();
        });
      },
      heldPorts: this.#heldPorts,
      previousOutput: this.#output,
    });
    this.#program = program;
    this.#output = options.capturesOutput ? child.output : undefined;
    this.#outputs.add(program.forwarded);
    void program.forwarded.then(() => this.#outputs.delete(program.forwarded));
    return program;
  }

  /** Replaces the standbys, because files that they have read may have changed. */
  discardStandbys(): void {
    void this.#standbys.discard();
  }

  /** Creates a runner of the user's own commands, contained like programs. */
  openHooks(options: Omit<HooksOptions, 'containment' | 'serial' | 'clock'>): Hooks {
    const { containment, clock } = this.#options;
    return new Hooks({ ...options, containment, clock, serial: () => this.#nextSerial() });
  }

  /**
   * Prepares to hold the ports of Node programs, or opens the port of other ones, before the first launch. Returns the
   * reason if that fails.
   */
  async prepareHolding(
    hold: boolean | number | string,
    { isNode, file }: Pick<Command, 'isNode' | 'file'>,
    env: NodeJS.ProcessEnv,
  ): Promise<string | undefined> {
    if (isNode && hold !== false) await this.#heldPorts.openSlots();
    const address = isNode ? undefined : parseListenAddress(String(hold));
    if (address === undefined) return undefined;
    if (!canPassSockets({ file, args: [], env })) return 'a shell would lose variables of the program, such as a.b';
    const opened = await openPort(address);
    if (typeof opened === 'string') return opened;
    this.#heldPorts.pass(opened);
    return undefined;
  }

  /** Whether there are places where ports wait for the next run. */
  get canHold(): boolean {
    return this.#heldPorts.slots.length > 0;
  }

  /**
   * Closes the held ports, because no program will accept their connections soon; after a crash without those on which
   * devwatch answers.
   */
  releasePorts(cause?: 'crash' | 'exit'): void {
    if (cause === 'crash') this.#heldPorts.closeUnanswered();
    else this.#heldPorts.closeHeld();
  }

  /** Lets devwatch answer after a crash on held ports of HTTP servers, which therefore stay open. */
  keepAnswerablePorts(): void {
    this.#heldPorts.answersAfterCrash = true;
  }

  /** Answers on held ports of HTTP servers until the next launch. Every process of the latest run must be gone. */
  answerOnPorts(accept: Accept): void {
    this.#heldPorts.answer(accept);
  }

  /** Ends all launching. Resolves when no standby is left and the output has been forwarded. */
  async close(): Promise<void> {
    this.#heldPorts.close();
    const forwarded = withDeadline(this.#options.clock, outputTimeoutMs, Promise.all(this.#outputs));
    await Promise.all([this.#standbys.close(), forwarded]);
  }

  /** Starts the guardian, if that has not been done. */
  guard(): void {
    if (this.#isGuarded) return;
    this.#isGuarded = true;
    this.#options.guard?.();
  }

  /** A first process with a preload boots while the guardian is started, and is held there. */
  #startGuarded(options: ChildOptions): StartedChild {
    const isHeld = !this.#isGuarded && platform.trees.guardian !== 'none' && startsWithPreload(options);
    if (!isHeld) this.guard();
    const child = this.#start(isHeld ? { ...options, isHeld } : options);
    this.guard();
    if (isHeld && !('failure' in child)) child.answer(true);
    return child;
  }

  #start(options: ChildOptions, park?: ParkOrders): StartedChild {
    const { containment, start = startChild } = this.#options;
    const child = start(containment, this.#nextSerial(), options, this.#heldPorts, park);
    if (this.#program?.hasReadTerminal && !('failure' in child)) child.hasDoubtfulModes = true;
    return child;
  }

  #nextSerial(): number {
    this.#serial += 1;
    return this.#serial;
  }
}
