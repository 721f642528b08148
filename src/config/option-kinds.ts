/** The kinds of options: how a value of each is read, described by the JSON Schema, merged and written as a flag. */

import path from 'node:path';
import type picomatch from 'picomatch';
import { maxTimerMs } from '../shared/clock.ts';
import { didYouMean } from '../shared/did-you-mean.ts';
import { messageOf } from '../shared/errors.ts';
import { formatDuration } from '../shared/format.ts';
import { formatListenAddress, parseListenAddress } from '../shared/listen-address.ts';
import { require } from '../shared/require.ts';
import { healthDefaults, hookNames } from './defaults.ts';
import type { OptionKind, OptionSpec } from './options.ts';
import { isPattern, patternOf } from './output-pattern.ts';
import { parseProbe } from './probe-url.ts';
import { readReaction, readSignal } from './reactions.ts';
import {
  inElement,
  isObject,
  readAnyText,
  readChoice,
  readList,
  readMap,
  readText,
  show,
  ValueError,
} from './read-values.ts';
import { readSchedule } from './schedule.ts';
import type { FailureKind, Health, Hooks, Selection } from './settings-types.ts';

interface Kind {
  /** Returns the checked value. @throws ValueError */
  readonly read: (raw: unknown, spec: OptionSpec) => unknown;
  /** Returns the JSON Schema of the values that users may write. */
  readonly schema: (spec: OptionSpec) => object;
  /** The flag takes no value (but perhaps `=value`). */
  readonly isSwitch?: true;
  /** Combines a value with that of a layer below, of which it would replace all otherwise. */
  readonly merge?: (above: unknown, below: unknown) => unknown;
  /** Adds the defaults of what no layer has set. @throws ValueError if it cannot do without that */
  readonly complete?: (merged: unknown) => unknown;
  /** Makes a value absolute. */
  readonly resolve?: (value: unknown, folder: string) => unknown;
  /** Formats a value for people. */
  readonly format?: (value: unknown) => string;
}

const texts = { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] };
const text = { type: 'string', minLength: 1 };
const ports = [{ type: 'boolean' }, { type: 'integer', minimum: 0, maximum: 65_535 }];
const matching = (pattern: string): object => ({ type: 'string', pattern });

const kinds: Readonly<Record<OptionKind, Kind>> = {
  switch: { read: readSwitch, schema: () => ({ type: 'boolean' }), isSwitch: true },
  selection: { read: readSelection, schema: selectionSchema, isSwitch: true },
  text: { read: readText, schema: () => text },
  // A single empty text is a mistake, an empty argument in a list is an argument.
  texts: { read: (raw) => readList(raw, Array.isArray(raw) ? readAnyText : readText), schema: () => texts },
  path: { read: readText, schema: () => text, resolve: (value, folder) => path.resolve(folder, String(value)) },
  paths: {
    read: (raw) => readList(raw, readText),
    schema: () => texts,
    resolve: (value, folder) => Object.freeze([value].flat().map((file) => path.resolve(folder, String(file)))),
  },
  globs: { read: (raw) => readList(typeof raw === 'string' ? splitGlobs(raw) : raw, readGlob), schema: () => texts },
  extensions: {
    read: readExtensions,
    schema: () => ({ anyOf: [text, { type: 'array', items: { type: 'string' }, minItems: 1 }] }),
    merge: mergeExtensions,
  },
  duration: {
    read: readDuration,
    schema: () => ({ anyOf: [{ type: 'number', minimum: 0 }, matching('^\\d+(\\.\\d+)?\\s*(ms|s|m)?$')] }),
    format: (value) => formatDuration(Number(value)),
  },
  count: { read: readCount, schema: () => ({ type: 'integer', minimum: 0 }) },
  choice: {
    read: (raw, { choices = [], formerChoices = {} }) =>
      readChoice(typeof raw === 'string' && Object.hasOwn(formerChoices, raw) ? formerChoices[raw] : raw, choices),
    schema: ({ choices = [], formerChoices = {} }) => ({ enum: [...choices, ...Object.keys(formerChoices)] }),
  },
  choices: {
    read: (raw, { choices = [] }) => readChoices(raw, choices),
    schema: ({ choices = [] }) => ({ anyOf: [text, { type: 'array', items: { enum: choices }, minItems: 1 }] }),
  },
  reaction: { read: readReaction, schema: () => matching('^(restart|nothing|signal:[A-Za-z0-9]+(:tree)?)$') },
  schedule: { read: readSchedule, schema: () => text },
  signal: { read: (raw) => readSignal(raw), schema: () => matching('^([Ss][Ii][Gg])?[A-Za-z0-9]+$') },
  commands: {
    read: (raw) => readMap(raw, (value) => (Array.isArray(value) ? readList(value, readText) : readText(value))),
    schema: () => ({ type: 'object', additionalProperties: texts }),
    merge: mergeKeys,
  },
  size: {
    read: readSize,
    schema: () => ({ anyOf: [{ type: 'number', minimum: 1 }, matching('^\\d+(\\.\\d+)?\\s*[kKmMgG]?[bB]?$')] }),
  },
  port: {
    read: readPort,
    schema: () => ({ anyOf: ports }),
    isSwitch: true,
  },
  address: {
    read: readAddress,
    schema: () => ({ anyOf: [...ports, matching('^((localhost|\\d+(\\.\\d+){3}|\\[[0-9a-fA-F:.]+\\]):)?\\d{1,5}$')] }),
    isSwitch: true,
  },
  health: { read: readHealth, schema: healthSchema, merge: mergeKeys, complete: completeHealth },
  readiness: { read: readReadiness, schema: () => matching('^(listen$|message$|exit$|https?://|tcp://|/)') },
  hooks: { read: readHooks, schema: hooksSchema, merge: mergeKeys },
  variables: {
    read: (raw) => readMap(raw, readVariable),
    schema: () => ({ type: 'object', additionalProperties: { type: ['string', 'number'] } }),
    merge: mergeKeys,
  },
};

