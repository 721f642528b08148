/** Loads settings: command line and files of a folder become one frozen set of settings. */

import fs from 'node:fs';
import path from 'node:path';
import { didYouMean } from '../shared/did-you-mean.ts';
import { codeOf, UsageError } from '../shared/errors.ts';
import { readText } from '../shared/read-text.ts';
import { type AppLayer, readApps } from './apps.ts';
import { type Layer, mergeLayers, type Origins } from './layers.ts';
import { fromNodemon } from './nodemon.ts';
import { readValue } from './option-kinds.ts';
import { isOptionKey, type OptionKey, optionKeys, specOf } from './options.ts';
import { ValueError } from './read-values.ts';
import { type Document, readDocument, readLayer } from './settings-file.ts';
import type { Settings, SettingsInput } from './settings-types.ts';

/** Settings, and the folders that they are relative to. */
export interface LoadedSettings {
  readonly settings: Settings;
  readonly origins: Origins;
  /** The folder in which the program runs, absolute. */
  readonly folder: string;
  /** The folders that the patterns of each list are relative to, absolute. */
  readonly bases: { readonly watch: string; readonly ignore: string };
  /** The settings file in force, absolute, or undefined. */
  readonly file: string | undefined;
  /** Files that may contain settings, absolute: they are read again when one of these changes. */
  readonly settingsFiles: readonly string[];
  /** Messages for the user about where the settings come from. */
  readonly notes: readonly string[];
}

/** The settings of the program that has the name `app` under `apps`. */
export interface LoadedApp extends LoadedSettings {
  readonly app: string;
}

/** All settings of a folder: those outside of `apps`, and those of each program under `apps`, over the common ones. */
export interface LoadedProject {
  readonly common: LoadedSettings;
  readonly apps: readonly LoadedApp[];
}

export interface LoadRequest {
  /** Values given as flags or through the API; they override every file. */
  readonly given: ReadonlyMap<OptionKey, unknown>;
  /** The folder that given paths are relative to, absolute. */
  readonly folder: string;
  /** A settings file named by the user, instead of those of the folder. */
  readonly config?: string | undefined;
  /** No command will be run: a file that another user could have written is read, and a note names it. Default: false. */
  readonly runsNothing?: boolean | undefined;
}

/**
 * Reads `.watchrc`, else `"devwatch"` in package.json, else nodemon's settings; the given values override them.
 *
 * @throws UsageError with file, line and column of the mistake
 */
export function loadProject({ given, folder, config, runsNothing }: LoadRequest): LoadedProject {
  const flags: Layer = {
    values: given,
    folder,
    origin: (key) => `--${specOf(key).flag ?? key}`,
    error: (key, message) => new UsageError(`--${specOf(key).flag ?? key}: ${message}`),
  };
  const start = startFolder(given, folder);
  requireFolder(start, given.has('cwd') ? flags : undefined);
  const notes: string[] = [];
  const named = config === undefined ? undefined : path.resolve(folder, config);
  const {
    layer: common = { ...flags, values: new Map() },
    apps = [],
    file,
  } = findLayers(start, named, notes, runsNothing);
  const settingsFiles =
    named === undefined ? ['.watchrc', 'package.json', 'nodemon.json'].map((name) => path.join(start, name)) : [named];
  const origin = { file, settingsFiles, notes };
  // --cwd names the folder of the settings; each app may have a folder of its own.
  const forApps = { ...flags, values: new Map([...given].filter(([key]) => key !== 'cwd')) };
  return {
    common: { ...(apps.length === 0 ? merge(start, [flags, common]) : merge(start, [flags], common)), ...origin },
    apps: apps.map(({ name, layer }) => ({
      ...merge(start, [forApps, layer], withoutScript(common, layer)),
      ...origin,
      app: name,
    })),
  };
}

/** Drops the common `script` for an app with its own `exec`: it would be appended to that line. */
function withoutScript(common: Layer, app: Layer): Layer {
  if (!app.values.has('exec')) return common;
  return { ...common, values: new Map([...common.values].filter(([key]) => key !== 'script' && key !== 'args')) };
}

/** Loads the settings of a single program; ignores `apps`. Throws as `loadProject` does. */
export const loadSettings = (request: LoadRequest): LoadedSettings => loadProject(request).common;

const startFolder = (given: ReadonlyMap<OptionKey, unknown>, folder: string): string =>
  path.resolve(folder, String(given.get('cwd') ?? '.'));

/**
 * Merges layers, of which the first one was given on the command line or by code.
 *
 * @param start the folder in which the program runs and that given patterns are relative to, unless a file sets `cwd`
 * @param defaults a last layer, as `mergeLayers` takes it
 */
function merge(
  start: string,
  layers: readonly [Layer, ...Layer[]],
  defaults?: Layer,
): Pick<LoadedSettings, 'settings' | 'origins' | 'folder' | 'bases'> {
  const all = defaults === undefined ? layers : [...layers, defaults];
  const layerOf = (key: OptionKey): Layer | undefined => all.find(({ values }) => values.get(key) !== undefined);
  const { settings, origins } = mergeLayers(layers, defaults);
  const folder = settings.cwd ?? start;
  requireFolder(folder, layerOf('cwd'));
  const baseOf = (key: OptionKey): string => {
    const layer = layerOf(key);
    if (layer === undefined) return folder;
    return layer === layers[0] ? start : layer.folder;
  };
  return { settings, origins, folder, bases: { watch: baseOf('watch'), ignore: baseOf('ignore') } };
}

