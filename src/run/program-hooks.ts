/** The user's commands (`on`) that events run, and the variables that describe the event to them. */

import type { HookName, Settings } from '../config/settings-types.ts';
import { runVariables } from '../process/launch/environment.ts';
import { type DevwatchEvent, describeError } from '../shared/events.ts';

type HookCall = readonly [name: HookName, variables: Readonly<Record<string, string>>];

/** Returns the hook that an event calls, if any. `latestRun`: the run that a change is about to replace. */
export function hookFor(event: DevwatchEvent, latestRun: number): HookCall | undefined {
  switch (event.type) {
    case 'change':
      return ['change', runVariables(latestRun, 'change', event.changes)];
    case 'start':
      return [event.run === 1 ? 'start' : 'restart', runVariables(event.run, event.cause, event.changes)];
    case 'ready': {
      const { run, ms, port = '', url = '' } = event;
      const address = { DEVWATCH_PORT: `${port}`, DEVWATCH_URL: url };
      return ['ready', { DEVWATCH_RUN: `${run}`, DEVWATCH_MS: `${Math.round(ms)}`, ...address }];
    }
    case 'crash':
    case 'exit': {
      const { code, signal, reason, error = '', uncaught } = event.outcome;
      const { file, line, column } = uncaught?.location ?? {};
      const ending = {
        DEVWATCH_CODE: `${code ?? ''}`,
        DEVWATCH_SIGNAL: signal ?? '',
        DEVWATCH_REASON: reason ?? error,
        ...(event.type === 'crash' && {
          DEVWATCH_ERROR: uncaught === undefined ? '' : describeError(uncaught),
          DEVWATCH_LOCATION: [file, line, column].filter((part) => part !== undefined).join(':'),
        }),
      };
      return [event.type, { DEVWATCH_RUN: `${event.run}`, ...ending }];
    }
    default:
      return undefined;
  }
}

/** The commands of `on`, with that of `onReady`. */
export const hookCommandsOf = ({ on, onReady }: Settings): Settings['on'] =>
  onReady === undefined ? on : { ...on, ready: onReady };
