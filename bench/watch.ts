/**
 * Measures the cost of starting to watch a tree: devwatch's inotify backend against the watchers of others. Linux only.
 *
 *   npm run bench:watch -- [--rounds 5] [--sizes 1000,10000,50000,200000] [--against ../other-checkout] [--write]
 *
 * Each watcher runs in a process of its own. It is timed from the call until it reports that it is ready, with its
 * modules loaded before. Then the file in the deepest folder is edited to check that it was ready. Rounds are
 * interleaved, so that a change in the machine's speed affects all watchers alike.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { drawLines } from './plot.ts';
import { installPeers, markdownTable, median, peers, repository, versionOf, writeToBenchmarks } from './support.ts';
import type { ProgramReport, ReadyReport, Request, WatcherId } from './watch-child.ts';

const allSizes = [1000, 10_000, 50_000, 200_000];
const filesPerFolder = 20;
const foldersPerFolder = 8;
/** A watcher that is not ready after this time is left out. */
const readyTimeoutMs = 60_000;
/** Modules of the program that is started just before the watcher. */
const modules = 1000;
const programSize = 10_000;
/** Time for the kernel to remove the watches of the process before. */
const pauseMs = 100;

/** `before`: devwatch of the checkout that `--against` names. */
type Contender = WatcherId | 'before';

interface Watcher {
  readonly id: Contender;
  readonly name: string;
  /** The number of inotify watches that it needs; the system limits them. */
  readonly needs: (tree: Tree) => number;
}

const perFolder = ({ folders }: Tree): number => folders;
const perFile = ({ files, folders }: Tree): number => files + folders;

const allWatchers: readonly Watcher[] = [
  { id: 'devwatch', name: 'devwatch', needs: perFolder },
  { id: 'before', name: 'devwatch before', needs: perFolder },
  { id: 'parcel', name: '@parcel/watcher', needs: perFolder },
  { id: 'recursive', name: 'fs.watch, recursive', needs: perFile },
  { id: 'chokidar5-js', name: 'chokidar 5, only *.js', needs: ({ files, folders }) => files / 10 + folders },
  { id: 'chokidar5', name: 'chokidar 5', needs: perFile },
  { id: 'chokidar3', name: 'chokidar 3, as in nodemon', needs: perFile },
];

/** Watchers that run beside the program; the others are compared with the first. */
const companions = [
  { id: 'none', name: 'no watcher' },
  { id: 'devwatch', name: 'devwatch' },
  { id: 'parcel', name: '@parcel/watcher' },
  { id: 'chokidar5', name: 'chokidar 5' },
] as const satisfies readonly { id: WatcherId; name: string }[];

interface Tree {
  readonly folder: string;
  readonly files: number;
  readonly folders: number;
  /** In the deepest folder. */
  readonly edit: string;
}

/** Makes folders with 20 files each, two of them JavaScript, and up to 8 folders each. */
function makeTree(folder: string, files: number): Tree {
  const folders = Math.ceil(files / filesPerFolder);
  const paths = [folder];
  for (let index = 0; index < folders; index += 1) {
    if (index > 0) paths.push(path.join(paths[Math.floor((index - 1) / foldersPerFolder)] ?? '', `part-${index}`));
    const own = paths[index] ?? '';
    fs.mkdirSync(own);
    for (let file = 0; file < filesPerFolder; file += 1) {
      const name = file < filesPerFolder / 10 ? `module-${file}.js` : `note-${file}.txt`;
      fs.writeFileSync(path.join(own, name), `exports.file = ${file};\n`);
    }
  }
  return { folder, files: folders * filesPerFolder, folders, edit: path.join(paths.at(-1) ?? '', 'module-0.js') };
}

/** Writes a program that loads many CommonJS modules and then prints the time; returns its file. */
function makeProgram(folder: string): string {
  fs.mkdirSync(folder);
  const names = Array.from({ length: modules }, (_, index) => `module-${index}.cjs`);
  for (const [index, name] of names.entries()) {
    const lines = Array.from({ length: 20 }, (_, line) => `exports.f${line} = (value) => value * ${index} + ${line};`);
    fs.writeFileSync(path.join(folder, name), `${lines.join('\n')}\n`);
  }
  const loads = names.map((name) => `require('./${name}');`);
  const file = path.join(folder, 'program.cjs');
  fs.writeFileSync(file, `${loads.join('\n')}\nprocess.stdout.write(String(process.hrtime.bigint()));\n`);
  return file;
}

