/** The kinds of options: how a value of each is read, described by the JSON Schema, merged and written as a flag. */

import os from 'node:os';
import path from 'node:path';
import type picomatch from 'picomatch';
import { maxTimerMs } from '../shared/clock.ts';
import { didYouMean } from '../shared/did-you-mean.ts';
import { messageOf, UsageError } from '../shared/errors.ts';
import { formatDuration } from '../shared/format.ts';
import { formatListenAddress, parseListenAddress } from '../shared/listen-address.ts';
import { require } from '../shared/require.ts';
import { healthDefaults, hookNames } from './defaults.ts';
import type { OptionKind, OptionSpec } from './options.ts';
import { isPattern, patternOf } from './output-pattern.ts';
import { parseProbe } from './probe-url.ts';
import type { FailureKind, Health, Hooks, Selection } from './settings-types.ts';

interface Kind {
  /** Returns the checked value. @throws ValueError */
  readonly read: (raw: unknown, spec: OptionSpec) => unknown;
  /** Returns the JSON Schema of the values that users may write. */
  readonly schema: (spec: OptionSpec) => object;
  /** The flag takes no value (but perhaps `=value`). */
  readonly isSwitch?: true;
  /** The entries of a program under `apps` are added to the common ones, instead of replacing them. */
  readonly isMap?: true;
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
  },
  duration: {
    read: readDuration,
    schema: () => ({ anyOf: [{ type: 'number', minimum: 0 }, matching('^\\d+(\\.\\d+)?\\s*(ms|s|m)?$')] }),
    format: (value) => formatDuration(Number(value)),
  },
  count: { read: readCount, schema: () => ({ type: 'integer', minimum: 0 }) },
  choice: {
    read: (raw, { choices = [] }) => readChoice(raw, choices),
    schema: ({ choices = [] }) => ({ enum: choices }),
  },
  signal: { read: readSignal, schema: () => matching('^([Ss][Ii][Gg])?[A-Za-z0-9]+$') },
  commands: {
    read: (raw) => readMap(raw, (value) => (Array.isArray(value) ? readList(value, readText) : readText(value))),
    schema: () => ({ type: 'object', additionalProperties: texts }),
    isMap: true,
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
  health: { read: readHealth, schema: healthSchema },
  readiness: { read: readReadiness, schema: () => matching('^(listen$|message$|exit$|https?://|tcp://|/)') },
  hooks: { read: readHooks, schema: hooksSchema, isMap: true },
  variables: {
    read: (raw) => readMap(raw, readVariable),
    schema: () => ({ type: 'object', additionalProperties: { type: ['string', 'number'] } }),
    isMap: true,
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
  return { anyOf: [probe, { type: 'object', properties, required: ['probe'], additionalProperties: false }] };
}

function hooksSchema(): object {
  const shell = { type: 'object', properties: { shell: { type: 'string' } }, required: ['shell'] };
  return {
    type: 'object',
    propertyNames: { enum: hookNames },
    additionalProperties: { anyOf: [...texts.anyOf, shell] },
  };
}

/** An error in a value; the message follows the option's name: `takes a duration, …`. */
export class ValueError extends UsageError {
  override readonly name: string = 'ValueError';
  /** In lists and maps: the keys and indexes that lead to the wrong element. */
  readonly path: readonly (string | number)[];

  constructor(message: string, path: readonly (string | number)[] = []) {
    super(message);
    this.path = path;
  }
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

function readText(raw: unknown): string {
  if (raw === '') throw new ValueError('takes a text, not ""');
  return readAnyText(raw);
}

function readAnyText(raw: unknown): string {
  if (typeof raw !== 'string') throw new ValueError(`takes a text, not ${show(raw)}`);
  // exec() ends arguments, file names and variables at a NUL.
  if (raw.includes('\0')) throw new ValueError('must not contain a NUL character');
  return raw;
}

function readList<T>(raw: unknown, read: (element: unknown) => T): readonly T[] {
  if (typeof raw === 'string') return Object.freeze([read(raw)]);
  if (!Array.isArray(raw)) throw new ValueError(`takes a text or a list of texts, not ${show(raw)}`);
  return Object.freeze(raw.map((element, index) => inElement(index, () => read(element))));
}

function readMap<T>(raw: unknown, read: (value: unknown, key: string) => T): Readonly<Record<string, T>> {
  if (!isObject(raw)) throw new ValueError(`takes an object of names and texts, not ${show(raw)}`);
  return Object.freeze(
    Object.fromEntries(Object.entries(raw).map(([key, value]) => [key, inElement(key, () => read(value, key))])),
  );
}

const isObject = (raw: unknown): raw is Readonly<Record<string, unknown>> =>
  typeof raw === 'object' && raw !== null && !Array.isArray(raw);

function inElement<T>(element: string | number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof ValueError ? new ValueError(error.message, [element, ...error.path]) : error;
  }
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

function readHealth(raw: unknown): Health {
  if (typeof raw === 'string') return readHealth({ probe: raw });
  if (!isObject(raw)) throw new ValueError(`takes ${probeForms}, or an object with such a "probe", not ${show(raw)}`);
  const known = ['probe', ...Object.keys(healthDefaults)];
  const stray = Object.keys(raw).find((key) => !known.includes(key));
  if (stray !== undefined) throw new ValueError(`has no "${stray}"${didYouMean(stray, known)}`, [stray]);
  const at = <Key extends keyof Times>(key: Key, read: (value: unknown) => Times[Key]): Times[Key] =>
    raw[key] === undefined ? healthDefaults[key] : inElement(key, () => read(raw[key]));
  const { failOn } = healthDefaults;
  return Object.freeze({
    probe: inElement('probe', () => readProbe(raw.probe)),
    interval: at('interval', readInterval),
    timeout: at('timeout', readInterval),
    failures: at('failures', readFailures),
    grace: at('grace', readDuration),
    failOn: at('failOn', (value) => readList(value, (kind) => readChoice(kind, failOn) as FailureKind)),
  });
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

function readChoice(raw: unknown, choices: readonly string[]): string {
  if (typeof raw === 'string' && choices.includes(raw)) return raw;
  const hint = typeof raw === 'string' ? didYouMean(raw, choices) : '';
  throw new ValueError(`takes one of ${choices.join(', ')}, not ${show(raw)}${hint}`);
}

function readSignal(raw: unknown): NodeJS.Signals | 'message' {
  if (raw === 'message') return raw;
  const { signals } = os.constants;
  const name = typeof raw === 'string' ? `SIG${raw.toUpperCase().replace(/^SIG/, '')}` : '';
  if (Object.hasOwn(signals, name)) return name as NodeJS.Signals;
  const names = Object.keys(signals).map((known) => known.slice(3));
  const hint = name === '' ? '' : didYouMean(name.slice(3), names, (guess) => `SIG${guess}`);
  throw new ValueError(`takes a signal such as SIGTERM or INT, not ${show(raw)}${hint}`);
}

/** Formats a value for a message, cut to a readable length. */
export function show(value: unknown): string {
  // JSON has no Infinity, which 1e400 becomes.
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
