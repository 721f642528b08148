/** Public handle of one program: its events, and what surrounds it (containment, guardian, settings, live reload). */

import { EventEmitter } from 'node:events';
import { constants } from 'node:os';
import { liveReloadPort } from '../config/defaults.ts';
import type { LoadedSettings } from '../config/load.ts';
import { keptGlobs } from '../config/long-lived.ts';
import { Guardian } from '../process/crash-safety/guardian.ts';
import { recordOrphans, terminateStaleOrphans } from '../process/crash-safety/orphans.ts';
import { Launcher } from '../process/launch/launcher.ts';
import { copyPreload } from '../process/launch/preload-files.ts';
import { terminalModes } from '../process/launch/tty.ts';
import { platform } from '../process/platform.ts';
import { requireFacilities } from '../process/requirements.ts';
import { createContainment } from '../process/tree/containment.ts';
import { keepFor } from '../process/tree/exemptions.ts';
import { systemClock } from '../shared/clock.ts';
import { createDeferred, type Deferred } from '../shared/deferred.ts';
import { messageOf } from '../shared/errors.ts';
import type { Change, DevwatchEvent, Emit, EventOf, EventType, StopReason } from '../shared/events.ts';
import type { RunRequest } from './command-plan.ts';
import { LateLimitations } from './late-limitations.ts';
import { groupLimitations, limitationsOf } from './limitations.ts';
import { LiveReload } from './live-reload.ts';
import { type MachineFacts, machineFacts } from './machine-facts.ts';
import { Program } from './program.ts';
import { ProgramRecorder } from './program-record.ts';
import { type Reread, SettingsReloader } from './settings-reloader.ts';

/** Signals without a meaning for devwatch, which it passes on to the program. */
export const forwardedSignals: readonly NodeJS.Signals[] = (
  ['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGIO', 'SIGPWR'] as const
).filter((signal) => signal in constants.signals);

/** After these events, something else is in force. */
const recordedEvents: ReadonlySet<EventType> = new Set<EventType>([
  ...(['watching', 'watchingLoads', 'settings', 'limitation', 'standby'] as const),
  // Since the last save, another file may decide how the program is run.
  ...(['ready', 'running'] as const),
]);

export interface RunnerOptions extends RunRequest {
  /** Receives every event, before the listeners of the event emitter do. */
  readonly onEvent?: Emit;
  /** Reads the settings again after a change of their files. Without it the settings never change. @throws UsageError */
  readonly reload?: () => LoadedSettings;
  /** Takes changes of settings files in place of `reload`. */
  readonly onSettingsChange?: (change: Change) => void;
}

type Listeners = { [Type in EventType]: [event: EventOf<Type>] };

/**
 * A running devwatch for one program. Emits the events of `EventOf`; `end` is the last one.
 * Disposing of it (`await using`) stops it.
 */
export class Runner extends EventEmitter<Listeners> implements AsyncDisposable {
  readonly program: Program;
  readonly #options: RunnerOptions;
  readonly #settings: SettingsReloader | undefined;
  readonly #started: Deferred<void> = createDeferred();
  readonly #ended: Deferred<StopReason> = createDeferred();
  readonly #recorder = new ProgramRecorder();
  /** The files that count because the program has loaded them. */
  #loads: readonly string[] = [];
  #liveReload: LiveReload | undefined;
  /** The limitations that have been reported, each once. */
  readonly #limitations = new Set<string>();
  readonly #late = new LateLimitations();
  #machine: MachineFacts | undefined;
  #hasEnded = false;
  /** Calls for the end, when no process of the program is alive. */
  readonly #cleanups: (() => void)[] = [];

