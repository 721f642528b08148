/** The words after `node`: flags, script and arguments. Pure. */

import { takesNextWord } from '../../shared/node-flags.ts';

/** A file of environment variables, as Node's flags name it. */
export interface EnvironmentFile {
  readonly file: string;
  /** The file may be missing. */
  readonly isOptional: boolean;
}

export interface NodeWords {
  /** Without those that name files of variables. */
  readonly flags: readonly string[];
  readonly envFiles: readonly EnvironmentFile[];
  /** Undefined when Node runs no script: `node --test`, `node -e code`. */
  readonly script: string | undefined;
  /** The words after the script. */
  readonly args: readonly string[];
  /** Why devwatch cannot prepare such a process, or receive its messages. */
  readonly obstacle: string | undefined;
}

/** Flags with which Node does something else than running a script. */
const otherUse =
  /^(?:-c|--check|-i|--interactive|-h|--help|-v|--version|--v8-options|--prof-process|--build-s(?:ea|napshot)|--experimental-sea-config|--completion-bash)$/;

/** Flags that contain the program itself. */
const code = /^(?:-e|-p|-pe|--eval|--print)$/;

/** Separates the flags of Node from the script and its arguments. */
export function readNodeWords(words: readonly string[]): NodeWords {
  const flags: string[] = [];
  const envFiles: EnvironmentFile[] = [];
  let obstacle: string | undefined;
  let needsScript = true;
  let at = 0;
  for (; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (word === '--' || !word.startsWith('-') || word === '-') break;
    const [name = '', attached] = splitFlag(word);
    if (otherUse.test(name) || name === '--run') obstacle ??= `${name} is used`;
    if (name.startsWith('--watch')) obstacle ??= `${name} is used · devwatch watches without it`;
    if (code.test(name) || name === '--test') needsScript = false;
    const isEnvFile = /^--env-file(?:-if-exists)?$/.test(name);
    const takesNext =
      attached === undefined && (isEnvFile || name === '--run' || code.test(name) || takesNextWord(name));
    const value = takesNext ? words[at + 1] : attached;
    if (takesNext) at += 1;
    if (!isEnvFile) flags.push(word, ...(takesNext && value !== undefined ? [value] : []));
    else if (value !== undefined) envFiles.push({ file: value, isOptional: name !== '--env-file' });
  }
  const isEnded = words[at] === '--';
  const rest = words.slice(isEnded ? at + 1 : at);
  const hasCode = flags.some((flag) => code.test(splitFlag(flag)[0] ?? ''));
  const [first] = hasCode ? [] : rest;
  const script = first === '-' ? undefined : first;
  if (script === 'inspect') obstacle ??= 'it is a debugger';
  if (script === undefined && needsScript) obstacle ??= 'it reads its program from stdin';
  return { flags, envFiles, script, args: script === undefined ? rest : rest.slice(1), obstacle };
}

/** Splits `--name=value`; in names of flags Node accepts `_` for `-`. */
function splitFlag(word: string): [name: string, value?: string] {
  const equals = word.startsWith('--') ? word.indexOf('=') : -1;
  const name = (equals < 0 ? word : word.slice(0, equals)).replaceAll('_', '-');
  return equals < 0 ? [name] : [name, word.slice(equals + 1)];
}

/** Returns whether these flags make Node run tests. */
export const runsTests = (flags: readonly string[]): boolean => flags.includes('--test');

/** Returns whether Node ends with these flags when its work is done: it runs tests, or only checks the syntax. */
export const nodeEndsByDesign = (flags: readonly string[]): boolean =>
  flags.some((flag) => /^(?:--test|--check|-c)$/.test(flag));
