import fs from 'node:fs';
import { attempt } from './errors.ts';
import { withOpenFile } from './file-ownership.ts';

/**
 * Returns the content of a text file; undefined if it cannot be read, or is no regular file: reading a named pipe would wait
 * for its writer.
 */
export const readText = (file: string): string | undefined =>
  attempt(() =>
    withOpenFile(file, (descriptor, stats) => (stats.isFile() ? fs.readFileSync(descriptor, 'utf8') : undefined)),
  );
