/** From the command line and the files of a folder to one frozen set of settings. */

import fs from 'node:fs';
import path from 'node:path';
import { codeOf, UsageError } from '../shared/errors.ts';
import { type AppLayer, readApps } from './apps.ts';
import { nearest } from './did-you-mean.ts';
import { type Document, type Layer, readDocument, readLayer } from './document.ts';
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
  /** Where settings may stand, absolute: a change of any of these is a reason to read them again. */
  readonly settingsFiles: readonly string[];
  /** What the user should be told about how the settings came about. */
  readonly notes: readonly string[];
}

/** The settings of one of several programs. */
export interface LoadedApp extends LoadedSettings {
  /** Its name under `apps`. */
  readonly app: string;
}

/** All that a folder's settings say. */
export interface LoadedProject {
  /** What stands outside of `apps`. */
  readonly common: LoadedSettings;
  /** The programs under `apps`, each with its own settings over the common ones; empty where there is no `apps`. */
  readonly apps: readonly LoadedApp[];
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
export function loadProject({ given, folder, config }: LoadRequest): LoadedProject {
  const flags: Layer = {
    values: given,
    folder,
    error: (key, message) => new UsageError(`--${specOf(key).flag ?? key}: ${message}`),
  };
  const start = startFolder(given, folder);
  requireFolder(start, flags);
  const notes: string[] = [];
  const named = config === undefined ? undefined : path.resolve(folder, config);
  const { layer, apps = [], file } = findLayers(start, named, notes);
  const settingsFiles =
    named === undefined ? ['.watchrc', 'package.json', 'nodemon.json'].map((name) => path.join(start, name)) : [named];
  const origin = { file, settingsFiles, notes };
  const files = layer === undefined ? [] : [layer];
  // Of several programs each has a folder of its own: --cwd says where they all start from.
  const valuesForApps = new Map(given);
  valuesForApps.delete('cwd');
  const forApps = { ...flags, values: valuesForApps };
  return {
    common: { ...merge(start, flags, ...files), ...origin },
    apps: apps.map((app) => ({
      ...merge(
        start,
        forApps,
        withMapsOf(app.layer, layer),
        ...files.map((common) => withoutScript(common, app.layer)),
      ),
      ...origin,
      app: app.name,
    })),
  };
}

/** A program's variables, hooks and interpreters come to those that all programs have. */
function withMapsOf(app: Layer, common: Layer | undefined): Layer {
  const values = new Map(app.values);
  for (const [key, value] of app.values) {
    if (!['variables', 'hooks', 'commands'].includes(specOf(key).kind)) continue;
    values.set(key, Object.freeze({ ...(common?.values.get(key) as object | undefined), ...(value as object) }));
  }
  return { ...app, values };
}

/** A script that stands beside `apps` would be appended to a line of a program's own. */
function withoutScript(common: Layer, app: Layer): Layer {
  if (!app.values.has('exec')) return common;
  return { ...common, values: new Map([...common.values].filter(([key]) => key !== 'script' && key !== 'args')) };
}

/** The settings of a single program: `apps` is passed over. Throws as `loadProject` does. */
export const loadSettings = (request: LoadRequest): LoadedSettings => loadProject(request).common;

const startFolder = (given: ReadonlyMap<OptionKey, unknown>, folder: string): string =>
  path.resolve(folder, String(given.get('cwd') ?? '.'));

/**
 * The first layer that has a value for a key wins.
 *
 * @param start where the program runs, and what was given as patterns is relative to, unless a file moves that
 */
function merge(
  start: string,
  given: Layer,
  ...fromFile: readonly Layer[]
): Pick<LoadedSettings, 'settings' | 'folder' | 'bases'> {
  const layers = [given, ...fromFile];
  const layerOf = (key: OptionKey): Layer | undefined => layers.find(({ values }) => values.get(key) !== undefined);
  const values: Partial<Record<OptionKey, unknown>> = {};
  for (const key of optionKeys) {
    const layer = layerOf(key);
    values[key] = layer === undefined ? defaultSettings[key] : absolute(key, layer.values.get(key), layer.folder);
  }
  const settings = Object.freeze(values) as Settings;
  const folder = settings.cwd ?? start;
  requireFolder(folder, layerOf('cwd') ?? given);
  const baseOf = (key: OptionKey): string => {
    const layer = layerOf(key);
    if (layer === undefined) return folder;
    return layer === given ? start : layer.folder;
  };
  return { settings, folder, bases: { watch: baseOf('watch'), ignore: baseOf('ignore') } };
}

/**
 * Settings that come from code alone; no file is read.
 *
 * @throws UsageError naming the option that is wrong
 */
export function loadGiven(input: SettingsInput, folder: string): LoadedSettings {
  const error = (key: OptionKey, message: string): UsageError => new UsageError(`${key}: ${message}`);
  const values = readInput(input);
  const merged = merge(startFolder(values, folder), { values, folder, error });
  return { ...merged, file: undefined, settingsFiles: [], notes: [] };
}

function readInput(input: SettingsInput): Map<OptionKey, unknown> {
  const values = new Map<OptionKey, unknown>();
  for (const [key, raw] of Object.entries(input)) {
    if (raw === undefined) continue;
    if (!isOptionKey(key)) {
      const guess = nearest(key, optionKeys);
      throw new UsageError(`unknown option "${key}"${guess === undefined ? '' : ` · did you mean "${guess}"?`}`);
    }
    try {
      values.set(key, readValue(specOf(key), raw));
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      const way = error.path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
      throw new UsageError(`${key}${way} ${error.message}`);
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

interface FoundLayers {
  readonly layer?: Layer;
  readonly apps?: readonly AppLayer[];
  readonly file?: string;
}

function readLayers(document: Document): FoundLayers {
  const layer = readLayer(document, ['apps']);
  const apps = document.child('apps');
  if ((layer.values.get('after') as readonly string[] | undefined)?.length) {
    throw layer.error('after', 'is for one of several programs: it stands in one of "apps"');
  }
  return { layer, apps: apps === undefined ? [] : readApps(apps), file: document.file };
}

function findLayers(folder: string, named: string | undefined, notes: string[]): FoundLayers {
  if (named !== undefined) {
    if (!fs.existsSync(named)) throw new UsageError(`${named}: no such file (--config)`);
    return readLayers(readDocument(named));
  }
  const watchrc = path.join(folder, '.watchrc');
  if (statsOf(watchrc, fs.lstatSync) !== undefined) return readLayers(readDocument(watchrc));

  const manifest = path.join(folder, 'package.json');
  const document = readManifest(manifest);
  const own = document?.child('devwatch');
  if (own !== undefined) return readLayers(own);

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
  const main = readPackage(path.join(folder, 'package.json'))?.main;
  if (typeof main !== 'string' || main === '') return undefined;
  // What Node itself would try for a package's entry point.
  const tried = [main, `${main}.js`, path.join(main, 'index.js')];
  return tried.find((name) => statsOf(path.resolve(folder, name), fs.statSync)?.isFile() === true) ?? main;
}

/** package.json, if it has settings for us. */
function readManifest(file: string): ReturnType<typeof readDocument> | undefined {
  if (statsOf(file, fs.statSync)?.isFile() !== true) return undefined;
  const fields = readPackage(file);
  // Most have none, and need no parser that knows lines and columns.
  if (fields !== undefined && !('devwatch' in fields) && !('nodemonConfig' in fields)) return undefined;
  return readDocument(file);
}

/** The fields of a package.json; undefined where it is missing, or is none. */
function readPackage(file: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const fields: unknown = JSON.parse(fs.readFileSync(file, 'utf8'));
    return typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined when there is no such thing. */
function statsOf(file: string, stat: typeof fs.statSync): fs.Stats | undefined {
  try {
    return stat(file, { throwIfNoEntry: false });
  } catch (error) {
    // A part of the path is a file. Newer Nodes take this for "no entry", too.
    if (codeOf(error) === 'ENOTDIR') return undefined;
    throw new UsageError(`${file}: cannot be read (${codeOf(error) ?? 'unknown error'})`);
  }
}

/** `named`: the layer that named the folder. */
function requireFolder(folder: string, named: Layer): void {
  let stats: fs.Stats | undefined;
  try {
    stats = fs.statSync(folder, { throwIfNoEntry: false });
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'ENOTDIR') throw named.error('cwd', `${folder} cannot be entered (${code ?? 'unknown error'})`);
  }
  if (stats === undefined) throw named.error('cwd', `there is no folder ${folder}`);
  if (!stats.isDirectory()) throw named.error('cwd', `${folder} is not a folder`);
}
