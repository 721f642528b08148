/** Symbolic links in the watched tree: what each counts as, which linked folders are walked, and the targets' changes. */

import fs from 'node:fs';
import path from 'node:path';
import { attempt } from '../shared/errors.ts';
import { realPathOf, statsOf } from './disk.ts';
import type { Filter } from './filter.ts';
import { partsOf } from './paths.ts';
import { RootNames } from './root-names.ts';

export interface LinksOptions<Link> {
  readonly filter: Filter;
  /** Are links to files and folders outside followed? */
  readonly follow: boolean;
  /** Watches a folder, if that is possible. */
  readonly open: (folder: string) => fs.FSWatcher | undefined;
  /** Called for an event, by the names of `fs.watch`, of the target of this link. */
  readonly onTarget: (type: string, link: Link) => void;
  /** Called when only another walk can tell where links lead: a folder that holds targets was removed or renamed. */
  readonly onUncertain: () => void;
}

/** `Link` is the place of a link in the tree. All paths are absolute. */
export class Links<Link> {
  readonly #options: LinksOptions<Link>;
  readonly #targets: LinkTargets<Link>;
  readonly #roots: RootNames;
  /** The link through which each folder outside the roots is walked, by the folder's real path. */
  readonly #followed = new Map<string, string>();
  /** Folders of these that further links lead to, one of which takes over when the first link goes. */
  readonly #linkedAgain = new Set<string>();

  constructor(options: LinksOptions<Link>) {
    this.#options = options;
    this.#roots = new RootNames(options.filter.roots);
    this.#targets = new LinkTargets(options);
  }

  /** Watches the target of a link, and returns what the link counts as: `covered` is a folder that is watched elsewhere. */
  add(file: string, link: Link): 'file' | 'folder' | 'covered' | 'other' {
    const { filter, follow } = this.#options;
    const mayBeFolder = filter.mayContain(file);
    const target = realPathOf(file);
    const stats = target === undefined ? undefined : statsOf(target);
    // A target that is itself accepted is reported under its own name.
    const reportsItself = target !== undefined && filter.accepts(this.#roots.nameOf(target) ?? target);
    if (follow && !reportsItself && (mayBeFolder || filter.accepts(file))) this.#targets.add(file, link);
    if (stats?.isFile() === true) return 'file';
    if (target === undefined || stats?.isDirectory() !== true || !follow || !mayBeFolder) return 'other';
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

  /** Forgets the targets, until each link is added again: a folder that holds some may be another one now. */
  forgetTargets(): void {
    this.#targets.clear();
  }

  clear(): void {
    this.#followed.clear();
    this.#linkedAgain.clear();
    this.#targets.clear();
  }

  /** A linked folder is followed once, unless it is walked anyway, or a root lies inside it. */
  #isFollowed(link: string, target: string): boolean {
    const { filter } = this.#options;
    const name = this.#roots.nameOf(target);
    if (name !== undefined && filter.mayContain(name)) return false;
    if (this.#roots.isAbove(target)) return false;
    const first = this.#followed.get(target) ?? link;
    this.#followed.set(target, first);
    if (first !== link) this.#linkedAgain.add(target);
    return first === link;
  }
}

type LinkTargetsOptions<Link> = Omit<LinksOptions<Link>, 'filter' | 'follow'>;

/** The links, by their paths, that lead to or through each name in a folder. */
type LinksByName<Link> = Map<string, Map<string, Link>>;

/** Watches the targets of links, because a change there causes no event where the link is; exported for its test. */
export class LinkTargets<Link> {
  readonly #options: LinkTargetsOptions<Link>;
  /** The folders that hold targets. */
  readonly #folders = new Map<string, { readonly subscription: fs.FSWatcher; readonly links: LinksByName<Link> }>();
  /** By the path of the link; see `stationsOf`. */
  readonly #stations = new Map<string, readonly string[]>();

  constructor(options: LinkTargetsOptions<Link>) {
    this.#options = options;
  }

  /** Watches the present target of the link at `file`, even if nothing is there. */
  add(file: string, link: Link): void {
    const before = this.#stations.get(file) ?? [];
    const stations = stationsOf(file);
    this.#stations.set(file, stations);
    for (const station of stations) {
      const links = this.#watch(path.dirname(station));
      const name = path.basename(station);
      links?.set(name, (links.get(name) ?? new Map()).set(file, link));
    }
    for (const station of before) if (!stations.includes(station)) this.#leave(station, file);
  }

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

  #watch(folder: string): LinksByName<Link> | undefined {
    const known = this.#folders.get(folder);
    if (known !== undefined) return known.links;
    const subscription = this.#options.open(folder);
    if (subscription === undefined) return undefined;
    const links: LinksByName<Link> = new Map();
    subscription.on('change', (type, name) => {
      if (name === null) this.#options.onUncertain();
      const station = path.join(folder, String(name));
      for (const [file, link] of [...(links.get(String(name)) ?? [])]) {
        // By now the link may lead elsewhere, or be gone.
        const leadsHere = stationsOf(file).includes(station);
        if (type === 'rename') this.add(file, link);
        if (leadsHere) this.#options.onTarget(type, link);
      }
      if (type === 'rename' && name === path.basename(folder)) this.#options.onUncertain();
    });
    this.#folders.set(folder, { subscription, links });
    return links;
  }
}

/** Linux follows at most this many links in a row. */
const maxHops = 40;

/**
 * Returns all paths that decide where a link leads: the links that it leads to or through, in order, and the target at
 * the end, or the first missing path. (A Kubernetes ConfigMap is replaced by changing the link in the middle.) Empty
 * when there is no link.
 */
function stationsOf(link: string): string[] {
  const folder = realPathOf(path.dirname(link));
  const first = folder === undefined ? undefined : readLink(path.join(folder, path.basename(link)));
  if (folder === undefined || first === undefined) return [];
  const stations: string[] = [];
  let { names, root: place } = partsOf(path.resolve(folder, first));
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    const next = path.join(place, name);
    const target = readLink(next);
    if (target === undefined) {
      if (statsOf(next, fs.lstatSync) === undefined) return [...stations, next];
      place = next;
      continue;
    }
    stations.push(next);
    if (stations.length > maxHops) return stations;
    const parts = partsOf(path.resolve(place, target));
    names = [...parts.names, ...names];
    place = parts.root;
  }
  return [...stations, place];
}

/** Returns undefined where there is no link. */
const readLink = (file: string): string | undefined => attempt(() => fs.readlinkSync(file));
