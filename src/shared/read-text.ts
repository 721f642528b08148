import fs from 'node:fs';
import { attempt } from './errors.ts';
import { withOpenFile } from './file-ownership.ts';

/** More than any text that devwatch reads as a whole. */
const maxBytes = 16 * 1024 * 1024;

/**
 * Returns the content of a text file; undefined if it cannot be read, is too large, or is no regular file: reading a named
 * pipe would wait for its writer.
 */
export const readText = (file: string): string | undefined =>
  attempt(() =>
    withOpenFile(file, (descriptor, stats) =>
      isReadable(stats) ? fs.readFileSync(hasZipFiles() ? file : descriptor, 'utf8') : undefined,
    ),
  );

/** Yarn's Plug'n'Play lets Node read files in zip files, but not through a descriptor. */
const hasZipFiles = (): boolean => process.versions.pnp !== undefined;

const isReadable = (stats: fs.Stats): boolean => stats.isFile() && stats.size <= maxBytes;