  /** @throws UsageError when there is nothing to run, or it cannot be run here */
  constructor(options: RunnerOptions) {
    super();
    requireFacilities();
    const { reload, onSettingsChange } = options;
    this.#options = options;
    this.program = new Program({
      request: options,
      clock: systemClock,
      emit: (event) => {
        this.#late.onEvent(event);
        this.#emitEvent(event);
      },
      onSettingsChange: onSettingsChange ?? ((change) => this.#settings?.push(change)),
      onEnd: (reason) => this.#onEnd(reason),
    });
    if (reload === undefined) return;
    this.#settings = new SettingsReloader({
      clock: systemClock,
      read: () => [{ ...options, loaded: reload(), planned: undefined }],
      match: ([request]) => new Map([[this.program, request]]),
      onProblem: (message) => this.program.reportProblem(message),
    });
  }

  /** The program's root process, or undefined while none runs. */
  get pid(): number | undefined {
    return this.program.running?.pid;
  }

  /** Starts the program and begins to watch. Must be called once. */
  start(): void {
    const { loaded, command } = this.program.plan;
    for (const message of [...loaded.notes, ...command.notes]) this.#emitEvent({ type: 'warning', message });
    const report = (error: unknown): void => this.program.reportProblem(`nothing is watched: ${messageOf(error)}`);
    this.#started.promise.catch(report);
    this.#start().then(this.#started.resolve, this.#started.reject);
  }

  /** Resolves once the program has been started and no save can be missed any more. */
  async ready(): Promise<void> {
    await this.#started.promise;
  }

  /** Replaces the program by a new run in every state. A second call while the old run is being stopped kills it. */
  restart(): void {
    this.program.restart('manual', true);
  }

  /** From now on saves are collected; crashes and requests restart the program as before. */
  pause(): void {
    if (this.program.plan.loaded.settings.watch.length > 0) this.program.changes.pause();
    else this.#emitEvent({ type: 'warning', message: 'no file is watched, so there is nothing to pause' });
  }

  /** Ends the pause: one restart for all that was saved meanwhile. */
  resume(): void {
    this.program.changes.resume();
  }

  /** Reads the settings again, as after a change of their file. With wrong settings the old ones stay in force. */
  reload(): Reread {
    return this.#settings?.reload() ?? { changed: [] };
  }

  /** Stops the whole process tree and the watcher; a second call before both are done kills the rest. Resolves to the first reason. */
  async stop(reason: StopReason = { kind: 'requested' }): Promise<StopReason> {
    this.program.stop(reason);
    return this.#ended.promise;
  }

  /** Whether the program's root process has been stopped by SIGSTOP or SIGTSTP. False when that cannot be known. */
  isStopped(): boolean {
    return this.pid !== undefined && platform.processes.isStopped(this.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #start(): Promise<void> {
    const { command, loaded, env } = this.program.plan;
    const { isNode } = command;
    const { settings, folder } = loaded;
    const { hold, keep, signal } = settings;
    const notice = 'an earlier devwatch was killed here: terminating the processes that it left running';
    await terminateStaleOrphans(folder, () => this.#emitEvent({ type: 'warning', message: notice }));
    if (this.#hasEnded) return;
    const kept = keepFor(keptGlobs(keep), command);
    const containment = createContainment(kept);
    terminalModes.save('go on');
    const { output, sockets: activated } = this.#options;
    /** Makes sure that the program is terminated even if devwatch is killed. */
    const guard = (): void => {
      const orphans = { record: containment.record, keep: kept, signal };
      const guardian = new Guardian({ orphans, onProblem: (message) => this.#emitEvent({ type: 'warning', message }) });
      const deleteRecord = recordOrphans(folder, orphans);
      this.#cleanups.push(() => guardian.dismiss(), deleteRecord);
    };
    const around = { modes: terminalModes, output, activated, guard };
    const launcher = new Launcher({ containment, clock: systemClock, ...around });
    const live = settings.liveReload === false ? undefined : new LiveReload(launcher, () => this.program.plan);
    this.#liveReload = live;
    const problem = await launcher.prepareHolding(hold, command, env);
    if (this.#hasEnded) {
      await launcher.close();
      containment.release();
      return;
    }
    if (problem !== undefined) this.program.reportProblem(`port ${hold} cannot be held: ${problem}`);
    if (isNode) copyPreload();
    this.#cleanups.push(() => containment.release());
    const watching = this.program.start(launcher);
    // Where a file is missing nothing has been started yet. Others find this devwatch by its record.
    launcher.guard();
    if (live !== undefined && settings.liveReload !== false) void this.#openLiveReload(live, settings.liveReload);
    await watching;
    this.#record();
    // Ports are held from the next run on where that is turned on later.
    this.#machine = machineFacts(containment.record, hold === false || launcher.canHold);
    this.#reportLimitations();
  }

  /** Names the features that are off, unless only `devwatch doctor` does so. */
  #reportLimitations(): void {
    if (this.#machine === undefined || this.#hasEnded) return;
    const limitations = limitationsOf(this.program.plan, this.#machine).filter(({ notice }) => notice !== 'doctor');
    for (const limitation of groupLimitations(limitations)) this.#emitEvent({ type: 'limitation', ...limitation });
  }

  /** Notes what is in force, for `devwatch explain` and others. */
  #record(): void {
    if (this.#hasEnded) return;
    const limitations = this.#late.list;
    this.#recorder.write({ app: this.#options.app, loads: this.#loads, limitations, plan: this.program.plan });
  }

  async #openLiveReload(live: LiveReload, setting: true | number): Promise<void> {
    try {
      const url = await live.open(setting === true ? liveReloadPort : setting);
      if (url !== undefined) this.#emitEvent({ type: 'liveReload', url });
    } catch (error) {
      if (!this.#hasEnded) this.program.reportProblem(messageOf(error));
    }
  }

  #onEnd(reason: StopReason): void {
    this.#hasEnded = true;
    this.#recorder.close();
    this.#liveReload?.close();
    this.#settings?.close();
    for (const cleanUp of this.#cleanups) cleanUp();
    this.#emitEvent({ type: 'end', reason });
    this.#ended.resolve(reason);
  }

  #emitEvent(event: DevwatchEvent): void {
    if (event.type === 'watchingLoads') this.#loads = event.files;
    if (event.type === 'limitation') {
      const key = JSON.stringify(event);
      if (this.#limitations.has(key)) return;
      this.#limitations.add(key);
    }
    if (recordedEvents.has(event.type)) this.#record();
    this.#options.onEvent?.(event);
    this.#liveReload?.onEvent(event);
    (this.emit as (type: EventType, event: DevwatchEvent) => boolean).call(this, event.type, event);
    if (event.type === 'settings' || event.type === 'watching') this.#reportLimitations();
  }
}
