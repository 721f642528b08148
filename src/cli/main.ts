/** The command line: argv → subcommand → exit code. Only this room exits the process. */

import fs from 'node:fs';
import { type CommandLine, parseArgv, parsePaths } from '../config/argv.ts';
import { codeOf, UsageError } from '../shared/errors.ts';
import { version } from '../shared/version.ts';
import { refuseEcosystem, refuseForeignWord, withSuggestion } from './first-word.ts';
import { describeFailure } from './last-resort.ts';
import { parseNpmArgv } from './npm-arguments.ts';
import { exitCodes, fail, ignoreClosedPipe, print } from './print.ts';
import { runAsDaemon, runPrograms } from './run.ts';
import { backgroundVariable, findSubcommand, type Invocation, type Subcommand } from './subcommands.ts';

async function main(argv: readonly string[], keepCompiled: () => void): Promise<void> {
  // Node has opened the inspector in devwatch as well: its port is meant for the program.
  if (process.env.NODE_OPTIONS?.includes('--inspect')) (await import('node:inspector')).close();
  const { [backgroundVariable]: name } = process.env;
  if (name !== undefined) return runAsDaemon(name, argv);
  const line = parseNpmArgv(argv, process.env);
  if (line.help !== undefined || line.version) ignoreClosedPipe();
  if (line.help !== undefined) return (await import('./help.ts')).printHelp(version, line.help);
  if (line.version) return print(version);
  const [word = '', ...words] = line.program;
  const subcommand = line.literal ? undefined : findSubcommand(word);
  if (subcommand === undefined) return runFirstWord(line, keepCompiled);
  const invocation = await readInvocation(subcommand, { ...line, program: [] }, words);
  if (invocation === undefined) return (await import('./help.ts')).printSubcommandHelp(subcommand);
  ignoreClosedPipe();
  const { execute } = await subcommand.load();
  refuseEcosystem(invocation.line);
  try {
    process.exitCode = (await execute(invocation)) ?? exitCodes.ok;
  } catch (error) {
    throw withSuggestion(error, invocation.line);
  }
}

/** Runs programs; `devwatch help` and `devwatch help start` print the help, if no file is named so. */
async function runFirstWord(line: CommandLine, keepCompiled: () => void): Promise<void> {
  const [word, name = ''] = line.program;
  if (word === 'help' && !line.literal && !fs.existsSync(word)) {
    const subcommand = findSubcommand(name);
    const { printHelp, printSubcommandHelp } = await import('./help.ts');
    return subcommand === undefined ? printHelp(version, 'all') : printSubcommandHelp(subcommand);
  }
  refuseForeignWord(line);
  refuseEcosystem(line);
  return runPrograms(line, keepCompiled).catch((error) => {
    throw withSuggestion(error, line);
  });
}

/** Returns the arguments of a subcommand; undefined if they ask for help. */
export async function readInvocation(
  subcommand: Subcommand,
  before: CommandLine,
  words: readonly string[],
): Promise<Invocation | undefined> {
  if (subcommand.takes === 'paths') {
    const { line, paths } = parsePaths(before, words);
    return line.help === undefined ? { line, operands: paths, options: {} } : undefined;
  }
  if (subcommand.takes === 'line') {
    const line = parseArgv(words, before, ownFlags(subcommand));
    return line.help === undefined ? { line, operands: [], options: {} } : undefined;
  }
  const read = (await import('./operands.ts')).readOperands(subcommand, words);
  return read && { line: before, ...read };
}

/** Returns the flags that only this subcommand has, and whether each takes a value. */
const ownFlags = ({ options = {}, hasOwnFlags }: Subcommand): ReadonlyMap<string, boolean> =>
  new Map(Object.keys(hasOwnFlags ? options : {}).map((flag) => [flag.replace(/ <.*/, ''), flag.includes('<')]));

/** `process.cwd()` throws this if the working folder has been deleted. */
const isFolderGone = (error: unknown): boolean =>
  codeOf(error) === 'ENOENT' && (error as NodeJS.ErrnoException).syscall === 'uv_cwd';

/** Runs the command. `keepCompiled` saves the code that V8 has compiled, for later launches. */
export function run(argv: readonly string[], keepCompiled: () => void): void {
  main(argv, keepCompiled).catch((error: unknown) => {
    if (error instanceof UsageError || isFolderGone(error)) {
      fail(error instanceof UsageError ? error.message : 'this folder is gone');
      process.exitCode = exitCodes.usage;
    } else {
      // Programs may have been started: the last resort ends them.
      if (process.listenerCount('uncaughtException') > 0) throw error;
      for (const line of describeFailure(error)) fail(line);
      process.exitCode = exitCodes.failed;
    }
  });
}
