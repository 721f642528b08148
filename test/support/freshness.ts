/**
 * Tests freshness: after any sequence of changes, at any moment, the running program has read the
 * present state of the disk.
 *
 * The program hashes its whole tree at its start and dials home with the hash. A sequence depends
 * only on its seed; its pauses let changes happen in all states of devwatch and the program.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { afterAll, test } from 'vitest';
import { cli } from './devwatch.ts';
import { type Home, openHome } from './home.ts';
import { createProject, type Project } from './project.ts';

const fingerprintModule = path.resolve('test/support/fingerprint.cjs');
const fingerprint = createRequire(import.meta.url)(fingerprintModule) as (folder: string) => string;

/** The course of a sequence, even of one that never ends. */
interface Record {
  readonly steps: string[];
  /** The lines that devwatch has printed. */
  readonly events: string[];
}

/** Declares one test per seed, all concurrent; a failed one prints its seed, its steps and the output of devwatch. */
export function testSequences(seeds: readonly number[]): void {
  let restarts = 0;
  afterAll(() => console.log(`${seeds.length} sequences, ${restarts} restarts`));
  test.concurrent.for(seeds)('sequence %i', { timeout: 30_000 }, async (seed, { onTestFailed, signal }) => {
    const record: Record = { steps: [], events: [] };
    onTestFailed(() => {
      const steps = record.steps.map((step, index) => `${index + 1}. ${step}`);
      console.error([`sequence ${seed}`, ...steps, 'devwatch printed', ...record.events].join('\n  '));
    });
    const more = await playSequence(seed, record, signal);
    restarts += more;
  });
}

/** Resolves with the number of restarts once the program is fresh and every folder has proved to be watched. */
async function playSequence(seed: number, record: Record, signal: AbortSignal): Promise<number> {
  // A sequence that never ends must end with its test, and leave nothing behind.
  const aborted = once(signal, 'abort').then(() => Promise.reject(signal.reason));
  aborted.catch(() => {});
  await using home = await openHome();
  await using outside = createProject();
  await using project = createProject();
  const world = new World(seed, project, outside, record);
  world.populate();
  await using devwatch = startWatched(project, home, world.stopTakes, record);
  await Promise.race([devwatch.untilState(world.beginAt), aborted]);
  await world.play(devwatch);

  record.steps.push('wait for the program to be fresh');
  await Promise.race([fresh(home, project), aborted]);
  // A folder that is no longer watched would go unnoticed, so add one more file to each, all at once.
  const fences = new Set<string>();
  for (const folder of foldersOf(project.path)) {
    const fence = path.join(folder, `fence-${seed}.js`);
    fs.writeFileSync(fence, '');
    fences.add(fence);
  }
  record.steps.push('wait for a fence in each folder to be reported');
  await Promise.race([devwatch.untilReported(fences), aborted]);
  record.steps.push('wait for the program to have seen the fences');
  await Promise.race([fresh(home, project), aborted]);
  return home.callers.length - 1;
}

/** Waits for a live program that has read the present state of the disk. */
async function fresh(home: Home, project: Project): Promise<void> {
  const wanted = fingerprint(project.path);
  const hasSeen = (caller: (typeof home.callers)[number]): boolean => caller.says.hash === wanted && caller.isAlive();
  if (home.callers.some(hasSeen)) return;
  await home.caller(hasSeen);
}

/** Returns the real paths of all folders below, including linked ones, each once. */
function foldersOf(top: string): Set<string> {
  const folders = new Set<string>();
  const queue = [top];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const real = fs.realpathSync(next);
    if (folders.has(real)) continue;
    folders.add(real);
    for (const name of fs.readdirSync(next)) {
      const full = path.join(next, name);
      if (name !== 'node_modules' && fs.statSync(full, { throwIfNoEntry: false })?.isDirectory()) queue.push(full);
    }
  }
  return folders;
}

type State = 'spawned' | 'start' | 'caller' | 'watching';

