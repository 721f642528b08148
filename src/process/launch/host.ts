/** Facts of the machine on which the description of a command depends. Tests replace them by a table of files. */

import fs from 'node:fs';
import path from 'node:path';
import { attempt, codeOf, messageOf } from '../../shared/errors.ts';
import { withOpenFile } from '../../shared/file-ownership.ts';
import { isOfProject } from '../../shared/project-owners.ts';
import { readText } from '../../shared/read-text.ts';
import { require } from '../../shared/require.ts';
import { platform } from '../platform.ts';

export interface Host {
  /** The Node that runs devwatch, absolute and without links. */
  readonly node: string;
  readonly isPosix: boolean;
  /** Windows: the program that runs lines and batch files. */
  readonly shell: string;
  /** The environment with which devwatch was started. */
  readonly env: NodeJS.ProcessEnv;
  /** Node runs TypeScript whose types can be erased: from 22.18 and 23.6 on, by default. */
  readonly stripsTypes: boolean;
  /** Returns what is at a path; undefined if nothing is, or that cannot be found out. */
  kindOf(file: string): 'file' | 'folder' | 'other' | undefined;
  /** Returns why a path cannot be looked up; undefined if it can, or if nothing is there. */
  flawOf(file: string): string | undefined;
  /** Returns whether the path is a file that may be executed. */
  isExecutable(file: string): boolean;
  /** Returns the text of a file; undefined if it cannot be read. */
  read(file: string): string | undefined;
  /** Returns the first bytes of a file, by default 1 KB, as text in latin1; undefined if it cannot be read. */
  readStart(file: string, bytes?: number): string | undefined;
  /** Returns whether those who decide what is in a project have made this folder: what is in it may be executed. */
  isOfProject(folder: string, project: string): boolean;
  /** Returns the names in a folder; none if it cannot be read. */
  namesIn(folder: string): readonly string[];
  /** Returns the path of a file as its name is written on the disk, where the case of letters does not matter. */
  writtenName(file: string): string;
  /** Returns the path of a file without links; the path itself if it does not exist. */
  realPath(file: string): string;
  /** Returns the folder of an installed package, as seen from a folder, where no `node_modules` shows it. */
  findPackage(name: string, folder: string): string | undefined;
}

export const realHost: Host = {
  node: process.execPath,
  get isPosix() {
    return platform.isPosix;
  },
  shell: process.env.ComSpec ?? 'cmd.exe',
  env: process.env,
  stripsTypes: Boolean((process.features as { readonly typescript?: string | false }).typescript),
  kindOf(file) {
    const stats = attempt(() => fs.statSync(file, { throwIfNoEntry: false }));
    if (stats === undefined) return undefined;
    return stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : 'other';
  },
  flawOf(file) {
    try {
      fs.statSync(file, { throwIfNoEntry: false });
      return undefined;
    } catch (error) {
      // A part of the path is a file: nothing is there.
      return codeOf(error) === 'ENOTDIR' ? undefined : (codeOf(error) ?? messageOf(error));
    }
  },
  isExecutable: (file) =>
    attempt(() => {
      fs.accessSync(file, fs.constants.X_OK);
      return fs.statSync(file).isFile();
    }) === true,
  read: readText,
  readStart: (file, bytes) => attempt(() => readStart(file, bytes)),
  isOfProject,
  namesIn: (folder) => attempt(() => fs.readdirSync(folder)) ?? [],
  writtenName(file) {
    if (!platform.ignoresCase) return file;
    const real = attempt(() => fs.realpathSync.native(file));
    return real?.toLowerCase() === file.toLowerCase() ? real : file;
  },
  realPath: (file) => attempt(() => fs.realpathSync(file)) ?? file,
  findPackage(name, folder) {
    if (process.versions.pnp === undefined) return undefined;
    const { findPnpApi } = require('node:module') as PlugAndPlay;
    return attempt(() => findPnpApi(folder)?.resolveToUnqualified(name, folder + path.sep));
  },
};

const readStart = (file: string, length = 1024): string | undefined =>
  withOpenFile(file, (descriptor, stats) => {
    if (!stats.isFile()) return undefined;
    const bytes = Buffer.allocUnsafe(length);
    return bytes.toString('latin1', 0, fs.readSync(descriptor, bytes));
  });

/** The part of Yarn's API that is used here: https://yarnpkg.com/advanced/pnpapi. */
interface PlugAndPlay {
  findPnpApi(folder: string): { resolveToUnqualified(name: string, issuer: string): string } | null;
}

/** The folder and all above it. */
export function foldersAbove(folder: string): string[] {
  const above = path.dirname(folder);
  return above === folder ? [folder] : [folder, ...foldersAbove(above)];
}
