/**
 * A recipe of docs/recipes, followed as a reader follows it: its files are the blocks of the page that are named after
 * a file, its packages are those of the page's `npm install` lines, and its commands are typed into a terminal.
 *
 * Versions of the packages are pinned in test/recipes/<page>/package.json.
 */

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, inject } from 'vitest';
import { findOnPath } from '../../src/process/launch/search.ts';
import { until } from './deadline.ts';
import { type Block, pages } from './pages.ts';
import { freePort } from './ports.ts';
import { createProject, type Project } from './project.ts';
import { openTerminal, type Terminal } from './terminal.ts';

const run = promisify(execFile);

/** Names the variable that marks all processes of a recipe. */
const markName = 'DEVWATCH_RECIPE';

export class Recipe implements AsyncDisposable {
  readonly project: Project;
  /** Stands in for port 3000, which the pages use. */
  readonly port: number;
  readonly #page: string;
  readonly #blocks: readonly Block[];
  readonly #terminal: Terminal;
  readonly #mark: string;
  #refused = 0;
  #hasAnswered = false;

  private constructor(page: string, blocks: readonly Block[], project: Project, port: number) {
    this.#page = page;
    this.#blocks = blocks;
    this.project = project;
    this.port = port;
    this.#mark = path.basename(project.path);
    const env = {
      [markName]: this.#mark,
      PATH: `${inject('globalBin')}:${process.env.PATH}`,
      PIP_CONSTRAINT: path.resolve(`test/recipes/${page}/constraints.txt`),
    };
    this.#terminal = openTerminal({ cwd: project.path, env });
  }

  /**
   * Writes the files of a page and installs its packages.
   *
   * @param page the name of the page, without `.md`
   * @param section a heading: blocks below other headings belong to other variants; by default all blocks count
   */
  static async open(page: string, section?: string): Promise<Recipe> {
    const found = pages.find(({ file }) => file === `docs/recipes/${page}.md`);
    if (found === undefined) throw new Error(`there is no recipe ${page}`);
    const blocks = found.blocks.filter((block) => section === undefined || ['', section].includes(block.section));
    if (section !== undefined && !blocks.some((block) => block.section === section)) {
      throw new Error(`${page}.md has no section "${section}" with a block`);
    }
    const port = await freePort();
    const files = blocks.flatMap(({ title, text }) => (isFileName(title) ? [[title, withPort(text, port)]] : []));
    const recipe = new Recipe(page, blocks, createProject(Object.fromEntries(files)), port);
    await recipe.#install();
    return recipe;
  }