interface Watched extends AsyncDisposable {
  /** Resolves once this state has been reached for the first time. */
  untilState(state: State): Promise<void>;
  /** Resolves with the next event of this name, or of any. */
  nextEvent(name?: string): Promise<void>;
  /** Resolves when a change of each of these real paths has been reported. */
  untilReported(files: ReadonlySet<string>): Promise<void>;
}

interface Event {
  readonly event: string;
  readonly changes?: readonly { readonly kind: string; readonly path: string }[];
}

/**
 * Starts devwatch. Unlike startDevwatch it works in concurrent tests, for which vitest cannot tell
 * to which test a hook belongs, and it writes the record of its sequence.
 */
function startWatched(project: Project, home: Home, stopTakes: number, record: Record): Watched {
  const child: ChildProcess = spawn(process.execPath, [cli, '--log-format', 'json', 'main.js'], {
    cwd: project.path,
    env: {
      ...process.env,
      ...home.env,
      TEST_FINGERPRINT: fingerprintModule,
      TEST_STOP_TAKES: String(stopTakes),
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'close');
  const reported = new Set<string>();
  const seen = new Set<string>();
  let over = false;
  let waiting: { name: string | undefined; resolve: () => void }[] = [];
  const wake = (name: string): void => {
    const woken = waiting.filter((one) => one.name === undefined || one.name === name);
    waiting = waiting.filter((one) => !woken.includes(one));
    for (const { resolve } of woken) resolve();
  };
  const began = performance.now();
  readline.createInterface({ input: child.stderr as NonNullable<typeof child.stderr> }).on('line', (line) => {
    record.events.push(`${Math.round(performance.now() - began)} ms, before step ${record.steps.length + 1}: ${line}`);
    if (!line.startsWith('{"event":')) return;
    const { event, changes = [] } = JSON.parse(line) as Event;
    seen.add(event);
    if (event === 'change') for (const change of changes) reported.add(realPathOf(change.path));
    wake(event);
  });
  void ended.then(() => {
    over = true;
    for (const { resolve } of waiting) resolve();
  });

  function nextEvent(name?: string): Promise<void> {
    if (over) throw new Error('devwatch has ended');
    return new Promise((resolve) => waiting.push({ name, resolve }));
  }
  return {
    nextEvent,
    async untilState(state) {
      if (state === 'spawned') return;
      if (state === 'caller') while (home.callers.length === 0) await nextTurn();
      else while (!seen.has(state)) await nextEvent();
    },
    async untilReported(files) {
      const missing = [...files].filter((file) => !reported.has(file));
      record.steps.push(`  (${missing.length} of them)`);
      for (;;) {
        const left = missing.filter((file) => !reported.has(file));
        if (left.length === 0) return;
        record.steps[record.steps.length - 1] = `  (not yet: ${left.join(', ')})`;
        await nextEvent();
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Returns the path of a file with the real path of its folder, so that links to one folder are equal. */
function realPathOf(file: string): string {
  try {
    return path.join(fs.realpathSync(path.dirname(file)), path.basename(file));
  } catch {
    return file;
  }
}

const mainProgram = `
const hash = require(process.env.TEST_FINGERPRINT)(process.cwd());
const stopTakes = Number(process.env.TEST_STOP_TAKES);
if (stopTakes > 0) process.on('SIGTERM', () => setTimeout(() => process.exit(), stopTakes));
require(process.env.TEST_DIAL)({ hash });
`;

/** Returns a source of numbers in [0, 1) that depend only on the seed. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The disk of one sequence, and the changes to it. */
class World {
  readonly #random: () => number;
  readonly #project: Project;
  readonly #outside: Project;
  readonly #steps: string[];
  #numbers = 0;
  readonly stopTakes: number;
  readonly beginAt: State;

  constructor(seed: number, project: Project, outside: Project, record: Record) {
    this.#random = randomFrom(seed);
    this.#project = project;
    this.#outside = outside;
    this.#steps = record.steps;
    this.stopTakes = this.#chance(0.3) ? Math.ceil(this.#random() * 60) : 0;
    this.beginAt = this.#pick(['spawned', 'spawned', 'start', 'caller', 'watching', 'watching', 'watching'] as const);
  }

  populate(): void {
    this.#project.write('main.js', mainProgram);
    for (let folder = 0; folder < 4; folder += 1) {
      for (let file = 0; file < 3; file += 1) this.#project.write(`f${folder}/${file}.js`, this.#content());
      this.#project.write(`f${folder}/deep/er/a.js`, this.#content());
    }
    this.#project.write('node_modules/p/a.js', '');
    for (const file of ['a/a.js', 'a/deep/b.js', 'b/c.js']) this.#outside.write(file, this.#content());
    if (this.#chance(0.5)) fs.symlinkSync(this.#outside.at('a'), this.#project.at('linked'));
    this.#steps.push(`begin when: ${this.beginAt}; the program takes ${this.stopTakes} ms to end`);
  }

  async play(devwatch: Watched): Promise<void> {
    const length = 1 + Math.floor(this.#random() * 25);
    for (let step = 0; step < length; step += 1) {
      await this.#pause(devwatch);
      const change = this.#pick(this.#changes);
      // Some changes find no file or folder to apply to.
      const what = change();
      if (what !== undefined) this.#steps.push(what);
    }
  }

  async #pause(devwatch: Watched): Promise<void> {
    const kind = this.#random();
    if (kind < 0.35) return;
    if (kind < 0.45) {
      this.#steps.push('  a turn');
      return nextTurn();
    }
    const ms = Math.floor(this.#random() ** 2 * 200);
    if (kind < 0.65) {
      this.#steps.push(`  ${ms} ms`);
      await pause(ms);
      return;
    }
    const event = this.#pick([undefined, 'stopping', 'gone', 'change', 'start', 'start', 'start'] as const);
    this.#steps.push(`  next ${event ?? 'event'}, if it comes, and ${ms} ms`);
    // The last change may have been irrelevant to devwatch.
    const timer = new AbortController();
    const timeout = pause(300, undefined, { signal: timer.signal }).catch(() => undefined);
    await Promise.race([devwatch.nextEvent(event), timeout]);
    timer.abort();
    await pause(ms);
  }

  readonly #changes: readonly (() => string | undefined)[] = [
    () => this.#onFile((file) => this.#writeInPlace(file)),
    () => this.#onFile((file) => this.#writeInPlace(file)),
    () => this.#onFile((file) => this.#replace(file)),
    () => this.#onFile((file) => this.#replace(file)),
    () => this.#onFile((file) => this.#moveAway(file)),
    () => this.#onFile((file) => this.#remove(file)),
    () => this.#onFile((file) => this.#becomeFolder(file)),
    () => this.#onFile((file) => this.#renameFile(file)),
    () => this.#renameOver(),
    () => this.#newFile(),
    () => this.#newFolders(),
    () => this.#onFolder((folder) => this.#remove(folder)),
    () => this.#onFolder((folder) => this.#remake(folder)),
    () => this.#onFolder((folder) => this.#remake(folder)),
    () => this.#onFolder((folder) => this.#moveFolder(folder)),
    () => this.#onFolder((folder) => this.#moveFolder(folder)),
    () => this.#onFolder((folder) => this.#becomeFile(folder)),
    () => this.#onFolder((folder) => this.#swapOut(folder)),
    () => this.#swap(),
    () => this.#link(),
    () => this.#relink(),
    () => this.#unlink(),
    () => this.#editOutside(),
    () => this.#remakeOutside(),
    () => this.#linkFile(),
    () => this.#noise(),
  ];

  #onFile(change: (file: string) => string): string | undefined {
    const file = this.#pickOrNone(this.#entries().files);
    return file === undefined ? undefined : change(file);
  }

  #onFolder(change: (folder: string) => string): string | undefined {
    const folder = this.#pickOrNone(this.#entries().folders);
    return folder === undefined ? undefined : change(folder);
  }

  #writeInPlace(file: string): string {
    fs.writeFileSync(this.#at(file), this.#content());
    return `write ${file} in place`;
  }

  #replace(file: string): string {
    const temporary = `${file}.${this.#number()}.tmp`;
    fs.writeFileSync(this.#at(temporary), this.#content());
    // The new file may be older than the one that it replaces.
    if (this.#chance(0.3)) fs.utimesSync(this.#at(temporary), 1_000_000, 1_000_000);
    fs.renameSync(this.#at(temporary), this.#at(file));
    return `rename a temporary file over ${file}`;
  }

  #moveAway(file: string): string {
    const backup = `${file}~`;
    fs.rmSync(this.#at(backup), { recursive: true, force: true });
    fs.renameSync(this.#at(file), this.#at(backup));
    fs.writeFileSync(this.#at(file), this.#content());
    return `rename ${file} to a backup and write it again`;
  }

  #remove(name: string): string {
    fs.rmSync(this.#at(name), { recursive: true });
    return `remove ${name}`;
  }

  #becomeFolder(file: string): string {
    fs.rmSync(this.#at(file));
    fs.mkdirSync(this.#at(file));
    fs.writeFileSync(this.#at(`${file}/in.js`), this.#content());
    return `${file} becomes a folder`;
  }

  #renameFile(file: string): string {
    const { folders } = this.#entries();
    const folder = this.#pick(['.', ...folders]);
    const to = path.join(folder, `${this.#number()}.${this.#chance(0.8) ? 'js' : 'txt'}`);
    fs.renameSync(this.#at(file), this.#at(to));
    return `rename ${file} to ${to}`;
  }

  #renameOver(): string | undefined {
    const { files } = this.#entries();
    const from = this.#pickOrNone(files);
    const to = this.#pickOrNone(files.filter((file) => file !== from));
    if (from === undefined || to === undefined) return undefined;
    fs.renameSync(this.#at(from), this.#at(to));
    return `rename ${from} over ${to}`;
  }

  #newFile(): string {
    const file = path.join(this.#pick(['.', ...this.#entries().folders]), `${this.#number()}.js`);
    fs.writeFileSync(this.#at(file), this.#content());
    return `new file ${file}`;
  }

  #newFolders(): string {
    const top = path.join(this.#pick(['.', ...this.#entries().folders]), `d${this.#number()}`);
    const file = path.join(top, this.#pick(['', 'x', 'x/y']), 'new.js');
    fs.mkdirSync(path.dirname(this.#at(file)), { recursive: true });
    fs.writeFileSync(this.#at(file), this.#content());
    return `new folders with ${file}`;
  }

  #remake(folder: string): string {
    const depth = this.#pick(['', 'deep', 'deep/er']);
    const names = this.#pick([['0.js'], ['0.js', '1.js'], ['a.js'], []]);
    fs.rmSync(this.#at(folder), { recursive: true });
    fs.mkdirSync(this.#at(path.join(folder, depth)), { recursive: true });
    for (const name of names) fs.writeFileSync(this.#at(path.join(folder, depth, name)), this.#content());
    return `remove ${folder} and make it again with [${names.map((name) => path.join(depth, name))}]`;
  }

  #moveFolder(folder: string): string {
    const targets = this.#entries().folders.filter((other) => other !== folder && !other.startsWith(`${folder}/`));
    const to = path.join(this.#pick(['.', ...targets]), `m${this.#number()}`);
    fs.renameSync(this.#at(folder), this.#at(to));
    return `move folder ${folder} to ${to}`;
  }

  #becomeFile(folder: string): string {
    fs.rmSync(this.#at(folder), { recursive: true });
    fs.writeFileSync(this.#at(folder), this.#content());
    return `folder ${folder} becomes a file`;
  }

  /** Moves a folder out of the watched tree, changes it there, and moves it back. */
  #swapOut(folder: string): string {
    const away = this.#outside.at(`away-${this.#number()}`);
    fs.renameSync(this.#at(folder), away);
    fs.writeFileSync(path.join(away, `away-${this.#number()}.js`), this.#content());
    fs.renameSync(away, this.#at(folder));
    return `move ${folder} out, change it there, and move it back`;
  }

  #swap(): string | undefined {
    const tops = this.#entries().folders.filter((folder) => !folder.includes('/'));
    const one = this.#pickOrNone(tops);
    const other = this.#pickOrNone(tops.filter((folder) => folder !== one));
    if (one === undefined || other === undefined) return undefined;
    fs.renameSync(this.#at(one), this.#at('swapping'));
    fs.renameSync(this.#at(other), this.#at(one));
    fs.renameSync(this.#at('swapping'), this.#at(other));
    return `${one} and ${other} change places`;
  }

  #link(): string {
    const target = this.#pick(['a', 'a', 'b']);
    const link = path.join(this.#pick(['.', ...this.#entries().folders]), `l${this.#number()}`);
    fs.symlinkSync(this.#outside.at(target), this.#at(link));
    return `link ${link} to the outside's ${target}`;
  }

  #relink(): string | undefined {
    const link = this.#pickOrNone(this.#entries().links);
    if (link === undefined) return undefined;
    const target = this.#pick(['a', 'b']);
    fs.symlinkSync(this.#outside.at(target), this.#at(`${link}.new`));
    fs.renameSync(this.#at(`${link}.new`), this.#at(link));
    return `make ${link} lead to the outside's ${target}`;
  }

  #unlink(): string | undefined {
    const link = this.#pickOrNone(this.#entries().links);
    if (link === undefined) return undefined;
    if (this.#chance(0.5)) {
      fs.unlinkSync(this.#at(link));
      return `remove the link ${link}`;
    }
    const to = path.join(this.#pick(['.', ...this.#entries().folders]), `l${this.#number()}`);
    fs.renameSync(this.#at(link), this.#at(to));
    return `rename the link ${link} to ${to}`;
  }

  #editOutside(): string {
    const file = this.#pick(['a/a.js', 'a/deep/b.js', 'b/c.js', `a/${this.#number()}.js`, `b/x/${this.#number()}.js`]);
    this.#outside.write(file, this.#content());
    return `write the outside's ${file}`;
  }

  #remakeOutside(): string {
    const folder = this.#pick(['a', 'b', 'a/deep']);
    fs.rmSync(this.#outside.at(folder), { recursive: true, force: true });
    this.#outside.write(path.join(folder, 'again.js'), this.#content());
    return `remove the outside's ${folder} and make it again`;
  }

  #linkFile(): string {
    const link = path.join(this.#pick(['.', ...this.#entries().folders]), `k${this.#number()}.js`);
    fs.symlinkSync(this.#outside.at(this.#pick(['a/a.js', 'b/c.js'])), this.#at(link));
    return `link ${link} to a file outside`;
  }

  /** Writes files that do not count. */
  #noise(): string {
    this.#project.write('node_modules/p/a.js', this.#content());
    this.#project.write(`f0-${this.#number()}.txt`, this.#content());
    return 'write files that do not count';
  }

  /** Lists the present entries that may be changed, ordered by their names. */
  #entries(): { files: string[]; folders: string[]; links: string[] } {
    const found = { files: [] as string[], folders: [] as string[], links: [] as string[] };
    const visit = (folder: string): void => {
      for (const entry of fs.readdirSync(this.#at(folder), { withFileTypes: true })) {
        const name = path.join(folder, entry.name);
        if (entry.name === 'node_modules' || name === 'main.js') continue;
        if (entry.isSymbolicLink()) {
          found.links.push(name);
        } else if (entry.isDirectory()) {
          found.folders.push(name);
          visit(name);
        } else if (name.endsWith('.js') || name.endsWith('.txt')) {
          found.files.push(name);
        }
      }
    };
    visit('.');
    for (const names of Object.values(found)) names.sort();
    return found;
  }

  readonly #at = (file: string): string => this.#project.at(file);

  #number(): number {
    this.#numbers += 1;
    return this.#numbers;
  }

  /** Returns a new content of constant length: sizes must not reveal changes. */
  #content(): string {
    return `// ${String(this.#number()).padStart(6, '0')}\n`;
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#random() * items.length)] as Item;
  }

  #pickOrNone<Item>(items: readonly Item[]): Item | undefined {
    return items.length === 0 ? undefined : this.#pick(items);
  }
}
