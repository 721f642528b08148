/** From the command line and the files of a folder to one frozen set of settings. */

import fs from 'node:fs';
import path from 'node:path';
import { codeOf, UsageError } from '../errors.ts';
import { type Layer, readDocument, readLayer } from './document.ts';
import { fromNodemon } from './nodemon.ts';
import {
  defaultSettings,
  isOptionKey,
  type OptionKey,
  optionKeys,
  type Settings,
  type SettingsInput,
  specOf,
} from './options.ts';
import { readValue, ValueError } from './values.ts';

/** Settings together with what they are relative to. */
export interface LoadedSettings {
  readonly settings: Settings;
  /** Absolute: where the program runs. */
  readonly folder: string;
  /** Absolute: what the patterns of each list are relative to. */
  readonly bases: { readonly watch: string; readonly ignore: string };
  /** The settings file in force, absolute, or undefined. */
  readonly file: string | undefined;
  /** What the user should be told about how the settings came about. */
  readonly notes: readonly string[];
}

export interface LoadRequest {
  /** What was given as flags or through the API; wins over every file. */
  readonly given: ReadonlyMap<OptionKey, unknown>;
  /** Absolute folder in which it was given. */
  readonly folder: string;
  /** A settings file named by the user; without it the folder's own are looked for. */
  readonly config?: string | undefined;
}

/**
 * Reads `.watchrc`, else `"devwatch"` in package.json, else nodemon's settings, and lays what was
 * given over them.
 *
 * @throws UsageError naming file, line and column of what is wrong
 */
export function loadSettings({ given, folder, config }: LoadRequest): LoadedSettings {
  const start = startFolder(given, folder);
  requireFolder(start);
  const notes: string[] = [];
  const { layer, file } = findLayer(start, config === undefined ? undefined : path.resolve(folder, config), notes);
  return merge({ values: given, folder }, layer, file, notes);
}

const startFolder = (given: ReadonlyMap<OptionKey, unknown>, folder: string): string =>
  path.resolve(folder, String(given.get('cwd') ?? '.'));

function merge(
  given: Layer,
  fromFile: Layer | undefined,
  file: string | undefined,
  notes: readonly string[],
): LoadedSettings {
  const layers = fromFile === undefined ? [given] : [given, fromFile];
  const layerOf = (key: OptionKey): Layer | undefined => layers.find(({ values }) => values.get(key) !== undefined);
  const values: Partial<Record<OptionKey, unknown>> = {};
  for (const key of optionKeys) {
    const layer = layerOf(key);
    values[key] = layer === undefined ? defaultSettings[key] : absolute(key, layer.values.get(key), layer.folder);
  }
  const settings = Object.freeze(values) as Settings;
  const start = startFolder(given.values, given.folder);
  const folder = settings.cwd ?? start;
  requireFolder(folder);
  const baseOf = (key: OptionKey): string => {
    const layer = layerOf(key);
    if (layer === undefined) return folder;
    // A pattern given as a flag is relative to where the program runs, unless a file moves that.
    return layer === given ? start : layer.folder;
  };
  return { settings, folder, bases: { watch: baseOf('watch'), ignore: baseOf('ignore') }, file, notes };
}

/**
 * Settings that come from code alone; no file is read.
 *
 * @throws UsageError naming the option that is wrong
 */
export function loadGiven(input: SettingsInput, folder: string): LoadedSettings {
  return merge({ values: readInput(input), folder }, undefined, undefined, []);
}

function readInput(input: SettingsInput): Map<OptionKey, unknown> {
  const values = new Map<OptionKey, unknown>();
  for (const [key, raw] of Object.entries(input)) {
    if (raw === undefined) continue;
    if (!isOptionKey(key)) throw new UsageError(`unknown option "${key}"`);
    try {
      values.set(key, readValue(specOf(key), raw));
    } catch (error) {
      throw error instanceof ValueError ? new UsageError(`${key} ${error.message}`) : error;
    }
  }
  return values;
}

function absolute(key: OptionKey, value: unknown, folder: string): unknown {
  const { kind } = specOf(key);
  if (kind === 'path') return path.resolve(folder, String(value));
  if (kind === 'paths') return Object.freeze((value as readonly string[]).map((file) => path.resolve(folder, file)));
  return value;
}

function findLayer(folder: string, named: string | undefined, notes: string[]): { layer?: Layer; file?: string } {
  if (named !== undefined) {
    if (!fs.existsSync(named)) throw new UsageError(`${named}: no such file (--config)`);
    return { layer: readLayer(readDocument(named)), file: named };
  }
  const watchrc = path.join(folder, '.watchrc');
  if (fs.lstatSync(watchrc, { throwIfNoEntry: false }) !== undefined)
    return { layer: readLayer(readDocument(watchrc)), file: watchrc };

  const manifest = path.join(folder, 'package.json');
  const document = readManifest(manifest);
  const own = document?.child('devwatch');
  if (own !== undefined) return { layer: readLayer(own), file: manifest };

  const nodemonFile = path.join(folder, 'nodemon.json');
  const foreign = fs.existsSync(nodemonFile) ? readDocument(nodemonFile) : document?.child('nodemonConfig');
  if (foreign === undefined) return {};
  const { layer, unsupported } = fromNodemon(foreign);
  const without = unsupported.length === 0 ? '' : ` · without ${unsupported.join(', ')}`;
  notes.push(
    `settings from ${path.basename(foreign.file)}${foreign.file === manifest ? ' (nodemonConfig)' : ''}${without}`,
  );
  return { layer, file: foreign.file };
}

/** The package's entry point, for `devwatch` without a script; undefined when there is none. */
export function packageMain(folder: string): string | undefined {
  const main = readManifest(path.join(folder, 'package.json'))?.child('main')?.value;
  return typeof main === 'string' ? main : undefined;
}

function readManifest(file: string): ReturnType<typeof readDocument> | undefined {
  return fs.statSync(file, { throwIfNoEntry: false })?.isFile() === true ? readDocument(file) : undefined;
}

function requireFolder(folder: string): void {
  let stats: fs.Stats | undefined;
  try {
    stats = fs.statSync(folder, { throwIfNoEntry: false });
  } catch (error) {
    throw new UsageError(`${folder}: cannot be entered (${codeOf(error) ?? 'unknown error'})`);
  }
  if (stats === undefined) throw new UsageError(`${folder}: no such folder (--cwd)`);
  if (!stats.isDirectory()) throw new UsageError(`${folder}: not a folder (--cwd)`);
}
