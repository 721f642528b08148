/** The settings that decide what follows from the end of a run. */

import type { Settings } from '../config/settings-types.ts';

/** Times are in ms. */
export interface Policy extends Pick<Settings, 'restart' | 'exitOnCrash' | 'onChangeOnly' | 'killTimeout'> {
  /** Restarts in a row of a program that does not come up; null: no limit. */
  readonly maxRestarts: number | null;
  /** A run that lives this long has come up; null if a readiness check decides. */
  readonly assumedUpAfterMs: number | null;
  /** The source of further runs when devwatch itself starts none; null: there is none, and devwatch ends. */
  readonly waitsFor: 'change' | 'schedule' | 'request' | null;
}

const defaultMaxRestarts = 5;

/** @param canBeRequested whether somebody may ask for a run: over the control socket, or through the API */
export function policyOf(settings: Settings, canBeRequested: boolean): Policy {
  const { restart, exitOnCrash, onChangeOnly, killTimeout, maxRestarts, minUptime, ready, watch, restartAt } = settings;
  const isWatching = watch.length > 0;
  return {
    ...{ restart, exitOnCrash, onChangeOnly, killTimeout },
    maxRestarts: maxRestarts ?? (isWatching ? defaultMaxRestarts : null),
    assumedUpAfterMs: ready === undefined ? minUptime : null,
    waitsFor: isWatching ? 'change' : restartAt !== undefined ? 'schedule' : canBeRequested ? 'request' : null,
  };
}
