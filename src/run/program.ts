/**
 * One program: wires its watcher, its launcher and its checks to the supervisor, which decides.
 *
 * From a change to the next run: ProgramWatcher → #onChange → Changes → Supervisor → #launch.
 * From the end of a run to its event: Launcher → #onProgramEvent → Supervisor → #onOwnEnd.
 */

import path from 'node:path';
import { affected, restartNotice } from '../config/affects.ts';
import type { LoadedSettings } from '../config/load.ts';
import { type OptionKey, optionKeys, type Settings } from '../config/options.ts';
import type { Hooks } from '../process/hooks.ts';
import { runVariables } from '../process/launch/environment.ts';
import type { Launcher } from '../process/launch/launcher.ts';
import type { ProgramEvent } from '../process/launch/program-events.ts';
import type { RunningProgram } from '../process/launch/running-program.ts';
import { isDeliveredByTerminal, isForeground, looksInterrupted } from '../process/launch/tty.ts';
import { probeHttp, probeTcp } from '../process/probe.ts';
import { findPortHolders } from '../process/sockets/port-holders.ts';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import type { Cause, Change, Emit, EventOf, StopReason } from '../shared/events.ts';
import { unreachable } from '../shared/unreachable.ts';
import { type RunListener, Supervisor } from '../supervise/supervisor.ts';
import { Watchdog } from '../supervise/watchdog.ts';
import { Changes } from './changes.ts';
import {
  isReadByDevwatchAlone,
  launchOptionsFor,
  planRun,
  policyFor,
  type RunPlan,
  type RunRequest,
  readVariables,
} from './command-plan.ts';
import { ProgramInput } from './program-input.ts';
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

/** devwatch may learn of a Ctrl-C this much later than of the program's end that it caused. */
const maxInterruptDelayMs = 50;

/** After this long without a restart, tell the user what devwatch waits for. */
const slowStopNoticeMs = 1500;

export class Program implements Configurable {
  readonly readiness: Readiness;
  readonly input: ProgramInput;
  readonly #options: ProgramOptions;
  readonly #emit: Emit;
  readonly #timeline: RestartTimeline;
  readonly #watcher: ProgramWatcher;
  readonly #changes: Changes;
  readonly #supervisor: Supervisor<RunningProgram>;
  #plan: RunPlan;
  #watchdog: Watchdog;
  /** Set by `start`, before which no run can be requested. */
  #launcher: Launcher | undefined;
  #hooks: Hooks | undefined;
  /** The run whose root process is alive. */
  #liveRun: number | undefined;
  /** The changes that lead to the next run. */
  #pendingChanges: readonly Change[] = [];
  /** Ignore rules or package.json changed since the watch plan was made. */
  #isWatchPlanStale = false;
  #isStopping = false;
  #cancelStopNotice: CancelTimer = () => {};

