/**
 * Finds the place in the project's own code at which a Node program has failed: in the stack of the error that it did not
 * catch, in those of its causes, or in the message of a compiler. Pure, except for the files that it is given to look at.
 */

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import type { ThrownValue, UncaughtError } from '../../preload/protocol.ts';
import { attempt } from '../../shared/errors.ts';
import type { ProgramError, SourceLocation } from '../../shared/events.ts';

/** The files of the project, as far as they are needed. */
export interface SourceFiles {
  exists(file: string): boolean;
  /** Returns the text of a file, or undefined if it cannot be read. */
  read(file: string): string | undefined;
}

/** A location in a message, and the words there that describe the error best. */
interface CompilerMessage {
  readonly location: SourceLocation;
  readonly text?: string | undefined;
}

const realFiles: SourceFiles = {
  exists: (file) => fs.existsSync(file),
  read: (file) => attempt(() => (fs.statSync(file).size <= maxReadBytes ? fs.readFileSync(file, 'utf8') : undefined)),
};

/** A larger file is not searched for an import. */
const maxReadBytes = 1024 * 1024;
/** In characters. A longer message is cut. */
const maxMessageLength = 160;

/**
 * Describes the error that a Node program did not catch. Returns undefined if nothing is known about it.
 *
 * @param folder the project's folder, absolute, in which the program runs
 */
export function describeProgramError(
  { thrown = [], missing }: UncaughtError,
  folder: string,
  files: SourceFiles = realFiles,
): ProgramError | undefined {
  const [first] = thrown;
  if (first === undefined) return undefined;
  const compiled = thrown.map(({ message }) => compilerMessageIn(message, folder));
  const candidates = thrown.flatMap((one, index) => {
    const location = compiled[index]?.location;
    return [...(location === undefined ? [] : [location]), ...syntaxLocation(one.stack), ...framesOf(one)];
  });
  const importer = missing?.from === undefined ? [] : [importIn(missing.from, missing.request, files)];
  const location = chooseLocation([...candidates, ...importer], folder, files);
  const name = isRejection(first) ? '' : first.name;
  const message = describeWords(thrown, compiled[0]?.text);
  return { name, message, ...(location && { location }), stack: first.stack };
}

const isRejection = ({ name }: ThrownValue): boolean => name === 'UnhandledPromiseRejection';

/** @param compiled the words of a compiler */
function describeWords([first, ...causes]: readonly ThrownValue[], compiled?: string): string {
  const { name = '', message = '', stack = '' } = first ?? {};
  if (first !== undefined && isRejection(first)) return describeRejection(message);
  if (name === '' && stack === '') return `${cut(message)} was thrown`;
  const [inner = ''] = causes.map((one) => firstLine(one.message)).filter(Boolean);
  return cut(compiled ?? (firstLine(message) || inner));
}

/** The message of Node is a paragraph; the value that it quotes stands at its end. */
function describeRejection(message: string): string {
  const [, value = ''] = /with the reason "(.*)"\.$/s.exec(message) ?? [];
  return `a promise was rejected with ${value === '#<Object>' ? 'an object' : cut(firstLine(value) || 'nothing')}`;
}

const firstLine = (text: string): string => text.split('\n').map(stripVTControlCharacters).find(isFilled)?.trim() ?? '';
const isFilled = (text: string): boolean => text.trim() !== '';
const cut = (text: string): string =>
  text.length <= maxMessageLength ? text : `${text.slice(0, maxMessageLength - 1).trimEnd()}…`;

/**
 * Messages of compilers: esbuild, tsx, ts-node, SWC and Babel. Each pattern has the groups `file` and `line`; `column`
 * counts from 1, `index` from 0.
 */
const compilerPatterns = [
  /^(?<file>.+?):(?<line>\d+):(?<index>\d+): ERROR: (?<text>.+)$/m,
  /^(?<file>.+?)\((?<line>\d+),(?<column>\d+)\): error (?<text>TS\d+: .+)$/m,
  /^(?<file>.+?):(?<line>\d+):(?<column>\d+) - error (?<text>TS\d+: .+)$/m,
  // Its column is not that of the error.
  /^\s*[x×] (?<text>.+)\n\s*(?:,-|╭─)\[(?<file>.+?):(?<line>\d+):\d+\]/m,
  /^(?<file>.+?\.[cm]?[jt]sx?): (?<text>.+) \((?<line>\d+):(?<index>\d+)\)$/m,
] as const;