export const kindOf = ({ kind }: OptionSpec): Kind => kinds[kind];

/**
 * Returns the value of an option, checked.
 *
 * @param raw a text from the command line or the environment, or any JSON value
 * @throws ValueError that says what the option takes
 */
export const readValue = (spec: OptionSpec, raw: unknown): unknown => kindOf(spec).read(raw, spec);

function healthSchema(): object {
  const duration = { type: ['number', 'string'] };
  const probe = matching('^(https?://|tcp://|event-loop$)');
  const properties = {
    probe,
    interval: duration,
    timeout: duration,
    grace: duration,
    failures: { type: 'integer', minimum: 1 },
    failOn: { type: 'array', items: { enum: healthDefaults.failOn } },
  };
  return { anyOf: [probe, { type: 'object', properties, additionalProperties: false }] };
}

function hooksSchema(): object {
  const shell = { type: 'object', properties: { shell: { type: 'string' } }, required: ['shell'] };
  return {
    type: 'object',
    propertyNames: { enum: hookNames },
    additionalProperties: { anyOf: [...texts.anyOf, shell] },
  };
}

function readSwitch(raw: unknown): boolean {
  if (typeof raw !== 'boolean') throw new ValueError(`takes true or false, not ${show(raw)}`);
  return raw;
}

/** `true` means all, `false` none. */
function readSelection(raw: unknown): Selection {
  if (typeof raw === 'boolean' || raw === 'auto') return raw;
  if (typeof raw === 'string' || Array.isArray(raw)) return readList(raw, readText);
  if (isObject(raw) && Object.keys(raw).join() === 'except') return { except: readList(raw.except, readText) };
  throw new ValueError(`takes "auto", true, false, a list of texts or { "except": [...] }, not ${show(raw)}`);
}

function selectionSchema(): object {
  const except = { type: 'object', properties: { except: texts }, required: ['except'], additionalProperties: false };
  return { anyOf: [{ type: 'boolean' }, ...texts.anyOf, except] };
}

function mergeKeys(above: unknown, below: unknown): unknown {
  return Object.freeze({ ...(below as object), ...(above as object) });
}

function readVariable(raw: unknown, name: string): string {
  // An environment is a list of `name=value`.
  if (name === '' || /[=\0]/.test(name)) throw new ValueError(`has a bad variable name ${show(name)}`);
  if (typeof raw === 'string') return readAnyText(raw);
  if (typeof raw !== 'number') throw new ValueError(`takes texts and numbers, not ${show(raw)}`);
  return String(raw);
}

