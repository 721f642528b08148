/** Runs a program and says what happens to it. */

import { EventEmitter } from 'node:events';
import { constants } from 'node:os';
import type { LoadedSettings } from '../config/load.ts';
import { liveReloadPort } from '../config/options.ts';
import { startGuardian } from '../process/crash-safety/guardian.ts';
import { type Orphans, recordOrphans, terminateStaleOrphans } from '../process/crash-safety/orphans.ts';
import { Launcher } from '../process/launch/launcher.ts';
import { isForeground, terminalModes } from '../process/launch/tty.ts';
import { createContainment } from '../process/tree/containment.ts';
import { readStat } from '../process/tree/proc.ts';
import { type Clock, systemClock } from '../shared/clock.ts';
import { createDeferred, type Deferred } from '../shared/deferred.ts';
import { messageOf } from '../shared/errors.ts';
import type { DevwatchEvent, Emit, EventOf, EventType, StopReason } from '../shared/events.ts';
import { App, type AppRequest, type Reread } from './program.ts';
import type { Readiness } from './readiness.ts';

/** Signals that mean nothing to devwatch, and perhaps something to the program. */
export const foreignSignals: readonly NodeJS.Signals[] = (
  ['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGIO', 'SIGPWR'] as const
).filter((signal) => signal in constants.signals);

type Listeners = { [Type in EventType]: [event: EventOf<Type>] };

/**
 * A running devwatch. Emits the events of `EventOf`, of which `end` is the last one.
 * Disposing of it (`await using`) stops it.
 */
export class Runner extends EventEmitter<Listeners> implements AsyncDisposable {
  readonly #app: App;
  readonly #clock: Clock;
  readonly #observers: Emit[] = [];
  readonly #armed: Promise<void>;
  readonly #ended: Deferred<StopReason> = createDeferred();
  #over = false;
  /** Gives back what guarded and contained the program. */
  #release: () => void = () => {};
  readonly #output: AppRequest['output'];
  readonly #sockets: AppRequest['sockets'];
  /** What is open beside the program. */
  readonly #closing: (() => void)[] = [];
  #arm: (armed: Promise<void>) => void = () => {};

