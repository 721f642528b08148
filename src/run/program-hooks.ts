/** The user's commands (`on`) that events run, and the variables that describe the event to them. */

import type { HookName, Settings } from '../config/settings-types.ts';
import { runVariables } from '../process/launch/environment.ts';
import type { DevwatchEvent } from '../shared/events.ts';

interface HookCall {
  readonly name: HookName;
  readonly variables: Readonly<Record<string, string>>;
}

/** Returns the hook that an event calls, if any. `latestRun`: the run that a change is about to replace. */
export function hookFor(event: DevwatchEvent, latestRun: number): HookCall | undefined {
  switch (event.type) {
    case 'change':
      return { name: 'change', variables: runVariables(latestRun, 'change', event.changes) };
    case 'start': {
      const { run, cause, changes } = event;
      return { name: run === 1 ? 'start' : 'restart', variables: runVariables(run, cause, changes) };
    }
    case 'ready': {
      const { run, ms, port = '' } = event;
      const variables = { DEVWATCH_RUN: `${run}`, DEVWATCH_MS: `${Math.round(ms)}`, DEVWATCH_PORT: `${port}` };
      return { name: 'ready', variables };
    }
    case 'crash':
    case 'exit': {
      const { code, signal, reason, error = '' } = event.outcome;
      const variables = {
        DEVWATCH_RUN: `${event.run}`,
        DEVWATCH_CODE: `${code ?? ''}`,
        DEVWATCH_SIGNAL: signal ?? '',
        DEVWATCH_REASON: reason ?? error,
      };
      return { name: event.type, variables };
    }
    default:
      return undefined;
  }
}

/** The commands of `on`, with that of `onReady`. */
export const hookCommandsOf = ({ on, onReady }: Settings): Settings['on'] =>
  onReady === undefined ? on : { ...on, ready: onReady };
