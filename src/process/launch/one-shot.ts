/** Knows commands that end when their work is done: test runners, compilers, linters. */

import path from 'node:path';
import type { Command } from './command.ts';

/**
 * Programs that end by themselves, each with the subcommands for which that is true: `''` stands for none, an empty
 * list for all.
 */
const oneShots: Readonly<Record<string, readonly string[]>> = {
  ...alike(['jest', 'mocha', 'ava', 'tap', 'tape', 'pytest', 'rspec', 'phpunit', 'tox'], []),
  ...alike(['tsc', 'vue-tsc', 'eslint', 'prettier', 'biome', 'stylelint', 'xo', 'swc', 'cmake', 'ninja'], []),
  ...alike(['make'], ['', 'all', 'test', 'build', 'lint', 'check']),
  ...alike(['npm', 'pnpm', 'yarn', 'bun'], ['test', 't', 'build', 'lint', 'typecheck', 'check', 'ci', 'install']),
  ...alike(['go', 'cargo', 'dotnet', 'mix', 'mvn', 'gradle', 'gradlew'], ['test', 'build', 'check', 'vet', 'clippy']),
  ...alike(['vitest', 'cypress'], ['run']),
  ...alike(['vite', 'next', 'nuxt', 'astro', 'nest', 'ng', 'turbo', 'nx'], ['build', 'test', 'lint']),
  ...alike(['playwright'], ['test']),
};

/** Commands that run the command behind them. */
const wrappers = /^(?:npx|bunx|env|cross-env|dotenv|dotenvx|time|nice|uv|poetry|pipenv|bundle|corepack|c8|nyc)$/;
/** Words between a wrapper, or a package manager, and the command. */
const fillers = /^(?:-.*|run|run-script|exec|dlx|x|--|\w+=.*)$/;
/** Flags with which such a command stays. */
const staying = /^(?:-w|--watch.*|--serve|--ui)$/;

function alike(names: readonly string[], subcommands: readonly string[]): Record<string, readonly string[]> {
  return Object.fromEntries(names.map((name) => [name, subcommands]));
}

/** Returns whether the command ends when its work is done; false if that is not known. */
export function isOneShot({ file, nodeArgs, args, isNode }: Command): boolean {
  if (isNode) return nodeArgs.some((flag) => testFlag.test(flag));
  const line = isShell(file) && args[0] === '-c' ? wordsOfShellLine(args) : [file, ...args];
  return isOneShotLine(line);
}

/** Flags with which Node runs tests, or only checks the syntax. */
const testFlag = /^(?:--test|--check|-c)$/;
const isShell = (file: string): boolean => /^(?:ba|da|z)?sh$/.test(path.basename(file));

/** The last command of a line of the shell decides: what comes before prepares it. */
function wordsOfShellLine([, line = '', , ...program]: readonly string[]): readonly string[] {
  const last =
    line
      .replace(/ "\$@"$/, '')
      .split(/&&|\|\||[;|]/)
      .at(-1) ?? '';
  return [...last.trim().split(/\s+/), ...program];
}

function isOneShotLine(words: readonly string[]): boolean {
  const start = words.findIndex((word, index) => !isPrefix(word, index));
  const [command = '', ...rest] = words.slice(Math.max(start, 0));
  const name = path.basename(command).replace(/\.(?:cmd|exe)$/i, '');
  if (rest.some((word) => staying.test(word))) return false;
  if (name === 'node') {
    const script = rest.findIndex((word) => !word.startsWith('-'));
    return rest.slice(0, script === -1 ? rest.length : script).some((word) => testFlag.test(word));
  }
  if (/^(?:pnpm|yarn|bun)$/.test(name) && /^(?:exec|dlx|x)$/.test(rest[0] ?? '')) return isOneShotLine(rest.slice(1));
  if (/^python[\d.]*$/.test(name)) return rest[0] === '-m' && /^(?:pytest|unittest)$/.test(rest[1] ?? '');
  const subcommands = Object.hasOwn(oneShots, name) ? oneShots[name] : undefined;
  if (subcommands === undefined) return false;
  const subcommand = rest.find((word) => subcommands.includes(word) || !fillers.test(word)) ?? '';
  return subcommands.length === 0 || subcommands.includes(subcommand.split(':')[0] ?? '');
}

/** Whether a word stands before the command itself. */
const isPrefix = (word: string, index: number): boolean =>
  wrappers.test(path.basename(word)) || (index > 0 && fillers.test(word)) || /^\w+=/.test(word);
