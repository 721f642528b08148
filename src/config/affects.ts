/** Effects of settings that change while devwatch runs, as the table of options names them. */

import { type Effect, type OptionKey, specOf } from './options.ts';
import type { Settings } from './settings-types.ts';

/** Returns whether a change of these settings affects `effect`. */
export const affected = (changed: readonly OptionKey[], effect: Effect): boolean =>
  changed.some((key) => specOf(key).affects.includes(effect));

/**
 * Returns a message that names the changed settings that only a restart of devwatch applies; undefined if there are
 * none.
 */
export function restartNotice(
  changed: readonly OptionKey[],
  effect: 'start' | 'backgroundStart',
  [before, after]: readonly [Settings, Settings],
): string | undefined {
  // Each run of the program reads whether ports are held; a port to open is read at the start only.
  const opensPort = [before, after].some(({ hold }) => typeof hold === 'number');
  const keys = changed.filter((key) => specOf(key).affects.includes(effect) && (key !== 'hold' || opensPort));
  if (keys.length === 0) return undefined;
  return `${keys.join(', ')} ${keys.length === 1 ? 'takes' : 'take'} effect when devwatch is restarted`;
}
