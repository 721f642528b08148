/**
 * Reads a command line: devwatch's options, flags of Node, and the program with its arguments. Everything from the
 * first word that is no option belongs to the program, untouched. So this must know which options take a value, while
 * general parsers find out only after they have read all words.
 */

import { nearest } from '../shared/did-you-mean.ts';
import { UsageError } from '../shared/errors.ts';
import { isNodeFlag, nodeFlagNames, takesNextWord } from '../shared/node-flags.ts';
import { kindOf, readValue } from './option-kinds.ts';
import { type OptionKey, type OptionSpec, optionKeys, specOf } from './options.ts';
import { adviceOn, isLikelySeconds, isWatchFlag, watchesItself } from './other-tools.ts';
import { ValueError } from './read-values.ts';

export interface CommandLine {
  /** Values given as flags, checked. */
  readonly flags: ReadonlyMap<OptionKey, unknown>;
  /** Flags for Node itself, as given. */
  readonly nodeArgs: readonly string[];
  /** The script or command and its arguments. */
  readonly program: readonly string[];
  /** Further arguments for the program that the settings name: the words after `--`, if the first begins with a dash. */
  readonly extra: readonly string[];
  /** All words before the program, as given, except options of one subcommand (`own`). */
  readonly optionWords: readonly string[];
  /** `--`: the next word is a program, even if it has the name of a subcommand, or the first argument of one. */
  readonly literal: boolean;
  /** `-h` shows the most used options, `--help` all. */
  readonly help: 'usual' | 'all' | undefined;
  readonly version: boolean;
  /** `--config`: the settings file to read. */
  readonly config: string | undefined;
  /** `--only`: the names of the programs under `apps` to run; the last such flag counts. */
  readonly only: readonly string[] | undefined;
  /** The values of the options that only one subcommand has, by flag; no values for a switch. */
  readonly own: ReadonlyMap<string, readonly string[]>;
  /** Messages for the user about words that mean something else in other tools. */
  readonly remarks: readonly string[];
}

interface Flag {
  readonly name: string;
  readonly key: OptionKey | 'config' | 'only' | 'help' | 'version';
  readonly spec: OptionSpec | undefined;
  readonly takesValue: boolean;
}

/** Returns whether this is the flag of an option that takes no value. */
const isSwitch = (flag: Flag | undefined): boolean => flag?.spec !== undefined && !flag.takesValue;

/** Switches that may have a value behind `=`. */
const takesPort = ({ spec }: Flag): boolean => spec?.kind === 'port' || spec?.kind === 'address';

const flagsByName: ReadonlyMap<string, Flag> = collectFlags();

function collectFlags(): Map<string, Flag> {
  const flags = new Map<string, Flag>();
  const add = (key: Flag['key'], takesValue: boolean, names: readonly string[], spec?: OptionSpec): void => {
    for (const name of names) flags.set(name, { name, key, spec, takesValue });
  };
  for (const key of optionKeys) {
    const spec = specOf(key);
    const { flag, alias, short } = spec;
    const long = [flag, alias].flatMap((name) => (name === undefined ? [] : [`--${name}`]));
    add(key, kindOf(spec).isSwitch !== true, short === undefined ? long : [...long, `-${short}`], spec);
  }
  add('config', true, ['-c', '--config']);
  add('only', true, ['--only']);
  add('help', false, ['-h', '--help']);
  add('version', false, ['-v', '--version']);
  return flags;
}

/**
 * Reads the words after `devwatch`, or after a subcommand.
 *
 * @param before what was given before these words; its options stay in force
 * @param own flags that only one subcommand has, and whether each takes a value
 * @throws UsageError for an unknown option (with the nearest one), and for a missing or wrong value
 */
export const parseArgv = (
  argv: readonly string[],
  before: CommandLine = emptyLine,
  own: ReadonlyMap<string, boolean> = new Map(),
): CommandLine => new ArgvReader(argv, own, before).read();

/**
 * Reads the words after a subcommand that takes paths, among which options may stand; a command line may follow `--`.
 *
 * @throws UsageError as `parseArgv` does
 */
export function parsePaths(before: CommandLine, words: readonly string[]): { line: CommandLine; paths: string[] } {
  const end = words.includes('--') ? words.indexOf('--') : words.length;
  let line: CommandLine = { ...before, nodeArgs: [] };
  const paths: string[] = [];
  for (let left = words.slice(0, end); left.length > 0; left = line.program.slice(1)) {
    line = parseArgv(left, line);
    const [stray] = line.nodeArgs;
    if (stray !== undefined) throw unknownOption(stray);
    paths.push(...line.program.slice(0, 1));
  }
  line = { ...line, nodeArgs: before.nodeArgs, program: [] };
  return { line: end === words.length ? line : parseArgv(words.slice(end + 1), line), paths };
}

