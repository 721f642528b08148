// Writes the tables of options into docs/options.md, between <!-- options --> and <!-- /options -->, and the figures of
// docs/benchmarks.md into README.md.
import fs from 'node:fs';
import { updateFigures } from '../bench/figures.ts';
import { optionTables } from '../src/config/option-text.ts';

const page = new URL('../docs/options.md', import.meta.url);
const before = fs.readFileSync(page, 'utf8');
const pattern = /(<!-- options -->\n)[\s\S]*?(\n<!-- \/options -->)/;
if (!pattern.test(before)) {
  console.error('docs/options.md: has no <!-- options --> … <!-- /options -->, each on a line of its own');
  process.exit(1);
}
// A replacement function, because a `$` in a string has a meaning.
const after = before.replace(pattern, (_all, begin, end) => `${begin}\n${optionTables()}\n${end}`);
if (after !== before) fs.writeFileSync(page, after);
updateFigures();
