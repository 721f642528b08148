/** Links, anchors and pictures of the documents lead somewhere, and every page can be found from the README or CONTRIBUTING.md. */

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { type Page, pages, readPage } from '../../support/pages.ts';

const pageOf = new Map(pages.map((page) => [page.file, page]));

/** Returns the file and the anchor that a link names; undefined for an address on the web. */
function resolveLink(page: Page, target: string): { readonly file: string; readonly anchor: string } | undefined {
  if (/^(?:https?|mailto):/.test(target)) return undefined;
  const [name = '', anchor = ''] = target.split('#');
  return { file: name === '' ? page.file : path.join(path.dirname(page.file), decodeURI(name)), anchor };
}

/** Returns the links that lead nowhere, each with its place. */
function deadLinks(page: Page): string[] {
  return page.links.flatMap(({ line, text }) => {
    const link = resolveLink(page, text);
    if (link === undefined) return [];
    const at = `${page.file}:${line}: ${text}`;
    if (text.startsWith('/') || link.file.startsWith('..')) return `${at} leads out of the repository`;
    if (!fs.existsSync(link.file) && link.file !== page.file) return `${at}: no such file`;
    const target = link.file === page.file ? page : pageOf.get(link.file);
    if (link.anchor !== '' && target?.anchors.has(link.anchor) !== true) return `${at}: no such heading`;
    return [];
  });
}

test.each(pages)('$file has one title, and links only to files and headings that exist', (page) => {
  expect(deadLinks(page)).toEqual([]);
  expect(page.titles).toBe(1);
});

test('every page can be reached from the README or CONTRIBUTING.md', () => {
  const reached = new Set(['README.md', 'CONTRIBUTING.md']);
  for (const file of reached) {
    const page = pageOf.get(file);
    for (const { text } of page?.links ?? []) {
      const link = page && resolveLink(page, text);
      if (link?.file.endsWith('.md') === true) reached.add(link.file);
    }
  }
  expect(pages.map(({ file }) => file).filter((file) => !reached.has(file))).toEqual([]);
});

test('docs/README.md leads to every page in one step, and to the index of each folder', () => {
  const index = pageOf.get('docs/README.md');
  const linked = new Set(index?.links.flatMap(({ text }) => resolveLink(index, text)?.file ?? []));
  const expected = pages.map(({ file }) => file).filter((file) => /^docs\/(?:[\w-]+|[\w-]+\/README)\.md$/.test(file));
  expect(expected.filter((file) => !linked.has(file) && file !== index?.file)).toEqual([]);
});

test('a link to a missing file, a missing heading or a place outside is found', () => {
  const text = '# A\n\n[a](#a) [b](#b) [c](no.md)\n\n![d](../../d.svg) [e](/e.md) `[f](f.md)`\n';
  expect(deadLinks(readPage('docs/a.md', text))).toEqual([
    'docs/a.md:3: #b: no such heading',
    'docs/a.md:3: no.md: no such file',
    'docs/a.md:5: ../../d.svg leads out of the repository',
    'docs/a.md:5: /e.md leads out of the repository',
  ]);
});

test.each([
  ['## Why it restarts, or not', 'why-it-restarts-or-not'],
  ['### `--health` and *probes*', '--health-and-probes'],
  ['## tsx watch / ts-node-dev', 'tsx-watch--ts-node-dev'],
  ['## The [index](index.md) №1', 'the-index-1'],
])('the anchor of %s is %s', (heading, anchor) => {
  expect([...readPage('a.md', heading).anchors]).toEqual([anchor]);
});
