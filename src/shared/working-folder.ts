import fs from 'node:fs';
import path from 'node:path';
import { attempt } from './errors.ts';

/** Files that show that a folder, or one above it, is a project. */
const projectFiles = ['package.json', 'node_modules', 'tsconfig.json', '.git'];

let known = { key: '', folder: '' };

/**
 * Returns the folder in which devwatch was started, by the name that the shell has for it (`$PWD`): a link in it, such as
 * `current`, may lead to another folder later. Without such a name, and where a project is around the folder that the
 * links hide, returns its real path. @throws Error if the folder has been deleted
 */
export function workingFolder(): string {
  const real = process.cwd();
  const { PWD: named = real } = process.env;
  const key = JSON.stringify([real, named]);
  // It keeps its name when the link leads elsewhere.
  if (known.key !== key) known = { key, folder: named === real || !isNameOf(named, real) ? real : named };
  return known.folder;
}

function isNameOf(named: string, real: string): boolean {
  if (!path.isAbsolute(named) || path.normalize(named) !== named) return false;
  const [one, other] = [named, real].map((folder) => attempt(() => fs.statSync(folder)));
  const isSame = one !== undefined && one.dev === other?.dev && one.ino === other.ino;
  return isSame && !hidesProject(named, real);
}

/** Is a folder above the real one, but not above the named one, a project? Packages are searched for there. */
function hidesProject(named: string, real: string): boolean {
  const visible = new Set(foldersAbove(named).map((folder) => attempt(() => fs.realpathSync(folder))));
  return foldersAbove(real).some(
    (folder) => !visible.has(folder) && projectFiles.some((name) => fs.existsSync(path.join(folder, name))),
  );
}

const foldersAbove = (folder: string): string[] =>
  path.dirname(folder) === folder ? [] : [...foldersAbove(path.dirname(folder)), folder];
