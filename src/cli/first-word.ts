/** First words that mean something in other tools, and those that are slips of the keys. */

import fs from 'node:fs';
import path from 'node:path';
import type { CommandLine } from '../config/argv.ts';
import { nearest } from '../shared/did-you-mean.ts';
import { attempt, UsageError } from '../shared/errors.ts';
import { upwards } from '../watch/disk.ts';
import { readProject } from './select-programs.ts';
import { subcommandNames } from './subcommands.ts';

/** Words that are commands of nodemon, tsx, pm2, forever, Docker or npm, with what takes their place here. */
function commandFor(word: string, rest: string): string | undefined {
  const program = rest || '<script>';
  const name = rest || '<name>';
  const table: readonly (readonly [words: string, command: string])[] = [
    ['run watch', `devwatch ${program}`],
    ['inspect', `devwatch --inspect ${program}`],
    ['ps l show info describe desc', 'devwatch list'],
    ['monit imonit dashboard dash top', 'devwatch list --watch'],
    ['jlist prettylist pid id', 'devwatch list --json'],
    ['kill down stopall stopbypid', `devwatch stop ${/^(?:kill|down|stopall)$/.test(word) ? rest || 'all' : name}`],
    ['remove', `devwatch delete ${name}`],
    ['resurrect', `devwatch start ${rest || 'all'}`],
    ['restartall', 'devwatch restart all'],
    ['up', `devwatch start${rest && ` ${rest}`}`],
    ['startOrRestart startOrReload startOrGracefulReload', `devwatch start ${program}`],
    ['log', `devwatch logs -f ${name}`],
    ['send', `devwatch attach ${name}`],
    ['flush cleanlogs', `devwatch logs --clear ${name}`],
    ['ecosystem create', 'devwatch init'],
    ['startup unstartup save dump cleardump', `devwatch unit ${program}`],
    ['profile:cpu profile:mem', `devwatch --cpu-prof ${program}`],
    ['version', 'devwatch --version'],
  ];
  return table.find(([words]) => words.split(' ').includes(word))?.[1];
}

/**
 * A word of another tool is probably meant as such: a command of the system with that name would do something else
 * (`kill`), unless a file, a program of the settings or a command of the project has the name.
 *
 * @throws UsageError that names the right command
 */
export function refuseForeignWord(line: CommandLine): void {
  const [word = '', ...rest] = line.program;
  const command = line.literal ? undefined : commandFor(word, rest.join(' '));
  if (command === undefined || isOfProject(word, line)) return;
  throw new UsageError(`${word} is no subcommand · ${command} (to run a command named ${word}: devwatch -- ${word})`);
}

/** pm2 starts a file of settings like a script. @throws UsageError that names the right command */
export function refuseEcosystem({ program: [word = ''], literal }: CommandLine): void {
  const isEcosystem = /^(?:ecosystem|pm2)(?:\.config)?\.(?:[cm]?js|json)$|^process\.json$/.test(path.basename(word));
  if (literal || !isEcosystem || !fs.existsSync(word)) return;
  throw new UsageError(
    `${word} holds settings of pm2 · devwatch init ${word} converts them, devwatch start then starts all`,
  );
}

function isOfProject(word: string, line: CommandLine): boolean {
  const scripts = ['', '.js', '.mjs', '.cjs', '.ts', '.mts', '.cts', '.json'].map((extension) => word + extension);
  const commands = [...upwards(process.cwd())].map((folder) => path.join(folder, 'node_modules', '.bin', word));
  return [...scripts, ...commands].some((file) => fs.existsSync(file)) || appsOf(line).includes(word);
}

/** Returns the names of the programs in the settings; none if they cannot be read. */
const appsOf = (line: CommandLine): readonly string[] =>
  attempt(() => readProject(line))?.apps.map(({ app }) => app) ?? [];

/**
 * Returns the script that `--watch` was given as its value: `devwatch --watch server.js` is `devwatch server.js` for
 * those who know `node --watch`.
 */
export function watchedScript({ program, extra, flags, optionWords }: CommandLine): string | undefined {
  const last = optionWords.at(-1)?.replace(/^--watch=/, '') ?? '';
  const watch = flags.get('watch');
  const isWatched = program.length + extra.length === 0 && Array.isArray(watch) && watch.at(-1) === last;
  return isWatched && /\.(?:[cm]?[jt]s|[jt]sx|py|rb|php|go|sh)$/.test(last) && fs.existsSync(last) ? last : undefined;
}

/** Adds to an error what was probably meant. */
export function withSuggestion(error: unknown, line: CommandLine): unknown {
  const [word = ''] = line.program;
  if (!(error instanceof UsageError) || error.message.includes('did you mean')) return error;
  const watched = watchedScript(line);
  if (watched !== undefined && error.message.startsWith('nothing to run')) {
    return new UsageError(
      `nothing to run · --watch only selects what is watched: devwatch ${watched} runs it and watches`,
    );
  }
  if (word === '' || !error.message.startsWith(`${word}: no such file or command`)) return error;
  const app = nearest(word, appsOf(line));
  const subcommand = nearest(word, subcommandNames);
  const meant = app ?? (subcommand && `devwatch ${subcommand}`);
  return meant === undefined ? error : new UsageError(`${error.message} · did you mean ${meant}?`);
}
