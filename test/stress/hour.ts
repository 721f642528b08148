/**
 * An hour of ordinary work on an Express project in a terminal, compressed into minutes: 200 saves, three crashes, two
 * checkouts, an installation. Prints everything that devwatch printed meanwhile, beside what was done, for a person to
 * judge: a line that nobody would want is a mistake. Also fails if a save is not served, or a request is not answered
 * while nothing is broken.
 *
 *   npm run test:hour -- [--saves 200] [--seed 1]
 */

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, stripVTControlCharacters } from 'node:util';
import { freePort } from '../support/ports.ts';
import { openTerminal, type Terminal } from '../support/terminal.ts';
import { createProject, db, editors, modules, sourceOf } from './hour-project.ts';

/** A save that is not served after this time is stale. */
const staleMs = 30_000;
const clientIntervalMs = 100;

const { values } = parseArgs({
  options: { saves: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
});

/** Returns a generator of numbers from 0 to 1 that is the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}
const random = randomFrom(Number(values.seed));
const oneOf = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;

/** An action, and the lines of the terminal that followed. */
interface Step {
  readonly what: string;
  readonly lines: string[];
}

class Hour {
  readonly steps: Step[] = [{ what: 'npm run dev', lines: [] }];
  readonly failures: string[] = [];
  readonly #folder: string;
  readonly #port: number;
  readonly #terminal: Terminal;
  readonly #versions = new Map<string, number>();
  #read = 0;
  #version = 0;
  #requests = 0;
  /** Requests may fail: the program is broken on purpose. */
  #isBroken = true;

  constructor(folder: string, port: number) {
    this.#folder = folder;
    this.#port = port;
    for (const file of [...modules, db]) this.#versions.set(file, 0);
    this.#terminal = openTerminal({ cwd: folder, env: { PORT: String(port) } });
    this.#terminal.resize(120, 40);
    this.#terminal.line('npm run dev');
  }

  async up(): Promise<void> {
    await this.#served();
    this.#isBroken = false;
    void this.#keepAsking();
  }

  /** Does something, waits until it is served, and for a while, as a person who reads and thinks. */
  async do(what: string, act: () => void | Promise<void>, pauseMs = 200 + random() * 1000): Promise<void> {
    this.#takeLines();
    this.steps.push({ what, lines: [] });
    await act();
    await this.#served();
    await sleep(pauseMs);
    this.#takeLines();
  }

  /** Breaks the program; the next step repairs it. */
  async break(what: string, act: () => void | Promise<void>): Promise<void> {
    this.#takeLines();
    this.steps.push({ what, lines: [] });
    this.#isBroken = true;
    const before = this.#terminal.output.length;
    await act();
    await this.#printed(/crashed/, before);
    this.#takeLines();
  }

  async repair(what: string, act: () => void): Promise<void> {
    await this.do(what, act);
    this.#isBroken = false;
  }

  file(name: string): string {
    return path.join(this.#folder, name);
  }

  /** Returns a new version of a module. */
  next(name: string): string {
    this.#version += 1;
    this.#versions.set(name, this.#version);
    return sourceOf(name, this.#version);
  }

  run(command: string, ...args: readonly string[]): void {
    execFileSync(command, args, { cwd: this.#folder, stdio: 'pipe' });
  }

  /** Takes over the versions on the disk, after a checkout. */
  takeOver(): void {
    for (const name of this.#versions.keys()) {
      const [, version] = /version = (\d+)/.exec(fs.readFileSync(this.file(name), 'utf8')) ?? [];
      this.#versions.set(name, Number(version));
    }
  }

  /** Asks on a new connection: a server may close one that is idle at any time, and then any client asks again. */
  fetch(route: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const request = http.get({ host: '127.0.0.1', port: this.#port, path: route, agent: false }, async (response) => {
        resolve(await text(response));
      });
      request.on('error', reject);
    });
  }

  /** Ends it by Ctrl-C; resolves to the number of requests that were answered. */
  async end(): Promise<number> {
    this.#takeLines();
    this.steps.push({ what: 'Ctrl-C', lines: [] });
    this.#isBroken = true;
    this.#terminal.type('\x03');
    await this.#terminal.until(/\^C(?:.|\s)*\n\$ /);
    this.#takeLines();
    await this.#terminal[Symbol.asyncDispose]();
    return this.#requests;
  }

  /** Waits until this is among the output behind a position. */
  async #printed(text: RegExp, from: number): Promise<void> {
    const deadline = Date.now() + staleMs;
    while (Date.now() < deadline) {
      if (text.test(this.#terminal.output.slice(from))) return;
      await sleep(20);
    }
    this.failures.push(`${this.steps.at(-1)?.what}: no line has ${text}`);
  }

  /** Waits until what runs is what was last saved. */
  async #served(): Promise<void> {
    const wanted = JSON.stringify(Object.fromEntries(this.#versions));
    const deadline = Date.now() + staleMs;
    let found = '';
    while (Date.now() < deadline) {
      found = await this.fetch('/versions').catch(String);
      if (found === wanted) return;
      await sleep(20);
    }
    this.failures.push(`${this.steps.at(-1)?.what}: ${found} is served instead of ${wanted}`);
  }

  /** Asks for a page like a browser, all the time. */
  async #keepAsking(): Promise<void> {
    for (;;) {
      const wasBroken = this.#isBroken;
      const { what } = this.steps.at(-1) ?? { what: '' };
      if (what === 'Ctrl-C') return;
      try {
        await this.fetch('/');
        this.#requests += 1;
      } catch (error) {
        if (!wasBroken && !this.#isBroken) this.failures.push(`${what}: ${error}`);
      }
      await sleep(clientIntervalMs);
    }
  }

  #takeLines(): void {
    const output = stripVTControlCharacters(this.#terminal.output);
    const end = output.lastIndexOf('\n') + 1;
    this.steps.at(-1)?.lines.push(...output.slice(this.#read, end).split(/\r?\n/).filter(Boolean));
    this.#read = Math.max(this.#read, end);
  }
}

/** Does what people do most: saves a file, or several. */
async function save(hour: Hour): Promise<void> {
  const dice = random();
  if (dice < 0.06) {
    const files = [...modules].sort(() => random() - 0.5).slice(0, 5);
    return hour.do(`a formatter writes ${files.length} files`, async () => {
      for (const name of files) {
        fs.writeFileSync(hour.file(name), hour.next(name));
        await sleep(random() * 15);
      }
    });
  }
  if (dice < 0.16) {
    const name = oneOf(['README.md', 'public/style.css', 'public/index.html']);
    return hour.do(`${name} in VS Code`, () => fs.appendFileSync(hour.file(name), '\n'));
  }
  if (dice < 0.2)
    return hour.do('test/users.test.js in VS Code', () => fs.appendFileSync(hour.file('test/users.test.js'), '\n'));
  const [editor, write] = oneOf(Object.entries(editors));
  const name = oneOf([...modules, db]);
  if (dice < 0.24) {
    return hour.do(`${name} in ${editor}, unchanged`, () =>
      write(hour.file(name), fs.readFileSync(hour.file(name), 'utf8')),
    );
  }
  if (dice < 0.3) {
    return hour.do(`${name} in ${editor}, three times in a second`, async () => {
      for (let turn = 0; turn < 3; turn += 1) {
        write(hour.file(name), hour.next(name));
        await sleep(200 + random() * 200);
      }
    });
  }
  return hour.do(`${name} in ${editor}`, () => write(hour.file(name), hour.next(name)));
}

/** The rare things, by the part of the hour after which they come. */
const events: readonly (readonly [at: number, act: (hour: Hour) => Promise<void>])[] = [
  [
    0.15,
    async (hour) => {
      await hour.break('src/db.js throws', () =>
        fs.writeFileSync(hour.file(db), `throw new Error('no DATABASE_URL');\n`),
      );
      await hour.repair('src/db.js is repaired', () => fs.writeFileSync(hour.file(db), hour.next(db)));
    },
  ],
  [
    0.3,
    async (hour) => {
      const name = modules[0] ?? '';
      await hour.break(`${name} with a syntax error`, () => fs.writeFileSync(hour.file(name), 'const a = {;\n'));
      await hour.repair(`${name} is repaired`, () => fs.writeFileSync(hour.file(name), hour.next(name)));
    },
  ],
  [
    0.45,
    async (hour) => {
      await hour.do('git commit', () => hour.run('git', 'commit', '--quiet', '--all', '--message', 'Save'));
      await hour.do('git switch -c feature, and 3 files', () => {
        hour.run('git', 'switch', '--quiet', '--create', 'feature');
        for (const name of modules.slice(0, 3)) fs.writeFileSync(hour.file(name), hour.next(name));
        hour.run('git', 'commit', '--quiet', '--all', '--message', 'Feature');
      });
      for (const branch of ['main', 'feature']) {
        await hour.do(`git switch ${branch}`, () => {
          hour.run('git', 'switch', '--quiet', branch);
          hour.takeOver();
        });
      }
    },
  ],
  [
    0.6,
    async (hour) => {
      await hour.break('a request for /boom, which throws later', async () => void (await hour.fetch('/boom')));
      await hour.repair('nothing: it comes back by itself', () => {});
    },
  ],
  [
    0.7,
    async (hour) => {
      const [added, renamed] = [hour.file('src/routes/coupons.js'), hour.file('src/routes/vouchers.js')];
      await hour.do('a new file', () => fs.writeFileSync(added, sourceOf(added, 0)));
      await hour.do('it is renamed', () => fs.renameSync(added, renamed));
      await hour.do('it is deleted', () => fs.rmSync(renamed));
      await hour.do('git stash and git stash pop', () => {
        fs.writeFileSync(hour.file(db), hour.next(db));
        hour.run('git', 'stash', '--quiet');
        hour.run('git', 'stash', 'pop', '--quiet');
      });
    },
  ],
  [0.75, (hour) => hour.do('npm install nanoid', () => hour.run('npm', 'install', '--silent', 'nanoid@3.3.11'), 3000)],
];

/** Returns the lines of devwatch, with the rows on which they go on. */
function ownLines(lines: readonly string[]): readonly string[] {
  let isOwn = false;
  return lines.filter((line) => {
    isOwn = line.startsWith('[devwatch] ') || (isOwn && /^ {11}\S/.test(line));
    return isOwn;
  });
}

/** Prints the steps with what devwatch printed; those that differ only in names and numbers once, with their number. */
function print(steps: readonly Step[]): void {
  const shape = (text: string): string =>
    text.replace(/[\w/.-]+\.(?:js|json|md|css|html)/g, 'FILE').replace(/\d+(?:\.\d+)?/g, 'N');
  const counts = new Map<string, { readonly example: string; count: number }>();
  for (const { what, lines } of steps) {
    const shown = [`» ${what}`, ...ownLines(lines).map((line) => `    ${line}`)].join('\n');
    const known = counts.get(shape(shown));
    if (known !== undefined) known.count += 1;
    else counts.set(shape(shown), { example: shown, count: 1 });
  }
  for (const { example, count } of counts.values()) console.log(count > 1 ? `${example}\n    × ${count}` : example);
}

const temporary = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'devwatch-hour-')));
try {
  const folder = path.join(temporary, 'shop');
  fs.mkdirSync(folder);
  createProject(folder);
  const hour = new Hour(folder, await freePort());
  await hour.up();
  const saves = Number(values.saves);
  const due = [...events];
  for (let index = 0; index < saves; index += 1) {
    await save(hour);
    for (let next = due[0]; next !== undefined && index >= next[0] * saves; next = due[0]) {
      due.shift();
      await next[1](hour);
    }
  }
  const requests = await hour.end();
  print(hour.steps);
  fs.writeFileSync(
    path.join(os.tmpdir(), 'devwatch-hour.txt'),
    hour.steps.flatMap(({ what, lines }) => [`» ${what}`, ...lines]).join('\n'),
  );
  console.log(`${saves} saves, ${requests} requests answered; ${hour.failures.length} failures`);
  for (const failure of hour.failures) console.log(failure);
  process.exitCode = hour.failures.length > 0 ? 1 : 0;
} finally {
  fs.rmSync(temporary, { recursive: true, force: true });
}
