import path from 'node:path';
import type { Coverage } from './backend.ts';
import { entriesOf, inSlices } from './disk.ts';
import type { Filter } from './filter.ts';

/** Counts the relevant folders and files on the disk, before anything is watched; links are not followed. */
export async function countTree(filter: Filter): Promise<Omit<Coverage, 'backend'>> {
  let directories = 0;
  let files = 0;

  function* count(): Generator<void> {
    const queue = [...filter.roots];
    for (let folder = queue.pop(); folder !== undefined; folder = queue.pop()) {
      directories += 1;
      for (const entry of entriesOf(folder)) {
        const full = path.join(folder, entry.name);
        if (entry.isDirectory() && filter.mayContain(full)) queue.push(full);
        else if (entry.isFile() && filter.accepts(full)) files += 1;
      }
      yield;
    }
  }

  await inSlices(count(), () => false);
  return { directories, files };
}
