/** The files of packages that a standby has loaded, with their stamps: what has changed since is loaded by the program itself. */

import path from 'node:path';
import { exactStampOf, exactStampWithTime } from '../../shared/file-stamp.ts';

/** A package and its folder, from which Node resolves names. */
const packagePath = /^(.*[\\/]node_modules)[\\/](?:@[^\\/]+[\\/])?[^\\/]+/;
const lockFiles = ['package-lock.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock'];
/** Stamps of files advance in ticks of the kernel's clock, of up to 10 ms. */
const maxTickMs = 10;

/** The changes of files since they were loaded. */
export interface PackageChanges {
  readonly isReinstalled: boolean;
  readonly changed: readonly string[];
}

export class PackageFiles {
  readonly #stamps = new Map<string, string>();
  /** Files, folders and lock files that say which packages there are. */
  readonly #installation = new Map<string, string>();
  /** Files that may have changed while they were loaded. */
  readonly #doubtful = new Set<string>();

  /** @param since epoch ms, before the first of them was loaded */
  add(files: readonly string[], since: number): void {
    for (const file of files) {
      if (this.#stamps.has(file)) continue;
      const { stamp, changedAt } = exactStampWithTime(file);
      this.#stamps.set(file, stamp);
      if (changedAt >= since - maxTickMs) this.#doubtful.add(file);
      const [folder, modules] = packagePath.exec(file) ?? [];
      if (folder === undefined || modules === undefined) continue;
      this.#addInstallation(path.join(folder, 'package.json'));
      if (this.#installation.has(modules)) continue;
      this.#addInstallation(modules);
      this.#addInstallation(path.join(modules, '.package-lock.json'));
      for (const name of lockFiles) this.#addInstallation(path.join(path.dirname(modules), name));
    }
  }

  /** Looks at all files, which takes 8 ms for 2,000 of them. */
  look(): PackageChanges {
    return { isReinstalled: this.isReinstalled, changed: this.changed };
  }

  /** Whether packages have been installed, updated or removed. */
  get isReinstalled(): boolean {
    return [...this.#installation].some(([file, stamp]) => exactStampOf(file) !== stamp);
  }

  /** Files that have changed since they were loaded. */
  get changed(): string[] {
    return [...this.#stamps].flatMap(([file, stamp]) =>
      this.#doubtful.has(file) || exactStampOf(file) !== stamp ? [file] : [],
    );
  }

  #addInstallation(file: string): void {
    if (!this.#installation.has(file)) this.#installation.set(file, exactStampOf(file));
  }
}
