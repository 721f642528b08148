/** The files that a standby has read while it booted. It is stale as soon as one of them changes. */

import fs from 'node:fs';
import path from 'node:path';
import { attempt } from '../../shared/errors.ts';
import { exactStampOf } from '../../shared/file-stamp.ts';
import type { ChildOptions } from '../launch/child.ts';
import { foldersAbove, realHost } from '../launch/host.ts';
import { basePlacesOf } from '../launch/packages.ts';

/** Variables that name a file which Node or a loader reads at its start. */
const fileVariables = ['NODE_EXTRA_CA_CERTS', 'OPENSSL_CONF', 'SSL_CERT_FILE', 'TSX_TSCONFIG_PATH', 'TS_NODE_PROJECT'];
const environmentFiles = ['.env', '.env.local', '.env.development', '.env.development.local'];
const projectFiles = ['package.json', 'tsconfig.json', 'jsconfig.json'];

/** Stamps files advance in ticks of the kernel's clock, of up to 10 ms. */
const maxTickMs = 10;

export class BootFiles {
  readonly #startedAt = Date.now();
  readonly #folder: string;
  readonly #folderStats: fs.Stats | undefined;
  /** Stamps of the files by path, those of missing files included. */
  readonly #stamps = new Map<string, string>();

  /** To be created just before the standby is started. */
  constructor(options: ChildOptions) {
    this.#folder = options.folder;
    this.#folderStats = statsOf(options.folder);
    this.#stamp(filesReadAtStart(options));
  }

  /** Adds files that the standby has loaded. Returns false if it may have read an older content of one of them. */
  add(files: readonly string[]): boolean {
    this.#stamp(files);
    return !files.some((file) => (statsOf(file)?.ctimeMs ?? 0) >= this.#startedAt - maxTickMs);
  }

  /** Whether no file has changed, and the working folder is still the same one. */
  areUnchanged(): boolean {
    const stats = statsOf(this.#folder);
    const isSameFolder = stats?.ino === this.#folderStats?.ino && stats?.dev === this.#folderStats?.dev;
    return isSameFolder && [...this.#stamps].every(([file, stamp]) => exactStampOf(file) === stamp);
  }

  #stamp(files: readonly string[]): void {
    for (const file of files) if (!this.#stamps.has(file)) this.#stamps.set(file, exactStampOf(file));
  }
}

/** Returns undefined for a name that is not a file: loaders give modules such names. */
const statsOf = (file: string): fs.Stats | undefined => attempt(() => fs.statSync(file));

/** Files that Node, loaders and packages such as dotenv read at their start, watched or not, existing or not. */
function filesReadAtStart({ command, folder, env }: ChildOptions): string[] {
  const files = environmentFiles.map((name) => path.join(folder, name));
  const folders = new Set([folder, path.dirname(command.script ?? folder)].flatMap(foldersAbove));
  for (const above of folders) files.push(...projectFiles.map((name) => path.join(above, name)));
  for (const name of fileVariables) if (env[name]) files.push(path.resolve(folder, env[name]));
  // A Set visits what is added to it during the loop: bases may have bases.
  const configs = new Set(files.filter((file) => /[tj]sconfig[^\\/]*$/.test(file)));
  for (const config of configs) for (const place of basePlacesOf(config, realHost).flat()) configs.add(place);
  return [...files, ...configs];
}