function readGlob(raw: unknown): string {
  const glob = readText(raw);
  if (glob.length > 4096) throw new ValueError(`takes globs of at most 4096 characters, not ${glob.length}`);
  const unclosed = unclosedBracket(glob);
  if (unclosed !== undefined) throw new ValueError(`has a bad glob ${show(glob)}: "${unclosed}" is not closed`);
  try {
    (require('picomatch') as typeof picomatch)(glob, { dot: true, strictBrackets: false });
  } catch (error) {
    throw new ValueError(`has a bad glob ${show(glob)}: ${messageOf(error)}`);
  }
  return glob;
}

/** Splits a text at its commas, except at those between brackets and after a backslash: `src,lib/*.{js,ts}`. */
function splitGlobs(text: string): string[] {
  const globs = [''];
  let depth = 0;
  for (const [part] of text.matchAll(/\\.|[\s\S]/g)) {
    if (/^[{[(]/.test(part)) depth += 1;
    if (/^[}\])]/.test(part)) depth -= 1;
    if (part === ',' && depth <= 0) globs.push('');
    else globs.push(`${globs.pop()}${part}`);
  }
  const named = globs.map((glob) => glob.trim()).filter(Boolean);
  return globs.length === 1 || named.length === 0 ? [text] : named;
}

/** Returns a bracket that is not closed. picomatch silently takes it literally, which is hardly ever intended. */
function unclosedBracket(glob: string): string | undefined {
  const closing: Readonly<Record<string, string>> = { '{': '}', '[': ']', '(': ')' };
  const open: string[] = [];
  for (let index = 0; index < glob.length; index += 1) {
    const character = glob.charAt(index);
    if (character === '\\') index += 1;
    // Between `[` and `]` other brackets are literal.
    else if (open.at(-1) === '[' && character !== ']') continue;
    else if (Object.hasOwn(closing, character)) open.push(character);
    else if (closing[open.at(-1) ?? ''] === character) open.pop();
  }
  return open.at(-1);
}

function readChoices(raw: unknown, choices: readonly string[]): readonly string[] {
  // nodemon has commands under this key.
  if (isObject(raw)) throw new ValueError(`takes a list of ${choices.join(', ')} · commands to run belong under "on"`);
  const words = typeof raw === 'string' ? raw.split(/[\s,]+/).filter(Boolean) : raw;
  const chosen = readList(words, (word) => readChoice(word, choices));
  if (chosen.length === 0) throw new ValueError(`takes at least one of ${choices.join(', ')}, not ${show(raw)}`);
  return chosen;
}

function readExtensions(raw: unknown): readonly string[] {
  const extensions = readList(typeof raw === 'string' ? raw.split(/[\s,]+/).filter(Boolean) : raw, readExtension);
  if (extensions.length === 0) throw new ValueError(`takes extensions such as "js", or "*" for all, not ${show(raw)}`);
  return extensions;
}

function readExtension(raw: unknown): string {
  const extension = readText(raw).replace(/^(\+?)\*?\./, '$1');
  if (!/^\+?[^\s,/\\.+][^\s,/\\]*$/.test(extension))
    throw new ValueError(`takes extensions such as "js", not ${show(raw)}`);
  return extension;
}

/** Additions, such as `+sql`, add to what the layer below has set. */
function mergeExtensions(above: unknown, below: unknown): unknown {
  const [own, others] = [above, below] as readonly (readonly string[])[];
  const isAddition = (extension: string): boolean => extension.startsWith('+');
  if (!own?.some(isAddition)) return above;
  const added = others?.some(isAddition) ? own : own.map((extension) => extension.replace(/^\+/, ''));
  return Object.freeze([...new Set([...(others ?? []), ...added])]);
}

const msPerUnit: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000, m: 60_000 };

/** @throws ValueError */
export function readDuration(raw: unknown): number {
  const ms = readUnits(raw, /^(\d+(?:\.\d+)?)\s*(ms|s|m|)$/, msPerUnit);
  if (ms === undefined) throw new ValueError(`takes a duration such as 250, "250ms", "5s" or "1m", not ${show(raw)}`);
  if (ms > maxTimerMs) throw new ValueError(`takes at most 24 days, not ${show(raw)}`);
  return ms;
}

const bytesPerUnit: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

function readSize(raw: unknown): number {
  const bytes = Math.round(readUnits(raw, /^(\d+(?:\.\d+)?)\s*(k|m|g|)b?$/i, bytesPerUnit) ?? 0);
  if (bytes === 0) throw new ValueError(`takes a size such as "500M" or "2G", not ${show(raw)}`);
  return bytes;
}

