/** Symbolic links in the watched tree: what each counts as, and which linked folders are walked. */

import fs from 'node:fs';
import { realPathOf, statsOf } from './disk.ts';
import type { Filter } from './filter.ts';
import { LinkTargets, type LinkTargetsOptions } from './link-targets.ts';
import { isAtOrBelow } from './paths.ts';

export interface LinksOptions<Place> extends LinkTargetsOptions<Place> {
  readonly filter: Filter;
  /** Are links to files and folders outside followed? */
  readonly follow: boolean;
}

/** `Place` is where a link stands in the tree. All paths are absolute. */
export class Links<Place> {
  readonly #options: LinksOptions<Place>;
  readonly #targets: LinkTargets<Place>;
  /** The link through which each folder outside the roots is walked, by the folder's real path. */
  readonly #followed = new Map<string, string>();
  /** Folders of these that further links lead to, one of which takes over when the first link goes. */
  readonly #linkedAgain = new Set<string>();

  constructor(options: LinksOptions<Place>) {
    this.#options = options;
    this.#targets = new LinkTargets(options);
  }

  /** Watches the target of a link, and returns what the link counts as: `covered` is a folder that is watched elsewhere. */
  add(file: string, place: Place): 'file' | 'folder' | 'covered' | 'other' {
    const { filter, follow } = this.#options;
    const counts = { file: filter.accepts(file), folder: filter.mayContain(file) };
    const target = realPathOf(file);
    const stats = target === undefined ? undefined : statsOf(target, fs.statSync);
    // A target that is itself accepted is reported under its own name.
    const reportsItself = target !== undefined && filter.accepts(target);
    if (follow && (counts.file || counts.folder) && !reportsItself) this.#targets.add(file, place);
    if (stats?.isFile() === true) return 'file';
    if (target === undefined || stats?.isDirectory() !== true || !follow || !counts.folder) return 'other';
    return this.#isFollowed(file, target) ? 'folder' : 'covered';
  }

  /** Stops watching the target of a link that is gone. */
  remove(file: string): void {
    this.#targets.remove(file);
  }

  /** Notes that this path, a link perhaps, is no longer walked: another link to the same folder takes over. */
  unfollow(link: string): void {
    for (const [target, first] of this.#followed) {
      if (first !== link) continue;
      this.#followed.delete(target);
      if (this.#linkedAgain.has(target)) this.#options.onUncertain();
    }
  }

  clear(): void {
    this.#followed.clear();
    this.#linkedAgain.clear();
    this.#targets.clear();
  }

  /** A linked folder is followed once, and only when no root covers it or lies inside it. */
  #isFollowed(link: string, target: string): boolean {
    const { roots } = this.#options.filter;
    if (roots.some((root) => isAtOrBelow(target, root) || isAtOrBelow(root, target))) return false;
    const first = this.#followed.get(target) ?? link;
    this.#followed.set(target, first);
    if (first !== link) this.#linkedAgain.add(target);
    return first === link;
  }
}
