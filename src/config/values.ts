/** Reads one option's value from what a person wrote: a flag's text or a JSON value. */

import os from 'node:os';
import type picomatch from 'picomatch';
import { UsageError } from '../shared/errors.ts';
import { require } from '../shared/require.ts';
import { nearest } from './did-you-mean.ts';
import {
  type FailureKind,
  type Health,
  type Hooks,
  healthDefaults,
  hookNames,
  isPattern,
  type OptionSpec,
  patternOf,
} from './options.ts';
import { parseProbe } from './probe-url.ts';

/** What is wrong with a value, in words that follow the option's name: `takes a duration, …`. */
export class ValueError extends UsageError {
  override readonly name: string = 'ValueError';
  /** In lists and maps: the way to the element that is wrong. */
  readonly path: readonly (string | number)[];

  constructor(message: string, path: readonly (string | number)[] = []) {
    super(message);
    this.path = path;
  }
}

/**
 * The value of an option, checked.
 *
 * @param raw a text from the command line or the environment, or any JSON value
 * @throws ValueError that says what the option takes
 */
export function readValue(spec: OptionSpec, raw: unknown): unknown {
  switch (spec.kind) {
    case 'switch':
      if (typeof raw !== 'boolean') throw new ValueError(`takes true or false, not ${show(raw)}`);
      return raw;
    case 'selection':
      if (typeof raw === 'boolean') return raw;
      if (typeof raw === 'string' || Array.isArray(raw)) return readList(raw, readText);
      throw new ValueError(`takes true, false or a list of texts, not ${show(raw)}`);
    case 'text':
    case 'path':
      return readText(raw);
    case 'texts':
      // A single text that is empty is a slip; an empty argument among others is one.
      return readList(raw, Array.isArray(raw) ? readAnyText : readText);
    case 'paths':
      return readList(raw, readText);
    case 'globs':
      return readList(raw, readGlob);
    case 'extensions':
      return readExtensions(raw);
    case 'duration':
      return readDuration(raw);
    case 'count':
      return readCount(raw);
    case 'choice':
      return readChoice(raw, spec.choices ?? []);
    case 'signal':
      return readSignal(raw);
    case 'size':
      return readSize(raw);
    case 'port':
      return readPort(raw);
    case 'health':
      return readHealth(raw);
    case 'readiness':
      return readReadiness(raw);
    case 'hooks':
      return readHooks(raw);
    case 'commands':
      return readMap(raw, (value) => (Array.isArray(value) ? readList(value, readText) : readText(value)));
    case 'variables':
      return readMap(raw, readVariable);
  }
}

function readText(raw: unknown): string {
  if (raw === '') throw new ValueError('takes a text, not ""');
  return readAnyText(raw);
}

function readAnyText(raw: unknown): string {
  if (typeof raw !== 'string') throw new ValueError(`takes a text, not ${show(raw)}`);
  // No program, file name or variable can hold one: exec() ends the text there.
  if (raw.includes('\0')) throw new ValueError('must not hold a NUL character');
  return raw;
}

function readList<T>(raw: unknown, read: (element: unknown) => T): readonly T[] {
  if (typeof raw === 'string') return Object.freeze([read(raw)]);
  if (!Array.isArray(raw)) throw new ValueError(`takes a text or a list of texts, not ${show(raw)}`);
  return Object.freeze(raw.map((element, index) => inElement(index, () => read(element))));
}

function readMap<T>(raw: unknown, read: (value: unknown, key: string) => T): Readonly<Record<string, T>> {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new ValueError(`takes an object of names and texts, not ${show(raw)}`);
  }
  return Object.freeze(
    Object.fromEntries(Object.entries(raw).map(([key, value]) => [key, inElement(key, () => read(value, key))])),
  );
}

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
  if (typeof raw === 'number') return String(raw);
  if (typeof raw !== 'string') throw new ValueError(`takes texts and numbers, not ${show(raw)}`);
  return readAnyText(raw);
}