/** Compiles the measured process of a checkout, with its src/watch, without checks; returns its file. */
function buildChild(folder: string, checkout: string): string {
  const source = ['bench/watch-child.ts', 'test/bench/watch-child.ts'].find((file) =>
    fs.existsSync(path.join(checkout, file)),
  );
  if (source === undefined) throw new Error(`${checkout} has no bench/watch-child.ts`);
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }\n');
  fs.symlinkSync(path.join(repository, 'node_modules'), path.join(folder, 'node_modules'));
  const config = {
    extends: path.join(repository, 'tsconfig.json'),
    compilerOptions: {
      rootDir: checkout,
      outDir: folder,
      declaration: false,
      isolatedDeclarations: false,
      noCheck: true,
      typeRoots: [path.join(repository, 'node_modules/@types')],
    },
    files: [path.join(checkout, source)],
    include: [],
  };
  const project = path.join(folder, 'tsconfig.json');
  fs.writeFileSync(project, JSON.stringify(config));
  const compiler = path.join(repository, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [compiler, '-p', project], { stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error('the measured process cannot be compiled');
  return path.join(folder, source.replace(/\.ts$/, '.js'));
}

/** The reports by watcher and size. */
class Results {
  readonly #reports = new Map<string, ReadyReport[]>();
  readonly #left = new Set<string>();

  static #key(watcher: Contender, size: number): string {
    return `${watcher} ${size}`;
  }

  /** `undefined` leaves the watcher out at this size. */
  add(watcher: Contender, size: number, report: ReadyReport | undefined): void {
    const key = Results.#key(watcher, size);
    if (report === undefined) this.#left.add(key);
    else this.#reports.set(key, [...this.#of(watcher, size), report]);
  }

  has(watcher: Contender, size: number): boolean {
    return this.#of(watcher, size).length > 0;
  }

  isLeftOut(watcher: Contender, size: number): boolean {
    return this.#left.has(Results.#key(watcher, size));
  }

  #of(watcher: Contender, size: number): readonly ReadyReport[] {
    return this.isLeftOut(watcher, size) ? [] : (this.#reports.get(Results.#key(watcher, size)) ?? []);
  }

  /** Returns NaN if the watcher was left out. */
  median(watcher: Contender, size: number, value: (report: ReadyReport) => number): number {
    return median(this.#of(watcher, size).map(value));
  }

  ready(watcher: Contender, size: number): number {
    return this.median(watcher, size, (report) => report.ready);
  }

  isHonest(watcher: Contender, size: number): boolean {
    return this.#of(watcher, size).every(({ reported }) => reported);
  }
}

let child: ChildProcess | undefined;

/** Brings every file back into the system's caches, which may have dropped some of them. */
function warm(folder: string): void {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) warm(full);
    else fs.statSync(full);
  }
}

/** Resolves to undefined if the process takes too long or fails. */
async function measure<Report>(file: string, request: Request): Promise<Report | undefined> {
  await sleep(pauseMs);
  warm(request.folder);
  const own = spawn(process.execPath, [file, JSON.stringify(request)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: readyTimeoutMs + 10_000,
    killSignal: 'SIGKILL',
  });
  child = own;
  let output = '';
  own.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  await once(own, 'close');
  child = undefined;
  return own.exitCode === 0 ? (JSON.parse(output) as Report) : undefined;
}