/**
 * Returns settings that come only from code; reads no file.
 *
 * @throws UsageError with the wrong option
 */
export function loadGiven(input: SettingsInput, folder: string): LoadedSettings {
  const error = (key: OptionKey, message: string): UsageError => new UsageError(`${key}: ${message}`);
  const values = readInput(input);
  const merged = merge(startFolder(values, folder), [{ values, folder, origin: (key) => key, error }]);
  return { ...merged, file: undefined, settingsFiles: [], notes: [] };
}

function readInput(input: SettingsInput): Map<OptionKey, unknown> {
  const values = new Map<OptionKey, unknown>();
  for (const [key, raw] of Object.entries(input)) {
    if (raw === undefined) continue;
    if (!isOptionKey(key)) throw new UsageError(`unknown option "${key}"${didYouMean(key, optionKeys)}`);
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

/** A file such as nodemon.json or nodemon.debug.json, which `--config` names. */
const isNodemonFile = (file: string): boolean => /^nodemon\b.*\.json$/.test(path.basename(file));

interface FoundLayers {
  readonly layer?: Layer;
  readonly apps?: readonly AppLayer[];
  readonly file?: string;
}

function readLayers(document: Document): FoundLayers {
  const layer = readLayer(document, ['apps']);
  const apps = document.child('apps');
  if ((layer.values.get('after') as readonly string[] | undefined)?.length) {
    throw layer.error('after', 'can only be set for one of the programs in "apps"');
  }
  return { layer, apps: apps === undefined ? [] : readApps(apps), file: document.file };
}

function findLayers(folder: string, named: string | undefined, notes: string[], runsNothing = false): FoundLayers {
  const read = (file: string): Document =>
    runsNothing ? readDocument(file, (problem) => notes.push(problem)) : readDocument(file);
  if (named !== undefined) {
    if (!fs.existsSync(named)) throw new UsageError(`${named}: no such file (--config)`);
    const document = read(named);
    return isNodemonFile(named) ? readNodemon(document, notes) : readLayers(document);
  }
  const watchrc = path.join(folder, '.watchrc');
  if (statsOf(watchrc, fs.lstatSync) !== undefined) return readLayers(read(watchrc));

  const manifest = path.join(folder, 'package.json');
  const document = readManifest(manifest, read);
  const own = document?.child('devwatch');
  if (own !== undefined) return readLayers(own);

  const nodemonFile = path.join(folder, 'nodemon.json');
  const foreign = fs.existsSync(nodemonFile) ? read(nodemonFile) : document?.child('nodemonConfig');
  if (foreign === undefined) return {};
  return readNodemon(foreign, notes);
}

function readNodemon(document: Document, notes: string[]): FoundLayers {
  const { layer, missing, remarks } = fromNodemon(document);
  const name = path.basename(document.file);
  const keys = missing.map(({ key }) => `"${key}"`).join(', ');
  const without = keys === '' ? '' : ` · not taken over: ${keys} (devwatch init prints why)`;
  notes.push(`settings from ${name}${name === 'package.json' ? ' (nodemonConfig)' : ''}${without}`, ...remarks);
  return { layer, file: document.file };
}

/** Reads package.json if it contains settings of devwatch or nodemon. */
function readManifest(file: string, read: (file: string) => Document): Document | undefined {
  if (statsOf(file, fs.statSync)?.isFile() !== true) return undefined;
  const fields = readPackage(file);
  // Most contain none, and do not need the parser that knows lines and columns.
  if (fields !== undefined && !('devwatch' in fields) && !('nodemonConfig' in fields)) return undefined;
  return read(file);
}

/** Returns the fields of a package.json; undefined if it is missing or broken. */
function readPackage(file: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const fields: unknown = JSON.parse(readText(file) ?? '');
    return typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Returns undefined if the path does not exist. */
function statsOf(file: string, stat: typeof fs.statSync): fs.Stats | undefined {
  try {
    return stat(file, { throwIfNoEntry: false });
  } catch (error) {
    // A part of the path is a file; newer versions of Node return undefined for this as well.
    if (codeOf(error) === 'ENOTDIR') return undefined;
    throw new UsageError(`${file}: cannot be read (${codeOf(error) ?? 'unknown error'})`);
  }
}

/** @throws UsageError from `named`, the layer that set the folder, if one did, if the folder cannot be used */
function requireFolder(folder: string, named: Layer | undefined): void {
  const error = (text: string): UsageError => named?.error('cwd', text) ?? new UsageError(text);
  let stats: fs.Stats | undefined;
  try {
    stats = fs.statSync(folder, { throwIfNoEntry: false });
  } catch (failure) {
    const code = codeOf(failure);
    if (code !== 'ENOTDIR') throw error(`${folder} cannot be entered (${code ?? 'unknown error'})`);
  }
  if (stats === undefined) {
    throw new UsageError(error(`there is no folder ${folder}`).message, { lacks: folder });
  }
  if (!stats.isDirectory()) throw error(`${folder} is not a folder`);
}
