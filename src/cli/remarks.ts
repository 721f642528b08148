/** Remarks on a command line: words that mean something else in other tools, or stand where they have no effect. */

import path from 'node:path';
import { type CommandLine, ownerOf } from '../config/argv.ts';
import { specOf } from '../config/options.ts';
import { commandOf } from '../run/command-plan.ts';
import { watchedScript } from './first-word.ts';
import type { Programs } from './select-programs.ts';

/** Returns a line for each remark. `programs` are those that the command line selects. */
export function remarksOn(line: CommandLine, programs: Programs): string[] {
  const behind = wordsBehindScript(line, programs);
  const watched = watchedScript(line);
  const display = watched === undefined ? '' : commandOf(programs[0]).display;
  return [
    ...line.remarks,
    ...remarkOn('devwatch', behind),
    ...remarkOn('Node', behind),
    ...(watched === undefined
      ? []
      : [`--watch ${watched} only selects what is watched, ${display} runs · devwatch ${watched} runs it and watches`]),
  ];
}

interface Behind {
  readonly script: string;
  readonly words: readonly string[];
}

function remarkOn(owner: 'devwatch' | 'Node', { script, words }: Behind): string[] {
  const own = [...new Set(words.filter((word) => ownerOf(word) === owner).map((word) => word.replace(/=.*/s, '')))];
  if (own.length === 0) return [];
  const verb = own.length === 1 ? 'stands behind' : 'stand behind';
  return [
    `${own.join(', ')} ${verb} ${script}, and ${own.length === 1 ? 'goes' : 'go'} to it · options of ${owner} go before it`,
  ];
}

const none: Behind = { script: '', words: [] };

/** Returns the words behind the script, up to `--`; none behind a command, which has options of its own. */
function wordsBehindScript({ program, literal }: CommandLine, [request]: Programs): Behind {
  const [, ...rest] = program;
  // The program's own requests for help are no mistake.
  const isMistakable = (word: string): boolean =>
    ownerOf(word) !== undefined && !/^(?:-h|--help|-v|--version)$/.test(word);
  if (literal || !rest.some(isMistakable)) return none;
  const { script } = commandOf(request);
  const at = program.findIndex((word) => script !== undefined && isNameOf(word, script, request.loaded.folder));
  if (at < 0) return none;
  const end = program.indexOf('--', at);
  const behind = program.slice(at + 1, end < 0 ? undefined : end);
  return { script: program[at] ?? '', words: behind.filter(isMistakable) };
}

function isNameOf(word: string, script: string, folder: string): boolean {
  const file = path.resolve(folder, word);
  return script === file || (script.startsWith(file) && /^\.\w+$|^[\\/]index\.\w+$/.test(script.slice(file.length)));
}

/** Returns remarks on a start in the foreground: options that only `devwatch start` has a use for, and a container without an init. */
export const remarksInForeground = ({ flags }: CommandLine, pid: number = process.pid): string[] => [
  // It gets the processes whose parents have ended, and Node removes only its own children when they end.
  ...(pid === 1 ? ['as PID 1 devwatch cannot remove zombies · docker run --init (in Compose: init: true)'] : []),
  ...[...flags.keys()]
    .map(specOf)
    .filter(({ affects }) => affects.includes('backgroundStart'))
    .map(({ flag }) => `--${flag} has no effect in the foreground; it is for devwatch start`),
];