  /** @throws UsageError when there is nothing to run, or it cannot be run */
  constructor(options: ProgramOptions) {
    const { request, clock, emit } = options;
    this.#options = options;
    this.#plan = planRun(request);
    const { settings } = request.loaded;
    this.readiness = new Readiness({ clock, hasCheck: settings.ready !== undefined, onRunning: emit });
    this.#emit = (event) => {
      this.readiness.onEvent(event);
      emit(event);
    };
    this.input = new ProgramInput({ stdin: () => this.loaded.settings.stdin, onOwner: this.#emit });
    this.#timeline = new RestartTimeline(clock);
    this.#watcher = new ProgramWatcher({
      clock,
      plan: () => this.#plan,
      emit: this.#emit,
      onChange: (change) => this.#onChange(change),
    });
    this.#changes = new Changes({
      clock,
      timeline: this.#timeline,
      loaded: () => this.loaded,
      script: () => this.#plan.command.script,
      explain: (file) => this.#watcher.explain(file),
      isResyncing: () => this.#watcher.isResyncing(),
      withoutUnchanged: (changes) => this.#watcher.withoutUnchanged(changes),
      emit: this.#emit,
      onChanged: () => this.#supervisor.dispatch({ type: 'changed' }),
      onSettled: (changes) => this.#onSettled(changes),
    });
    this.#supervisor = new Supervisor({
      policy: policyFor(settings),
      clock,
      launch: (run, cause, listener) => this.#launch(run, cause, listener),
      onStopping: (event) => this.#onStopping(event),
      onGone: (event) => this.#onGone(event),
      onOwnEnd: (event) => this.#onOwnEnd(event),
      onWait: () => this.#emit({ type: 'wait', reason: 'on-change-only' }),
      onEnd: (reason) => void this.#end(reason),
    });
    this.#watchdog = this.#createWatchdog();
  }

  /** The process of the live run, or undefined while none runs. */
  get running(): RunningProgram | undefined {
    return this.#liveRun === undefined ? undefined : this.#supervisor.program;
  }

  /** The command as it is shown to the user. */
  get display(): string {
    return this.#plan.command.display;
  }

  get isNode(): boolean {
    return this.#plan.command.isNode;
  }

  /** The settings in force. */
  get loaded(): LoadedSettings {
    return this.#plan.loaded;
  }

  /** Starts the program, and then begins to watch. Resolves once no save can be missed any more. */
  async start(launcher: Launcher): Promise<void> {
    this.#launcher = launcher;
    this.#hooks = launcher.openHooks({
      folder: this.loaded.folder,
      commands: () => hookCommandsOf(this.loaded.settings),
      env: () => this.#plan.env,
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

  /** Sends a signal to the program. */
  signal(name: NodeJS.Signals, to: 'root' | 'tree'): void {
    this.#supervisor.program?.signal(name, to);
  }

  reportProblem(message: string): void {
    this.#emit({ type: 'problem', message });
  }

  update(plan: RunPlan | undefined): readonly OptionKey[] {
    const changed = plan === undefined ? [] : this.#putIntoForce(plan);
    const rewatches = this.#isWatchPlanStale || affected(changed, 'watch');
    this.#isWatchPlanStale = false;
    if (this.#launcher === undefined) return changed; // The first start uses them.
    if (rewatches) this.#watcher.rewatch();
    if (affected(changed, 'program')) this.restart('settings', false);
    return changed;
  }

  #putIntoForce(plan: RunPlan): readonly OptionKey[] {
    const before = this.loaded.settings;
    const { settings, file = '' } = plan.loaded;
    this.#plan = plan;
    const changed = optionKeys.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(settings[key]));
    if (changed.length === 0) return changed;
    this.#emit({ type: 'settings', file, changed, settings });
    const message = restartNotice(changed, 'start', [before, settings]);
    if (message !== undefined) this.#emit({ type: 'warning', message });
    this.#supervisor.policy = policyFor(settings);
    if (affected(changed, 'watchdog')) {
      const previous = this.#watchdog;
      this.#watchdog = this.#createWatchdog();
      previous.replaceBy(this.#watchdog);
    }
    return changed;
  }

  #onChange(change: Change): void {
    const isForDevwatchAlone = isReadByDevwatchAlone(change.path, this.loaded);
    if (isForDevwatchAlone || this.loaded.settingsFiles.includes(change.path)) {
      this.#isWatchPlanStale ||= ['package.json', '.gitignore'].includes(path.basename(change.path));
      this.#options.onSettingsChange(change);
    }
    if (isForDevwatchAlone) return;
    if (isReadAtBoot(change.path)) this.#launcher?.discardStandbys();
    this.#changes.push(change);
  }

  #onSettled(changes: readonly Change[]): void {
    this.#pendingChanges = changes;
    this.#hooks?.run('change', runVariables(this.#supervisor.run, 'change', changes));
    this.#supervisor.dispatch({ type: 'quiet' });
  }

  #launch(run: number, cause: Cause, listener: RunListener): RunningProgram {
    if (this.#launcher === undefined) throw new Error('a run was requested before start()');
    this.#refreshVariables();
    this.#timeline.launch();
    this.#watcher.runStarts();
    this.#changes.runStarts();
    const changes = this.#pendingChanges;
    const variables = runVariables(run, cause, changes);
    const program = this.#launcher.launch(launchOptionsFor(this.#plan, this.#options.request, variables), {
      onEvent: (event) => this.#onProgramEvent(event, run, listener),
      onReadsInput: () => this.input.readsInput(),
    });
    const hasStarted = program.pid !== undefined;
    this.#liveRun = hasStarted ? run : undefined;
    this.input.begin(hasStarted ? program : undefined, this.isNode);
    const { pid, fromStandby: standby } = program;
    this.#emit({ type: 'start', run, pid, cause, changes, standby, ...this.#timeline.start() });
    this.#hooks?.run(run === 1 ? 'start' : 'restart', variables);
    this.#pendingChanges = [];
    if (hasStarted) this.#watchdog.begin(program);
    return program;
  }

  #refreshVariables(): void {
    try {
      this.#plan = { ...this.#plan, env: readVariables({ ...this.#options.request, loaded: this.loaded }) };
    } catch (error) {
      this.reportProblem(`${messageOf(error)} · the variables stay as they were`);
    }
  }

  #onProgramEvent(event: ProgramEvent, run: number, listener: RunListener): void {
    switch (event.type) {
      case 'exit': {
        // The tree may be proven gone before Node reports the exit of its root, and the next run may have begun.
        if (this.#liveRun === run) this.#onRootExit();
        // Ctrl-C reaches the program and devwatch at once, and the program's end may be reported first. Such an end
        // is no crash. When two signals are pending, two threads of devwatch may even take the second one first.
        const report = (): void => listener.onExit(event.outcome);
        if (looksInterrupted(event.outcome) && isForeground()) this.#options.clock.after(maxInterruptDelayMs, report);
        else report();
        return;
      }
      case 'gone':
        listener.onGone(event.survivors);
        return;
      case 'begin':
        this.#emit({ type: 'begin', run, ms: this.#timeline.sinceRunCaused });
        return;
      case 'standby':
        this.#emit(event);
        return;
      case 'prewarmFailed': {
        const message = `${event.file} cannot be loaded ahead of time (${event.message}): --prewarm is off for now`;
        this.#emit({ type: 'warning', message });
        return;
      }
      case 'leavesInput':
        if (this.#liveRun === run) this.input.leavesInput();
        return;
      case 'load':
        this.#watcher.loads(event.file);
        return;
      case 'listens':
        this.#watchdog.listens(event.port);
        return;
      case 'message':
        this.#watchdog.receives(event.message);
        return;
      case 'output':
        this.#watchdog.prints(event.chunk);
        return;
      case 'portTaken':
        this.#emit({ type: 'portTaken', port: event.port, holders: findPortHolders(event.port) });
        return;
      default:
        unreachable(event);
    }
  }

  #onRootExit(): void {
    this.#liveRun = undefined;
    this.input.end(this.isNode);
  }

  #onStopping(event: EventOf<'stopping'>): void {
    this.#watchdog.end();
    this.#cancelStopNotice();
    const { killTimeout, signal } = this.loaded.settings;
    // When devwatch itself ends, the command line prints its own notice.
    if (event.stage === 'terminating' && !this.#isStopping && killTimeout > slowStopNoticeMs) {
      const { run } = event;
      this.#cancelStopNotice = this.#options.clock.after(slowStopNoticeMs, () =>
        this.#emit({ type: 'slowStop', run, signal, killIn: killTimeout - slowStopNoticeMs }),
      );
    }
    this.#emit(event);
  }

  #onGone(event: EventOf<'gone'>): void {
    this.#cancelStopNotice();
    this.#timeline.gone();
    this.#emit(event);
  }

  #onOwnEnd(event: EventOf<'crash' | 'exit'>): void {
    const { type, run, outcome, next } = event;
    this.#watchdog.end();
    if (next.kind !== 'restart') {
      // No run follows soon: nobody should wait for an answer on a held port.
      this.#launcher?.releasePorts();
      this.input.leavesInput();
    }
    this.#hooks?.run(type, {
      DEVWATCH_RUN: String(run),
      DEVWATCH_CODE: String(outcome.code ?? ''),
      DEVWATCH_SIGNAL: outcome.signal ?? '',
      DEVWATCH_REASON: outcome.reason ?? outcome.error ?? '',
    });
    this.#emit(event);
  }

  #onReady(port: number | undefined): void {
    const { run } = this.#supervisor;
    const ms = this.#timeline.sinceRunCaused;
    this.#emit({ type: 'ready', run, ms, ...(port !== undefined && { port }) });
    this.#hooks?.run('ready', {
      DEVWATCH_RUN: String(run),
      DEVWATCH_MS: String(Math.round(ms)),
      DEVWATCH_PORT: String(port ?? ''),
    });
  }

  #createWatchdog(): Watchdog {
    const { env, command, loaded } = this.#plan;
    const isDebugged = [...command.nodeArgs, env.NODE_OPTIONS ?? ''].some((flags) => /(?:^|\s)--inspect/.test(flags));
    return new Watchdog({
      clock: this.#options.clock,
      // A program at a breakpoint does not answer.
      settings: isDebugged ? { ...loaded.settings, health: undefined } : loaded.settings,
      probe: (target, signal) => (target.kind === 'http' ? probeHttp(target.url, signal) : probeTcp(target, signal)),
      onReady: (port) => this.#onReady(port),
      onUnhealthy: (reason, permanent) => this.#supervisor.reportUnhealthy(reason, permanent),
    });
  }

  async #end(reason: StopReason): Promise<void> {
    this.#changes.close();
    this.#watchdog.end();
    await Promise.all([this.#watcher.close(), this.#hooks?.close(), this.#launcher?.close()]);
    this.readiness.onEvent({ type: 'end', reason });
    this.#options.onEnd(reason);
  }
}

/** Node and its loaders read these files before the program; some loaders are configured by `.env`. */
const isReadAtBoot = (file: string): boolean =>
  /^(?:(?:package(?:-lock)?|[tj]sconfig.*)\.json|\.env.*)$/.test(path.basename(file));

const hookCommandsOf = ({ on, onReady }: Settings): Settings['on'] =>
  onReady === undefined ? on : { ...on, ready: onReady };