function compilerMessageIn(message: string, folder: string): CompilerMessage | undefined {
  const plain = stripVTControlCharacters(message);
  const found = compilerPatterns.map((pattern) => pattern.exec(plain)?.groups).find((groups) => groups !== undefined);
  if (found?.file === undefined) return undefined;
  const { file, line, column, index, text } = found;
  const number = column ?? (index === undefined ? undefined : Number(index) + 1);
  const place = { file: pathsOf(folder).resolve(folder, file), line: Number(line) };
  return { location: number === undefined ? place : { ...place, column: Number(number) }, text };
}

/**
 * Returns the place of a syntax error, if it is known. Node puts it before the stack: the file and the line, the line's
 * text, and carets below it.
 */
export function syntaxLocation(stack: string): readonly SourceLocation[] {
  const [head = '', ...rest] = stack.split('\n');
  const [, name = '', line] = /^((?:file:\/\/|\/|[A-Za-z]:[\\/]).*):(\d+)$/.exec(head) ?? [];
  const file = pathOf(name);
  if (line === undefined || file === undefined) return [];
  const carets = rest.find((one) => /^\s*\^+\s*$/.test(one));
  return [{ file, line: Number(line), ...(carets !== undefined && { column: carets.indexOf('^') + 1 }) }];
}

/** Returns the places in files that a stack names, the innermost first. */
function framesOf({ message, stack }: ThrownValue): readonly SourceLocation[] {
  // A message may quote another stack.
  const begin = message === '' ? -1 : stack.indexOf(message);
  const frames = begin < 0 ? stack : stack.slice(begin + message.length);
  return frames.split('\n').flatMap((row) => {
    const [, place] = /^\s+at (.+)$/.exec(row) ?? [];
    const frame = place === undefined ? undefined : parseFrame(place);
    return frame === undefined ? [] : [frame];
  });
}

/** Reads `fn (/a/b.js:1:2)`, `async file:///a/b.js:1:2`, or `C:\a\b.js:1:2`. */
function parseFrame(place: string): SourceLocation | undefined {
  const [, inParentheses, alone] =
    /^.*? \(((?:file:\/\/|\/|[A-Za-z]:[\\/]).*)\)$|^(?:async )?((?:file:\/\/|\/|[A-Za-z]:[\\/]).*)$/.exec(place) ?? [];
  const [, name = '', line, column] = /^(.+):(\d+):(\d+)$/.exec(inParentheses ?? alone ?? '') ?? [];
  const file = pathOf(name);
  // Code in a text: its numbers are not those of the file.
  if (line === undefined || file === undefined || place.includes('eval at ')) return undefined;
  return { file, line: Number(line), column: Number(column) };
}

/** Returns the path of a file that a stack names by its path or its URL. Loaders append queries to both. */
function pathOf(name: string): string | undefined {
  if (name === '') return undefined;
  const plain = name.replace(/\?[^/\\]*$/, '');
  if (!plain.startsWith('file:')) return plain;
  return attempt(() => fileURLToPath(plain, { windows: /^file:\/\/\/[A-Za-z]:/.test(plain) }));
}

/** Node names only the file that imports a missing ES module; its line is searched for. */
function importIn(file: string, request: string, files: SourceFiles): SourceLocation {
  const name = request.split(/[\\/]/).at(-1) ?? request;
  const rows = files.read(file)?.split('\n') ?? [];
  const index = rows.findIndex((row) => /\b(?:import|from|require)\b/.test(row) && row.includes(name));
  return index < 0 ? { file } : { file, line: index + 1 };
}

/**
 * Returns the first place in the project's own code: in its folder, or in what is linked from there, but neither in a
 * package nor in a hidden folder, where tools keep their files. A program that was built may run in a hidden folder.
 */
function chooseLocation(
  candidates: readonly SourceLocation[],
  folder: string,
  { exists }: SourceFiles,
): SourceLocation | undefined {
  const { relative, sep, isAbsolute } = pathsOf(folder);
  const ways = candidates.map((location) => ({ location, parts: relative(folder, location.file).split(sep) }));
  const own = ways.filter(
    ({ location, parts }) =>
      isAbsolute(location.file) && !parts.includes('node_modules') && !/\.pnp\.c?js$/.test(location.file),
  );
  const isInside = ({ parts }: (typeof ways)[number]): boolean => parts[0] !== '..';
  const isVisible = ({ parts }: (typeof ways)[number]): boolean =>
    parts.every((part) => part === '..' || !part.startsWith('.'));
  const inOrder = [...own.filter(isVisible), ...own.filter(isInside)];
  return inOrder.map(({ location }) => location).find(({ file }) => exists(file));
}

/** Paths are written as those of the project's folder. */
const pathsOf = (folder: string): path.PlatformPath => (/^[A-Za-z]:[\\/]/.test(folder) ? path.win32 : path.posix);
