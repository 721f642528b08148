/** The documents as the tests of test/unit/docs see them: README.md, CONTRIBUTING.md and docs/, in parts. */

import fs from 'node:fs';
import path from 'node:path';

/** A part of a page, and the line on which it begins. */
interface Part {
  readonly line: number;
  readonly text: string;
}

/** A fenced block of code. */
export interface Block extends Part {
  readonly language: string;
  /** The word after the language: the file that the block shows. */
  readonly title: string;
  /** The heading of the second level that it stands below; empty above the first. */
  readonly section: string;
}

/** A piece of code in a line of text. */
export interface Span extends Part {
  /** The head of its column, if it stands in a table. */
  readonly column: string;
}

export interface Page {
  readonly file: string;
  readonly blocks: readonly Block[];
  readonly spans: readonly Span[];
  /** Targets of links and pictures. */
  readonly links: readonly Part[];
  /** The anchors of its headings, as GitHub makes them. */
  readonly anchors: ReadonlySet<string>;
  readonly titles: number;
  /** The text without blocks, comments and code. */
  readonly prose: readonly Part[];
  /** Names that are not devwatch's: the words of all comments `<!-- foreign: … -->`. */
  readonly foreign: ReadonlySet<string>;
}

/** Matches code in backquotes. */
const code = /(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)/g;

const files = [
  ...['README.md', 'CONTRIBUTING.md'].filter((file) => fs.existsSync(file)),
  ...fs.readdirSync('docs', { recursive: true, encoding: 'utf8' }).map((file) => path.join('docs', file)),
].filter((file) => file.endsWith('.md'));

export const pages: readonly Page[] = files.sort().map((file) => readPage(file, fs.readFileSync(file, 'utf8')));

/** Reads a page. */
export function readPage(file: string, text: string): Page {
  const { blocks, rest } = takeBlocks(text);
  // Comments keep their line feeds, so that the numbers of lines stay right.
  const lines = rest.replaceAll(/<!--[\s\S]*?-->/g, (comment) => comment.replaceAll(/[^\n]/g, '')).split('\n');
  const parts = lines.map((line, index): Part => ({ line: index + 1, text: line }));
  const headings = parts.flatMap(({ text: line }) => /^#+ +(.+?) *#*$/.exec(line)?.[1] ?? []);
  return {
    file,
    blocks,
    spans: spansOf(lines),
    links: parts.flatMap(({ line, text: words }) => linksIn(words).map((target) => ({ line, text: target }))),
    anchors: new Set([
      ...anchorsOf(headings),
      ...[...text.matchAll(/\b(?:id|name)="([^"]+)"/g)].map(([, id = '']) => id),
    ]),
    titles: lines.filter((line) => line.startsWith('# ')).length,
    prose: parts.map(({ line, text: words }) => ({ line, text: words.replaceAll(code, '') })),
    foreign: new Set(
      [...text.matchAll(/<!-- foreign: ([\s\S]*?)-->/g)].flatMap(([, words = '']) => words.split(/\s+/)),
    ),
  };
}

/** Takes fenced blocks out, and leaves empty lines. A fence may be indented, as in a list. */
function takeBlocks(text: string): { readonly blocks: readonly Block[]; readonly rest: string } {
  const blocks: Block[] = [];
  const rest = text.replaceAll(
    /^([ \t]*)(`{3,}|~{3,})[ ]*([^\s`]*)[ ]*([^\n]*)\n([\s\S]*?)^[ \t]*\2[ \t]*$/gm,
    (all, indent: string, _fence, language: string, title: string, body: string, at: number) => {
      const above = text.slice(0, at);
      blocks.push({
        line: above.split('\n').length + 1,
        language,
        title: title.trim(),
        section: [...above.matchAll(/^## +(.+?) *$/gm)].at(-1)?.[1] ?? '',
        text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      });
      return all.replaceAll(/[^\n]/g, '');
    },
  );
  return { blocks, rest };
}

function spansOf(lines: readonly string[]): readonly Span[] {
  let heads: readonly string[] = [];
  return lines.flatMap((text, index) => {
    const isRow = text.trimStart().startsWith('|');
    if (!isRow) heads = [];
    else if (/^\s*\|[\s|:-]+$/.test(lines[index + 1] ?? '')) heads = cellsOf(text);
    return (isRow ? cellsOf(text) : [text]).flatMap((cell, place) =>
      [...cell.matchAll(code)].map(([, , span = '']) => ({
        line: index + 1,
        text: span.trim().replaceAll('\\|', '|'),
        column: isRow ? (heads[place] ?? '') : '',
      })),
    );
  });
}

function cellsOf(row: string): readonly string[] {
  return row.split(/(?<!\\)\|/).map((cell) => cell.trim());
}

function linksIn(text: string): readonly string[] {
  const plain = text.replaceAll(code, '``');
  const patterns = [
    /\]\(<?([^()\s>]+)>?(?: "[^"]*")?\)/g,
    /^ *\[[^\]]+\]: +(\S+)/g,
    /\b(?:href|src|srcset)="([^"]+)"/g,
  ];
  return patterns.flatMap((pattern) => [...plain.matchAll(pattern)].map(([, target = '']) => target));
}

/** Returns GitHub's anchor of each heading. */
function anchorsOf(headings: readonly string[]): readonly string[] {
  const seen = new Map<string, number>();
  return headings.map((heading) => {
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll(/[`*]/g, '');
    const anchor = words
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-');
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
}
