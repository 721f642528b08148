/** Converts settings of nodemon (3.1), for users who come from it. */

import fs from 'node:fs';
import path from 'node:path';
import type { Layer } from './layers.ts';
import { readValue } from './option-kinds.ts';
import { type OptionKey, specOf } from './options.ts';
import { isLikelySeconds } from './other-tools.ts';
import { ValueError } from './read-values.ts';
import { type Document, layerOf, readAt } from './settings-file.ts';

/** Settings of another tool as devwatch has them. */
export interface Converted {
  /** The settings as they are written into a `.watchrc`. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Keys that cannot be taken over, and why. */
  readonly missing: readonly Missing[];
  /** Further differences. */
  readonly remarks: readonly string[];
}

export interface Missing {
  readonly key: string;
  readonly reason: string;
}

/**
 * Converts nodemon's settings; `layer` has the same settings, checked.
 *
 * @throws UsageError at a value of the wrong type
 */
export function fromNodemon(document: Document): Converted & { readonly layer: Layer } {
  if (!document.isObject()) throw document.error('settings must be an object {…}');
  const given = new Map(document.entries().map(({ key, value }) => [key, value.value]));
  const conversion = new Conversion(given, path.dirname(document.file));
  const { settings, missing, remarks } = conversion;
  const values = new Map<OptionKey, unknown>();
  for (const [option, { value, key }] of settings) {
    const place = document.child(key) ?? document;
    values.set(option, value === place.value ? readAt(option, place) : readConverted(option, value, { place, key }));
  }
  const layer = layerOf(document, values, (option) => settings.get(option)?.key ?? option);
  const written = Object.fromEntries([...settings].map(([option, { value }]) => [option, value]));
  return { layer, settings: written, missing, remarks };
}

function readConverted(option: OptionKey, value: unknown, { place, key }: { place: Document; key: string }): unknown {
  try {
    return readValue(specOf(option), value);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    const culprit = error.path.reduce((found, step) => found.child(step) ?? found, place);
    throw culprit.error(`"${key}" ${error.message}`);
  }
}

interface Setting {
  readonly value: unknown;
  /** nodemon's key that it comes from. */
  readonly key: string;
}

type Row = (value: unknown, conversion: Conversion) => void;

class Conversion {
  readonly settings = new Map<OptionKey, Setting>();
  readonly missing: Missing[] = [];
  readonly remarks: string[] = [];
  readonly given: ReadonlyMap<string, unknown>;
  readonly folder: string;
  #key = '';

  constructor(given: ReadonlyMap<string, unknown>, folder: string) {
    this.given = given;
    this.folder = folder;
    for (const [key, value] of given) {
      this.#key = key;
      const row = Object.hasOwn(rows, key) ? rows[key] : undefined;
      if (row === undefined) this.lose('nodemon has no such key either');
      else row(value, this);
    }
  }

