/** Settings of nodemon, for users who come from it. */

import { isOptionKey, type OptionKey } from './options.ts';
import { type Document, type Layer, layerOf, readAt } from './settings-file.ts';

/** Keys that mean the same as a key of devwatch with the same name. */
const shared: readonly string[] =
  'script args nodeArgs exec execMap env cwd watch ignore ext delay signal quiet verbose'.split(' ');

/** Keys that mean the same as a key of devwatch with another name. */
const renamed: ReadonlyMap<string, OptionKey> = new Map([
  ['legacyWatch', 'poll'],
  ['pollingInterval', 'pollInterval'],
  ['exitcrash', 'exitOnCrash'],
  ['runOnChangeOnly', 'onChangeOnly'],
  ['colours', 'color'],
]);

/** Keys that are ignored without a message: they ask for what devwatch always does, or have no effect. */
const silent: ReadonlySet<string> = new Set(['$schema', 'restartable', 'stdin', 'stdout', 'dump', 'ignoreRoot']);

/**
 * Converts nodemon's settings to a layer; also returns the keys that devwatch has no counterpart for.
 *
 * @throws UsageError at a value of the wrong type
 */
export function fromNodemon(document: Document): { layer: Layer; unsupported: readonly string[] } {
  if (!document.isObject()) throw document.error('settings must be an object {…}');
  const values = new Map<OptionKey, unknown>();
  const unsupported: string[] = [];
  for (const { key, value } of document.entries()) {
    const ours = shared.includes(key) ? key : (renamed.get(key) ?? '');
    if (isOptionKey(ours)) values.set(ours, readAt(ours, value));
    else if (!silent.has(key)) unsupported.push(`"${key}"`);
  }
  const nameOf = (key: OptionKey): string => [...renamed].find(([, ours]) => ours === key)?.[0] ?? key;
  return { layer: layerOf(document, values, nameOf), unsupported };
}
