/**
 * The ways to some paths: the folders and links that lead to them from the top of the file system. When a step of a way
 * is made, removed or renamed, another file or folder may be at the path, and no event tells so where it is: the kernel
 * reports the removal of a folder only when no process works in it any more, and the renaming of a folder only in that
 * folder and in the one above it.
 */

import fs from 'node:fs';
import path from 'node:path';
import { attempt } from '../shared/errors.ts';
import { watchFolder } from '../shared/watch-folder.ts';
import { isExhausted, statsOf } from './disk.ts';
import { partsOf } from './paths.ts';

/** A step of a way: the entry `name` of the real folder `folder`. */
export interface Step {
  readonly folder: string;
  /** Distinguishes the folder from another one that was at its path before. */
  readonly folderIdentity: string;
  readonly name: string;
  /** Distinguishes the folder or the link from another one in its place; empty for a file, and where nothing is. */
  readonly identity: string;
  /** Epoch ms; 0 where nothing is. */
  readonly bornMs: number;
}

/** Linux follows at most this many links in a row. */
const maxHops = 40;

/** Returns the stats of a path, of a link itself. */
type Look = (file: string) => fs.Stats | undefined;

/** Returns a function that looks at each path once: many ways have their first steps in common. */
export function createLook(): Look {
  const seen = new Map<string, fs.Stats | undefined>();
  return (file) => {
    if (!seen.has(file)) seen.set(file, statsOf(file, fs.lstatSync));
    return seen.get(file);
  };
}

/** Returns all steps to an absolute path, links included, up to the path or to the first step that is missing. */
export function stepsTo(file: string, look: Look = createLook()): Step[] {
  const steps: Step[] = [];
  let { names, root: folder } = partsOf(file);
  let folderIdentity = '';
  let hops = 0;
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    const next = path.join(folder, name);
    const stats = look(next);
    const target = stats?.isSymbolicLink() === true ? readLink(next) : undefined;
    const identity = identityOf(stats, target);
    steps.push({ folder, folderIdentity, name, identity, bornMs: stats?.birthtimeMs ?? 0 });
    if (stats === undefined) break;
    if (target === undefined) {
      [folder, folderIdentity] = [next, identity];
      continue;
    }
    hops += 1;
    if (hops > maxHops) break;
    const parts = partsOf(path.resolve(folder, target));
    names = [...parts.names, ...names];
    [folder, folderIdentity] = [parts.root, ''];
  }
  return steps;
}

const readLink = (file: string): string | undefined => attempt(() => fs.readlinkSync(file));

function identityOf(stats: fs.Stats | undefined, target: string | undefined): string {
  if (target !== undefined) return `link ${target}`;
  return stats?.isDirectory() === true ? `${stats.dev} ${stats.ino} ${stats.birthtimeMs}` : '';
}

/** A folder on the way to some paths. */
interface Folder {
  readonly path: string;
  /** The paths that lead through each of its entries. */
  readonly waysOf: Map<string, Set<string>>;
}

export interface WaysOptions {
  /** Called for an event of a step, by the names of `fs.watch`, with the paths that lead through it. */
  readonly onEvent: (type: string, paths: ReadonlySet<string>) => void;
  /** Called once when no watches are left: from then on events are missed. */
  readonly onExhausted: () => void;
}

/** Subscribes to the folders on the ways to some paths. */
export class Ways {
  readonly #options: WaysOptions;
  /** By path and identity. The subscription is undefined where the folder may not be read. */
  readonly #folders = new Map<string, { folder: Folder; readonly subscription: fs.FSWatcher | undefined }>();
  #isExhausted = false;

  constructor(options: WaysOptions) {
    this.#options = options;
  }

  /** Subscribes to all folders on these ways, and to no other ones. Returns whether any of them is new. */
  follow(ways: ReadonlyMap<string, readonly Step[]>): boolean {
    const wanted = foldersOn(ways);
    for (const [key, { subscription }] of this.#folders) {
      if (wanted.has(key)) continue;
      subscription?.close();
      this.#folders.delete(key);
    }
    const before = this.#folders.size;
    for (const [key, folder] of wanted) {
      const known = this.#folders.get(key);
      if (known !== undefined) known.folder = folder;
      else if (!this.#isExhausted) this.#folders.set(key, { folder, subscription: this.#open(folder.path, key) });
    }
    return this.#folders.size > before;
  }

  close(): void {
    for (const { subscription } of this.#folders.values()) subscription?.close();
    this.#folders.clear();
  }

  #open(folderPath: string, key: string): fs.FSWatcher | undefined {
    try {
      const subscription = watchFolder(folderPath).on('change', (type, name) => {
        const waysOf = this.#folders.get(key)?.folder.waysOf ?? new Map<string, Set<string>>();
        // An event about the folder itself has its own name.
        const isAboutItself = name === null || name === path.basename(folderPath);
        const paths = isAboutItself
          ? [...waysOf.values()].flatMap((files) => [...files])
          : (waysOf.get(String(name)) ?? []);
        const affected = new Set(paths);
        if (affected.size > 0) this.#options.onEvent(type, affected);
      });
      return subscription.on('error', () => {});
    } catch (error) {
      if (isExhausted(error)) {
        this.#isExhausted = true;
        this.#options.onExhausted();
      }
      return undefined;
    }
  }
}

/** Returns the folders on some ways. */
function foldersOn(ways: ReadonlyMap<string, readonly Step[]>): Map<string, Folder> {
  const folders = new Map<string, Folder>();
  for (const [file, steps] of ways) {
    for (const { folder: folderPath, folderIdentity, name } of steps) {
      const key = `${folderIdentity} ${folderPath}`;
      const folder = folders.get(key) ?? { path: folderPath, waysOf: new Map<string, Set<string>>() };
      folder.waysOf.set(name, (folder.waysOf.get(name) ?? new Set()).add(file));
      folders.set(key, folder);
    }
  }
  return folders;
}
