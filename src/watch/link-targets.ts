/** What links lead to: a change there leaves no event where the link is. */

import fs from 'node:fs';
import path from 'node:path';
import { realPathOf } from './disk.ts';

/** The folders that hold the targets of links are watched, and nothing in them but the targets. */
export class LinkTargets<Link> {
  readonly #open: (folder: string) => fs.FSWatcher | undefined;
  readonly #onEvent: (type: string, link: Link) => void;
  readonly #onFolderGone: () => void;
  readonly #folders = new Map<string, { subscription: fs.FSWatcher; links: Map<string, Map<string, Link>> }>();

  /**
   * @param open watches a folder, if that is possible
   * @param onEvent something happened to the target of this link, by the names of `fs.watch`
   * @param onFolderGone a folder that holds targets was removed or renamed
   */
  constructor(
    open: (folder: string) => fs.FSWatcher | undefined,
    onEvent: (type: string, link: Link) => void,
    onFolderGone: () => void,
  ) {
    this.#open = open;
    this.#onEvent = onEvent;
    this.#onFolderGone = onFolderGone;
  }

  /** Watches what the link at `file` leads to now, even if nothing is there. */
  add(file: string, link: Link): void {
    const target = targetOf(file);
    if (target === undefined) return;
    const links = this.#watch(path.dirname(target));
    const name = path.basename(target);
    links?.set(name, (links.get(name) ?? new Map()).set(file, link));
  }

  clear(): void {
    for (const { subscription } of this.#folders.values()) subscription.close();
    this.#folders.clear();
  }

  #watch(folder: string): Map<string, Map<string, Link>> | undefined {
    const known = this.#folders.get(folder);
    if (known !== undefined) return known.links;
    const subscription = this.#open(folder);
    if (subscription === undefined) return undefined;
    const links = new Map<string, Map<string, Link>>();
    subscription.on('change', (type, name) => {
      const here = links.get(String(name));
      for (const [file, link] of here ?? []) {
        // It may lead elsewhere by now, or be gone.
        if (targetOf(file) === path.join(folder, String(name))) this.#onEvent(type, link);
        else here?.delete(file);
      }
      if (type === 'rename' && name === path.basename(folder)) this.#onFolderGone();
    });
    this.#folders.set(folder, { subscription, links });
    return links;
  }
}

/** Where a link leads; undefined when there is none. */
function targetOf(link: string): string | undefined {
  const real = realPathOf(link);
  if (real !== undefined) return real;
  try {
    return path.resolve(path.dirname(link), fs.readlinkSync(link));
  } catch {
    return undefined;
  }
}
