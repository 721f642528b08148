/** Absolute paths as text, without access to the disk. On Windows both separators are understood. */

import path from 'node:path';

export const toPosix: (file: string) => string =
  path.sep === '\\' ? (file) => file.replaceAll('\\', '/') : (file) => file;

const isSeparator: (character: string | undefined) => boolean =
  path.sep === '\\' ? (one) => one === '\\' || one === '/' : (one) => one === '/';

export const isBelow = (file: string, folder: string): boolean =>
  file.length > folder.length &&
  file.startsWith(folder) &&
  (isSeparator(file[folder.length]) || isSeparator(folder[folder.length - 1]));

export const isAtOrBelow = (file: string, folder: string): boolean => file === folder || isBelow(file, folder);

/** Length of a folder's path together with the slash that follows it. */
export const lengthOfPrefix = (folder: string): number => (folder.endsWith('/') ? folder.length : folder.length + 1);

/** Returns the top of the file system that a path is on (`/`, `C:\\`), and the names that lead from there to the path. */
export function partsOf(file: string): { readonly root: string; readonly names: string[] } {
  const { root } = path.parse(file);
  return { root, names: file.slice(root.length).split(path.sep).filter(Boolean) };
}
