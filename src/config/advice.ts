/** How to change a setting, for people: as a flag, or as a key of the settings file, wherever it is set now. */

import type { LoadedSettings } from './load.ts';
import type { OptionKey } from './options.ts';

type Place = Pick<LoadedSettings, 'file' | 'origins'>;

/** Returns the flags, or the key of the settings file, that set a list. A flag stays one, because it wins over the file. */
export function howToSet(key: 'watch' | 'ignore' | 'ext', list: readonly string[], { file, origins }: Place): string {
  const isFlag = origins.get(key)?.[0]?.startsWith('--') ?? file === undefined;
  if (!isFlag) return `"${key}": ${JSON.stringify(list).replaceAll(',', ', ')}`;
  const words = key === 'ext' ? [list.join()] : list;
  return words.map((word) => `--${key} ${/^[\w./+,-]+$/.test(word) ? word : `'${word}'`}`).join(' ');
}

/** Names a value that stands in the way, and the place that has set it. */
export function without(key: OptionKey, value: string, { origins }: Pick<LoadedSettings, 'origins'>): string {
  const [origin = ''] = origins.get(key) ?? [];
  if (!origin.startsWith('--')) return `without ${value} in "${key}" of ${origin}`;
  const isNegated = value === '[]' || value === 'false';
  return isNegated ? `without --no-${origin.slice(2)}` : `without ${origin} '${value}'`;
}
