import fs from 'node:fs';
import path from 'node:path';
import { codeOf } from './errors.ts';

/**
 * Makes a folder, and those above it that are missing; returns whether it was missing. Node's own `recursive` is not used,
 * because it never returns where a folder exists and nothing can be made in it any more: in /proc, or after what was
 * mounted there is gone.
 */
export function makeFolders(folder: string, mode: number): boolean {
  if (isFolder(folder)) return false;
  try {
    fs.mkdirSync(folder, { mode });
  } catch (error) {
    // Another process may have made it at the same moment.
    if (codeOf(error) === 'EEXIST' && isFolder(folder)) return false;
    const parent = path.dirname(folder);
    if (codeOf(error) !== 'ENOENT' || parent === folder) throw error;
    makeFolders(parent, mode);
    fs.mkdirSync(folder, { mode });
  }
  return true;
}

function isFolder(file: string): boolean {
  try {
    return fs.statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch {
    return false;
  }
}
