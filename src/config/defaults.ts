/** The settings that are in force where users set nothing. */

import { optionKeys, specOf } from './options.ts';
import type { Health, HookName, Settings } from './settings-types.ts';

/** Every option at its default; frozen, lists and maps included. */
export const defaultSettings: Settings = Object.freeze(
  Object.fromEntries(optionKeys.map((key) => [key, Object.freeze(specOf(key).default)])),
) as Settings;

export const healthDefaults: Omit<Health, 'probe'> = {
  interval: 10_000,
  timeout: 5000,
  failures: 2,
  grace: 10_000,
  failOn: ['refused', 'timeout', 'reset', 'unreachable', 'status', 'closed'],
};

export const hookNames: readonly HookName[] = ['start', 'ready', 'restart', 'change', 'crash', 'exit'];

/** Files that pages load: with live reload they are watched, but restart no program unless `ext` contains them. */
export const pageExtensions: readonly string[] = ['css', 'html'];

/** The port that live-reload tools have always used. */
export const liveReloadPort = 35_729;
