/**
 * A program: wires its files, its settings and its runs to the supervisor, which decides what happens.
 *
 * From a changed file to the next run: #onChange → Changes → Supervisor → #launch.
 * From the end of a run to its event: #onProgramEvent → Supervisor → #onOwnEnd.
 */

import path from 'node:path';
import { affected, type OptionKey, optionKeys, restartNotice } from '../config/options.ts';
import type { Hooks } from '../process/hooks.ts';
import { runVariables } from '../process/launch/environment.ts';
import type { Launcher } from '../process/launch/launcher.ts';
import type { ProgramEvent, RunningProgram } from '../process/launch/program-interface.ts';
import { isDeliveredByTerminal, isForeground, looksInterrupted } from '../process/launch/tty.ts';
import { platform } from '../process/platform.ts';
import type { Clock } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import type { Cause, Change, Emit, StopReason } from '../shared/events.ts';
import { unreachable } from '../shared/unreachable.ts';
import { policyOf } from '../supervise/policy.ts';
import { Servers } from '../supervise/servers.ts';
import { Supervisor, type SupervisorEvent } from '../supervise/supervisor.ts';
import type { Watchdog } from '../supervise/watchdog.ts';
import { AwaitedFiles } from './awaited-files.ts';
import { Changes } from './changes.ts';
import * as plans from './command-plan.ts';
import { hookCommandsOf, hookFor } from './program-hooks.ts';
import { ProgramInput } from './program-input.ts';
import { createWatchdog } from './program-watchdog.ts';
import { Readiness } from './readiness.ts';
import { RestartSchedule } from './restart-schedule.ts';
import { RestartTimeline } from './restart-timeline.ts';
import type { Configurable } from './settings-reloader.ts';
import { StopNotice } from './stop-notice.ts';
import { Watching } from './watching.ts';

/** The launcher, as far as a program needs it. */
export interface ProgramLauncher extends Pick<Launcher, 'launch' | 'discardStandbys' | 'releasePorts' | 'close'> {
  openHooks(options: Parameters<Launcher['openHooks']>[0]): Pick<Hooks, 'run' | 'close' | 'written'>;
}

export interface ProgramOptions {
  readonly request: plans.RunRequest;
  readonly clock: Clock;
  readonly emit: Emit;
  /** Returns the time of day in epoch ms; by default that of the machine. */
  readonly now?: () => number;
  /** A settings file changed. */
  readonly onSettingsChange: (change: Change) => void;
  /** Called once, when no process of the program is alive and nothing is watched. */
  readonly onEnd: (reason: StopReason) => void;
}

/** A build may write one file after the other: the debounce window after a script was missing. */
const buildWindowMs = 300;
/** devwatch may learn of a Ctrl-C this much later than of the program's end that it caused. */
const maxInterruptDelayMs = 50;

export class Program implements Configurable {
  readonly readiness: Readiness;
  readonly input: ProgramInput;
  /** Also pauses the restarts at saves. */
  readonly changes: Changes;
  readonly #options: ProgramOptions;
  readonly #emit: Emit;
  readonly #timeline: RestartTimeline;
  readonly #awaited: AwaitedFiles;
  readonly #watching: Watching;
  readonly #supervisor: Supervisor<RunningProgram>;
  #plan: plans.RunPlan;
  readonly #servers: Servers;
  #watchdog: Watchdog;
  /** The latest run while its root process is alive. */
  #live: RunningProgram | undefined;
  /** Set by `start`, before which no run can be requested. */
  #launcher: ProgramLauncher | undefined;
  #hooks: ReturnType<ProgramLauncher['openHooks']> | undefined;
  /** Ignore rules or package.json have changed since the watch plan was made. */
  #isWatchPlanStale = false;
  /** A file has changed that decides how the program is run. */
  #isCommandStale = false;
  #isStopping = false;
  readonly #stopNotice: StopNotice;
  readonly #schedule: RestartSchedule;

