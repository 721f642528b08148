/** What `npm run compare:packages` has found out, kept from run to run, and the page that shows it. */

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

/**
 * `clean`: loaded ahead of time, it changes nothing outside of itself. `replayed`: what it changes is taken back, and made
 * again at the first use. `residue`: a difference remains that docs/restarts.md names. `excluded`: the program loads it.
 * `restarted`: it does not fit, and devwatch starts the program once more.
 */
export const classes = ['clean', 'replayed', 'residue', 'excluded', 'restarted', 'different', 'not testable'] as const;

export interface Result {
  readonly name: string;
  readonly class: (typeof classes)[number];
  /** Why a package is excluded, and what differs. */
  readonly details: readonly string[];
}

/** How the program asks for its packages. */
export type Kind = 'require' | 'import';

interface Stored {
  /** Identifies the build of devwatch and the packages. */
  readonly of: string;
  /** The whole version of Node. */
  readonly node: string;
  readonly results: readonly Result[];
}

const repository = path.join(import.meta.dirname, '../..');

/** The results of one Node version and one kind of program. Those of another build are forgotten. */
export class Results {
  readonly #file: string;
  readonly #of: string;
  readonly #all: Map<string, Result>;
  /** The version of Node, whole if there are results. */
  readonly node: string;

  /** @param node the version that is used; by default the one of the stored results */
  constructor(folder: string, major: string, kind: Kind, node?: string) {
    this.#file = path.join(folder, `results-${major}-${kind}.json`);
    this.#of = identity();
    const stored = read(this.#file);
    const isCurrent = stored?.of === this.#of && (node === undefined || node === stored.node);
    this.#all = new Map(isCurrent ? stored.results.map((one) => [one.name, one]) : []);
    this.node = node ?? stored?.node ?? major;
  }

  get all(): readonly Result[] {
    return [...this.#all.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  has(name: string): boolean {
    return this.#all.has(name);
  }

  add(result: Result): void {
    this.#all.set(result.name, result);
    const stored: Stored = { of: this.#of, node: this.node, results: this.all };
    fs.writeFileSync(`${this.#file}.new`, JSON.stringify(stored));
    fs.renameSync(`${this.#file}.new`, this.#file);
  }

  count(one: Result['class']): number {
    return this.all.filter((result) => result.class === one).length;
  }
}

function read(file: string): Stored | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')) as Stored;
  } catch {
    return undefined;
  }
}

/** The files that decide about the results. */
function identity(): string {
  const hash = createHash('sha256');
  const folders = [
    'src/preload',
    'src/preload/packages',
    'src/process/standby',
    'test/packages',
    'test/support/preloading',
  ];
  for (const folder of folders) {
    for (const { name, parentPath } of fs.readdirSync(path.join(repository, folder), { withFileTypes: true })) {
      if (/\./.test(name)) hash.update(fs.readFileSync(path.join(parentPath, name)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

const titles: Readonly<Record<Result['class'], string>> = {
  clean: 'loaded in advance; it changes nothing outside of itself',
  replayed: 'loaded in advance; its changes are made at its first use',
  residue: 'loaded in advance, with a difference that [the list](restarts.md#load-packages-in-advance) names',
  excluded: 'loaded by the program itself',
  restarted: 'does not fit at first: the program is started once more, without a standby process',
  different: 'different',
  'not testable': 'cannot be loaded here without devwatch either',
};

/** A run, for the page. */
export interface Column {
  readonly kind: Kind;
  readonly results: Results;
}

/** Writes the tables of docs/packages.md. */
export function writePage(columns: readonly Column[]): void {
  const page = path.join(repository, 'docs/packages.md');
  const before = fs.readFileSync(page, 'utf8');
  const [head = '', rest = ''] = before.split('<!-- results -->\n');
  const [, tail = ''] = rest.split('<!-- /results -->\n');
  fs.writeFileSync(page, `${head}<!-- results -->\n${tables(columns)}\n<!-- /results -->\n${tail}`);
}

function tables(columns: readonly Column[]): string {
  const shown = classes.filter((one) => columns.some(({ results }) => results.count(one) > 0));
  const heads = columns.map(({ kind, results: { node } }) => `Node ${node}, ${kind}`);
  const counts = [
    `| | ${heads.join(' | ')} |`,
    `|---|${columns.map(() => '---:|').join('')}`,
    ...shown.map((one) => `| ${titles[one]} | ${columns.map(({ results }) => results.count(one)).join(' | ')} |`),
    `| **packages compared** | ${columns.map(({ results: { all } }) => `**${all.length}**`).join(' | ')} |`,
  ];
  const [first] = columns;
  if (first === undefined) return counts.join('\n');
  const names = (one: Result['class']): string =>
    first.results.all.flatMap((result) => (result.class === one ? [`\`${result.name}\``] : [])).join(' ');
  const lists = shown
    .filter((one) => one !== 'excluded' && first.results.count(one) > 0)
    .flatMap((one) => ['', `**${titles[one].replace(/^./, (letter) => letter.toUpperCase())}:**`, '', names(one)]);
  const excluded = first.results.all.filter((result) => result.class === 'excluded');
  const reasons = excluded.map(({ name, details }) => `| \`${name}\` | ${(details[0] ?? '').replaceAll('|', '\\|')} |`);
  return [
    ...counts,
    '',
    `With Node ${first.results.node} and \`${first.kind}\`:`,
    ...lists,
    '',
    '| loaded by the program itself | because it |',
    '|---|---|',
    ...reasons,
  ].join('\n');
}
