/** Layers of settings become one: flags, a program of `apps`, the rest of the file. */

import type { UsageError } from '../shared/errors.ts';
import { defaultSettings } from './defaults.ts';
import { kindOf } from './option-kinds.ts';
import { type OptionKey, optionKeys, specOf } from './options.ts';
import { ValueError } from './read-values.ts';
import type { Settings } from './settings-types.ts';

/** Checked values, and the folder that their paths and patterns are relative to. */
export interface Layer {
  readonly values: ReadonlyMap<OptionKey, unknown>;
  readonly folder: string;
  /** Returns where a value was given, for people: a flag, or the name of a file. */
  origin(key: OptionKey): string;
  /** Returns an error about one of the values, with the place where it was given. */
  error(key: OptionKey, message: string): UsageError;
}

/** Where each setting was given that is not at its default; several places have given a part each. */
export type Origins = ReadonlyMap<OptionKey, readonly string[]>;

/**
 * Merges layers. The first one that has a value for a key wins; in an option that consists of keys itself, such as
 * variables and hooks, that holds for each of these.
 *
 * @param defaults a last layer, whose values may be incomplete: the others complete them
 * @throws UsageError at the place of a value that is incomplete
 */
export function mergeLayers(
  layers: readonly Layer[],
  defaults?: Layer,
): { readonly settings: Settings; readonly origins: Origins } {
  const all = defaults === undefined ? layers : [...layers, defaults];
  const values: Partial<Record<OptionKey, unknown>> = {};
  const origins = new Map<OptionKey, readonly string[]>();
  for (const key of optionKeys) {
    const given = all.filter((layer) => layer.values.get(key) !== undefined);
    values[key] = defaultSettings[key];
    const [first] = given;
    if (first === undefined) continue;
    const merged = mergeValues(key, given);
    try {
      values[key] = kindOf(specOf(key)).complete?.(merged.value) ?? merged.value;
      origins.set(key, merged.origins);
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      if (first !== defaults) throw first.error(key, error.message);
    }
  }
  return { settings: Object.freeze(values) as Settings, origins };
}

function mergeValues(key: OptionKey, layers: readonly Layer[]): { value: unknown; origins: readonly string[] } {
  const { resolve, merge } = kindOf(specOf(key));
  const parts = layers.map((layer) => {
    const value = layer.values.get(key);
    return { value: resolve?.(value, layer.folder) ?? value, origins: [layer.origin(key)] };
  });
  return parts.reduceRight((below, above) => {
    const value = merge?.(above.value, below.value) ?? above.value;
    return value === above.value ? above : { value, origins: [...above.origins, ...below.origins] };
  });
}
