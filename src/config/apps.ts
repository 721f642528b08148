/** Several programs in one settings file, and their names: `"apps": {"web": {…}, "worker": {…}}`, or a list of scripts. */

import path from 'node:path';
import { didYouMean } from '../shared/did-you-mean.ts';
import type { UsageError } from '../shared/errors.ts';
import type { Layer } from './layers.ts';
import { show } from './read-values.ts';
import { type Document, layerOf, readAt, readLayer } from './settings-file.ts';

/** Stands for every program, where a name is expected. */
export const everything = 'all';

/** Returns why this cannot be the name of a program; undefined if it can. */
export function flawOfName(name: string): string | undefined {
  if (name === everything) return 'it means every program';
  // The name is used as a folder's name, in commands and as a prefix of lines.
  return /^(?!\.)[A-Za-z0-9._-]{1,64}$/.test(name) ? undefined : '1 to 64 of A-Z a-z 0-9 . _ -, not beginning with .';
}

/** A program's own settings; the settings outside of `apps` are its defaults. */
export interface AppLayer {
  readonly name: string;
  readonly layer: Layer;
}

/**
 * Returns the programs under `apps`, in the order of the file.
 *
 * @param place the value of `apps`
 * @throws UsageError at the first bad name, key or value, and for an `after` that names no program or forms a circle
 */
export function readApps(place: Document): readonly AppLayer[] {
  const apps = Array.isArray(place.value) ? fromList(place) : fromObject(place);
  if (apps.length === 0) throw place.error('"apps" is empty · example: {"web": {"script": "server.js"}}');
  const byName = new Map<string, Layer>();
  for (const { name, layer, error } of apps) {
    const flaw = flawOfName(name);
    if (flaw !== undefined) throw error(`${show(name)} is not a valid program name: ${flaw}`);
    if (byName.has(name)) throw error(`two programs are named ${show(name)} · set a different "name" for one of them`);
    byName.set(name, layer);
  }
  const passed = new Set<string>();
  for (const name of byName.keys()) refuseCircle([name], byName, passed);
  const origin = (name: string) => () => `${path.basename(place.file)} (${name})`;
  return apps.map(({ name, layer }) => ({ name, layer: { ...layer, origin: origin(name) } }));
}

interface Found extends AppLayer {
  /** Returns an error with the line and column of the name. */
  error(message: string): UsageError;
}

function fromObject(place: Document): Found[] {
  if (!place.isObject()) {
    const given = show(place.value);
    throw place.error(`"apps" takes an object of programs by their names, or a list of scripts, not ${given}`);
  }
  return place.entries().map(({ key, keyAt, value }) => ({ name: key, layer: layerAt(value), error: keyAt.error }));
}

function fromList(place: Document): Found[] {
  return place.elements().map((element) => {
    const layer = layerAt(element);
    const script = layer.values.get('script');
    const name = layer.values.get('name') ?? (script === undefined ? undefined : path.parse(String(script)).name);
    if (name === undefined) throw element.error('a program in a list needs a "script" or a "name"');
    return { name: String(name), layer, error: element.error };
  });
}

/** Returns the settings of an app; a text is its script. */
function layerAt(place: Document): Layer {
  if (typeof place.value !== 'string') return readLayer(place);
  return layerOf(place, new Map([['script', readAt('script', place)]]), (key) => key);
}

/**
 * @param way from a program to one that it depends on, and so on
 * @param passed programs that are known to be part of no circle
 */
function refuseCircle(way: readonly string[], apps: ReadonlyMap<string, Layer>, passed: Set<string>): void {
  const name = way.at(-1) ?? '';
  const layer = apps.get(name);
  if (layer === undefined || passed.has(name)) return;
  for (const next of (layer.values.get('after') ?? []) as readonly string[]) {
    if (!apps.has(next)) {
      throw layer.error('after', `no program is named ${show(next)}${didYouMean(next, [...apps.keys()])}`);
    }
    if (way.includes(next)) {
      throw layer.error('after', `these depend on each other: ${[...way.slice(way.indexOf(next)), next].join(', ')}`);
    }
    refuseCircle([...way, next], apps, passed);
  }
  passed.add(name);
}
