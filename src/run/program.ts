/**
 * A program: wires its files, its settings and its runs to the supervisor, which decides what happens.
 *
 * From a changed file to the next run: ProgramWatcher → #onChange → Changes → Supervisor → #launch → ProgramRuns.
 * From the end of a run to its event: ProgramRuns → Supervisor → #onOwnEnd.
 */

import path from 'node:path';
import { affected, type OptionKey, optionKeys, restartNotice } from '../config/options.ts';
import type { RunningProgram } from '../process/launch/running-program.ts';
import { isDeliveredByTerminal } from '../process/launch/tty.ts';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import type { Cause, Change, Emit, EventOf, StopReason } from '../shared/events.ts';
import { type RunListener, Supervisor } from '../supervise/supervisor.ts';
import { Changes } from './changes.ts';
import {
  isReadAtBoot,
  isReadByDevwatchAlone,
  planRun,
  policyFor,
  type RunPlan,
  type RunRequest,
} from './command-plan.ts';
import { hookCommandsOf, hookFor } from './program-hooks.ts';
import { ProgramInput } from './program-input.ts';
import { type ProgramLauncher, ProgramRuns } from './program-runs.ts';
import { ProgramWatcher } from './program-watcher.ts';
import { Readiness } from './readiness.ts';
import { RestartTimeline } from './restart-timeline.ts';
import type { Configurable } from './settings.ts';

export interface ProgramOptions {
  readonly request: RunRequest;
  readonly clock: Clock;
  readonly emit: Emit;
  /** A settings file changed. */
  readonly onSettingsChange: (change: Change) => void;
  /** Called once, when no process of the program is alive and nothing is watched. */
  readonly onEnd: (reason: StopReason) => void;
}

/** After this long without a restart, the user learns what devwatch waits for. */
const slowStopNoticeMs = 1500;

export class Program implements Configurable {
  readonly readiness: Readiness;
  readonly input: ProgramInput;
  readonly #options: ProgramOptions;
  readonly #emit: Emit;
  readonly #timeline: RestartTimeline;
  readonly #watcher: ProgramWatcher;
  readonly #changes: Changes;
  readonly #runs: ProgramRuns;
  readonly #supervisor: Supervisor<RunningProgram>;
  /** Set by `start`, before which no run can be requested. */
  #launcher: ProgramLauncher | undefined;
  #hooks: ReturnType<ProgramLauncher['openHooks']> | undefined;
  #isStopping = false;
  /** The changes that lead to the next run. */
  #pendingChanges: readonly Change[] = [];
  /** Ignore rules or package.json have changed since the watch plan was made. */
  #isWatchPlanStale = false;
  #cancelStopNotice: CancelTimer = () => {};

