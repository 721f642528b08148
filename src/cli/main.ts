/** The command line: argv → subcommand → exit code. Only this room exits the process. */

import { type CommandLine, parseArgv, parsePaths } from '../config/argv.ts';
import { didYouMean } from '../config/did-you-mean.ts';
import { codeOf, UsageError } from '../shared/errors.ts';
import { version } from '../shared/version.ts';
import { exitCodes, fail, ignoreClosedPipe, print } from './print.ts';
import { runPrograms } from './run.ts';
import {
  backgroundVariable,
  findSubcommand,
  type Invocation,
  type Subcommand,
  subcommandNames,
} from './subcommands.ts';

async function main(argv: readonly string[], keepCompiled: () => void): Promise<void> {
  const { [backgroundVariable]: name } = process.env;
  if (name !== undefined) return (await import('./daemon.ts')).runAsDaemon(name, argv);
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
async function readInvocation(
  subcommand: Subcommand,
  before: CommandLine,
  words: readonly string[],
): Promise<Invocation | undefined> {
  if (subcommand.takes === 'operands') {
    const read = (await import('./operands.ts')).readOperands(subcommand, words);
    return read && { line: before, ...read };
  }
  if (subcommand.takes === 'paths') {
    const { line, paths } = parsePaths(before, words);
    return line.help === undefined ? { line, operands: paths, options: {} } : undefined;
  }
  const line = parseArgv(words, before, ownFlags(subcommand));
  return line.help === undefined ? { line, operands: [], options: {} } : undefined;
}

/** The flags that only this subcommand has, and whether each takes a value. */
const ownFlags = ({ own = [] }: Subcommand): ReadonlyMap<string, boolean> =>
  new Map(own.map((flag) => [flag.replace(/ <.*/, ''), flag.includes('<')]));

/** `process.cwd()` throws this if the working folder has been deleted. */
const isFolderGone = (error: unknown): boolean =>
  codeOf(error) === 'ENOENT' && (error as NodeJS.ErrnoException).syscall === 'uv_cwd';

/**
 * Runs the command.
 *
 * @param keepCompiled saves V8's code cache for later launches; called once
 */
export function run(argv: readonly string[], keepCompiled: () => void): void {
  main(argv, keepCompiled).catch((error: unknown) => {
    const problem =
      error instanceof UsageError ? error.message : isFolderGone(error) ? 'this folder is gone' : undefined;
    if (problem === undefined) throw error;
    fail(problem);
    process.exitCode = exitCodes.usage;
  });
}
