/** Settings files: JSON with comments; every error has a line and a column. */

import fs from 'node:fs';
import path from 'node:path';
import type { Node, ParseError } from 'jsonc-parser';
import { didYouMean } from '../shared/did-you-mean.ts';
import { attempt, codeOf, UsageError } from '../shared/errors.ts';
import { withOpenFile } from '../shared/file-ownership.ts';
import {
  canEverybodyReplace,
  foreignFlaw,
  isForeign,
  ownersOfFolder,
  ownersOfProject,
} from '../shared/project-owners.ts';
import { require } from '../shared/require.ts';
import { workingFolder } from '../shared/working-folder.ts';
import type { Layer } from './layers.ts';
import { readValue } from './option-kinds.ts';
import { isOptionKey, type OptionKey, optionKeys, specOf } from './options.ts';
import { show, ValueError } from './read-values.ts';

const parser = (): typeof import('jsonc-parser') => require('jsonc-parser');

/** A place in a parsed file. */
export interface Document {
  readonly file: string;
  readonly value: unknown;
  /** Returns the value under a key of an object or at an index of a list; undefined if there is none. */
  child(key: string | number): Document | undefined;
  elements(): readonly Document[];
  entries(): readonly { readonly key: string; readonly keyAt: Document; readonly value: Document }[];
  isObject(): boolean;
  /** Returns an error with the line and column of this place. */
  error(message: string): UsageError;
}

const maxFileBytes = 1024 * 1024;
/** Settings need four levels; at thousands the parser and code that walks its result run out of stack. */
const maxNesting = 100;

/** Formats a path: relative if it is below the working folder. */
const shown = (file: string): string => {
  const relative = path.relative(workingFolder(), file);
  return relative.startsWith('..') ? file : relative;
};

/**
 * Reads and parses a settings file.
 *
 * @throws UsageError if it cannot be read, is not a text, too large or broken, or if (on POSIX) another user could have
 *   written it: it contains commands to run
 * @param onDistrust receives that problem instead, where no command is run
 */
export function readDocument(file: string, onDistrust: (problem: string) => void = refuse): Document {
  const text = readFile(file, onDistrust);
  refuseDeepNesting(file, text);
  const errors: ParseError[] = [];
  const root = parser().parseTree(text, errors, { allowTrailingComma: true, allowEmptyContent: true });
  const [first] = errors;
  if (first !== undefined) throw errorAt(file, text, first.offset, describe(first, text));
  if (root === undefined) throw new UsageError(`${shown(file)}: is empty · the minimum is {}`);
  return documentOf(file, text, root);
}

const refuse = (problem: string): never => {
  throw new UsageError(problem);
};

function readFile(file: string, onDistrust: (problem: string) => void): string {
  const problem = (text: string): UsageError => new UsageError(`${shown(file)}: ${text}`);
  let bytes: Buffer;
  try {
    bytes = withOpenFile(file, (descriptor, stats) => {
      if (stats.isDirectory()) throw problem('is a folder, not a settings file');
      if (!stats.isFile()) throw problem('is not a regular file');
      const size = Math.ceil((stats.size / maxFileBytes) * 10) / 10;
      if (size > 1) throw problem(`has ${size} MB; a settings file has at most 1 MB`);
      const distrust = distrustOf(file, stats, 'chown it, or use --config with a copy');
      if (distrust !== undefined) onDistrust(`${shown(file)}: ${distrust}`);
      return fs.readFileSync(descriptor);
    });
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const code = codeOf(error);
    // A socket.
    if (code === 'ENXIO') throw problem('is not a regular file');
    if (code === 'EACCES' || code === 'EPERM') throw problem(`reading is not permitted (${code})`);
    throw problem(`cannot be read (${code ?? 'unknown error'})`);
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (!text.includes('\0')) return text;
  } catch {
    // Not UTF-8: the same message.
  }
  throw problem('is not a text file in UTF-8');
}

/** The text of a file, and why it cannot be trusted. */
export interface InspectedText {
  readonly text: string;
  /** @throws UsageError if another user could have written it */
  requireTrust(): void;
}

/**
 * Reads a file that names what runs, or is itself run, without being one of settings. Undefined if it cannot be read, or is
 * no regular file. Its mode does not matter where everybody can replace it, as in a container with umask 000.
 *
 * @param remedy says what to do if it belongs to another user
 */
export function inspectText(file: string, remedy: string): InspectedText | undefined {
  return attempt(() =>
    withOpenFile(file, (descriptor, stats) => {
      if (!stats.isFile()) return undefined;
      const distrust = distrustOf(file, stats, remedy, !canEverybodyReplace(path.dirname(file)));
      return {
        text: fs.readFileSync(descriptor, 'utf8'),
        requireTrust() {
          if (distrust !== undefined) throw new UsageError(`${shown(file)}: ${distrust}`);
        },
      };
    }),
  );
}

/**
 * Returns why a file that contains commands to run cannot be trusted: another user could have put it there, or a link to it.
 * Those who decide what is in the folder can run commands in it anyway.
 */
