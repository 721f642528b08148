/** Makes the watchdog of a program: its readiness, health and resource checks, and what follows from them. */

import type { RunningProgram } from '../process/launch/program-interface.ts';
import { probeHttp, probeTcp } from '../process/probe.ts';
import type { Clock } from '../shared/clock.ts';
import type { Emit, ServerAddress } from '../shared/events.ts';
import type { Servers } from '../supervise/servers.ts';
import type { Supervisor } from '../supervise/supervisor.ts';
import { Watchdog } from '../supervise/watchdog.ts';
import { isDebugged, type RunPlan } from './command-plan.ts';
import type { RestartTimeline } from './restart-timeline.ts';

export interface ProgramWatchdogOptions {
  readonly clock: Clock;
  readonly plan: RunPlan;
  readonly servers: Servers;
  readonly timeline: RestartTimeline;
  readonly supervisor: () => Supervisor<RunningProgram>;
  readonly emit: Emit;
}

/** Returns a watchdog by the settings of the plan. */
export function createWatchdog({ clock, plan, servers, timeline, supervisor, emit }: ProgramWatchdogOptions): Watchdog {
  const report = (type: 'ready' | 'address') => (address: ServerAddress, at: number) => {
    if (type === 'ready') supervisor().reportUp();
    emit({ type, run: supervisor().run, ms: timeline.msUntil(at), ...address });
  };
  const { settings } = plan.loaded;
  return new Watchdog({
    clock,
    // A program at a breakpoint does not answer.
    settings: isDebugged(plan) ? { ...settings, health: undefined } : settings,
    probe: (target, signal) => (target.kind === 'http' ? probeHttp(target.url, signal) : probeTcp(target, signal)),
    servers,
    onProblem: (message) => emit({ type: 'problem', message }),
    onReady: report('ready'),
    onAddress: report('address'),
    onUnhealthy: (reason, permanent) => supervisor().reportUnhealthy(reason, permanent),
    onSpared: (reason) => emit({ type: 'debugged', run: supervisor().run, effect: 'spared', reason }),
  });
}
