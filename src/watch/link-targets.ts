/** What links lead to: a change there leaves no event where the link is. */

import fs from 'node:fs';
import path from 'node:path';
import { realPathOf, statsOf } from './disk.ts';

interface Watched<Link> {
  readonly subscription: fs.FSWatcher;
  /** By the name of what they lead to, or past: the links themselves by their paths. */
  readonly links: Map<string, Map<string, Link>>;
}

/** The folders that hold the targets of links are watched, and nothing in them but the targets. */
export class LinkTargets<Link> {
  readonly #open: (folder: string) => fs.FSWatcher | undefined;
  readonly #onEvent: (type: string, link: Link) => void;
  readonly #onFolderGone: () => void;
  readonly #folders = new Map<string, Watched<Link>>();
  /** By the path of the link. */
  readonly #stations = new Map<string, readonly string[]>();

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
    const before = this.#stations.get(file) ?? [];
    const stations = stationsOf(file);
    if (stations.length === 0) this.#stations.delete(file);
    else this.#stations.set(file, stations);
    for (const station of stations) {
      const links = this.#watch(path.dirname(station));
      const name = path.basename(station);
      links?.set(name, (links.get(name) ?? new Map()).set(file, link));
    }
    for (const station of before) if (!stations.includes(station)) this.#leave(station, file);
  }

  /** Nothing is watched for this link any more. */
  remove(file: string): void {
    for (const station of this.#stations.get(file) ?? []) this.#leave(station, file);
    this.#stations.delete(file);
  }

  clear(): void {
    for (const { subscription } of this.#folders.values()) subscription.close();
    this.#folders.clear();
    this.#stations.clear();
  }

  #leave(station: string, file: string): void {
    const folder = path.dirname(station);
    const watched = this.#folders.get(folder);
    const here = watched?.links.get(path.basename(station));
    here?.delete(file);
    if (here?.size === 0) watched?.links.delete(path.basename(station));
    if (watched?.links.size !== 0) return;
    watched.subscription.close();
    this.#folders.delete(folder);
  }

  #watch(folder: string): Map<string, Map<string, Link>> | undefined {
    const known = this.#folders.get(folder);
    if (known !== undefined) return known.links;
    const subscription = this.#open(folder);
    if (subscription === undefined) return undefined;
    const links = new Map<string, Map<string, Link>>();
    subscription.on('change', (type, name) => {
      const station = path.join(folder, String(name));
      for (const [file, link] of [...(links.get(String(name)) ?? [])]) {
        // It may lead elsewhere by now, or be gone.
        const leadsHere = stationsOf(file).includes(station);
        if (type === 'rename') this.add(file, link);
        if (leadsHere) this.#onEvent(type, link);
      }
      if (type === 'rename' && name === path.basename(folder)) this.#onFolderGone();
    });
    this.#folders.set(folder, { subscription, links });
    return links;
  }
}

/** As many links in a row as Linux follows. */
const mostHops = 40;

/**
 * What decides where a link leads: the links that it leads to or through, one after the other, and the target at
 * the end, or the first of what is missing. A Kubernetes ConfigMap is exchanged by the one in the middle. Empty when
 * there is no link.
 */
function stationsOf(link: string): string[] {
  const folder = realPathOf(path.dirname(link));
  const first = folder === undefined ? undefined : readLink(path.join(folder, path.basename(link)));
  if (folder === undefined || first === undefined) return [];
  const stations: string[] = [];
  let names = namesOf(path.resolve(folder, first));
  let place = '/';
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    const next = path.join(place, name);
    const target = readLink(next);
    if (target === undefined) {
      if (statsOf(next, fs.lstatSync) === undefined) return [...stations, next];
      place = next;
      continue;
    }
    stations.push(next);
    if (stations.length > mostHops) return stations;
    names = [...namesOf(path.resolve(place, target)), ...names];
    place = '/';
  }
  return [...stations, place];
}

const namesOf = (absolute: string): string[] => absolute.split('/').filter(Boolean);

/** Undefined where there is no link. */
function readLink(file: string): string | undefined {
  try {
    return fs.readlinkSync(file);
  } catch {
    return undefined;
  }
}
