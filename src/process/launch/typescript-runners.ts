/** The words after `tsx` and `ts-node`, which run Node with a loader. Pure. */

import { takesNextWord } from '../../shared/node-flags.ts';
import { type EnvironmentFile, readNodeWords } from './node-words.ts';

/** The same as flags of Node, and variables for the loader. */
export interface RunnerWords {
  readonly loader: 'tsx' | 'ts-node';
  /** The loader has to load ES modules. */
  readonly isEsm: boolean;
  /** Flags of Node that come before the loader, and after it. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  readonly envFiles: readonly EnvironmentFile[];
  readonly script: string | undefined;
  readonly args: readonly string[];
  /** Why the words cannot be translated. */
  readonly obstacle: string | undefined;
}

/** Reads the words after a command of this name; undefined if it is none of these runners. */
export function readRunnerWords(tool: string, words: readonly string[]): RunnerWords | undefined {
  if (tool === 'tsx') return readTsx(words);
  const variant = /^ts-node(?:-(esm|script|transpile-only))?$/.exec(tool);
  return variant === null ? undefined : readTsNode(words, variant[1]);
}

function readTsx(words: readonly string[]): RunnerWords {
  const variables: Record<string, string> = {};
  const rest: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (!word.startsWith('-') || word === '--') {
      rest.push(...words.slice(at));
      break;
    }
    const [, tsconfig] = /^--tsconfig(?:=(.*))?$/s.exec(word) ?? [];
    if (word === '--no-cache') variables.TSX_DISABLE_CACHE = '1';
    else if (tsconfig !== undefined) variables.TSX_TSCONFIG_PATH = tsconfig;
    else if (word === '--tsconfig') variables.TSX_TSCONFIG_PATH = words[++at] ?? '';
    else rest.push(word, ...(takesNextWord(word) ? [words[++at] ?? ''] : []));
  }
  const { flags, script, obstacle, ...others } = readNodeWords(rest);
  const otherUse = script === 'watch' ? 'it watches by itself' : script === undefined ? 'it runs no script' : undefined;
  const shared = { variables, before: flags, after: [], script, ...others };
  return { loader: 'tsx', isEsm: false, ...shared, obstacle: obstacle ?? otherUse };
}

/** Options of ts-node without dashes and in lower case, with the variables that mean the same. */
const switches: Readonly<Record<string, string>> = {
  t: 'TRANSPILE_ONLY',
  transpileonly: 'TRANSPILE_ONLY',
  typecheck: 'TYPE_CHECK',
  files: 'FILES',
  pretty: 'PRETTY',
  skipproject: 'SKIP_PROJECT',
  skipignore: 'SKIP_IGNORE',
  prefertsexts: 'PREFER_TS_EXTS',
  logerror: 'LOG_ERROR',
  emit: 'EMIT',
  h: 'COMPILER_HOST',
  compilerhost: 'COMPILER_HOST',
  scope: 'SCOPE',
};
const values: Readonly<Record<string, string>> = {
  p: 'PROJECT',
  project: 'PROJECT',
  c: 'COMPILER',
  compiler: 'COMPILER',
  o: 'COMPILER_OPTIONS',
  compileroptions: 'COMPILER_OPTIONS',
  i: 'IGNORE',
  ignore: 'IGNORE',
  d: 'IGNORE_DIAGNOSTICS',
  ignorediagnostics: 'IGNORE_DIAGNOSTICS',
  scopedir: 'SCOPE_DIR',
};

function readTsNode(words: readonly string[], variant: string | undefined): RunnerWords {
  const variables: Record<string, string> = variant === 'transpile-only' ? { TS_NODE_TRANSPILE_ONLY: 'true' } : {};
  const after: string[] = [];
  let isEsm = variant === 'esm';
  let obstacle: string | undefined;
  let at = 0;
  for (; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (word === '--' || !word.startsWith('-') || word === '-') break;
    const [, dashes = '', name = '', attached] = /^(--?)([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    // Short options are case sensitive: -P is the project, -p prints.
    const key =
      dashes === '--' ? name.replaceAll('-', '').toLowerCase() : /[A-Z]/.test(name) ? name.toLowerCase() : `-${name}`;
    if (key === 'esm') isEsm = true;
    else if (switches[key] !== undefined) variables[`TS_NODE_${switches[key]}`] = attached ?? 'true';
    else if (values[key] !== undefined) variables[`TS_NODE_${values[key]}`] = attached ?? words[++at] ?? '';
    else if (key === '-r' || key === 'require') after.push('--require', attached ?? words[++at] ?? '');
    else if (key !== '-s' && key !== 'scriptmode') obstacle ??= `${word} is used`;
  }
  const [script, ...args] = words.slice(words[at] === '--' ? at + 1 : at);
  if (script === undefined || script === '-') obstacle ??= 'it runs no script';
  return { loader: 'ts-node', isEsm, before: [], after, variables, envFiles: [], script, args, obstacle };
}
