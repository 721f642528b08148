/** Spellings of one name: macOS and Windows find an entry by any of them, and may report another one than its folder has. */

/** Returns a text that is equal for all names that could stand for one entry. */
const fold = (name: string): string => name.normalize('NFC').toLowerCase();

/** Returns the key that is this name, or else another spelling of it; undefined when there is none. */
export function spellingIn(entries: ReadonlyMap<string, unknown>, name: string): string | undefined {
  if (entries.has(name)) return name;
  const folded = fold(name);
  for (const other of entries.keys()) if (fold(other) === folded) return other;
  return undefined;
}

/** Is this perhaps the short form of a longer name, as Windows may report it? `SERVER~1.JS` */
export const isShortened = (name: string): boolean => /~\d/.test(name);
