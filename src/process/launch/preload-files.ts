/**
 * The files of the preload, which every Node program loads. Programs get a copy of them in the user's cache folder: the
 * package itself may be removed or replaced while devwatch runs, also in the moment in which a program boots; and with
 * Yarn's Plug'n'Play it is no folder at all, but a part of a zip file.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { attempt } from '../../shared/errors.ts';
import { makeTrustedFolder } from '../../shared/file-ownership.ts';
import { preloadFiles, preloadText } from '../../shared/own-texts.ts';
import { cacheFolder } from '../../shared/user-folders.ts';

// Tests of the sources use the built preload, because Node 20 does not run TypeScript.
const builtFolder = import.meta.filename.endsWith('.ts') ? '../../../dist' : '.';
const packagedFolder = path.join(import.meta.dirname, builtFolder, 'preload');

/** A copy of another build is kept for this long. */
const maxCopyAgeMs = 30 * 24 * 60 * 60 * 1000;

/** Path of the copy, whose files have been there; and their paths. */
let copy: string | undefined;
let copied: readonly string[] = [];

/** Copies the files, unless that has been done. For a moment in which nobody waits. */
export function copyPreload(): void {
  if (!isCopied()) use(places().find(makeCopy));
}

/**
 * Returns the folder of the preload: the copy, else the packaged files, as long as they are those of this version.
 * Undefined if they are gone and no copy can be made: the packaged files have to be waited for.
 */
export function findPreload(): string | undefined {
  if (isCopied()) return copy;
  use(places().find(isIntact));
  if (copy !== undefined) return copy;
  const isFolder = process.versions.pnp === undefined;
  if (isFolder && isPackaged()) return packagedFolder;
  copyPreload();
  return copy ?? (isPackaged() ? packagedFolder : undefined);
}

/** Whether there is still the copy that was there before: this is asked between a save and the next run. */
const isCopied = (): boolean => copy !== undefined && copied.every((file) => fs.existsSync(file));

function use(folder: string | undefined): void {
  copy = folder;
  copied = folder === undefined ? [] : filesIn(folder);
}

/** Returns the path of a file of the preload, also if there is none. */
export const preloadFile = (name: string): string => path.join(findPreload() ?? packagedFolder, name);

const names = (): string[] => Object.keys(preloadFiles().sizes);

const filesIn = (folder: string): string[] => names().map((name) => path.join(folder, name));

/** Returns folders for the copy, the best one first. Another build has others. */
function places(): readonly string[] {
  const cache = cacheFolder(process.env);
  const user = process.geteuid?.();
  const parents = [
    ...(cache === undefined ? [] : [path.join(cache, 'own')]),
    ...(user === undefined ? [] : [path.join(tmpdir(), `devwatch-${user}`)]),
  ];
  return parents.map((parent) => path.join(parent, `preload-${preloadFiles().id}`));
}

/** Whether the folder has all files. Only this user can have written them, and writes them at once. */
const isIntact = (folder: string): boolean =>
  fs.existsSync(folder) &&
  attempt(() => makeTrustedFolder(folder)) !== undefined &&
  filesIn(folder).every((file) => fs.existsSync(file));

/** Whether the packaged files have the sizes of those of this build. */
const isPackaged = (): boolean =>
  names().every((name) => {
    const stats = attempt(() => fs.statSync(path.join(packagedFolder, name), { throwIfNoEntry: false }));
    return stats?.size === preloadFiles().sizes[name];
  });

/** Returns whether there is a copy now. A folder that is renamed into place is never seen half written. */
function makeCopy(folder: string): boolean {
  if (isIntact(folder)) return true;
  const next = `${folder}.${process.pid}`;
  try {
    makeTrustedFolder(path.dirname(folder));
    for (const name of names()) {
      const file = path.join(next, name);
      fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
      // Flushed: a copy with the right size may else be empty after a power failure.
      fs.writeFileSync(file, preloadText(name), { mode: 0o600, flush: true });
    }
    // Another devwatch may have been faster, and its program is booting from there.
    if (!isIntact(folder)) {
      fs.rmSync(folder, { recursive: true, force: true });
      fs.renameSync(next, folder);
      removeOldCopies(folder);
    }
  } catch {
    // The disk is full or read-only, the place is not safe from other users, or the other one was faster still.
  }
  attempt(() => fs.rmSync(next, { recursive: true, force: true }));
  return isIntact(folder);
}

/** Removes copies of builds that are probably no longer used. A devwatch that still needs one makes it again. */
function removeOldCopies(current: string): void {
  const parent = path.dirname(current);
  for (const name of fs.readdirSync(parent)) {
    const folder = path.join(parent, name);
    const isOther = name.startsWith('preload-') && folder !== current;
    if (isOther && fs.lstatSync(folder).mtimeMs < Date.now() - maxCopyAgeMs) fs.rmSync(folder, { recursive: true });
  }
}
