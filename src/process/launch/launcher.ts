/** Starts programs, each as a process tree that can be terminated as a whole. */

import type { ParkOrders } from '../../preload/orders.ts';
import type { Clock } from '../../shared/clock.ts';
import { withDeadline } from '../../shared/deadline.ts';
import { Hooks, type HooksOptions } from '../hooks.ts';
import { openPort } from '../sockets/handover.ts';
import { type HeldPort, HeldPorts } from '../sockets/held-ports.ts';
import { StandbyPool } from '../standby/pool.ts';
import type { Containment } from '../tree/tree.ts';
import { type Child, type StartFailure, startChild } from './child.ts';
import type { ChildOptions, LaunchOptions } from './launch-options.ts';
import type { Output } from './output.ts';
import type { ProgramListener } from './program-events.ts';
import { ContainedProgram, type RunningProgram, unstartedProgram } from './running-program.ts';
import type { TerminalModes } from './tty.ts';

export interface LauncherOptions {
  readonly containment: Containment;
  readonly clock: Clock;
  readonly modes: TerminalModes;
  /** Receives the captured output; by default it goes to devwatch's own stdout and stderr. */
  readonly output?: Output | undefined;
  /** Sockets opened by a service manager, which every program inherits. */
  readonly activated?: readonly HeldPort[] | undefined;
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
  /** The program reads the terminal, and may have changed its modes. */
  #isTerminalRead = false;

  constructor(options: LauncherOptions) {
    this.#options = options;
    // A standby inherits the sockets that were held when it was started.
    this.#heldPorts = new HeldPorts(() => this.discardStandbys(), options.activated);
    this.#standbys = new StandbyPool({ start: (child, park) => this.#start(child, park), clock: options.clock });
  }

  /** Starts a program, from a standby if there is one. Every process of the run before must be gone. */
  launch(options: LaunchOptions, listener: ProgramListener): RunningProgram {
    const { variables, ...common } = options;
    this.#isTerminalRead = false;
    const standby = options.standby ? this.#standbys.take(common, variables) : undefined;
    const child = standby ?? this.#start({ ...common, env: { ...common.env, ...variables } });
    if ('failure' in child) return unstartedProgram(child.failure, options, listener);
    return new ContainedProgram({
      child,
      fromStandby: standby !== undefined,
      options,
      listener,
      clock: this.#options.clock,
      modes: this.#options.modes,
      heldPorts: this.#heldPorts,
      output: this.#options.output,
      onPackage: options.standby ? this.#standbys.launched(common, child, listener) : () => {},
      onReadsTerminal: () => {
        this.#isTerminalRead = true;
      },
      onSocketReleased: async (id) => {
        await this.#heldPorts.release(id, child.process);
        await this.#standbys.discard();
      },
      onCapture: (forwarded) => {
        this.#outputs.add(forwarded);
        void forwarded.then(() => this.#outputs.delete(forwarded));
      },
    });
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

  /** Opens a port for programs that inherit listening sockets; returns the reason if that fails. */
  openPort(port: number): Promise<string | undefined> {
    return openPort(port, this.#heldPorts);
  }

  /** Closes the held ports, because no program will accept their connections soon. */
  releasePorts(): void {
    this.#heldPorts.closeReceived();
  }

  /** Ends all launching. Resolves when no standby is left and the output has been forwarded. */
  async close(): Promise<void> {
    this.#heldPorts.close();
    await Promise.all([
      this.#standbys.close(),
      withDeadline(this.#options.clock, outputTimeoutMs, Promise.all(this.#outputs)),
    ]);
  }

  #start(options: ChildOptions, park?: ParkOrders): Child | StartFailure {
    const { containment, start = startChild } = this.#options;
    const child = start(containment, this.#nextSerial(), options, this.#heldPorts, park);
    if (this.#isTerminalRead && !('failure' in child)) child.hasDoubtfulModes = true;
    return child;
  }

  #nextSerial(): number {
    this.#serial += 1;
    return this.#serial;
  }
}
