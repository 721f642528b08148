/** Readers of values: each checks a flag's text or a JSON value, and throws a ValueError that says what is expected. */

import os from 'node:os';
import type picomatch from 'picomatch';
import { maxTimerMs } from '../shared/clock.ts';
import { messageOf, UsageError } from '../shared/errors.ts';
import { require } from '../shared/require.ts';
import { healthDefaults, hookNames } from './defaults.ts';
import { didYouMean } from './did-you-mean.ts';
import { isPattern, patternOf } from './output-pattern.ts';
import { parseProbe } from './probe-url.ts';
import type { FailureKind, Health, Hooks } from './settings-types.ts';

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

export function readSwitch(raw: unknown): boolean {
  if (typeof raw !== 'boolean') throw new ValueError(`takes true or false, not ${show(raw)}`);
  return raw;
}

/** `true` means all, `false` none. */
export function readSelection(raw: unknown): boolean | readonly string[] {
  if (typeof raw === 'boolean') return raw;
  if (typeof raw === 'string' || Array.isArray(raw)) return readList(raw, readText);
  throw new ValueError(`takes true, false or a list of texts, not ${show(raw)}`);
}

export function readText(raw: unknown): string {
  if (raw === '') throw new ValueError('takes a text, not ""');
  return readAnyText(raw);
}

export function readAnyText(raw: unknown): string {
  if (typeof raw !== 'string') throw new ValueError(`takes a text, not ${show(raw)}`);
  // exec() ends arguments, file names and variables at a NUL.
  if (raw.includes('\0')) throw new ValueError('must not contain a NUL character');
  return raw;
}

export function readList<T>(raw: unknown, read: (element: unknown) => T): readonly T[] {
  if (typeof raw === 'string') return Object.freeze([read(raw)]);
  if (!Array.isArray(raw)) throw new ValueError(`takes a text or a list of texts, not ${show(raw)}`);
  return Object.freeze(raw.map((element, index) => inElement(index, () => read(element))));
}

export function readMap<T>(raw: unknown, read: (value: unknown, key: string) => T): Readonly<Record<string, T>> {
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

export function readVariable(raw: unknown, name: string): string {
  // An environment is a list of `name=value`.
  if (name === '' || /[=\0]/.test(name)) throw new ValueError(`has a bad variable name ${show(name)}`);
  if (typeof raw === 'number') return String(raw);
  if (typeof raw !== 'string') throw new ValueError(`takes texts and numbers, not ${show(raw)}`);
  return readAnyText(raw);
}

export function readGlob(raw: unknown): string {
  const glob = readText(raw);
  if (glob.length > 4096) throw new ValueError(`takes globs of at most 4096 characters, not ${glob.length}`);
  const unclosed = unclosedBracket(glob);
  if (unclosed !== undefined) throw new ValueError(`has a bad glob ${show(glob)}: "${unclosed}" is not closed`);
  try {
    const compile = require('picomatch') as typeof picomatch;
    compile(glob, { dot: true, strictBrackets: false });
  } catch (error) {
    throw new ValueError(`has a bad glob ${show(glob)}: ${messageOf(error)}`);
  }
  return glob;
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

export function readExtensions(raw: unknown): readonly string[] {
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

const msPerUnit: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

/** @throws ValueError */
export function readDuration(raw: unknown): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m)?$/.exec(
    typeof raw === 'number' ? String(raw) : typeof raw === 'string' ? raw.trim() : '',
  );
  const ms = match === null ? Number.NaN : Number(match[1]) * (msPerUnit[match[2] ?? 'ms'] ?? Number.NaN);
  if (Number.isNaN(ms)) throw new ValueError(`takes a duration such as 250, "250ms", "5s" or "1m", not ${show(raw)}`);
  if (ms > maxTimerMs) throw new ValueError(`takes at most 24 days, not ${show(raw)}`);
  return ms;
}

export function readCount(raw: unknown): number {
  const count = typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw;
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0) {
    throw new ValueError(`takes a whole number from 0, not ${show(raw)}`);
  }
  return count;
}

const bytesPerUnit: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

export function readSize(raw: unknown): number {
  const match = /^(\d+(?:\.\d+)?)\s*(k|m|g|)b?$/i.exec(
    typeof raw === 'number' ? String(raw) : typeof raw === 'string' ? raw.trim() : '',
  );
  const unit = bytesPerUnit[match?.[2]?.toLowerCase() ?? ''];
  const bytes = match === null ? 0 : Math.round(Number(match[1]) * (unit ?? 0));
  if (bytes === 0) throw new ValueError(`takes a size such as "500M" or "2G", not ${show(raw)}`);
  return bytes;
}

/** `true` means the default port. */
export function readPort(raw: unknown): boolean | number {
  if (typeof raw === 'boolean') return raw;
  const port = typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw;
  if (typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new ValueError(`takes true, false or a port, not ${show(raw)}`);
}

const probeForms = 'http://…, https://…, tcp://host:port or event-loop';

export function readHealth(raw: unknown): Health {
  if (typeof raw === 'string') return readHealth({ probe: raw });
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new ValueError(`takes ${probeForms}, or an object with such a "probe", not ${show(raw)}`);
  }
  const given = raw as Record<string, unknown>;
  const stray = Object.keys(given).find((key) => key !== 'probe' && !Object.hasOwn(healthDefaults, key));
  if (stray !== undefined) {
    const hint = didYouMean(stray, ['probe', ...Object.keys(healthDefaults)]);
    throw new ValueError(`has no "${stray}"${hint}`, [stray]);
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
  if (parseProbe(text) === undefined) throw new ValueError(`takes ${probeForms}, not ${show(raw)}`);
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

export function readReadiness(raw: unknown): string {
  const text = readText(raw);
  if (text === 'listen' || text === 'message' || text === 'exit') return text;
  const probe = parseProbe(text);
  if (probe !== undefined && probe.kind !== 'event-loop') return text;
  if (isPattern(text)) {
    try {
      patternOf(text);
      return text;
    } catch (error) {
      throw new ValueError(`has a bad pattern: ${messageOf(error)}`);
    }
  }
  throw new ValueError(`takes listen, message, exit, http://…, tcp://host:port or /pattern/, not ${show(raw)}`);
}

export function readHooks(raw: unknown): Hooks {
  return readMap(raw, (value, name) => {
    readChoice(name, hookNames);
    if (Array.isArray(value)) return readList(value, readAnyText);
    if (typeof value !== 'object' || value === null) return readText(value);
    return Object.freeze({ shell: inElement('shell', () => readText((value as { shell?: unknown }).shell)) });
  });
}

export function readChoice(raw: unknown, choices: readonly string[]): string {
  if (typeof raw === 'string' && choices.includes(raw)) return raw;
  const hint = typeof raw === 'string' ? didYouMean(raw, choices) : '';
  throw new ValueError(`takes one of ${choices.join(', ')}, not ${show(raw)}${hint}`);
}

export function readSignal(raw: unknown): NodeJS.Signals | 'message' {
  if (raw === 'message') return raw;
  if (typeof raw === 'string') {
    const upper = raw.toUpperCase();
    const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
    if (Object.hasOwn(os.constants.signals, name)) return name as NodeJS.Signals;
    const names = Object.keys(os.constants.signals).map((known) => known.slice(3));
    const hint = didYouMean(name.slice(3), names, (guess) => `SIG${guess}`);
    throw new ValueError(`takes a signal such as SIGTERM or INT, not ${show(raw)}${hint}`);
  }
  throw new ValueError(`takes a signal such as SIGTERM or INT, not ${show(raw)}`);
}

/** Formats a value for a message, cut to a readable length. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
