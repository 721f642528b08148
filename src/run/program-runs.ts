/** The runs of one program: launches each of them, watches it with the checks, and passes on what it reports. */

import type { Hooks } from '../process/hooks.ts';
import { runVariables } from '../process/launch/environment.ts';
import type { Launcher } from '../process/launch/launcher.ts';
import type { ProgramEvent, RunningProgram } from '../process/launch/running-program.ts';
import { isForeground, looksInterrupted } from '../process/launch/tty.ts';
import { probeHttp, probeTcp } from '../process/probe.ts';
import { findPortHolders } from '../process/sockets/port-holders.ts';
import type { Clock } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import type { Cause, Change, Emit } from '../shared/events.ts';
import { unreachable } from '../shared/unreachable.ts';
import type { RunListener } from '../supervise/supervisor.ts';
import { Watchdog } from '../supervise/watchdog.ts';
import { launchOptionsFor, type RunPlan, type RunRequest, readVariables } from './command-plan.ts';
import type { ProgramInput } from './program-input.ts';
import type { RestartTimeline } from './restart-timeline.ts';

/** The launcher, as far as a program needs it. */
export interface ProgramLauncher extends Pick<Launcher, 'launch' | 'discardStandbys' | 'releasePorts' | 'close'> {
  openHooks(options: Parameters<Launcher['openHooks']>[0]): Pick<Hooks, 'run' | 'close'>;
}

export interface NextRun {
  readonly run: number;
  readonly cause: Cause;
  /** The changes that have led to the run. */
  readonly changes: readonly Change[];
  readonly listener: RunListener;
}

export interface ProgramRunsOptions {
  readonly request: RunRequest;
  readonly plan: RunPlan;
  readonly clock: Clock;
  readonly timeline: RestartTimeline;
  readonly input: ProgramInput;
  readonly emit: Emit;
  /** The program loads this file. */
  readonly onLoad: (file: string) => void;
  /** The run fails a check. `permanent`: restarting will not help until a file changes. */
  readonly onUnhealthy: (reason: string, permanent: boolean) => void;
}

/** devwatch may learn of a Ctrl-C this much later than of the program's end that it caused. */
const maxInterruptDelayMs = 50;

export class ProgramRuns {
  readonly #options: ProgramRunsOptions;
  #plan: RunPlan;
  #watchdog: Watchdog;
  /** The number of the latest run. */
  #run = 0;
  /** The latest run while its root process is alive. */
  #live: RunningProgram | undefined;

  constructor(options: ProgramRunsOptions) {
    this.#options = options;
    this.#plan = options.plan;
    this.#watchdog = this.#createWatchdog();
  }

  /** Settings, command and variables of the next run. */
  get plan(): RunPlan {
    return this.#plan;
  }

  /** The program whose root process is alive. */
  get live(): RunningProgram | undefined {
    return this.#live;
  }

  /** Launches the next run. The tree of the run before must be gone. */
  launch(launcher: ProgramLauncher, { run, cause, changes, listener }: NextRun): RunningProgram {
    const { request, timeline, input, emit } = this.#options;
    this.#refreshVariables();
    timeline.launch();
    const variables = runVariables(run, cause, changes);
    const program = launcher.launch(launchOptionsFor(this.#plan, request, variables), {
      onEvent: (event) => this.#onProgramEvent(event, run, listener),
      onReadsInput: () => input.readsInput(),
    });
    const { pid, fromStandby: standby } = program;
    this.#run = run;
    this.#live = pid === undefined ? undefined : program;
    input.begin(this.#live, this.#plan.command.isNode);
    emit({ type: 'start', run, pid, cause, changes, standby, ...timeline.start() });
    if (this.#live !== undefined) this.#watchdog.begin(this.#live);
    return program;
  }

  /** Uses another plan from the next run on. `replacesChecks`: and other checks at once. */
  setPlan(plan: RunPlan, replacesChecks: boolean): void {
    this.#plan = plan;
    if (!replacesChecks) return;
    const previous = this.#watchdog;
    this.#watchdog = this.#createWatchdog();
    previous.replaceBy(this.#watchdog);
  }

  /** The run has ended by itself, or is being stopped: its checks end. */
  endChecks(): void {
    this.#watchdog.end();
  }

  #refreshVariables(): void {
    const { request, emit } = this.#options;
    try {
      this.#plan = { ...this.#plan, env: readVariables({ ...request, loaded: this.#plan.loaded }) };
    } catch (error) {
      emit({ type: 'problem', message: `${messageOf(error)} · the variables stay as they were` });
    }
  }

  #onProgramEvent(event: ProgramEvent, run: number, listener: RunListener): void {
    const { clock, timeline, input, emit, onLoad } = this.#options;
    // The next run may have begun: a tree may be proven gone before Node reports the exit of its root.
    const isLive = this.#live !== undefined && this.#run === run;
    switch (event.type) {
      case 'exit': {
        if (isLive) this.#endLive();
        // Ctrl-C reaches the program and devwatch at once, and the program's end may be reported first. Such an end
        // is no crash. When two signals are pending, two threads of devwatch may even take the second one first.
        const report = (): void => listener.onExit(event.outcome);
        if (looksInterrupted(event.outcome) && isForeground()) clock.after(maxInterruptDelayMs, report);
        else report();
        return;
      }
      case 'gone':
        if (isLive) this.#endLive();
        listener.onGone(event.survivors);
        return;
      case 'begins':
        emit({ type: 'begin', run, ms: timeline.sinceRunCaused });
        return;
      case 'standby':
        emit(event);
        return;
      case 'prewarm-failed': {
        const message = `${event.file} cannot be loaded ahead of time (${event.message}): --prewarm is off for now`;
        emit({ type: 'warning', message });
        return;
      }
      case 'leaves-stdin':
        if (isLive) input.leavesInput();
        return;
      case 'loads':
        onLoad(event.file);
        return;
      case 'listens':
        this.#watchdog.readiness.listens(event.port);
        return;
      case 'message':
        this.#watchdog.readiness.receives(event.message);
        return;
      case 'output':
        this.#watchdog.readiness.prints(event.chunk);
        return;
      case 'portTaken':
        emit({ type: 'portTaken', port: event.port, holders: findPortHolders(event.port) });
        return;
      default:
        unreachable(event);
    }
  }

  #endLive(): void {
    this.#live = undefined;
    this.#options.input.end(this.#plan.command.isNode);
  }

  #onReady(port: number | undefined): void {
    const ms = this.#options.timeline.sinceRunCaused;
    this.#options.emit({ type: 'ready', run: this.#run, ms, ...(port !== undefined && { port }) });
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
      onUnhealthy: (reason, permanent) => this.#options.onUnhealthy(reason, permanent),
    });
  }
}
