import { type CommandLine, isUnknownOption, parseArgv } from '../config/argv.ts';
import { splitWords } from '../process/shell-line.ts';
import { attempt } from '../shared/errors.ts';

/**
 * Reads a command line, as `parseArgv` does. npm removes the `--` from `npm run dev -- --port 8080`: words that are not
 * part of the script in package.json and begin with an option that nobody knows are arguments for the program.
 *
 * @param env has npm's variables if npm runs this process
 */
export function parseNpmArgv(argv: readonly string[], env: NodeJS.ProcessEnv): CommandLine {
  const script = env.npm_lifecycle_script;
  if (script === undefined) return parseArgv(argv);
  const words = attempt(() => splitWords(script)) ?? [];
  const own = words.slice(words.findLastIndex((word) => /(?:^|[\\/])devwatch$/.test(word)) + 1);
  const isFromScript = own.length < words.length && own.every((word, index) => word === argv[index]);
  const extra = argv.slice(own.length);
  return isFromScript && isUnknownOption(extra[0] ?? '') ? parseArgv([...own, '--', ...extra]) : parseArgv(argv);
}