const emptyLine: CommandLine = {
  flags: new Map(),
  nodeArgs: [],
  program: [],
  extra: [],
  optionWords: [],
  literal: false,
  help: undefined,
  version: false,
  config: undefined,
  only: undefined,
  own: new Map(),
  remarks: [],
};

class ArgvReader {
  readonly #argv: readonly string[];
  readonly #ownFlags: ReadonlyMap<string, boolean>;
  readonly #values: Map<OptionKey, unknown>;
  readonly #own = new Map<string, string[]>();
  #line: CommandLine;
  #index = 0;

  constructor(argv: readonly string[], ownFlags: ReadonlyMap<string, boolean>, before: CommandLine) {
    this.#argv = argv;
    this.#ownFlags = ownFlags;
    this.#values = new Map(before.flags);
    this.#line = { ...before, literal: false, help: undefined, version: false };
  }

  read(): CommandLine {
    const optionWords = [...this.#line.optionWords];
    let literal = false;
    for (; this.#index < this.#argv.length && !literal; this.#index += 1) {
      const word = this.#argv[this.#index] ?? '';
      if (word !== '--' && (!word.startsWith('-') || word === '-')) break;
      const begin = this.#index;
      if (word === '--') literal = true;
      else if (this.#readOption(word)) continue;
      optionWords.push(...this.#argv.slice(begin, this.#index + 1));
    }
    const rest = this.#argv.slice(this.#index);
    const isExtra = literal && /^-./.test(rest[0] ?? '');
    const [program, extra] = isExtra ? [[], rest] : [rest, []];
    return { ...this.#line, flags: this.#values, program, extra, optionWords, literal, own: this.#own };
  }

  /** Reads one option, with its value. Returns whether only one subcommand has it. */
  #readOption(word: string): boolean {
    const equals = word.startsWith('--') ? word.indexOf('=') : -1;
    const name = equals < 0 ? word : word.slice(0, equals);
    const attached = equals < 0 ? undefined : word.slice(equals + 1);
    const ownTakesValue = this.#ownFlags.get(name);
    const flag = flagsByName.get(name);
    if (ownTakesValue !== undefined) this.#readOwn(name, ownTakesValue, attached);
    else if (flag?.takesValue === true) this.#readWithValue(flag, attached ?? this.#takeNext(name, isOption));
    else if (flag !== undefined) this.#readSwitch(flag, attached);
    else if (!this.#readNegated(name, attached) && !this.#readNodeFlag(word, name, attached))
      this.#readCluster(word, name);
    return ownTakesValue !== undefined;
  }

  #set(change: Partial<CommandLine>): void {
    this.#line = { ...this.#line, ...change };
  }

  #takeNext(name: string, looksWrong: (next: string) => boolean): string {
    this.#index += 1;
    const next = this.#argv[this.#index];
    if (next === undefined || looksWrong(next)) throw new UsageError(`${name} needs a value: ${usageOf(name)}`);
    return next;
  }

  #readOwn(name: string, takesValue: boolean, attached: string | undefined): void {
    if (!takesValue && attached !== undefined) throw new UsageError(`${name} takes no value`);
    const values = takesValue ? [attached ?? this.#takeNext(name, isOption)] : [];
    this.#own.set(name, [...(this.#own.get(name) ?? []), ...values]);
  }

  #readWithValue(flag: Flag, text: string): void {
    if (flag.key === 'config') this.#set({ config: configFile(flag.name, text) });
    else if (flag.key === 'only') this.#set({ only: programNames(flag.name, text) });
    else this.#store(flag, text);
  }

  #readSwitch(flag: Flag, attached: string | undefined): void {
    if (flag.key === 'help' || flag.key === 'version') {
      if (attached !== undefined) throw new UsageError(`${flag.name} takes no value`);
      this.#set(flag.key === 'version' ? { version: true } : { help: flag.name === '-h' ? 'usual' : 'all' });
    } else if (takesPort(flag) && !['true', 'false', undefined].includes(attached)) {
      this.#store(flag, attached ?? '');
    } else {
      if (!['true', 'false', undefined].includes(attached)) {
        throw new UsageError(`${flag.name} takes true or false, not "${attached}"`);
      }
      this.#values.set(flag.key as OptionKey, attached !== 'false');
    }
  }

