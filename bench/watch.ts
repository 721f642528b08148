/**
 * What does it cost to begin to watch a tree: devwatch's inotify backend against the watchers that
 * others use. Linux only.
 *
 *   npm run bench:watch -- [--rounds 5] [--sizes 1000,10000,50000,200000] [--write]
 *
 * Every watcher runs in a process of its own and is timed from the call until it says that it is
 * ready, with its modules loaded before; then the file in the deepest folder is edited to see
 * whether it was. Rounds are interleaved, so that a machine whose speed drifts drifts for all.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { drawLines } from './plot.ts';
import { installPeers, markdownTable, median, peers, repository, versionOf, writeToReadme } from './support.ts';
import type { ProgramReport, ReadyReport, Request, WatcherId } from './watch-child.ts';

const allSizes = [1000, 10_000, 50_000, 200_000];
const filesPerFolder = 20;
const foldersPerFolder = 8;
/** What takes longer to be ready is left out, in ms. */
const longest = 60_000;
/** Of the program that is started just before the watcher. */
const modules = 1000;
const programSize = 10_000;
/** For the kernel to take down the watches of the process before, in ms. */
const pause = 100;

interface Watcher {
  readonly id: WatcherId;
  readonly name: string;
  /** How many inotify watches it needs, which the system limits. */
  readonly needs: (tree: Tree) => number;
}

const perFolder = ({ folders }: Tree): number => folders;
const perFile = ({ files, folders }: Tree): number => files + folders;

const watchers: readonly Watcher[] = [
  { id: 'devwatch', name: 'devwatch', needs: perFolder },
  { id: 'parcel', name: '@parcel/watcher', needs: perFolder },
  { id: 'recursive', name: 'fs.watch, recursive', needs: perFile },
  { id: 'chokidar5-js', name: 'chokidar 5, only *.js', needs: ({ files, folders }) => files / 10 + folders },
  { id: 'chokidar5', name: 'chokidar 5', needs: perFile },
  { id: 'chokidar3', name: 'chokidar 3, as in nodemon', needs: perFile },
];

/** Which run beside the program; the first is what the others are compared with. */
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

/** Twenty files in every folder, two of them JavaScript, and up to eight folders. */
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

/** A program that loads many CommonJS modules and then prints the time. */
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

/** Compiles the measured process, src/watch included, without checks; returns its file. */
function buildChild(folder: string): string {
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }\n');
  fs.symlinkSync(path.join(repository, 'node_modules'), path.join(folder, 'node_modules'));
  const config = {
    extends: path.join(repository, 'tsconfig.json'),
    compilerOptions: {
      rootDir: repository,
      outDir: folder,
      declaration: false,
      isolatedDeclarations: false,
      noCheck: true,
      typeRoots: [path.join(repository, 'node_modules/@types')],
    },
    files: [path.join(repository, 'bench/watch-child.ts')],
    include: [],
  };
  const project = path.join(folder, 'tsconfig.json');
  fs.writeFileSync(project, JSON.stringify(config));
  const compiler = path.join(repository, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [compiler, '-p', project], { stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error('the measured process cannot be compiled');
  return path.join(folder, 'bench/watch-child.js');
}

/** One line a watcher and size; undefined where it was left out. */
class Results {
  readonly #reports = new Map<string, ReadyReport[]>();
  readonly #left = new Set<string>();

  static #key(watcher: WatcherId, size: number): string {
    return `${watcher} ${size}`;
  }

  add(watcher: WatcherId, size: number, report: ReadyReport | undefined): void {
    const key = Results.#key(watcher, size);
    if (report === undefined) this.#left.add(key);
    else this.#reports.set(key, [...this.#of(watcher, size), report]);
  }

  isLeftOut(watcher: WatcherId, size: number): boolean {
    return this.#left.has(Results.#key(watcher, size));
  }

  #of(watcher: WatcherId, size: number): readonly ReadyReport[] {
    return this.isLeftOut(watcher, size) ? [] : (this.#reports.get(Results.#key(watcher, size)) ?? []);
  }

  /** NaN where it was left out. */
  median(watcher: WatcherId, size: number, value: (report: ReadyReport) => number): number {
    return median(this.#of(watcher, size).map(value));
  }

  ready(watcher: WatcherId, size: number): number {
    return this.median(watcher, size, (report) => report.ready);
  }

  isHonest(watcher: WatcherId, size: number): boolean {
    return this.#of(watcher, size).every(({ reported }) => reported);
  }
}

let child: ChildProcess | undefined;

/** Looks at every file: a system that reclaims memory early may have dropped the tree from its caches. */
function warm(folder: string): void {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) warm(full);
    else fs.statSync(full);
  }
}

/** Undefined when it takes too long or fails; what it says goes to stderr. */
async function measure<Report>(file: string, request: Request): Promise<Report | undefined> {
  await sleep(pause);
  warm(request.folder);
  const own = spawn(process.execPath, [file, JSON.stringify(request)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: longest + 10_000,
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

async function measureReady(file: string, trees: ReadonlyMap<number, Tree>, rounds: number): Promise<Results> {
  const results = new Results();
  const limit = Number(fs.readFileSync('/proc/sys/fs/inotify/max_user_watches', 'utf8'));
  for (let round = 0; round < rounds; round += 1) {
    for (const [size, tree] of trees) {
      const request = { folder: tree.folder, edit: tree.edit, peers };
      // Nobody has always the same one before it.
      for (const { id, name, needs } of rotated(watchers, round)) {
        if (results.isLeftOut(id, size)) continue;
        // Others on this machine need watches, too.
        const fits = needs(tree) < limit * 0.9;
        const report = fits ? await measure<ReadyReport>(file, { ...request, watcher: id }) : undefined;
        results.add(id, size, report === undefined || report.ready > longest ? undefined : report);
        const words = report === undefined ? (fits ? 'left out' : 'too few watches') : `${report.ready.toFixed(1)} ms`;
        console.error(`${round + 1}/${rounds} · ${size} files · ${name}: ${words}`);
      }
    }
  }
  return results;
}

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
  const against = (size: number, id: WatcherId, name: string, limit: number): Goal => ({
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
    {
      what: `growth from ${number(from)} to ${number(to)} files: time ~ files to the power of`,
      measured: Math.log(own(to) / own(from)) / Math.log(to / from),
      limit: 1.1,
    },
    {
      what: 'a program that starts meanwhile, against no watcher',
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

function cell(results: Results, id: WatcherId, size: number): string {
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
      ...watchers.map(({ id, name }) => [name, ...sizes.map((size) => cell(results, id, size))]),
    ]),
    `Time until ready in ms / CPU time until then in ms / growth of memory in MB / inotify watches. – takes more than a minute, or more watches than the system allows; ✗ has not reported an edit within 5 s of saying that it was ready.`,
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
  const series = watchers.map(({ id, name }) => ({
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

  const file = buildChild(path.join(folder, 'build'));
  const trees = new Map<number, Tree>();
  for (const size of sizes) {
    console.error(`making ${size} files …`);
    trees.set(size, makeTree(path.join(folder, `tree-${size}`), size));
    await sleep(0); // For a Ctrl-C.
  }
  const results = await measureReady(file, trees, rounds);
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
  writeToReadme('watch', text);
  fs.writeFileSync(path.join(repository, '.github/watch.svg'), draw(results, sizes));
}

const temporary = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'bench-watch-')));
const clear = (): void => fs.rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });

for (const [name, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  // Not once: a second one must not cut the removal short.
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
