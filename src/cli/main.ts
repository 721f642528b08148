/** The command line: argv → subcommand → exit code. Only this room exits the process. */

import { type CommandLine, parseArgv, parsePaths } from '../config/argv.ts';
import { didYouMean } from '../config/did-you-mean.ts';
import { codeOf, UsageError } from '../shared/errors.ts';
import { version } from '../shared/version.ts';
import { exitCodes, fail, ignoreClosedPipe, print } from './print.ts';
import { runAsDaemon, runPrograms } from './run.ts';
import {
  backgroundVariable,
  findSubcommand,
  type Invocation,
  type Subcommand,
  subcommandNames,
} from './subcommands.ts';

async function main(argv: readonly string[], keepCompiled: () => void): Promise<void> {
  const { [backgroundVariable]: name } = process.env;
  if (name !== undefined) return runAsDaemon(name, argv);
  const line = parseArgv(argv);
  if (line.help !== undefined) return (await import('./help.ts')).printHelp(version, line.help);
  if (line.version) return print(version);
  const [word = '', ...words] = line.program;
  const subcommand = line.literal ? undefined : findSubcommand(word);
  if (subcommand === undefined) return runPrograms(line, keepCompiled).catch((error) => suggest(error, line));
  const invocation = await readInvocation(subcommand, { ...line, program: [] }, words);
  if (invocation === undefined) return (await import('./help.ts')).printSubcommandHelp(subcommand);
  ignoreClosedPipe();
  const { execute } = await subcommand.load();
  process.exitCode = (await execute(invocation)) ?? exitCodes.ok;
}

/** Adds the nearest subcommand to the error about a word that is no script and no command. */
function suggest(error: unknown, { program: [word = ''] }: CommandLine): never {
  if (!(error instanceof UsageError) || !error.message.startsWith(`${word}: no such file or command`)) throw error;
  throw new UsageError(`${error.message}${didYouMean(word, subcommandNames, (name) => `devwatch ${name}`)}`);
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

/** Runs the command. `keepCompiled` saves V8's code cache for later launches, and is called once. */
export function run(argv: readonly string[], keepCompiled: () => void): void {
  main(argv, keepCompiled).catch((error: unknown) => {
    if (!(error instanceof UsageError) && !isFolderGone(error)) throw error;
    fail(error instanceof UsageError ? error.message : 'this folder is gone');
    process.exitCode = exitCodes.usage;
  });
}
