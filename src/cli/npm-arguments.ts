/** The command line of a devwatch that npm, pnpm or yarn runs as a script of package.json. */

import fs from 'node:fs';
import { type CommandLine, isUnknownOption, parseArgv } from '../config/argv.ts';
import { splitWords } from '../process/shell-line.ts';
import { attempt } from '../shared/errors.ts';
import { findSubcommand } from './subcommands.ts';

/**
 * Reads a command line, as `parseArgv` does. Words that are not part of the script in package.json are arguments for the
 * program: those behind a `--`, which pnpm and yarn pass on and npm removes, and those that begin with an option that
 * nobody knows.
 *
 * @param env has the variables of the package manager if one runs this process
 * @param readManifest returns the text of package.json
 */
export function parseNpmArgv(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  readManifest = (): string => fs.readFileSync('package.json', 'utf8'),
): CommandLine {
  const own = ownWords(env, readManifest);
  if (own === undefined || !own.every((word, index) => word === argv[index])) return parseArgv(argv);
  const extra = argv.slice(own.length);
  if (extra[0] === '--') return parseWithArguments(own, extra.slice(1));
  return isUnknownOption(extra[0] ?? '') ? parseWithArguments(own, extra) : parseArgv(argv);
}

/** Returns the words behind `devwatch` in the script that is being run. */
function ownWords(env: NodeJS.ProcessEnv, readManifest: () => string): readonly string[] | undefined {
  const { npm_lifecycle_event: name, npm_lifecycle_script: line } = env;
  if (name === undefined && line === undefined) return undefined;
  // pnpm has appended the arguments to the line, and yarn does not tell it.
  const manifest = name === undefined ? undefined : attempt((): unknown => JSON.parse(readManifest()).scripts[name]);
  const words = attempt(() => splitWords(typeof manifest === 'string' ? manifest : (line ?? ''))) ?? [];
  const at = words.findLastIndex((word) => /(?:^|[\\/])devwatch$/.test(word));
  return at < 0 ? undefined : words.slice(at + 1);
}

/** @param words arguments for the program, whatever they look like */
function parseWithArguments(own: readonly string[], words: readonly string[]): CommandLine {
  const line = parseArgv(own);
  const [program] = line.program;
  const isCommandOfOwn = program !== undefined && !line.literal && findSubcommand(program) !== undefined;
  if (isCommandOfOwn || line.flags.has('exec')) return parseArgv([...own, '--', ...words]);
  return program === undefined ? { ...line, extra: words } : parseArgv([...own, ...words]);
}
