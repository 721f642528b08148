/** Checks lines of devwatch in transcripts that documents show: each part of a line is a text of the source. */

import fs from 'node:fs';
import path from 'node:path';
import { parseSync, Visitor } from 'oxc-parser';

const separator = ' · ';

/** The strings of the source, with an expression of a template as `\0`, cut at separators. */
const texts: readonly string[] = fs
  .readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.[cm]?ts$/.test(file))
  .flatMap((file) => textsIn(path.join('src', file)));

function textsIn(file: string): string[] {
  const found: string[] = [];
  new Visitor({
    Literal: ({ value }) => {
      if (typeof value === 'string') found.push(value);
    },
    TemplateLiteral: ({ quasis }) => void found.push(quasis.map(({ value }) => value.cooked ?? '').join('\0')),
  }).visit(parseSync(file, fs.readFileSync(file, 'utf8')).program);
  return found.flatMap((text) => text.split('\n')).flatMap((text) => text.split(separator));
}

/** All words of the source's texts. */
const words: ReadonlySet<string> = new Set(texts.flatMap((text) => text.match(/[A-Za-z]+/g) ?? []));

interface Pattern {
  /** Matches the text, with the values of its expressions as groups. */
  readonly form: RegExp;
  /** The text alone hardly says anything: `${verb} in ${time}`. */
  readonly isWeak: boolean;
}

const patterns: readonly Pattern[] = [...new Set(texts)]
  .filter((text) => /[A-Za-z]{2}/.test(text))
  .map((text) => ({
    form: new RegExp(`^${text.trim().split('\0').map(escaped).join('(.*?)')}$`),
    isWeak: text.includes('\0') && text.replaceAll(/[^A-Za-z]/g, '').length < 8,
  }));

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

/** Matches values: a version, a number with its unit, a path, a command, an address, an error of the program. */
const value =
  /^(?:v?\d+\.\d+\.\d+|[\d.,]+(?: [a-z]+)?|(?:[\w@-]*[./][\w./*@:-]*)(?: \+\d+)?(?: \(deleted\))?|(?:node|npm|tsx|python3?|go|php) .+|https?:.+|[A-Z]\w*Error: .+)$/;

/** Matches the place of a mistake, before the text: `.watchrc:3:3: `. */
const place = /^[\w./-]+:\d+:\d+: /;

/** Returns the parts of a line that devwatch does not print. `names` are the programs of the page. */
export function unknownParts(line: string, names: ReadonlySet<string> = new Set()): string[] {
  const [first = '', ...rest] = line.split(' ');
  const text = names.has(first) ? rest.join(' ') : line;
  return text
    .replace(place, '')
    .split(separator)
    .filter((part) => !isKnown(part.trim(), names));
}

const isKnown = (part: string, names: ReadonlySet<string>): boolean =>
  value.test(part) ||
  names.has(part) ||
  patterns.some(({ form, isWeak }) => {
    const match = form.exec(part);
    return match?.slice(1).every((hole) => (isWeak ? isTextOrValue(hole, names) : isValue(hole, names))) === true;
  });

/** Plain words in the place of a value are words of the source; anything else may be a value. */
const isValue = (hole: string, names: ReadonlySet<string>): boolean =>
  hole.split(/\s+/).every((word) => !/^[A-Za-z]{2,}$/.test(word) || words.has(word) || names.has(word));

const isTextOrValue = (hole: string, names: ReadonlySet<string>): boolean =>
  texts.includes(hole.replace(/^[\d,]+ (.+?)s?$/, '$1')) ||
  hole.split(/\s+/).every((word) => !/^[A-Za-z]{3,}$/.test(word) || names.has(word));