function distrustOf(file: string, stats: fs.Stats, remedy: string, modeMatters = true): string | undefined {
  const folder = path.dirname(file);
  // The owner of package.json does not vouch for it, except to root, in a container over files of a user.
  const isVouched = path.basename(file) !== 'package.json' || process.geteuid?.() === 0;
  const owners = isVouched ? ownersOfProject(folder) : ownersOfFolder(folder);
  const link = fs.lstatSync(file);
  if (link.isSymbolicLink() && isForeign(link.uid, owners)) {
    return `is a link of another user (uid ${link.uid}) to commands to run · ${remedy}`;
  }
  const flaw = foreignFlaw(file, stats, owners);
  if (flaw === 'owner') return `belongs to another user (uid ${stats.uid}) and contains commands to run · ${remedy}`;
  if (flaw !== 'mode' || !modeMatters) return undefined;
  return `is writable by every user and contains commands to run · chmod o-w ${shown(file)}`;
}

function refuseDeepNesting(file: string, text: string): void {
  const scanner = parser().createScanner(text, true);
  let depth = 0;
  for (let token = scanner.scan(); token !== syntax.end; token = scanner.scan()) {
    if (token === syntax.openBrace || token === syntax.openBracket) depth += 1;
    else if (token === syntax.closeBrace || token === syntax.closeBracket) depth -= 1;
    if (depth > maxNesting) {
      throw errorAt(file, text, scanner.getTokenOffset(), `is nested more than ${maxNesting} levels deep`);
    }
  }
}

/** Values of jsonc-parser's SyntaxKind, a const enum, which single-file compilation cannot read. */
const syntax = { openBrace: 1, closeBrace: 2, openBracket: 3, closeBracket: 4, end: 17 } as const;

function documentOf(file: string, text: string, node: Node): Document {
  const at = (child: Node): Document => documentOf(file, text, child);
  const childrenOf = (type: Node['type']): readonly Node[] => (node.type === type ? (node.children ?? []) : []);
  return {
    file,
    value: parser().getNodeValue(node),
    child(key) {
      const found = parser().findNodeAtLocation(node, [key]);
      return found && at(found);
    },
    elements: () => childrenOf('array').map(at),
    entries: () =>
      childrenOf('object').flatMap(({ children: [key, value] = [] }) =>
        key === undefined || value === undefined ? [] : [{ key: String(key.value), keyAt: at(key), value: at(value) }],
      ),
    isObject: () => node.type === 'object',
    error: (message) => errorAt(file, text, node.offset, message),
  };
}

/**
 * Returns the options in an object of a settings file, checked.
 *
 * @param others further keys that are allowed, and read elsewhere
 * @throws UsageError at the first unknown or duplicate key, or wrong value
 */
export function readLayer(document: Document, others: readonly string[] = []): Layer {
  if (!document.isObject()) throw document.error(`settings must be an object {…}, not ${show(document.value)}`);
  const values = new Map<OptionKey, unknown>();
  for (const { key, keyAt, value } of document.entries()) {
    if (key === '$schema' || others.includes(key)) continue;
    if (!isOptionKey(key)) {
      const hint = didYouMean(key, [...optionKeys, ...others]) || ' · docs/options.md lists all keys';
      throw keyAt.error(`unknown key ${show(key)}${hint}`);
    }
    if (values.has(key)) throw keyAt.error(`"${key}" appears twice`);
    values.set(key, readAt(key, value));
  }
  return layerOf(document, values, (key) => key);
}

/** Returns a layer whose errors have the line and column of the value; `nameOf` returns an option's name in the file. */
export function layerOf(
  document: Document,
  values: ReadonlyMap<OptionKey, unknown>,
  nameOf: (key: OptionKey) => string,
): Layer {
  return {
    values,
    folder: path.dirname(document.file),
    origin: () => path.basename(document.file),
    error: (key, message) => (document.child(nameOf(key)) ?? document).error(`"${nameOf(key)}": ${message}`),
  };
}

/** Returns the checked value of an option in a file. @throws UsageError with the line and column of the wrong element */
export function readAt(key: OptionKey, place: Document): unknown {
  const names = new Set<string>();
  for (const entry of place.entries()) {
    if (names.has(entry.key)) throw entry.keyAt.error(`${show(entry.key)} appears twice in "${key}"`);
    names.add(entry.key);
  }
  try {
    return readValue(specOf(key), place.value);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    const culprit = error.path.reduce((found, step) => found.child(step) ?? found, place);
    throw culprit.error(`"${key}" ${error.message}`);
  }
}

function describe(error: ParseError, text: string): string {
  const found = text.slice(error.offset, error.offset + Math.min(error.length, 20)).split('\n', 1)[0];
  const name = parser()
    .printParseErrorCode(error.error)
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toLowerCase();
  return found === '' || found === undefined ? `broken JSON: ${name}` : `broken JSON: ${name} at ${show(found)}`;
}

function errorAt(file: string, text: string, offset: number, message: string): UsageError {
  const before = text.slice(0, offset).split('\n');
  const column = (before.at(-1)?.length ?? 0) + 1;
  return new UsageError(`${shown(file)}:${before.length}:${column}: ${message}`);
}