/** @param before the measured process of the checkout to compare with */
async function measureReady(
  file: string,
  before: string | undefined,
  trees: ReadonlyMap<number, Tree>,
  rounds: number,
): Promise<Results> {
  const results = new Results();
  const limit = Number(fs.readFileSync('/proc/sys/fs/inotify/max_user_watches', 'utf8'));
  for (let round = 0; round < rounds; round += 1) {
    for (const [size, tree] of trees) {
      const request = { folder: tree.folder, edit: tree.edit, peers };
      // No watcher always follows the same one.
      for (const { id, name, needs } of rotated(watchersWith(before), round)) {
        if (results.isLeftOut(id, size)) continue;
        // Other processes on this machine need watches as well.
        const fits = needs(tree) < limit * 0.9;
        const child = id === 'before' ? (before ?? file) : file;
        const watcher = id === 'before' ? 'devwatch' : id;
        const report = fits ? await measure<ReadyReport>(child, { ...request, watcher }) : undefined;
        results.add(id, size, report === undefined || report.ready > readyTimeoutMs ? undefined : report);
        const words = report === undefined ? (fits ? 'left out' : 'too few watches') : `${report.ready.toFixed(1)} ms`;
        console.error(`${round + 1}/${rounds} · ${size} files · ${name}: ${words}`);
      }
    }
  }
  return results;
}

const watchersWith = (before: string | undefined): readonly Watcher[] =>
  allWatchers.filter(({ id }) => id !== 'before' || before !== undefined);

async function measureProgram(file: string, tree: Tree, program: string, rounds: number): Promise<number[]> {
  const times = companions.map((): number[] => []);
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, { id }] of companions.entries()) {
      const request = { watcher: id, folder: tree.folder, edit: tree.edit, peers, program };
      const report = await measure<ProgramReport>(file, request);
      if (report === undefined) throw new Error(`the program with ${id} fails`);
      if (round >= 0) times[index]?.push(report.loaded); // The first one warms up.
    }
  }
  console.error(`program: ${rounds} rounds`);
  return times.map(median);
}

function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const start = by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

interface Goal {
  readonly what: string;
  readonly measured: number;
  readonly limit: number;
  readonly exactly?: boolean;
}

function goalsOf(results: Results, trees: ReadonlyMap<number, Tree>, program: readonly number[]): Goal[] {
  const own = (size: number): number => results.ready('devwatch', size);
  const against = (size: number, id: Contender, name: string, limit: number): Goal => ({
    what: `ready at ${number(size)} files, against ${name}`,
    measured: own(size) / results.ready(id, size),
    limit,
  });
  const [from, to] = [10_000, 200_000];
  const watches = [...trees].map(
    ([size, { folders }]) => results.median('devwatch', size, (report) => report.watches) / folders,
  );
  const goals: Goal[] = [
    ...[10_000, 50_000].map((size) => against(size, 'chokidar5', 'chokidar 5', 0.06)),
    ...[10_000, 50_000].map((size) => against(size, 'parcel', '@parcel/watcher', 1)),
    ...[...trees.keys()].map((size) => against(size, 'before', 'devwatch before', 1.05)),
    {
      what: `growth from ${number(from)} to ${number(to)} files: time ~ files to the power of`,
      measured: Math.log(own(to) / own(from)) / Math.log(to / from),
      limit: 1.1,
    },
    {
      what: 'a program that starts at the same time, against no watcher',
      measured: (program[1] ?? Number.NaN) / (program[0] ?? Number.NaN),
      limit: 1.1,
    },
    { what: 'watches per watched folder', measured: Math.max(...watches), limit: 1, exactly: true },
  ];
  return goals.filter(({ measured }) => !Number.isNaN(measured));
}

function isMet({ measured, limit, exactly }: Goal): boolean {
  return exactly === true ? measured === limit : measured <= limit;
}

const number = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 0 });

const megabytes = (bytes: number): string => number(Math.max(0, bytes) / 2 ** 20);

function cell(results: Results, id: Contender, size: number): string {
  const ready = results.ready(id, size);
  if (Number.isNaN(ready)) return '–';
  const cpu = results.median(id, size, (report) => report.cpu);
  const rss = results.median(id, size, (report) => report.rss);
  const watches = results.median(id, size, (report) => report.watches);
  const mark = results.isHonest(id, size) ? '' : ' ✗';
  return `${number(ready)} / ${number(cpu)} / ${megabytes(rss)} / ${number(watches)}${mark}`;
}