  /** @throws UsageError when there is nothing to run, or it cannot be run */
  constructor(options: ProgramOptions) {
    const { request, clock, emit, now = Date.now } = options;
    this.#options = options;
    this.#plan = plans.planRun(request);
    const { settings } = this.#plan.loaded;
    this.readiness = new Readiness(clock, settings.ready !== undefined, emit);
    this.#emit = (event) => {
      this.readiness.onEvent(event);
      emit(event);
      const hook = hookFor(event, this.#supervisor.run);
      if (hook !== undefined) this.#hooks?.run(...hook);
    };
    this.input = new ProgramInput(() => this.#plan.loaded.settings.stdin, this.#emit);
    this.#timeline = new RestartTimeline(clock);
    this.#servers = new Servers(clock);
    this.#watchdog = this.#createWatchdog();
    const own = { clock, plan: () => this.#plan, emit: this.#emit, written: () => this.#written() };
    this.changes = new Changes({
      ...own,
      timeline: this.#timeline,
      session: () => this.#watching.session,
      minWindow: () => (this.#awaited.hasLacked ? buildWindowMs : 0),
      isRunning: () => this.#supervisor.isRunning,
      isUp: () => this.readiness.isUp,
      signal: ({ signal, to }) => this.signal(signal, to),
      dispatch: (type) => this.#supervisor.dispatch({ type }),
    });
    this.#schedule = new RestartSchedule({ clock, now, onDue: () => this.restart('schedule', false) });
    this.#stopNotice = new StopNotice({ clock, settings: () => this.#plan.loaded.settings, emit: this.#emit });
    this.#awaited = new AwaitedFiles({ ...own, onAppear: (change) => this.#onAppear(change) });
    this.#watching = new Watching({ ...own, onChange: (change) => this.#onChange(change) });
    this.#supervisor = new Supervisor({
      policy: policyOf(settings, request.endsWhenDone !== true),
      clock,
      canStart: () => this.#canStart(),
      awaitFiles: (which) => this.#awaitFiles(which),
      stopAwaiting: () => this.#awaited.stop(),
      launch: (run, cause) => this.#launch(run, cause),
      emit: (event) => this.#onSupervisorEvent(event),
      onEnd: (reason) => void this.#end(reason),
    });
  }

  /** The running program, or undefined while no root process is alive. */
  get running(): RunningProgram | undefined {
    return this.#live;
  }

  /** The settings in force, and the command and the variables of the next run. */
  get plan(): plans.RunPlan {
    return this.#plan;
  }

  /** Starts the program, and then begins to watch. Resolves once no save can be missed any more. */
  async start(launcher: ProgramLauncher): Promise<void> {
    this.#launcher = launcher;
    this.#hooks = launcher.openHooks({
      folder: this.#plan.loaded.folder,
      commands: () => hookCommandsOf(this.#plan.loaded.settings),
      env: () => this.#plan.env,
      onProblem: (message) => this.reportProblem(message),
    });
    const since = Date.now();
    this.#supervisor.dispatch({ type: 'start' });
    this.#schedule.follow(this.#plan.loaded.settings.restartAt);
    this.input.start();
    await this.#watching.start(since);
  }

