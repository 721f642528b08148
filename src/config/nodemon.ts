/** Settings of nodemon, for users who come from it. */

import { type Document, type Layer, layerOf, readAt } from './document.ts';
import type { OptionKey } from './options.ts';

/** nodemon's keys that mean the same as a key of devwatch. */
const sameMeaning: Readonly<Record<string, OptionKey>> = {
  script: 'script',
  args: 'args',
  nodeArgs: 'nodeArgs',
  exec: 'exec',
  execMap: 'execMap',
  env: 'env',
  cwd: 'cwd',
  watch: 'watch',
  ignore: 'ignore',
  ext: 'ext',
  delay: 'delay',
  legacyWatch: 'poll',
  pollingInterval: 'pollInterval',
  exitcrash: 'exitOnCrash',
  runOnChangeOnly: 'onChangeOnly',
  signal: 'signal',
  quiet: 'quiet',
  verbose: 'verbose',
  colours: 'color',
};

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
    const ours = Object.hasOwn(sameMeaning, key) ? sameMeaning[key] : undefined;
    if (ours !== undefined) values.set(ours, readAt(ours, value));
    else if (!silent.has(key)) unsupported.push(`"${key}"`);
  }
  const nameOf = (key: OptionKey): string => Object.keys(sameMeaning).find((name) => sameMeaning[name] === key) ?? key;
  return { layer: layerOf(document, values, nameOf), unsupported };
}