  /** Types a command, which must stand on the page, into a terminal in the project. */
  start(command: string): void {
    expect(this.#commands(), `${this.#page}.md shows this command`).toContain(command);
    this.type(withPort(command, this.port));
  }

  /** Types a command, which must stand on the page, and waits until it has ended. */
  async run(command: string): Promise<void> {
    expect(this.#commands(), `${this.#page}.md shows this command`).toContain(command);
    this.type(`${command}; echo "ended with $?"`);
    const [, code] = await this.shows(/ended with (\d+)/);
    expect(code, this.output).toBe('0');
  }

  /** Types a line. */
  type(line: string): void {
    this.#terminal.line(line);
  }

  /** Waits until the terminal shows further output that matches. */
  shows(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#terminal.until(pattern);
  }

  /** Waits until the server answers with this text. Each request has a connection of its own. */
  async answers(text: string, at = '/'): Promise<void> {
    let last = '';
    const report = () => [`its last answer: ${last}`, 'the terminal:', this.output];
    await until(
      `${text} from ${at}`,
      async () => {
        last = await get(this.port, at).catch((error: NodeJS.ErrnoException) => {
          if (error.code === 'ECONNREFUSED' && this.#hasAnswered) this.#refused += 1;
          return error.code ?? error.message;
        });
        return last.includes(text);
      },
      report,
    );
    this.#hasAnswered = true;
  }

  /** Number of connections that were refused after the first answer. */
  get refused(): number {
    return this.#refused;
  }

  /** Replaces a text that occurs once in a file. */
  edit(file: string, from: string, to: string): void {
    const text = fs.readFileSync(this.project.at(file), 'utf8');
    expect(text.split(from), `"${from}" in ${file}`).toHaveLength(2);
    this.project.write(
      file,
      text.replace(from, () => to),
    );
  }

  /** Presses Ctrl-C once, and checks that devwatch, the program and all other processes are gone. */
  async quit(): Promise<void> {
    this.#terminal.type('\x03');
    await this.#terminal.until(/\$ $/);
    expect(this.processes()).toEqual([]);
    await expectFree(this.port);
  }

  /** Waits until the terminal has shown the lines that the page shows, in their order and with any numbers. */
  async showsTranscript(): Promise<void> {
    const transcripts = this.#blocks.filter(({ language, title }) => language === 'text' && title === '');
    expect(transcripts.length, `${this.#page}.md shows what is printed`).toBeGreaterThan(0);
    for (const { text } of transcripts) {
      let at = 0;
      for (const line of text.trim().split('\n')) {
        const pattern = generalized(line);
        const report = () => ['the terminal:', this.output];
        await until(`"${line}" of ${this.#page}.md`, () => pattern.test(this.output.slice(at)), report);
        const match = pattern.exec(this.output.slice(at));
        at += (match?.index ?? 0) + (match?.[0].length ?? 0);
      }
    }
  }

  /** The live processes that the terminal has started. */
  processes(): readonly string[] {
    return markedProcesses(`${markName}=${this.#mark}`);
  }

  get output(): string {
    return this.#terminal.output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (process.env.RECIPES_SHOW !== undefined) console.log(this.output);
    await this.#terminal[Symbol.asyncDispose]();
    await until(
      'the end of all processes',
      () => this.processes().length === 0,
      () => this.processes(),
    );
    await this.project[Symbol.asyncDispose]();
  }

  #commands(): readonly string[] {
    return this.#blocks
      .filter(({ language }) => language === 'sh' || language === 'console')
      .flatMap(({ language, text }) =>
        text
          .split('\n')
          .map((line) => (language === 'sh' ? line : line.replace(/^\$ /, '')).replace(/\s+# .*/, '').trim()),
      );
  }

  /** Installs what the `npm install` lines of the page name, in the pinned versions, and the packed devwatch. */
  async #install(): Promise<void> {
    const lines = this.#commands().filter((line) => line.startsWith('npm install '));
    if (lines.length === 0) return;
    const names = lines.flatMap((line) =>
      line
        .split(' ')
        .slice(2)
        .filter((word) => !word.startsWith('-')),
    );
    const pinned = readPinned(this.#page);
    const packages = names.map((name) => {
      if (name === 'devwatch') return inject('tarball');
      const version = pinned[name];
      if (version === undefined) throw new Error(`test/recipes/${this.#page}/package.json does not pin ${name}`);
      return `${name}@${version}`;
    });
    if (!fs.existsSync(this.project.at('package.json'))) this.project.write('package.json', '{"private": true}\n');
    const flags = ['--no-audit', '--no-fund', '--prefer-offline', '--save-exact'];
    await run('npm', ['install', ...flags, ...packages], { cwd: this.project.path });
  }
}

function readPinned(page: string): Readonly<Record<string, string>> {
  const file = `test/recipes/${page}/package.json`;
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')).dependencies : {};
}

const withPort = (text: string, port: number): string => text.replaceAll(/\b3000\b/g, String(port));

const isFileName = (title: string): boolean => /^[\w.][\w./-]*$/.test(title) && title !== 'output';

function get(port: number, at: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: 'localhost', port, path: at, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

/** Matches a line with other numbers and units of time. */
function generalized(line: string): RegExp {
  const escaped = line.trim().replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
  return new RegExp(escaped.replaceAll(/\d+(?:\\\.\d+)*/g, '[\\d.,]+').replaceAll(/(?<=\[\\d\.,\]\+) m?s\b/g, ' m?s'));
}

async function expectFree(port: number): Promise<void> {
  const server = net.createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  await new Promise((resolve) => server.close(resolve));
}

/** Lists live processes with this text in their environment, except for the shell of the terminal. */
function markedProcesses(mark: string): string[] {
  return fs.readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      if (!fs.readFileSync(`/proc/${name}/environ`, 'latin1').split('\0').includes(mark)) return [];
      const command = fs.readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
      return command === '' || command.startsWith('/bin/bash --norc') ? [] : [`${name} ${command}`];
    } catch {
      // Gone.
      return [];
    }
  });
}

/** Returns whether a command is installed. @throws in CI if it is not, where its test must run */
export function hasCommand(name: string): boolean {
  const found = findOnPath(name, '/') !== undefined;
  if (!found && process.env.CI !== undefined) throw new Error(`${name} is not installed`);
  return found;
}

export interface ServerRecipe {
  readonly page: string;
  readonly section?: string;
  /** The command of the page that starts the server. */
  readonly command: string;
  /** The path to ask for; by default the root. */
  readonly at?: string;
  /** Part of its answer, at first and after the edit. */
  readonly first: string;
  readonly second: string;
  readonly edit: { readonly file: string; readonly from: string; readonly to: string };
  readonly breakage: {
    /** By default the file that was edited. */
    readonly file?: string;
    readonly text: string;
    /** Output that shows it; by default that devwatch waits for a change. */
    readonly shows?: RegExp;
  };
  /** No connection is refused through an edit: the server's port is held. */
  readonly holds?: boolean;
  /** Further steps before the start. */
  readonly before?: (recipe: Recipe) => Promise<void>;
  /** Further checks, while it runs. */
  readonly also?: (recipe: Recipe) => Promise<void>;
}

/** Follows the recipe of a server: starts it, edits a file, breaks it, repairs it, and quits with Ctrl-C. */
export async function follow(server: ServerRecipe): Promise<void> {
  const { page, section, command, at = '/', first, second, edit, breakage, holds = true } = server;
  await using recipe = await Recipe.open(page, section);
  await server.before?.(recipe);
  /** Waits as a person does, who reads that the program is up before the next save. */
  const isUp = async (text: string): Promise<void> => {
    await recipe.answers(text, at);
    await recipe.shows(/answering in/);
  };
  recipe.start(command);
  await isUp(first);
  recipe.edit(edit.file, edit.from, edit.to);
  await isUp(second);
  if (holds) expect(recipe.refused, 'refused connections').toBe(0);

  const broken = recipe.project.at(breakage.file ?? edit.file);
  const whole = fs.readFileSync(broken, 'utf8');
  fs.writeFileSync(broken, breakage.text);
  await recipe.shows(breakage.shows ?? /waiting for a change/);
  fs.writeFileSync(broken, whole);
  await isUp(second);
  recipe.edit(edit.file, edit.to, edit.from);
  await isUp(first);
  await server.also?.(recipe);
  await recipe.showsTranscript();
  await recipe.quit();
}
