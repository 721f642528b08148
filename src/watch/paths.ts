/** Absolute POSIX paths as text, without access to the disk. */

import path from 'node:path';

export const toPosix: (file: string) => string =
  path.sep === '\\' ? (file) => file.replaceAll('\\', '/') : (file) => file;

export const isBelow = (file: string, folder: string): boolean =>
  file.length > folder.length && file.startsWith(folder) && (folder.endsWith('/') || file[folder.length] === '/');
export const isAtOrBelow = (file: string, folder: string): boolean => file === folder || isBelow(file, folder);

/** Length of a folder's path together with the slash that follows it. */
export const lengthOfPrefix = (folder: string): number => (folder.endsWith('/') ? folder.length : folder.length + 1);
