/** The pages for users are easy to read: short sentences, in which programs print and report but do not speak. */

import { expect, test } from 'vitest';
import { type Page, pages, readPage } from '../../support/pages.ts';

/** Pages for maintainers, and those that are written by benchmarks. */
const others: readonly string[] = ['CONTRIBUTING.md', 'docs/architecture.md', 'docs/benchmarks.md'];

const maxWords = 40;

/** Programs do not speak, think or want: they print, report, check, recognize. */
const personification =
  /\b(?:devwatch|It|it|[Pp]rograms?|[Ll]ines?|`\w+`) (?:says?|tells?|told|hears?|thinks?|wants?|believes?|knows?|learns?)\b/;

function mistakesIn({ file, prose }: Page): string[] {
  return prose.flatMap(({ line, text }) => {
    const cells = text.trimStart().startsWith('|') ? text.split('|') : [text];
    const sentences = cells.flatMap((cell) => cell.split(/(?<=[.:;?!]\)?) +/));
    return sentences.flatMap((sentence) => {
      const at = `${file}:${line}: ${sentence.trim()}`;
      const words = sentence.split(/\s+/).filter(Boolean).length;
      return [
        ...(words > maxWords ? [`${at}: has ${words} words`] : []),
        ...(personification.test(sentence) ? [`${at}: programs do not speak`] : []),
      ];
    });
  });
}

test.each(pages.filter(({ file }) => !others.includes(file)))('the sentences in $file are short and plain', (page) => {
  expect(mistakesIn(page)).toEqual([]);
});

test('a long sentence and one in which a program speaks are found', () => {
  const text = `# A\n\nA short sentence. ${'word '.repeat(41)}.\n\n| devwatch says so |\n|---|\n| it ends |\n`;
  expect(mistakesIn(readPage('docs/a.md', text))).toEqual([
    expect.stringContaining('has 42 words'),
    'docs/a.md:5: devwatch says so: programs do not speak',
  ]);
});