  /** @param escalates whether a run that is already being stopped for a restart is killed */
  restart(cause: Cause, escalates: boolean): void {
    if (this.#launcher === undefined) return; // The first start is about to come.
    this.#timeline.cause();
    this.#awaited.runRequested();
    this.#supervisor.dispatch({ type: 'restart', cause, escalates });
  }

  /** Stops the program and everything around it; a second request kills. */
  stop(reason: StopReason): void {
    this.#isStopping = true;
    this.#stopNotice.end();
    this.#launcher?.releasePorts();
    // A signal from the user reaches the program as it would without devwatch; the stop signal follows only if the
    // program does not end on that. SIGTERM counts as a request to devwatch alone.
    const signal = reason.kind === 'signal' && reason.signal !== 'SIGTERM' ? reason.signal : undefined;
    if (signal !== undefined && isDeliveredByTerminal(signal)) this.#supervisor.program?.interrupted();
    else if (signal !== undefined) this.signal(signal, 'tree');
    this.#supervisor.dispatch({ type: 'stop', reason, delivered: signal !== undefined });
  }

  /** Sends a signal to the root process, or to every process of the program. */
  signal(name: NodeJS.Signals, to: 'root' | 'tree'): void {
    this.#supervisor.program?.signal(name, to);
  }

  reportProblem(message: string): void {
    this.#emit({ type: 'problem', message });
  }

  update(plan: plans.RunPlan | undefined): readonly OptionKey[] {
    const changed = plan === undefined ? [] : this.#setPlan(plan);
    const rewatches = this.#isWatchPlanStale || affected(changed, 'watch');
    this.#isWatchPlanStale = false;
    if (this.#launcher === undefined) return changed; // The first start uses them.
    this.#schedule.follow(this.#plan.loaded.settings.restartAt);
    if (rewatches) this.#watching.restart();
    if (!affected(changed, 'program')) return changed;
    const { file: path } = this.#plan.loaded;
    if (this.changes.waiting === undefined || path === undefined) this.restart('settings', false);
    else this.changes.postpone({ kind: 'change', path });
    return changed;
  }

  #setPlan(plan: plans.RunPlan): readonly OptionKey[] {
    const before = this.#plan.loaded.settings;
    const { settings, file = '' } = plan.loaded;
    const changed = optionKeys.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(settings[key]));
    this.#plan = plan;
    this.#supervisor.policy = policyOf(settings, this.#options.request.endsWhenDone !== true);
    if (affected(changed, 'watchdog')) {
      const previous = this.#watchdog;
      this.#watchdog = this.#createWatchdog();
      previous.replaceBy(this.#watchdog);
    }
    if (changed.length > 0) this.#emit({ type: 'settings', file, changed, settings });
    const message = restartNotice(changed, 'start', [before, settings]);
    if (message !== undefined) this.#emit({ type: 'warning', message });
    return changed;
  }

  #onChange(change: Change, isAwaited = false): void {
    const { loaded } = this.#plan;
    const isForDevwatchAlone = plans.isReadByDevwatchAlone(change.path, loaded);
    if (isForDevwatchAlone || loaded.settingsFiles.includes(change.path)) {
      this.#isWatchPlanStale ||= ['package.json', '.gitignore'].includes(path.basename(change.path));
      this.#options.onSettingsChange(change);
    }
    if (isForDevwatchAlone) return;
    this.#isCommandStale ||= plans.decidesCommand(change.path, this.#plan.command);
    if (plans.isReadAtBoot(change.path)) this.#launcher?.discardStandbys();
    this.changes.push(change, isAwaited);
  }

