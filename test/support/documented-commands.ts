/** Checks the command lines of devwatch that documents show: they are read as devwatch reads them, but not run. */

import { readInvocation } from '../../src/cli/main.ts';
import { findSubcommand, subcommands } from '../../src/cli/subcommands.ts';
import { parseArgv } from '../../src/config/argv.ts';
import { splitWords } from '../../src/process/shell-line.ts';
import { UsageError } from '../../src/shared/errors.ts';

/** Commands that devwatch may run by their bare names. */
const commands = new Set(
  splitWords(`
    node npm npx pnpm yarn bun deno tsx ts-node nodemon nest next vite python python3 ruby go cargo php java make docker
    sh bash postgres redis-server uvicorn gunicorn flask rails
  `),
);

/** Words that may precede `devwatch` on a command line. */
const prefix = /^(?:npx|npm|pnpm|yarn|bunx?|exec|sudo|time|env|nohup|cross-env|dotenv|dlx|--|-y|\w+=.*)$/;

/**
 * Returns the mistakes in the lines of a shell: every `devwatch …` in them is read, also one in quotes (concurrently).
 *
 * @param names further words that may follow `devwatch`: programs of the page's `apps`, and foreign names
 */
export async function mistakesInShell(text: string, names: ReadonlySet<string>): Promise<string[]> {
  const mistakes: string[] = [];
  for (const line of simpleCommands(text)) {
    if (!line.includes('devwatch')) continue;
    const words = splitWords(line);
    const at = words.findIndex((word) => word === 'devwatch' || word.endsWith('/.bin/devwatch'));
    if (at >= 0 && words.slice(0, at).every((word) => prefix.test(word))) {
      const mistake = await mistakeIn(words.slice(at + 1), names);
      if (mistake !== undefined) mistakes.push(`${line}: ${mistake}`);
    }
    const quoted = words.filter((word) => /(?:^|\s)devwatch\s/.test(word));
    for (const word of quoted) mistakes.push(...(await mistakesInShell(word, names)));
  }
  return mistakes;
}

/** Returns the mistake in the words after `devwatch`, or undefined. */
async function mistakeIn(words: readonly string[], names: ReadonlySet<string>): Promise<string | undefined> {
  try {
    const line = parseArgv(words);
    const [word = '', ...rest] = line.program;
    const subcommand = line.literal ? undefined : findSubcommand(word);
    if (subcommand === undefined) return mistakeInProgram(line.program, names);
    const invocation = await readInvocation(subcommand, { ...line, program: [] }, rest);
    const program = invocation?.line.program ?? [];
    // `start web` and `unit web` name a program of the background.
    return mistakeInProgram(program, new Set([...names, ...program.slice(0, 1)]));
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}

function mistakeInProgram([word = '', ...args]: readonly string[], names: ReadonlySet<string>): string | undefined {
  if (word === '') return undefined;
  if (!/[./]/.test(word) && !commands.has(word) && word !== 'placeholder' && !names.has(word)) {
    return `"${word}" is no subcommand, and no script or command that the test knows`;
  }
  if (commands.has(word)) return undefined;
  const behind = args.find((arg) => arg.startsWith('--') && arg !== '--' && isOption(arg) && !names.has(arg));
  return behind && `${behind} stands behind the script, where it is the program's`;
}

/** Returns whether this is a flag of devwatch or of one of its subcommands, or one of Node that devwatch accepts. */
export const isFlag = (flag: string): boolean => isOption(flag) || ownFlags.has(flag);

const ownFlags: ReadonlySet<string> = new Set(
  subcommands.flatMap(({ options = {} }) =>
    Object.keys(options).flatMap((flag) => flag.replace(/ <.*/, '').split(', ')),
  ),
);

/** Returns whether devwatch accepts the flag, be it with a value. */
function isOption(flag: string): boolean {
  try {
    parseArgv([flag.replace(/=.*/, '')]);
    return true;
  } catch (error) {
    return error instanceof UsageError && / needs a value/.test(error.message);
  }
}

/** Matches a text in quotes, an escaped character, a comment, a redirection, or an operator between two commands. */
const tokens =
  /'[^']*'|"(?:\\.|[^"\\])*"|\\[\s\S]|((?<!\S)#[^\n]*|\d?(?:>>?|<)(?:&\d|\s*[\w/.-]+))|(&&|\|\|?|[;&\n()])|[\s\S]/g;

/** Splits lines of a shell into single commands, without comments and redirections; placeholders become words. */
function simpleCommands(text: string): string[] {
  const found = [''];
  const joined = text.replaceAll(/\\\n\s*/g, ' ').replaceAll(/<[a-z][\w|.-]*>(?:\.\.\.)?/g, 'placeholder');
  for (const [token, left, operator] of joined.matchAll(tokens)) {
    if (operator !== undefined) found.push('');
    else if (left === undefined) found.push(`${found.pop() ?? ''}${token}`);
  }
  return found.map((line) => line.trim()).filter(Boolean);
}
