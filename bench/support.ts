/** Shared by the benchmarks and comparisons: medians, tables, docs/benchmarks.md, the peers. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { updateFigures } from './figures.ts';

export const repository = path.resolve(import.meta.dirname, '..');
export const peers = path.join(repository, 'bench/peers');

/** Returns NaN if there are no values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Returns the private memory of a process plus its part of the shared memory (PSS), in bytes. */
export function proportionalSize(pid: number): number {
  const text = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1]) * 1024;
}

/** Returns a Markdown table; the first row is its head. */
export function markdownTable([head = [], ...rows]: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Writes `text` into docs/benchmarks.md, between <!-- mark --> and <!-- /mark -->, and its figures into README.md. */
export function writeToBenchmarks(mark: string, text: string): void {
  const page = path.join(repository, 'docs/benchmarks.md');
  const before = fs.readFileSync(page, 'utf8');
  const pattern = new RegExp(`(<!-- ${mark} -->\n)[\\s\\S]*?(\n<!-- /${mark} -->)`);
  if (!pattern.test(before)) throw new Error(`docs/benchmarks.md: <!-- ${mark} --> … <!-- /${mark} --> is missing`);
  // A replacement function, because a `$` in a string has a meaning.
  const after = before.replace(pattern, (_all, begin, end) => `${begin}\n${text}\n${end}`);
  fs.writeFileSync(page, after);
  try {
    updateFigures();
  } catch (error) {
    // The result of a quarter of an hour must not be lost; a test fails until the README is repaired.
    console.error(`README.md keeps its figures: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

/** Returns the version of an installed package. */
export function versionOf(name: string, folder: string): string {
  const text = fs.readFileSync(path.join(folder, 'node_modules', name, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** A folder in bench/ with packages. */
type PackageFolder = 'peers' | 'real';

/** Returns the folder with the installed packages. */
export const packagesIn = (folder: PackageFolder): string => path.join(repository, 'bench', folder, 'node_modules');

/** Installs bench/peers, unless these packages are already there. */
export const installPeers = (names: readonly string[]): void => installIn('peers', names);

/** Installs a folder in bench/, unless these packages are already there. */
export function installIn(folder: PackageFolder, names: readonly string[]): void {
  const installed = packagesIn(folder);
  if (names.every((name) => fs.existsSync(path.join(installed, name)))) return;
  console.error(`installing bench/${folder} …`);
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--loglevel', 'error'], {
    stdio: ['ignore', 2, 2],
    cwd: path.dirname(installed),
  });
  if (status !== 0) throw new Error(`bench/${folder} cannot be installed`);
}

/** Runs a benchmark and cleans up after it, also if a signal ends it. */
export async function runAndCleanUp(run: () => Promise<void>, cleanUp: () => Promise<void>): Promise<void> {
  for (const [name, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    // Also for a second signal, which must not interrupt the clean-up.
    process.on(name, () => void cleanUp().finally(() => process.exit(code)));
  }
  try {
    await run();
  } finally {
    await cleanUp();
  }
}
