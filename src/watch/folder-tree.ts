import type fs from 'node:fs';
import path from 'node:path';
import { statsOf, timestampSlackMs, upwards } from './disk.ts';
import { isAtOrBelow } from './paths.ts';
import type { Baseline } from './written.ts';

/** `State` is what is known of a file, `Subscription` what brings the events of a folder. */
export interface Folder<State = Baseline | undefined, Subscription extends Closable = Closable> {
  readonly path: string;
  subscription: Subscription;
  identity: string | undefined;
  /** The relevant files in it by name, each with its state when it was last examined. */
  readonly files: Map<string, State>;
  readonly folders: Map<string, Folder<State, Subscription>>;
  /** Names of links to folders that are watched elsewhere, with the real paths of those. */
  readonly covered: Map<string, string | undefined>;
  /** No longer part of the tree: events are ignored, and a walk does not enter its subfolders. */
  isDropped: boolean;
}

interface Closable {
  close(): void;
}

/** The watched folders as a tree, with the files known in each. */
export class FolderTree<State = Baseline | undefined, Subscription extends Closable = Closable> {
  /** The topmost folders, by path: the filter's roots, or the nearest folder above a missing one. */
  readonly tops: Map<string, Folder<State, Subscription>> = new Map();

  /** Adds a folder that has just been subscribed to. */
  add(
    folderPath: string,
    subscription: Subscription,
    parent: Folder<State, Subscription> | undefined,
  ): Folder<State, Subscription> {
    const folder: Folder<State, Subscription> = {
      path: folderPath,
      subscription,
      identity: identityOf(statsOf(folderPath)),
      files: new Map(),
      folders: new Map(),
      covered: new Map(),
      isDropped: false,
    };
    if (parent === undefined) this.tops.set(folderPath, folder);
    else parent.folders.set(path.basename(folderPath), folder);
    return folder;
  }

  *all(): Generator<Folder<State, Subscription>> {
    const stack = [...this.tops.values()];
    for (let folder = stack.pop(); folder !== undefined; folder = stack.pop()) {
      yield folder;
      stack.push(...folder.folders.values());
    }
  }

  /** The relevant files, absolute. */
  *files(): Generator<string> {
    for (const folder of this.all()) for (const name of folder.files.keys()) yield joinPath(folder.path, name);
  }

  /** The relevant files, and the links to folders that are watched elsewhere. */
  *paths(): Generator<string> {
    yield* this.files();
    for (const folder of this.all()) for (const name of folder.covered.keys()) yield joinPath(folder.path, name);
  }

  /** Is this folder in the tree? */
  covers(wanted: string): boolean {
    return [...this.tops.values()].some((top) => {
      if (!isAtOrBelow(wanted, top.path)) return false;
      const names = path.relative(top.path, wanted).split(path.sep).filter(Boolean);
      return (
        names.reduce<Folder<State, Subscription> | undefined>((folder, name) => folder?.folders.get(name), top) !==
        undefined
      );
    });
  }
}

/** Joins like `path.join`, in a tenth of its time: a large tree has many names. */
export const joinPath = (folder: string, name: string): string =>
  folder.endsWith(path.sep) ? folder + name : folder + path.sep + name;

/** Is the folder that was watched still the one at its path? */
export const isStill = ({ identity }: Pick<Folder, 'identity'>, stats: fs.Stats | undefined): boolean =>
  identity !== undefined && identity === identityOf(stats);

/** Returns the folder itself, the folder of a file, or the nearest folder above a missing path. */
export const nearestFolder = (wanted: string): string =>
  [...upwards(wanted)].find((folder) => statsOf(folder)?.isDirectory() === true) ?? path.parse(wanted).root;

/**
 * Distinguishes a folder from any later one at its path; undefined while one made right after it could look the same.
 * ext4 gives a new directory the inode number of the one just deleted, so the birth time belongs to it.
 */
export function identityOf(stats: fs.Stats | undefined): string | undefined {
  if (stats === undefined || stats.birthtimeMs === 0) return undefined;
  return stats.birthtimeMs < Date.now() - timestampSlackMs ? `${stats.ino} ${stats.birthtimeMs}` : undefined;
}
