import path from 'node:path';
import { entriesOf } from './disk.ts';
import type { Filter } from './filter.ts';

/** A larger tree is only partly looked at: the answer is for a message. */
const maxEntries = 5000;

/** Returns the extensions of the files that could be watched, whatever they are, and their number; the most frequent first. */
export function extensionsBelow(filter: Filter): readonly (readonly [extension: string, count: number])[] {
  const counts = new Map<string, number>();
  const folders = [...filter.roots];
  let left = maxEntries;
  for (let folder = folders.shift(); folder !== undefined && left > 0; folder = folders.shift()) {
    for (const entry of entriesOf(folder)) {
      left -= 1;
      const place = path.join(folder, entry.name);
      if (entry.isDirectory()) {
        if (filter.mayContain(place)) folders.push(place);
        continue;
      }
      const extension = path.extname(entry.name).slice(1);
      if (extension !== '') counts.set(extension, (counts.get(extension) ?? 0) + 1);
    }
  }
  return [...counts].sort(([, one], [, other]) => other - one);
}