function report(results: Results, trees: ReadonlyMap<number, Tree>, program: readonly number[], facts: string): string {
  const sizes = [...trees.keys()];
  const parts = [
    markdownTable([
      ['', ...sizes.map((size) => `${number(size)} files`)],
      ...allWatchers
        .filter(({ id }) => id !== 'before' || sizes.some((size) => results.has(id, size)))
        .map(({ id, name }) => [name, ...sizes.map((size) => cell(results, id, size))]),
    ]),
    `Time until ready in ms / CPU time until then in ms / growth of memory in MB / inotify watches. –: takes more than a minute, or more watches than the system allows; ✗: did not report an edit within 5 s after it had reported that it was ready.`,
  ];
  if (program.length > 0) {
    parts.push(
      `A program that loads ${number(modules)} modules, started just before the watcher of a tree of ${number(programSize)} files:`,
      markdownTable([
        ['', ...companions.map(({ name }) => name)],
        ['ms until all are loaded', ...program.map((time) => number(time))],
        ['against no watcher', ...program.map((time) => (time / (program[0] ?? Number.NaN)).toFixed(2))],
      ]),
    );
  }
  const goals = goalsOf(results, trees, program);
  const rows = goals.map((goal) => [
    goal.what,
    goal.measured.toFixed(goal.limit < 1 ? 3 : 2),
    `${goal.exactly ? '' : '≤ '}${goal.limit}`,
    isMet(goal) ? '●' : 'missed',
  ]);
  parts.push(markdownTable([['goals of devwatch', 'measured', 'goal', 'met'], ...rows]), facts);
  return parts.join('\n\n');
}

function draw(results: Results, sizes: readonly number[]): string {
  const series = watchersWith(undefined).map(({ id, name }) => ({
    label: name,
    points: sizes.map((size) => [size, results.ready(id, size)] as const).filter(([, ready]) => !Number.isNaN(ready)),
  }));
  return drawLines({
    title: 'Time until a tree is watched',
    xLabel: 'files in the tree',
    yLabel: 'ms',
    series: series.filter(({ points }) => points.length > 0),
  });
}

async function main(folder: string): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      sizes: { type: 'string', default: allSizes.join() },
      against: { type: 'string' },
      write: { type: 'boolean', default: false },
    },
  });
  const sizes = values.sizes.split(',').map(Number);
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a whole number');
  if (!sizes.every((size) => Number.isInteger(size) && size > 0)) throw new Error('--sizes takes numbers: 1000,10000');
  if (values.write && sizes.join() !== allSizes.join()) throw new Error('--write takes all sizes');
  if (process.platform !== 'linux') throw new Error('bench:watch counts inotify watches: it runs on Linux only');
  installPeers(['@parcel/watcher', 'chokidar3']);

  const file = buildChild(path.join(folder, 'build'), repository);
  const before =
    values.against === undefined
      ? undefined
      : buildChild(path.join(folder, 'build-before'), path.resolve(values.against));
  const trees = new Map<number, Tree>();
  for (const size of sizes) {
    console.error(`making ${size} files …`);
    trees.set(size, makeTree(path.join(folder, `tree-${size}`), size));
    await sleep(0); // Lets a Ctrl-C through.
  }
  const results = await measureReady(file, before, trees, rounds);
  const programTree = trees.get(programSize);
  const program =
    programTree === undefined
      ? []
      : await measureProgram(file, programTree, makeProgram(path.join(folder, 'program')), Math.max(9, rounds));

  const versions = [
    `Node ${process.versions.node}`,
    `chokidar ${versionOf('chokidar', repository)} and ${versionOf('chokidar3', peers)}`,
    `@parcel/watcher ${versionOf('@parcel/watcher', peers)}`,
  ];
  const facts = `${versions.join(', ')}; Linux, ${os.availableParallelism()} cores; ${filesPerFolder} files in a folder, 10% of them .js; medians of ${rounds} rounds.`;
  const text = report(results, trees, program, facts);
  console.log(text);
  if (!values.write) return;
  writeToBenchmarks('watch', text);
  fs.writeFileSync(path.join(repository, 'docs/images/watch.svg'), draw(results, sizes));
}

const temporary = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'bench-watch-')));
const clear = (): void => fs.rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });

for (const [name, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  // Also for a second signal, which must not interrupt the removal.
  process.on(name, () => {
    child?.kill('SIGKILL');
    clear();
    process.exit(code);
  });
}

try {
  await main(temporary);
} finally {
  clear();
}
