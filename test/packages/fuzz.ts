/**
 * `npm run test:fuzz [-- --modules] [--seed N] [--count N] [--node <file>] [--batch N]`: compares random programs with random
 * packages, plainly and with the packages loaded ahead of time, and prints the shortest program of each difference.
 * `--modules`: programs with ES modules.
 */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { type BatchResult, comparePrograms, differs } from '../support/preloading/compare-programs.ts';
import { editsOf, filesOf, programOf } from '../support/preloading/graph-texts.ts';
import { type Graph, graphs, moduleGraphs, smallerGraphs } from '../support/preloading/graphs.ts';

/** Differences that are printed; others are likely to have the same causes. */
const maxShown = 10;

async function compare(some: readonly Graph[]): Promise<BatchResult[]> {
  const place = fs.mkdtempSync(path.join(os.tmpdir(), 'graphs-'));
  try {
    return await comparePrograms(some.map(programOf), place, values.node);
  } finally {
    fs.rmSync(place, { recursive: true, force: true });
  }
}

/** Returns the smallest graph that still differs. A process compares all candidates of a round at once. */
async function shrink(graph: Graph): Promise<{ readonly graph: Graph; readonly result: BatchResult | undefined }> {
  const candidates = [...smallerGraphs(graph)];
  for (let at = 0; at < candidates.length; at += 30) {
    const some = candidates.slice(at, at + 30);
    const index = (await compare(some)).findIndex(differs);
    const found = some[index];
    if (found !== undefined) return shrink(found);
  }
  const [result] = await compare([graph]);
  return { graph, result };
}

function show(graph: Graph, result: BatchResult | undefined): void {
  const own = (text: string): string => text.replace(/^[\s\S]*\nlet p0.*\n/, '');
  for (const [name, text] of Object.entries(filesOf(graph))) {
    if (own(text).trim() !== '') console.log(`--- ${name}\n${own(text).trimEnd()}`);
  }
  for (const [name, text] of Object.entries(editsOf(graph)))
    console.log(`+++ ${name}\n${text === null ? '(removed)' : own(text).trimEnd()}`);
  console.log(JSON.stringify({ count: graph.count, learned: graph.learned, why: result?.why }));
  const [plain, preloaded] = [result?.plain, result?.preloaded].map((one) => JSON.stringify(one, null, 1)?.split('\n'));
  const missing = plain?.filter((line) => !preloaded?.includes(line)).map((line) => `- ${line.trim()}`) ?? [];
  const added = preloaded?.filter((line) => !plain?.includes(line)).map((line) => `+ ${line.trim()}`) ?? [];
  console.log([...missing, ...added].slice(0, 30).join('\n') || 'the same lines in another order', '\n');
}

const { values } = parseArgs({
  options: {
    node: { type: 'string', default: process.execPath },
    modules: { type: 'boolean', default: false },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    count: { type: 'string', default: '2000' },
    batch: { type: 'string', default: '100' },
  },
});
const [seed, count, batch] = [values.seed, values.count, values.batch].map(Number) as [number, number, number];
console.log(`seed ${seed}`);
const totals = { programs: 0, withPackages: 0, files: 0, misfits: 0, different: 0 };
for (let done = 0; done < count; done += batch) {
  const some = fc.sample(values.modules ? moduleGraphs : graphs, {
    seed: seed + done,
    numRuns: Math.min(batch, count - done),
  });
  const results = await compare(some);
  totals.programs += results.length;
  totals.withPackages += results.filter(({ adopted }) => adopted > 0).length;
  totals.files += results.reduce((sum, { adopted }) => sum + adopted, 0);
  totals.misfits += results.filter(({ isMisfit }) => isMisfit).length;
  for (const [index, result] of results.entries()) {
    const graph = some[index];
    if (graph === undefined || !differs(result)) continue;
    totals.different += 1;
    if (totals.different > maxShown) continue;
    console.log(`\nDIFFERENT: seed ${seed + done}, program ${index}`);
    const smallest = await shrink(graph);
    show(smallest.graph, smallest.result);
  }
  console.log(JSON.stringify(totals));
}
process.exitCode = totals.different > 0 ? 1 : 0;
