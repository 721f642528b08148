/**
 * `npm run compare:packages [-- --node <file>] [names...]`: asks for each package of test/packages/package.json once plainly
 * and once as a standby has it ready, and compares all that a program can see. The packages are installed into devwatch's
 * cache folder.
 */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { cacheFolder } from '../../src/shared/user-folders.ts';
import { type Comparison, compareIn } from '../support/preloading/compare.ts';

const here = import.meta.dirname;

/** Differences that docs/restarts.md names: earlier times and random numbers, error stacks, streams that are open already. */
const documented = [
  // Calls are noted until the program has settled.
  /^ground [mM]odule\.register/,
  /timestamp|startTime|\bstack\b|Date\b/i,
  /random|uuid|seed|guid|async_id_symbol/i,
  /^resources/,
  /^listeners SIGWINCH/,
];
/** Names that stay in place, because they cannot be removed. */
const stays = /Symbol\([\w.@:/ -]+\) ?|__\w+__ ?/g;

interface Result {
  readonly name: string;
  readonly verdict: 'same' | 'documented' | 'left to the program' | 'different' | 'not testable';
  readonly details: readonly string[];
}

/** Installs the packages, unless that has been done. */
function install(): string {
  const folder = path.join(cacheFolder(process.env) ?? os.tmpdir(), 'compared-packages');
  fs.mkdirSync(folder, { recursive: true });
  const manifest = fs.readFileSync(path.join(here, 'package.json'), 'utf8');
  const copy = path.join(folder, 'package.json');
  fs.copyFileSync(path.join(here, 'probe.cjs'), path.join(folder, 'probe.cjs'));
  if (fs.existsSync(copy) && fs.readFileSync(copy, 'utf8') === manifest) return folder;
  console.error(`installing into ${folder} …`);
  fs.writeFileSync(copy, manifest);
  const args = ['install', '--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund', '--loglevel', 'error'];
  const { status } = spawnSync('npm', args, { cwd: folder, stdio: ['ignore', 2, 2] });
  if (status !== 0) {
    fs.rmSync(copy);
    throw new Error('the packages cannot be installed');
  }
  return folder;
}

function judge(name: string, { plain, preloaded, reports, excluded }: Comparison): Result {
  const why = reports.flatMap(({ blames }) => blames.map((blame) => blame.why));
  const [before, after] = [plain, preloaded].map(({ stdout, stderr, code }) => [
    ...stdout.replaceAll(stays, '').split('\n'),
    ...stderr.split('\n').map((line) => `stderr ${line}`),
    `code ${code}`,
  ]) as [string[], string[]];
  const missing = before.filter((line) => !after.includes(line)).map((line) => `- ${line}`);
  const added = after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`);
  const differences = [...missing, ...added];
  if (reports.length === 0)
    return { name, verdict: 'not testable', details: before.filter((line) => /throws/.test(line)) };
  const unexpected = differences.filter((line) => !documented.some((pattern) => pattern.test(line.slice(2))));
  if (unexpected.length > 0) return { name, verdict: 'different', details: unexpected };
  if (excluded.length > 0) return { name, verdict: 'left to the program', details: why };
  return differences.length > 0
    ? { name, verdict: 'documented', details: differences }
    : { name, verdict: 'same', details: [] };
}

async function comparePackage(name: string, folder: string, node: string): Promise<Result> {
  const scratch = `${name.replaceAll('/', '-')}.`;
  try {
    return judge(name, await compareIn({ folder, script: 'probe.cjs', args: [name], scratch, node }));
  } catch (error) {
    return { name, verdict: 'not testable', details: [String(error).slice(0, 200)] };
  } finally {
    for (const file of ['into.json', 'orders.json']) fs.rmSync(path.join(folder, scratch + file), { force: true });
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { node: { type: 'string', default: process.execPath }, verbose: { type: 'boolean', default: false } },
});
const { dependencies } = JSON.parse(fs.readFileSync(path.join(here, 'package.json'), 'utf8')) as {
  dependencies: Readonly<Record<string, string>>;
};
const folder = install();
const queue = positionals.length > 0 ? positionals : Object.keys(dependencies);
const results: Result[] = [];
await Promise.all(
  Array.from({ length: os.availableParallelism() }, async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const result = await comparePackage(name, folder, values.node);
      results.push(result);
      const shown = values.verbose || result.verdict === 'different' ? result.details.slice(0, 20) : [];
      console.log(
        [`${result.verdict.padEnd(20)} ${name}`, ...shown.map((line) => `    ${line.slice(0, 200)}`)].join('\n'),
      );
    }
  }),
);
for (const verdict of new Set(results.map((result) => result.verdict))) {
  const names = results.filter((result) => result.verdict === verdict).map(({ name }) => name);
  console.log(`\n${verdict}: ${names.length}\n${names.sort().join(' ')}`);
}
process.exitCode = results.some(({ verdict }) => verdict === 'different') ? 1 : 0;