  /** @throws UsageError when there is nothing to run, or it cannot be run */
  constructor(options: ProgramOptions) {
    const { request, clock, emit } = options;
    const plan = planRun(request);
    const { settings } = plan.loaded;
    this.#options = options;
    this.readiness = new Readiness({ clock, hasCheck: settings.ready !== undefined, onRunning: emit });
    this.#emit = (event) => {
      this.readiness.onEvent(event);
      emit(event);
      const hook = hookFor(event, this.#supervisor.run);
      if (hook !== undefined) this.#hooks?.run(hook.name, hook.variables);
    };
    this.input = new ProgramInput({ stdin: () => this.plan.loaded.settings.stdin, onOwner: this.#emit });
    this.#timeline = new RestartTimeline(clock);
    this.#watcher = new ProgramWatcher({
      clock,
      plan: () => this.plan,
      emit: this.#emit,
      onChange: (change) => this.#onChange(change),
    });
    this.#changes = new Changes({
      clock,
      timeline: this.#timeline,
      plan: () => this.plan,
      watcher: this.#watcher,
      emit: this.#emit,
      onChanged: () => this.#supervisor.dispatch({ type: 'changed' }),
      onSettled: (changes) => {
        this.#pendingChanges = changes;
        this.#supervisor.dispatch({ type: 'quiet' });
      },
    });
    this.#runs = new ProgramRuns({
      request,
      plan,
      clock,
      timeline: this.#timeline,
      input: this.input,
      emit: this.#emit,
      onLoad: (file) => this.#watcher.session?.loads(file),
      onUnhealthy: (reason, permanent) => this.#supervisor.reportUnhealthy(reason, permanent),
    });
    this.#supervisor = new Supervisor({
      policy: policyFor(settings),
      clock,
      launch: (run, cause, listener) => this.#launch(run, cause, listener),
      onStopping: (event) => this.#onStopping(event),
      onGone: (event) => {
        this.#cancelStopNotice();
        this.#timeline.gone();
        this.#emit(event);
      },
      onOwnEnd: (event) => this.#onOwnEnd(event),
      onWait: () => this.#emit({ type: 'wait', reason: 'on-change-only' }),
      onEnd: (reason) => void this.#end(reason),
    });
  }

  /** The running program, or undefined while no root process is alive. */
  get running(): RunningProgram | undefined {
    return this.#runs.live;
  }

  /** The settings in force, and the command and the variables of the next run. */
  get plan(): RunPlan {
    return this.#runs.plan;
  }

  /** Starts the program, and then begins to watch. Resolves once no save can be missed any more. */
  async start(launcher: ProgramLauncher): Promise<void> {
    this.#launcher = launcher;
    this.#hooks = launcher.openHooks({
      folder: this.plan.loaded.folder,
      commands: () => hookCommandsOf(this.plan.loaded.settings),
      env: () => this.plan.env,
      onProblem: (message) => this.reportProblem(message),
    });
    const since = Date.now();
    this.#supervisor.dispatch({ type: 'start' });
    this.input.start();
    await this.#watcher.start(since);
  }

  /** @param escalates whether a run that is already being stopped for a restart is killed */
  restart(cause: Cause, escalates: boolean): void {
    if (this.#launcher === undefined) return; // The first start is about to come.
    this.#timeline.cause();
    this.#supervisor.dispatch({ type: 'restart', cause, escalates });
  }

  /** Stops the program and everything around it; a second request kills. */
  stop(reason: StopReason): void {
    this.#isStopping = true;
    this.#cancelStopNotice();
    this.#launcher?.releasePorts();
    // A signal from the user reaches the program as it would without devwatch; the stop signal follows only if the
    // program does not end on that. SIGTERM counts as a request to devwatch alone.
    const signal = reason.kind === 'signal' && reason.signal !== 'SIGTERM' ? reason.signal : undefined;
    if (signal !== undefined && !isDeliveredByTerminal(signal)) this.signal(signal, 'tree');
    this.#supervisor.dispatch({ type: 'stop', reason, delivered: signal !== undefined });
  }

  /** Sends a signal to the root process, or to every process of the program. */
  signal(name: NodeJS.Signals, to: 'root' | 'tree'): void {
    this.#supervisor.program?.signal(name, to);
  }

  reportProblem(message: string): void {
    this.#emit({ type: 'problem', message });
  }

  update(plan: RunPlan | undefined): readonly OptionKey[] {
    const changed = plan === undefined ? [] : this.#setPlan(plan);
    const rewatches = this.#isWatchPlanStale || affected(changed, 'watch');
    this.#isWatchPlanStale = false;
    if (this.#launcher === undefined) return changed; // The first start uses them.
    if (rewatches) this.#watcher.rewatch();
    if (affected(changed, 'program')) this.restart('settings', false);
    return changed;
  }

  #setPlan(plan: RunPlan): readonly OptionKey[] {
    const before = this.plan.loaded.settings;
    const { settings, file = '' } = plan.loaded;
    const changed = optionKeys.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(settings[key]));
    this.#runs.setPlan(plan, affected(changed, 'watchdog'));
    this.#supervisor.policy = policyFor(settings);
    if (changed.length === 0) return changed;
    this.#emit({ type: 'settings', file, changed, settings });
    const message = restartNotice(changed, 'start', [before, settings]);
    if (message !== undefined) this.#emit({ type: 'warning', message });
    return changed;
  }

  #onChange(change: Change): void {
    const isForDevwatchAlone = isReadByDevwatchAlone(change.path, this.plan.loaded);
    if (isForDevwatchAlone || this.plan.loaded.settingsFiles.includes(change.path)) {
      this.#isWatchPlanStale ||= ['package.json', '.gitignore'].includes(path.basename(change.path));
      this.#options.onSettingsChange(change);
    }
    if (isForDevwatchAlone) return;
    if (isReadAtBoot(change.path)) this.#launcher?.discardStandbys();
    this.#changes.push(change);
  }

  #launch(run: number, cause: Cause, listener: RunListener): RunningProgram {
    if (this.#launcher === undefined) throw new Error('a run was requested before start()');
    this.#watcher.session?.begin(Date.now());
    this.#changes.runStarts();
    const changes = this.#pendingChanges;
    this.#pendingChanges = [];
    return this.#runs.launch(this.#launcher, { run, cause, changes, listener });
  }

  #onStopping(event: EventOf<'stopping'>): void {
    this.#runs.endChecks();
    this.#cancelStopNotice();
    const { killTimeout, signal } = this.plan.loaded.settings;
    // When devwatch itself ends, the command line prints its own notice.
    if (event.stage === 'terminating' && !this.#isStopping && killTimeout > slowStopNoticeMs) {
      const notice = { type: 'slowStop', run: event.run, signal, killIn: killTimeout - slowStopNoticeMs } as const;
      this.#cancelStopNotice = this.#options.clock.after(slowStopNoticeMs, () => this.#emit(notice));
    }
    this.#emit(event);
  }

  #onOwnEnd(event: EventOf<'crash' | 'exit'>): void {
    this.#runs.endChecks();
    if (event.next.kind !== 'restart') {
      // No run follows soon: nobody should wait for an answer on a held port.
      this.#launcher?.releasePorts();
      this.input.leavesInput();
    }
    this.#emit(event);
  }

  async #end(reason: StopReason): Promise<void> {
    this.#changes.close();
    this.#runs.endChecks();
    await Promise.all([this.#watcher.close(), this.#hooks?.close(), this.#launcher?.close()]);
    this.readiness.onEvent({ type: 'end', reason });
    this.#options.onEnd(reason);
  }
}