  /** Sets an option; undefined leaves it at its default. */
  set(option: OptionKey, value: unknown): void {
    if (value !== undefined) this.settings.set(option, { value, key: this.#key });
  }

  lose(reason: string, key = this.#key): void {
    this.missing.push({ key, reason });
  }
}

const as =
  (option: OptionKey): Row =>
  (value, to) =>
    to.set(option, value);

/** The key asks for what devwatch always does, or has no effect in a file. */
const silent: Row = () => {};

const rows: Readonly<Record<string, Row>> = {
  script: as('script'),
  args: as('args'),
  nodeArgs: convertNodeArgs,
  exec: (value, to) => to.set('exec', Array.isArray(value) ? value.map(quoteWord).join(' ') : value),
  execMap: as('execMap'),
  env: (value, to) => to.set('env', withTexts(value)),
  events: convertEvents,
  watch: convertWatch,
  ignoreRoot: convertWatch,
  ignore: convertIgnore,
  ext: (value, to) => to.set('ext', value === '' || takesAllExtensions(to) ? '*' : value),
  delay: convertDelay,
  legacyWatch: as('poll'),
  pollingInterval: as('pollInterval'),
  watchOptions: convertWatchOptions,
  signal: as('signal'),
  exitCrash: as('exitOnCrash'),
  exitcrash: as('exitOnCrash'),
  runOnChangeOnly: as('onChangeOnly'),
  quiet: as('quiet'),
  verbose: as('verbose'),
  colours: as('color'),
  restartable: (value, to) => {
    if (value !== 'rs' && value !== true)
      to.lose('a line "rs" or "r" restarts, if the program does not read the terminal');
  },
  cwd: (_, to) => to.lose('nodemon ignores it in a file; "cwd" of devwatch would run the program in that folder'),
  ...Object.fromEntries(
    '$schema stdin stdout dump spawn noUpdateNotifier js help version configFile'
      .split(' ')
      .map((key) => [key, silent]),
  ),
};

function convertNodeArgs(value: unknown, to: Conversion): void {
  const { exec } = Object.fromEntries(to.given);
  if (exec === undefined || exec === 'node') to.set('nodeArgs', value);
  else to.lose('nodemon ignores it beside "exec" · write the flags into that line');
}

/** nodemon gives its variables to a process, which turns everything into a text. */
const withTexts = (value: unknown): unknown =>
  isObject(value)
    ? Object.fromEntries(
        Object.entries(value).map(([name, each]) => [
          name,
          typeof each === 'boolean' || each === null ? `${each}` : each,
        ]),
      )
    : value;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A delay in a file is in milliseconds, on nodemon's command line in seconds. */
function convertDelay(value: unknown, to: Conversion): void {
  to.set('delay', value);
  const ms = Number(value);
  if (isLikelySeconds(ms))
    to.remarks.push(`"delay": ${ms} means ${ms} ms, as in nodemon.json · "${ms}s" would be seconds`);
}

// Events

function convertEvents(value: unknown, to: Conversion): void {
  if (!isObject(value)) {
    to.set('on', value);
    return;
  }
  const lines = new Map(
    Object.entries(value).map(([name, line]) => [name, Array.isArray(line) ? line.join(' ') : line]),
  );
  for (const name of lines.keys()) {
    const reason = reasonsForEvents[name];
    if (!hasHook(name)) to.lose(reason ?? 'devwatch has no such event', `events.${name}`);
  }
  if (lines.has('exit'))
    to.remarks.push('"exit" in "events" runs when the program ends by itself, not at every restart');
  // nodemon's `start` is every start. Its `restart` comes before it.
  const start = lines.get('start');
  const restart = [lines.get('restart'), start].filter((line) => line !== undefined).join('\n');
  const hooks = {
    start,
    restart: restart === '' ? undefined : restart,
    crash: lines.get('crash'),
    exit: lines.get('exit'),
  };
  const used = Object.entries(hooks).filter(([, line]) => line !== undefined);
  if (used.length > 0)
    to.set('on', Object.fromEntries(used.map(([name, line]) => [name, { shell: withFileName(line) }])));
}

/** nodemon gives a command the first changed file in a variable. */
const withFileName = (line: unknown): unknown =>
  /\$\{?FILENAME\b/.test(String(line)) ? `FILENAME=\${DEVWATCH_CHANGED%%\n*}\n${line}` : line;

const hasHook = (event: string): boolean => ['start', 'restart', 'crash', 'exit'].includes(event);

const reasonsForEvents: Readonly<Record<string, string>> = {
  quit: 'devwatch runs no command at its own end',
};

// Patterns

const isPatterns = (value: unknown): boolean => [value].flat().every((pattern) => typeof pattern === 'string');

const patternsOf = (value: unknown): readonly string[] =>
  [value].flat().filter((pattern): pattern is string => typeof pattern === 'string' && pattern.trim() !== '');

/** Patterns that mean the whole folder. */
const isEverything = (pattern: string): boolean => /^(?:\.|\.?\*|\*\.\*|\*\*|\*\*\/\*|\*\*\/\*\.\*)\/?$/.test(pattern);

/** A pattern such as `src/*.*` selects files whatever `ext` says. */
const namesAllExtensions = (pattern: string): boolean => pattern.endsWith('/*.*') && !isEverything(pattern);

const takesAllExtensions = ({ given }: Conversion): boolean => patternsOf(given.get('watch')).some(namesAllExtensions);

/** `watch` and `ignoreRoot`: by default nodemon ignores node_modules and folders of tools. */
function convertWatch(_: unknown, to: Conversion): void {
  const watch = to.given.get('watch');
  if (watch === false || !isPatterns(watch ?? [])) {
    to.set('watch', watch === false ? [] : watch);
    return;
  }
  const roots = to.given.get('ignoreRoot');
  const watchesPackages =
    Array.isArray(roots) &&
    !roots.some((root) => String(root).includes('node_modules')) &&
    isFolder(path.join(to.folder, 'node_modules'));
  const patterns = new Set(patternsOf(watch).map((pattern) => (isEverything(pattern) ? '.' : pattern)));
  if (patterns.size === 0) patterns.add('.');
  if (watchesPackages) patterns.add('node_modules');
  if (takesAllExtensions(to)) to.set('ext', '*');
  if (patterns.size > 1 || !patterns.has('.')) to.set('watch', [...patterns]);
}

function convertIgnore(value: unknown, to: Conversion): void {
  if (!isPatterns(value)) {
    to.set('ignore', value);
    return;
  }
  const patterns = patternsOf(value).filter(
    (pattern) => !/^(?:\*\*\/|\.\/)?(?:node_modules|\.git)(?:\/|\/\*\*?|\/\*\*\/\*)?$/.test(pattern),
  );
  if (patterns.length > 0)
    to.set(
      'ignore',
      patterns.map((pattern) => toIgnore(pattern, to.folder)),
    );
}

/** nodemon ignores existing folders where they are, and everything else at any depth. */
function toIgnore(pattern: string, folder: string): string {
  if (/^(?:\.{1,2}\/|\/|\*\*\/|!)/.test(pattern)) return pattern;
  const isPath = pattern.replace(/\/$/, '').includes('/');
  if (pattern.startsWith('.') || isFolder(path.resolve(folder, pattern))) return isPath ? pattern : `./${pattern}`;
  // `gen*` stands for all below such folders.
  const below = /[^/*.]\*$/.test(pattern) ? `${pattern}/**` : pattern;
  return below.replace(/\/$/, '').includes('/') ? `**/${below}` : below;
}

const isFolder = (file: string): boolean => fs.statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;

/** Options of chokidar, which watches for nodemon. */
function convertWatchOptions(value: unknown, to: Conversion): void {
  for (const [key, option] of Object.entries(isObject(value) ? value : {})) {
    if (key === 'usePolling') to.set('poll', option);
    else if (key === 'interval') to.set('pollInterval', option);
    else if (key === 'followSymlinks') to.set('follow', option);
    else if (!silentWatchOptions.has(key)) to.lose('devwatch has no such option', `watchOptions.${key}`);
  }
}

const silentWatchOptions: ReadonlySet<string> = new Set(
  'persistent ignoreInitial ignorePermissionErrors awaitWriteFinish atomic alwaysStat useFsEvents disableGlobbing'.split(
    ' ',
  ),
);

const quoteWord = (word: unknown): string => {
  const text = String(word);
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
};