  /** A file is there that was awaited: it may bring commands and loaders, which are looked up once more. */
  #onAppear(change: Change): void {
    this.#isCommandStale = true;
    this.#launcher?.discardStandbys();
    this.#watching.appeared(change);
    this.#onChange(change, true);
  }

  /** Reads again what has changed, and returns whether everything is there that a run needs. */
  #canStart(): boolean {
    this.#refreshPlan();
    const isComplete = this.#awaited.isComplete();
    // The missing file may appear as another one, or bring its own interpreter.
    this.#isCommandStale ||= !isComplete;
    return isComplete;
  }

  #awaitFiles(which: 'needed' | 'repairing'): void {
    // The run that follows is caused by the file that is awaited.
    this.#timeline.dismissCause();
    this.#awaited.await(which);
  }

  /** Launches the next run. The tree of the run before is gone. */
  #launch(run: number, cause: Cause): RunningProgram {
    if (this.#launcher === undefined) throw new Error('a run was requested before start()');
    this.#watching.session?.begin(Date.now());
    const changes = this.changes.runStarts(cause);
    this.#timeline.launch();
    const variables = runVariables(run, cause, changes);
    const program = this.#launcher.launch(plans.launchOptionsFor(this.#plan, this.#options.request, variables), {
      onEvent: (event) => this.#onProgramEvent(event, run),
      onReadsInput: () => this.input.readsInput(),
    });
    const { pid, fromStandby: standby } = program;
    const { isNode, display } = this.#plan.command;
    this.#live = pid === undefined ? undefined : program;
    this.input.begin(this.#live, isNode);
    this.#emit({ type: 'start', run, pid, program: display, cause, changes, standby, ...this.#timeline.start() });
    if (this.#live !== undefined) this.#watchdog.begin(this.#live);
    this.changes.runStarted();
    this.#awaited.runStarted();
    return program;
  }

  /** Bytes written to files by the run and by hooks, and by what of them has ended. */
  #written(): number | undefined {
    const ended = platform.usage.writtenByEndedChildren();
    return ended === undefined ? undefined : ended + (this.#live?.written() ?? 0) + (this.#hooks?.written() ?? 0);
  }

  #refreshPlan(): void {
    const before = this.#plan;
    try {
      this.#plan = plans.refresh(before, this.#options.request, this.#isCommandStale);
      if (!plans.watchesSame(before, this.#plan)) this.#watching.restart();
      const notice = plans.nodeNotice(before, this.#plan);
      if (notice !== undefined) this.#emit({ type: 'warning', message: notice });
      this.#isCommandStale = false;
    } catch (error) {
      this.reportProblem(`${messageOf(error)} · command and variables stay as they were`);
    }
  }

  #onProgramEvent(event: ProgramEvent, run: number): void {
    // The next run may have begun: a tree may be proven gone before Node reports the exit of its root.
    const isLive = this.#live !== undefined && this.#supervisor.run === run;
    switch (event.type) {
      case 'exit': {
        if (isLive) this.#endLive();
        // Ctrl-C reaches the program and devwatch at once, and the program's end may be reported first. Such an end
        // is no crash. When two signals are pending, two threads of devwatch may even take the second one first.
        const { outcome, missing } = event;
        this.#awaited.lacksModule(missing);
        this.changes.runEnded(outcome.signal);
        const fault = outcome.code !== 0 && this.#plan.command.endsByDesign ? 'by-design' : event.fault;
        const report = (): void => this.#supervisor.reportExit(run, outcome, fault);
        if (looksInterrupted(outcome) && isForeground()) this.#options.clock.after(maxInterruptDelayMs, report);
        else report();
        return;
      }
      case 'gone':
        if (isLive) this.#endLive();
        this.#supervisor.reportGone(run, event.survivors);
        return;
      case 'begins':
        this.#emit({ type: 'begin', run, ms: this.#timeline.sinceRunCaused });
        return;
      case 'standby':
      case 'limitation':
        this.#emit(event);
        return;
      case 'packages':
        this.#emit({ ...event, run });
        return;
      case 'misfit':
        if (isLive) this.restart(this.changes.runRepeats(), false);
        return;
      case 'needs-loader':
        this.#emit({ type: 'warning', message: plans.loaderAdviceFor(this.#plan) });
        return;
      case 'leaves-stdin':
        if (isLive) this.input.leavesInput();
        return;
      case 'loads':
        this.#watching.session?.loads(event.file);
        return;
      case 'listens':
      case 'closes':
      case 'message':
      case 'output':
        if (isLive) this.#watchdog.onSign(event);
        return;
      case 'killed-waiting':
        this.#emit({ type: 'debugged', run, effect: 'killed' });
        return;
      case 'portTaken':
        this.#emit({ type: 'portTaken', port: event.port, holders: platform.sockets.holdersOf(event.port) });
        return;
      default:
        unreachable(event);
    }
  }

  #endLive(): void {
    this.#live = undefined;
    this.input.end(this.#plan.command.isNode);
  }

  #onSupervisorEvent(event: SupervisorEvent): void {
    switch (event.type) {
      case 'stopping':
        this.#watchdog.end();
        // When devwatch itself ends, the command line prints its own notice.
        if (event.stage === 'terminating' && !this.#isStopping) {
          this.#stopNotice.begin(event.run, this.#supervisor.program);
        } else this.#stopNotice.end();
        break;
      case 'gone':
        this.#stopNotice.end();
        this.#timeline.gone();
        break;
      case 'crash':
      case 'exit':
        this.#watchdog.end();
        if (event.next.kind === 'restart') break;
        // No run follows soon: nobody should wait for an answer on a held port.
        this.#launcher?.releasePorts(event.type);
        this.input.leavesInput();
        break;
      default:
    }
    this.#emit(event);
  }

  async #end(reason: StopReason): Promise<void> {
    this.changes.close();
    this.#schedule.close();
    this.#watchdog.end();
    await Promise.all([this.#watching.close(), this.#hooks?.close(), this.#launcher?.close()]);
    this.readiness.onEvent({ type: 'end', reason });
    this.#options.onEnd(reason);
  }

  #createWatchdog(): Watchdog {
    const own = { clock: this.#options.clock, servers: this.#servers, timeline: this.#timeline, emit: this.#emit };
    return createWatchdog({ ...own, plan: this.#plan, supervisor: () => this.#supervisor });
  }
}
