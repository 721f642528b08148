/** Runs a program and says what happens to it. */

import { EventEmitter } from 'node:events';
import { App, type AppRequest } from './app.ts';
import { type Clock, systemClock } from './clock.ts';
import { messageOf } from './errors.ts';
import type { Emit, Ending, EventMap, EventName } from './events.ts';
import { openTree } from './process/platform.ts';
import { createLauncher } from './process/spawn.ts';

type Listeners = { [Name in EventName]: [event: EventMap[Name]] };

/**
 * A running devwatch. Emits the events of `EventMap`, of which `end` is the last one.
 * Disposing of it (`await using`) stops it.
 */
export class Runner extends EventEmitter<Listeners> implements AsyncDisposable {
  readonly #app: App;
  readonly #notes: readonly string[];
  readonly #observers: Emit[] = [];
  readonly #armed: Promise<void>;
  readonly #ended: Promise<Ending>;
  #arm: (armed: Promise<void>) => void = () => {};

  /** @throws UsageError when there is nothing to run, or it cannot be run */
  constructor(request: AppRequest, clock: Clock = systemClock) {
    super();
    this.#armed = new Promise((resolve) => {
      this.#arm = resolve;
    });
    let finish: (ending: Ending) => void;
    this.#ended = new Promise((resolve) => {
      finish = resolve;
    });
    this.#notes = request.loaded.notes;
    this.#app = new App({
      request,
      launch: createLauncher(openTree, clock),
      clock,
      emit: (name, event) => this.#state(name, event),
      onEnd: (ending) => {
        this.#state('end', { ending });
        finish(ending);
      },
    });
  }

  /** The program's root process, or undefined while none runs. */
  get pid(): number | undefined {
    return this.#app.pid;
  }

  /** Hears of every event, before the listeners for its name do. */
  observe(observer: Emit): void {
    this.#observers.push(observer);
  }

  /** Starts the program and begins to watch. To be called once. */
  start(): void {
    for (const message of this.#notes) this.#state('warning', { message });
    const armed = this.#app.start();
    this.#arm(armed);
    // Whoever asks through ready() is told; nobody has to ask.
    armed.catch((error: unknown) => this.#state('problem', { message: `nothing is watched: ${messageOf(error)}` }));
  }

  /** Resolves once the program has been started and no save can be missed any more. */
  async ready(): Promise<void> {
    await this.#armed;
  }

  /** Replaces the program by a fresh run, whatever it is doing; a second call while the old one ends kills it. */
  restart(): void {
    this.#app.restart('manual');
  }

  /**
   * Ends the program's whole tree and stops watching. Resolves once both are done; a second call
   * meanwhile kills what is left.
   *
   * @param ending what the `end` event says about why; by default that it was asked for
   * @param told the terminal has already sent the program the signal
   */
  async stop(ending: Ending = { kind: 'asked' }, told = false): Promise<Ending> {
    this.#app.stop(ending, told);
    return this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #state<Name extends EventName>(name: Name, event: EventMap[Name]): void {
    for (const observer of this.#observers) observer(name, event);
    (this.emit as (name: Name, event: EventMap[Name]) => boolean).call(this, name, event);
  }
}
