/** Facts of the machine on which the description of a command depends. Tests replace them by a table of files. */

import fs from 'node:fs';
import path from 'node:path';
import { attempt } from '../../shared/errors.ts';
import { require } from '../../shared/require.ts';

export interface Host {
  /** Node runs TypeScript whose types can be erased: from 22.18 and 23.6 on, by default. */
  readonly stripsTypes: boolean;
  /** Returns the text of a file; undefined if it cannot be read. */
  read(file: string): string | undefined;
  /** Returns the path of a file without links; the path itself if it does not exist. */
  realPath(file: string): string;
  /** Returns the folder of an installed package, as seen from a folder, where no `node_modules` shows it. */
  findPackage(name: string, folder: string): string | undefined;
}

export const realHost: Host = {
  stripsTypes: Boolean((process.features as { readonly typescript?: string | false }).typescript),
  read: (file) => attempt(() => fs.readFileSync(file, 'utf8')),
  realPath: (file) => attempt(() => fs.realpathSync(file)) ?? file,
  findPackage(name, folder) {
    if (process.versions.pnp === undefined) return undefined;
    const { findPnpApi } = require('node:module') as PlugAndPlay;
    return attempt(() => findPnpApi(folder)?.resolveToUnqualified(name, folder + path.sep));
  },
};

/** The part of Yarn's API that is used here: https://yarnpkg.com/advanced/pnpapi. */
interface PlugAndPlay {
  findPnpApi(folder: string): { resolveToUnqualified(name: string, issuer: string): string } | null;
}

/** The folder and all above it. */
export function foldersAbove(folder: string): string[] {
  const above = path.dirname(folder);
  return above === folder ? [folder] : [folder, ...foldersAbove(above)];
}