function readGlob(raw: unknown): string {
  const glob = readText(raw);
  if (glob.length > 4096) throw new ValueError(`takes globs of at most 4096 characters, not ${glob.length}`);
  const unclosed = unclosedBracket(glob);
  if (unclosed !== undefined) throw new ValueError(`has a bad glob ${show(glob)}: "${unclosed}" is not closed`);
  try {
    const compile = require('picomatch') as typeof picomatch;
    compile(glob, { dot: true, strictBrackets: false });
  } catch (error) {
    throw new ValueError(`has a bad glob ${show(glob)}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return glob;
}

/** picomatch takes an unclosed bracket for a literal one, silently: almost surely not what was meant. */
function unclosedBracket(glob: string): string | undefined {
  const closing: Readonly<Record<string, string>> = { '{': '}', '[': ']', '(': ')' };
  const open: string[] = [];
  for (let index = 0; index < glob.length; index += 1) {
    const character = glob.charAt(index);
    if (character === '\\') index += 1;
    // Between `[` and `]` other brackets stand for themselves.
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
  const extension = readText(raw).replace(/^\*?\./, '');
  if (!/^[^\s,/\\.][^\s,/\\]*$/.test(extension))
    throw new ValueError(`takes extensions such as "js", not ${show(raw)}`);
  return extension;
}

const unitsInMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };
/** setTimeout takes no more than 2^31 - 1 ms; longer ones would fire at once. */
const longestDuration = 2 ** 31 - 1;

/** @throws ValueError */
export function readDuration(raw: unknown): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m)?$/.exec(
    typeof raw === 'number' ? String(raw) : typeof raw === 'string' ? raw.trim() : '',
  );
  const ms = match === null ? Number.NaN : Number(match[1]) * (unitsInMs[match[2] ?? 'ms'] ?? Number.NaN);
  if (Number.isNaN(ms)) throw new ValueError(`takes a duration such as 250, "250ms", "5s" or "1m", not ${show(raw)}`);
  if (ms > longestDuration) throw new ValueError(`takes at most 24 days, not ${show(raw)}`);
  return ms;
}

function readCount(raw: unknown): number {
  const count = typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw;
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0) {
    throw new ValueError(`takes a whole number from 0, not ${show(raw)}`);
  }
  return count;
}

const unitsInBytes: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

function readSize(raw: unknown): number {
  const match = /^(\d+(?:\.\d+)?)\s*(k|m|g|)b?$/i.exec(
    typeof raw === 'number' ? String(raw) : typeof raw === 'string' ? raw.trim() : '',
  );
  const unit = unitsInBytes[match?.[2]?.toLowerCase() ?? ''];
  const bytes = match === null ? 0 : Math.round(Number(match[1]) * (unit ?? 0));
  if (bytes === 0) throw new ValueError(`takes a size such as "500M" or "2G", not ${show(raw)}`);
  return bytes;
}

/** True stands for the usual port. */
function readPort(raw: unknown): boolean | number {
  if (typeof raw === 'boolean') return raw;
  const port = typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw;
  if (typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new ValueError(`takes true, false or a port, not ${show(raw)}`);
}

const probeKinds = 'http://…, https://…, tcp://host:port or event-loop';

function readHealth(raw: unknown): Health {
  if (typeof raw === 'string') return readHealth({ probe: raw });
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new ValueError(`takes ${probeKinds}, or an object with such a "probe", not ${show(raw)}`);
  }
  const given = raw as Record<string, unknown>;
  const stray = Object.keys(given).find((key) => key !== 'probe' && !Object.hasOwn(healthDefaults, key));
  if (stray !== undefined) {
    const guess = nearest(stray, ['probe', ...Object.keys(healthDefaults)]);
    throw new ValueError(`has no "${stray}"${guess === undefined ? '' : ` · did you mean "${guess}"?`}`, [stray]);
  }
  const at = <Value>(key: string, read: (value: unknown) => Value, byDefault: Value): Value =>
    given[key] === undefined ? byDefault : inElement(key, () => read(given[key]));
  const probe = inElement('probe', () => readProbe(given.probe));
  const { interval, timeout, failures, grace, failOn } = healthDefaults;
  return Object.freeze({
    probe,
    interval: at('interval', readInterval, interval),
    timeout: at('timeout', readInterval, timeout),
    failures: at('failures', readFailures, failures),
    grace: at('grace', readDuration, grace),
    failOn: at('failOn', (value) => readList(value, (kind) => readChoice(kind, failOn) as FailureKind), failOn),
  });
}

function readProbe(raw: unknown): string {
  const text = typeof raw === 'string' ? raw : '';
  if (parseProbe(text) === undefined) throw new ValueError(`takes ${probeKinds}, not ${show(raw)}`);
  return text;
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
  if (isPattern(text)) {
    try {
      patternOf(text);
      return text;
    } catch (error) {
      throw new ValueError(`has a bad pattern: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new ValueError(`takes listen, message, exit, http://…, tcp://host:port or /pattern/, not ${show(raw)}`);
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
  const guess = typeof raw === 'string' ? nearest(raw, choices) : undefined;
  const hint = guess === undefined ? '' : ` · did you mean "${guess}"?`;
  throw new ValueError(`takes one of ${choices.join(', ')}, not ${show(raw)}${hint}`);
}

function readSignal(raw: unknown): NodeJS.Signals | 'message' {
  if (raw === 'message') return raw;
  if (typeof raw === 'string') {
    const upper = raw.toUpperCase();
    const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
    if (Object.hasOwn(os.constants.signals, name)) return name as NodeJS.Signals;
    const names = Object.keys(os.constants.signals).map((known) => known.slice(3));
    const guess = nearest(name.slice(3), names);
    throw new ValueError(
      `takes a signal such as SIGTERM or INT, not ${show(raw)}${guess === undefined ? '' : ` · did you mean SIG${guess}?`}`,
    );
  }
  throw new ValueError(`takes a signal such as SIGTERM or INT, not ${show(raw)}`);
}

/** A value as it stands in an error, cut to a readable length. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