  /** `--no-quiet`, `--no-watch` and `--no-keep`. */
  #readNegated(name: string, attached: string | undefined): boolean {
    if (!name.startsWith('--no-')) return false;
    const flag = flagsByName.get(`--${name.slice(5)}`);
    const isList = name === '--no-watch' || name === '--no-keep';
    if (!isList && !isSwitch(flag)) return false;
    if (attached !== undefined) throw new UsageError(`${name} takes no value`);
    this.#values.set(flag?.key as OptionKey, isList ? [] : false);
    return true;
  }

  #readNodeFlag(word: string, name: string, attached: string | undefined): boolean {
    if (isWatchFlag(name)) throw watchesItself(name, attached ?? this.#argv[this.#index + 1]);
    if (!isNodeFlag(name)) return false;
    const value = attached === undefined && takesNextWord(name) ? [this.#takeNext(name, isNoModule(name))] : [];
    this.#set({ nodeArgs: [...this.#line.nodeArgs, word, ...value] });
    return true;
  }

  /** Several one-letter switches in one word: `-qL`. */
  #readCluster(word: string, name: string): void {
    const flags = [...word.slice(1)].map((letter) => flagsByName.get(`-${letter}`));
    if (word.startsWith('--') || !flags.every(isSwitch)) throw unknownOption(name);
    for (const flag of flags) this.#values.set(flag?.key as OptionKey, true);
  }

  #store({ key, name, spec }: Flag, text: string): void {
    if (spec === undefined) return;
    let value: unknown;
    try {
      value = readValue(spec, text);
    } catch (error) {
      throw error instanceof ValueError ? new UsageError(`${name} ${error.message}`) : error;
    }
    if (key === 'delay' && /^[\d.]+$/.test(text) && isLikelySeconds(value)) {
      this.#set({
        remarks: [...this.#line.remarks, `${name} ${text} means ${text} ms · ${name} ${text}s would be seconds`],
      });
    }
    const earlier = this.#values.get(key as OptionKey);
    const both = Array.isArray(earlier) && Array.isArray(value) ? Object.freeze([...earlier, ...value]) : value;
    this.#values.set(key as OptionKey, both);
  }
}

/** An option where a value is expected: the value is missing. `--watch=--odd` gives such a value. */
const isOption = (word: string): boolean => word.startsWith('--') || flagsByName.has(word);

/** A module is never named like an option. watchexec's `-r` takes no value. */
const isNoModule = (flag: string) => (next: string) =>
  /^(?:-r|--require|--import|--(?:experimental-)?loader)$/.test(flag) && next.startsWith('-');

function configFile(name: string, text: string): string {
  if (text === '') throw new UsageError(`${name} takes a file, not ""`);
  return text;
}

function programNames(name: string, text: string): readonly string[] {
  const names = text.split(',').filter(Boolean);
  if (names.length === 0) throw new UsageError(`${name} takes names of programs, such as web,worker, not "${text}"`);
  return names;
}

function unknownOption(name: string): UsageError {
  const advice = adviceOn(name);
  if (advice !== undefined) return new UsageError(`unknown option ${name} · ${advice}`);
  const guess = name.startsWith('--') ? nearestLong(name) : attachedToShort(name);
  const hint = guess === undefined ? ' · see devwatch --help' : ` · did you mean ${guess}?`;
  const own = `the program's own options go after its name, or after --`;
  return new UsageError(`unknown option ${name}${hint} (${own})`);
}

function nearestLong(name: string): string | undefined {
  const long = [...flagsByName.values()].filter((flag) => flag.name.startsWith('--'));
  const negated = long.filter(isSwitch).map((flag) => `--no-${flag.name.slice(2)}`);
  return nearest(name, [...long.map((flag) => flag.name), ...negated]) ?? nearest(name, nodeFlagNames());
}

/** `-wsrc` and `-w=src`: there is nothing near one letter, but the intention is clear. */
function attachedToShort(word: string): string | undefined {
  const flag = flagsByName.get(word.slice(0, 2));
  return flag?.takesValue === true ? `${flag.name} ${word.slice(2).replace(/^=/, '')}` : undefined;
}

function usageOf(name: string): string {
  const spec = flagsByName.get(name)?.spec;
  const others: Readonly<Record<string, string>> = {
    '-c': 'file',
    '--config': 'file',
    '--only': 'names',
    '-r': 'module',
  };
  const usage = `${name} <${spec?.choices?.join('|') ?? spec?.value ?? others[name] ?? 'value'}>`;
  // `node --watch` takes no value.
  return spec === specOf('watch') ? `${usage} · without it the whole folder is watched` : usage;
}

/** Returns whether a word looks like an option, and neither is one of devwatch or Node nor a slip of one. */
export function isUnknownOption(word: string): boolean {
  const name = word.replace(/=.*/s, '');
  const isOption = /^--?[A-Za-z]/.test(word) && (word.startsWith('--') || word.length === 2);
  return isOption && ownerOf(word) === undefined && nearestLong(name) === undefined;
}

/** Returns whether a word is exactly an option of devwatch or a flag of Node, be it with `=value`. */
export function ownerOf(word: string): 'devwatch' | 'Node' | undefined {
  const name = word.replace(/=.*/s, '');
  if (flagsByName.has(name) || (name.startsWith('--no-') && isSwitch(flagsByName.get(`--${name.slice(5)}`)))) {
    return 'devwatch';
  }
  return name.startsWith('-') && isNodeFlag(name) ? 'Node' : undefined;
}
