/** What the benchmarks and comparisons share: medians, tables, the README, the peers. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

export const repository = path.resolve(import.meta.dirname, '..');
export const peers = path.join(repository, 'bench/peers');

/** NaN when there are none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** A Markdown table; the first row is its head. */
export function markdownTable([head = [], ...rows]: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Puts `text` into README.md, between <!-- mark --> and <!-- /mark -->. */
export function writeToReadme(mark: string, text: string): void {
  const readme = path.join(repository, 'README.md');
  const before = fs.readFileSync(readme, 'utf8');
  const pattern = new RegExp(`(<!-- ${mark} -->\n)[\\s\\S]*?(\n<!-- /${mark} -->)`);
  if (!pattern.test(before)) throw new Error(`README.md: has no <!-- ${mark} --> … <!-- /${mark} -->`);
  // As a function: a `$` in the text is only a `$`.
  const after = before.replace(pattern, (_all, begin, end) => `${begin}\n${text}\n${end}`);
  fs.writeFileSync(readme, after);
}

/** The version of an installed package. */
export function versionOf(name: string, folder: string): string {
  const text = fs.readFileSync(path.join(folder, 'node_modules', name, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Installs what bench/peers/package.json asks for, unless these packages are already there. */
export function installPeers(names: readonly string[]): void {
  if (names.every((name) => fs.existsSync(path.join(peers, 'node_modules', name)))) return;
  console.error('installing the peers …');
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--loglevel', 'error'], {
    stdio: ['ignore', 2, 2],
    cwd: peers,
  });
  if (status !== 0) throw new Error('the peers cannot be installed');
}

/** Runs a benchmark and clears up after it, also when a signal ends it. */
export async function runAndClear(run: () => Promise<void>, clear: () => Promise<void>): Promise<void> {
  for (const [name, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    // Not once: a second one must not cut the removal short.
    process.on(name, () => void clear().finally(() => process.exit(code)));
  }
  try {
    await run();
  } finally {
    await clear();
  }
}