  /** @throws UsageError when there is nothing to run, or it cannot be run */
  constructor(request: AppRequest, clock: Clock = systemClock) {
    super();
    this.#armed = new Promise((resolve) => {
      this.#arm = resolve;
    });
    this.#output = request.output;
    this.#sockets = request.sockets;
    this.#clock = clock;
    this.#app = new App({
      request,
      clock,
      emit: (event) => this.#state(event),
      onEnd: (ending) => {
        this.#over = true;
        this.#release();
        for (const close of this.#closing) close();
        this.#state({ type: 'end', reason: ending });
        this.#ended.resolve(ending);
      },
    });
  }

  /** The program's root process, or undefined while none runs. */
  get pid(): number | undefined {
    return this.#app.pid;
  }

  /** Resident memory of the program's processes in bytes; undefined while none runs and where it cannot be known. */
  get memory(): number | undefined {
    return this.#app.memory;
  }

  /** CPU time that the program's processes have used so far in ms; undefined as for memory. */
  get cpu(): number | undefined {
    return this.#app.cpu;
  }

  /** The settings in force. */
  get loaded(): LoadedSettings {
    return this.#app.loaded;
  }

  /** The program as it is shown to people. */
  get program(): string {
    return this.#app.display;
  }

  /** Whether the program is up, and how its latest start turned out. */
  get readiness(): Readiness {
    return this.#app.readiness;
  }

  /** Hears of every event, before the listeners for its name do. */
  observe(observer: Emit): void {
    this.#observers.push(observer);
  }

  /** Starts the program and begins to watch. To be called once. */
  start(): void {
    for (const message of this.#app.loaded.notes) this.#state({ type: 'warning', message });
    const armed = this.#start();
    this.#arm(armed);
    // Whoever asks through ready() is told; nobody has to ask.
    this.#armed.catch((error: unknown) =>
      this.#state({ type: 'problem', message: `nothing is watched: ${messageOf(error)}` }),
    );
  }

  async #start(): Promise<void> {
    const { settings, folder } = this.#app.loaded;
    await terminateStaleOrphans(folder, () =>
      this.#state({ type: 'warning', message: 'an earlier devwatch was killed here: ending what it left running' }),
    );
    if (this.#over) return;
    const containment = createContainment({ keep: settings.keep });
    const orphans: Orphans = { record: containment.record, keep: settings.keep, signal: settings.signal };
    const guard = (): void => {
      const guardian = startGuardian(orphans);
      const deleteRecord = recordOrphans(folder, orphans);
      this.#release = () => {
        containment.release();
        guardian.dismiss();
        deleteRecord();
      };
    };
    const modes = terminalModes();
    modes.save('go on');
    const launcher = new Launcher({
      containment,
      clock: this.#clock,
      modes,
      output: this.#output,
      activated: this.#sockets,
    });
    if (typeof settings.hold === 'number' && !this.#app.isNode) {
      const problem = await launcher.openPort(settings.hold);
      if (this.#over) {
        await launcher.close();
        containment.release();
        return;
      }
      if (problem !== undefined)
        this.#state({ type: 'problem', message: `port ${settings.hold} cannot be held: ${problem}` });
    }
    // Nothing is unguarded: before it begins, a Node program of ours looks whether devwatch lives (preload.cts).
    if (!this.#app.isNode) guard();
    const armed = this.#app.start(launcher);
    if (this.#app.isNode) guard();
    void this.#openLiveReload(settings.liveReload);
    await armed;
  }

  /** Resolves once the program has been started and no save can be missed any more. */
  async ready(): Promise<void> {
    await this.#armed;
  }

  /**
   * Replaces the program by a fresh run, whatever it is doing; a second call while the old one ends kills it.
   *
   * @param escalates false: such a second call does nothing
   */
  restart({ escalates = true }: { readonly escalates?: boolean } = {}): void {
    this.#app.restart('manual', escalates);
  }

  /** Reads the settings again, as after a change of their file; wrong ones leave everything as it is. */
  reload(): Reread {
    return this.#app.reload();
  }

  /**
   * Ends the program's whole tree and stops watching. Resolves once both are done; a second call
   * meanwhile kills what is left.
   *
   * @param ending what the `end` event says about why; by default that it was asked for
   */
  async stop(ending: StopReason = { kind: 'requested' }): Promise<StopReason> {
    this.#app.stop(ending);
    return this.#ended.promise;
  }

  /** Sends a signal to the program, by default to its root process alone, and does nothing else about it. */
  signal(name: NodeJS.Signals, to: 'root' | 'tree' = 'root'): void {
    this.#app.signal(name, to);
  }

  /**
   * Writes to the program's stdin with `stdin: 'pipe'`, where null ends it; else hands over what was typed ahead.
   *
   * @param taken called when more may be written: the program has read this, or will not
   */
  write(chunk: string | Buffer | null, taken?: () => void): void {
    this.#app.write(chunk, taken);
  }

  /** Has the program's root process been stopped (SIGSTOP, SIGTSTP)? False where that cannot be known. */
  isStopped(): boolean {
    return this.pid !== undefined && readStat(this.pid)?.state === 'T';
  }

  /** Is this process in the foreground of the terminal on its stdin? Reading from it anywhere else would stop it. */
  isForeground(): boolean {
    terminalModes().save('wait');
    return isForeground();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Pages are told of each run that is up, and of what only they load. */
  async #openLiveReload(setting: boolean | number): Promise<void> {
    if (setting === false) return;
    try {
      const { LiveReloadServer } = await import('../live-reload/server.ts');
      const live = await LiveReloadServer.open(setting === true ? liveReloadPort : setting);
      if (this.#over) {
        live.close();
        return;
      }
      this.#closing.push(() => live.close());
      this.on('ready', () => live.reload());
      this.on('pages', ({ paths, styles }) => (styles ? live.swapStyles(paths) : live.reload()));
      this.#state({ type: 'liveReload', url: `${live.url}/client.js` });
    } catch (error) {
      if (!this.#over) this.#state({ type: 'problem', message: messageOf(error) });
    }
  }

  #state(event: DevwatchEvent): void {
    for (const observer of this.#observers) observer(event);
    (this.emit as (type: EventType, event: DevwatchEvent) => boolean).call(this, event.type, event);
  }
}