/** Returns the number in a text such as `5s`, times its unit; undefined for other values. */
function readUnits(raw: unknown, form: RegExp, units: Readonly<Record<string, number>>): number | undefined {
  const text = typeof raw === 'number' ? String(raw) : typeof raw === 'string' ? raw.trim() : '';
  const [, number, unit = ''] = form.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * (units[unit.toLowerCase()] ?? Number.NaN);
}

function readCount(raw: unknown): number {
  const count = wholeNumber(raw);
  if (count === undefined) throw new ValueError(`takes a whole number from 0, not ${show(raw)}`);
  return count;
}

/** `true` means the default port. */
function readPort(raw: unknown): boolean | number {
  if (typeof raw === 'boolean') return raw;
  const port = wholeNumber(raw);
  if (port !== undefined && port <= 65_535) return port;
  throw new ValueError(`takes true, false or a port, not ${show(raw)}`);
}

/** A port by itself is one of this machine. */
function readAddress(raw: unknown): boolean | number | string {
  if (typeof raw === 'boolean') return raw;
  const address = Array.isArray(raw) ? undefined : parseListenAddress(String(raw));
  if (address === undefined)
    throw new ValueError(`takes true, false, a port or an IP address with a port, not ${show(raw)}`);
  return /^\d+$/.test(String(raw)) ? address.port : formatListenAddress(address);
}

function wholeNumber(raw: unknown): number | undefined {
  const number = typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

const probeForms = 'http://…, https://…, tcp://host:port or event-loop';

type Times = typeof healthDefaults;

/** Keys that are missing may come from another layer, such as the times for the probe of a flag. */
function readHealth(raw: unknown): Partial<Health> {
  if (typeof raw === 'string') return readHealth({ probe: raw });
  if (!isObject(raw)) throw new ValueError(`takes ${probeForms}, or an object with such a "probe", not ${show(raw)}`);
  const known = ['probe', ...(Object.keys(healthDefaults) as (keyof Times)[])] as const;
  const stray = Object.keys(raw).find((key) => !known.some((name) => name === key));
  if (stray !== undefined) throw new ValueError(`has no "${stray}"${didYouMean(stray, known)}`, [stray]);
  const readers: { readonly [Key in keyof Health]: (value: unknown) => Health[Key] } = {
    probe: readProbe,
    interval: readInterval,
    timeout: readInterval,
    failures: readFailures,
    grace: readDuration,
    failOn: (value) => readList(value, (kind) => readChoice(kind, healthDefaults.failOn) as FailureKind),
  };
  const given = known.filter((key) => raw[key] !== undefined);
  return Object.freeze(
    Object.fromEntries(given.map((key) => [key, inElement(key, () => readers[key](raw[key]))])),
  ) as Partial<Health>;
}

function completeHealth(merged: unknown): Health {
  const { probe, ...times } = merged as Partial<Health>;
  if (probe === undefined) throw new ValueError(`needs a "probe": ${probeForms}`);
  return Object.freeze({ ...healthDefaults, ...times, probe });
}

function readProbe(raw: unknown): string {
  if (typeof raw === 'string' && parseProbe(raw) !== undefined) return raw;
  throw new ValueError(`takes ${probeForms}, not ${show(raw)}`);
}

function readInterval(raw: unknown): number {
  const ms = readDuration(raw);
  if (ms === 0) throw new ValueError('takes a duration longer than 0');
  return ms;
}

function readFailures(raw: unknown): number {
  const count = readCount(raw);
  if (count === 0) throw new ValueError('takes a whole number from 1, not 0');
  return count;
}

function readReadiness(raw: unknown): string {
  const text = readText(raw);
  if (text === 'listen' || text === 'message' || text === 'exit') return text;
  const probe = parseProbe(text);
  if (probe !== undefined && probe.kind !== 'event-loop') return text;
  if (!isPattern(text)) {
    throw new ValueError(`takes listen, message, exit, http://…, tcp://host:port or /pattern/, not ${show(raw)}`);
  }
  try {
    patternOf(text);
    return text;
  } catch (error) {
    throw new ValueError(`has a bad pattern: ${messageOf(error)}`);
  }
}

function readHooks(raw: unknown): Hooks {
  return readMap(raw, (value, name) => {
    readChoice(name, hookNames);
    if (Array.isArray(value)) return readList(value, readAnyText);
    if (typeof value !== 'object' || value === null) return readText(value);
    return Object.freeze({ shell: inElement('shell', () => readText((value as { shell?: unknown }).shell)) });
  });
}
