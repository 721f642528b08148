/**
 * Splits a command line into devwatch's options, Node's, and the program with its arguments.
 * Everything from the first word that is neither on belongs to the program, untouched; so this
 * has to know which options take a value, which a general parser learns too late.
 */

import { UsageError } from '../shared/errors.ts';
import { nearest } from './did-you-mean.ts';
import { isSwitch, type OptionKey, type OptionSpec, optionKeys, specOf } from './options.ts';
import { readValue, ValueError } from './values.ts';

export interface CommandLine {
  /** Values given as flags, checked. */
  readonly flags: ReadonlyMap<OptionKey, unknown>;
  /** Flags for Node itself, as they stood. */
  readonly nodeArgs: readonly string[];
  /** The script or command and its arguments. */
  readonly program: readonly string[];
  /** `--`: the first word is a program, even if it is called like a subcommand. */
  readonly literal: boolean;
  /** `-h` shows the usual options, `--help` all. */
  readonly help: 'usual' | 'all' | undefined;
  readonly version: boolean;
  /** `--config`: the settings file to read. */
  readonly config: string | undefined;
  /** `--only`: the names of the programs under `apps` that are meant; of several such flags the last counts. */
  readonly only: readonly string[] | undefined;
}

/**
 * Node's options that take their value as the next word, in 20 to 26. What Node lists for NODE_OPTIONS
 * does not say which do; a test asks each of them.
 */
const nodeFlagsWithValue: ReadonlySet<string> = new Set([
  '--allow-fs-read',
  '--allow-fs-write',
  '--bench-isolation',
  '--bench-name-pattern',
  '--bench-reporter',
  '--bench-reporter-destination',
  '--bench-samples',
  '--bench-warmup',
  '--conditions',
  '--cpu-prof-dir',
  '--cpu-prof-interval',
  '--cpu-prof-name',
  '--debug-port',
  '--diagnostic-dir',
  '--disable-proto',
  '--disable-warning',
  '--dns-result-order',
  '--env-file-if-exists',
  '--experimental-config-file',
  '--experimental-default-type',
  '--experimental-loader',
  '--experimental-package-map',
  '--experimental-policy',
  '--experimental-test-isolation',
  '--heap-prof-dir',
  '--heap-prof-interval',
  '--heap-prof-name',
  '--heapsnapshot-near-heap-limit',
  '--heapsnapshot-signal',
  '--icu-data-dir',
  '--import',
  '--input-type',
  '--inspect-port',
  '--inspect-publish-uid',
  '--loader',
  '--localstorage-file',
  '--max-http-header-size',
  '--max-old-space-size-percentage',
  '--network-family-autoselection-attempt-timeout',
  '--openssl-config',
  '--policy-integrity',
  '--redirect-warnings',
  '--report-dir',
  '--report-directory',
  '--report-filename',
  '--report-signal',
  '--require',
  '--secure-heap',
  '--secure-heap-min',
  '--snapshot-blob',
  '--stack-trace-limit',
  '--test-coverage-branches',
  '--test-coverage-exclude',
  '--test-coverage-functions',
  '--test-coverage-include',
  '--test-coverage-lines',
  '--test-global-setup',
  '--test-isolation',
  '--test-name-pattern',
  '--test-random-seed',
  '--test-reporter',
  '--test-reporter-destination',
  '--test-rerun-failures',
  '--test-shard',
  '--test-skip-pattern',
  '--title',
  '--tls-cipher-list',
  '--tls-keylog',
  '--trace-event-categories',
  '--trace-event-file-pattern',
  '--trace-require-module',
  '--unhandled-rejections',
  '--use-largepages',
  '--v8-pool-size',
  '--vfs-mount',
  '--watch-kill-signal',
  '--watch-path',
  '-r',
]);

/** Node's options that NODE_OPTIONS does not take, but a program may need. */
const furtherNodeFlags: readonly string[] = [
  '--expose-gc',
  '--expose_gc',
  '--cpu-prof',
  '--heap-prof',
  '--prof',
  '--cpu-prof-dir',
  '--cpu-prof-interval',
  '--cpu-prof-name',
  '--env-file-if-exists',
  '--test',
];

interface Flag {
  readonly name: string;
  readonly key: OptionKey | 'config' | 'only' | 'help' | 'version';
  readonly spec: OptionSpec | undefined;
  readonly takesValue: boolean;
}

const flagsByName: ReadonlyMap<string, Flag> = collectFlags();

function collectFlags(): Map<string, Flag> {
  const flags = new Map<string, Flag>();
  const add = (
    key: Flag['key'],
    spec: OptionSpec | undefined,
    takesValue: boolean,
    names: readonly (string | undefined)[],
  ): void => {
    for (const name of names) if (name !== undefined) flags.set(name, { name, key, spec, takesValue });
  };
  for (const key of optionKeys) {
    const spec = specOf(key);
    if (spec.flag === undefined) continue;
    const long = [spec.flag, spec.alias].filter((name) => name !== undefined).map((name) => `--${name}`);
    add(key, spec, !isSwitch(spec), [...long, spec.short && `-${spec.short}`]);
  }
  add('config', undefined, true, ['-c', '--config']);
  add('only', undefined, true, ['--only']);
  add('help', undefined, false, ['-h', '--help']);
  add('version', undefined, false, ['-v', '--version']);
  return flags;
}

/**
 * Reads `argv`, the words after `devwatch`.
 *
 * @throws UsageError for an unknown option (naming the nearest), a missing or a bad value
 */
export function parseArgv(argv: readonly string[]): CommandLine {
  const values = new Map<OptionKey, unknown>();
  const nodeArgs: string[] = [];
  let config: string | undefined;
  let only: readonly string[] | undefined;
  let help: CommandLine['help'];
  let version = false;
  let literal = false;

  let index = 0;
  for (; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    if (word === '--') {
      literal = true;
      index += 1;
      break;
    }
    if (!word.startsWith('-') || word === '-') break;
    const equals = word.startsWith('--') ? word.indexOf('=') : -1;
    const name = equals < 0 ? word : word.slice(0, equals);
    const attached = equals < 0 ? undefined : word.slice(equals + 1);
    const takeNext = (looksWrong: (next: string) => boolean): string => {
      index += 1;
      const next = argv[index];
      if (next === undefined || looksWrong(next)) throw new UsageError(`${name} needs a value: ${usageOf(name)}`);
      return next;
    };

    const flag = flagsByName.get(name);
    if (flag !== undefined) {
      if (flag.takesValue) {
        const text = attached ?? takeNext(isOption);
        if (flag.key === 'config') config = configFile(name, text);
        else if (flag.key === 'only') only = programNames(name, text);
        else if (flag.spec !== undefined) store(values, flag, text);
      } else if (attached !== undefined) {
        if (flag.spec === undefined) throw new UsageError(`${name} takes no value`);
        if (flag.spec.kind === 'port' && /^\d/.test(attached)) store(values, flag, attached);
        else if (attached !== 'true' && attached !== 'false')
          throw new UsageError(`${name} takes true or false, not "${attached}"`);
        else values.set(flag.key as OptionKey, attached === 'true');
      } else if (flag.key === 'help') help = flag.name === '-h' ? 'usual' : 'all';
      else if (flag.key === 'version') version = true;
      else values.set(flag.key as OptionKey, true);
      continue;
    }
    const negated = name.startsWith('--no-') ? flagsByName.get(`--${name.slice(5)}`) : undefined;
    if (name === '--no-watch') {
      values.set('watch', []);
    } else if (negated?.spec !== undefined && isSwitch(negated.spec)) {
      if (attached !== undefined) throw new UsageError(`${name} takes no value`);
      values.set(negated.key as OptionKey, false);
    } else if (isNodeFlag(name)) {
      nodeArgs.push(word);
      // Node takes `_` for `-` in its flags.
      if (attached === undefined && nodeFlagsWithValue.has(name.replaceAll('_', '-')))
        nodeArgs.push(takeNext(() => false));
    } else if (!expandCluster(word, values)) {
      throw unknownOption(name);
    }
  }
  return { flags: values, nodeArgs, program: argv.slice(index), literal, help, version, config, only };
}

/**
 * Reads the words after a command that takes paths, among which options may stand; `before` is what stood
 * before the command.
 *
 * @throws UsageError as `parseArgv` does
 */
export function parsePaths(before: CommandLine, words: readonly string[]): { line: CommandLine; paths: string[] } {
  let line = before;
  const paths: string[] = [];
  for (let left = words; left.length > 0; ) {
    const part = parseArgv(left);
    const { config = line.config, only = line.only } = part;
    line = { ...line, flags: new Map([...line.flags, ...part.flags]), config, only };
    const [unfit] = part.nodeArgs;
    if (unfit !== undefined) throw unknownOption(unfit);
    const read = part.literal ? part.program : part.program.slice(0, 1);
    paths.push(...read);
    left = part.program.slice(read.length);
  }
  return { line, paths };
}

/** A word that is an option where a value is expected: the value was forgotten. `--watch=--odd` says that it was not. */
const isOption = (word: string): boolean => word.startsWith('--') || flagsByName.has(word);

function configFile(name: string, text: string): string {
  if (text === '') throw new UsageError(`${name} takes a file, not ""`);
  return text;
}

function programNames(name: string, text: string): readonly string[] {
  const names = text.split(',').filter(Boolean);
  if (names.length === 0) throw new UsageError(`${name} takes names of programs, such as web,worker, not "${text}"`);
  return names;
}

/** Several one-letter switches in one word: `-qL`. */
function expandCluster(word: string, values: Map<OptionKey, unknown>): boolean {
  if (word.startsWith('--') || word.length < 3) return false;
  const flags = [...word.slice(1)].map((letter) => flagsByName.get(`-${letter}`));
  if (!flags.every((flag) => flag?.spec !== undefined && isSwitch(flag.spec))) return false;
  for (const flag of flags) if (flag !== undefined) values.set(flag.key as OptionKey, true);
  return true;
}

function store(values: Map<OptionKey, unknown>, flag: Flag, text: string): void {
  if (flag.spec === undefined) return;
  const key = flag.key as OptionKey;
  let value: unknown;
  try {
    value = readValue(flag.spec, text);
  } catch (error) {
    throw error instanceof ValueError ? new UsageError(`${flag.name} ${error.message}`) : error;
  }
  const earlier = values.get(key);
  values.set(key, Array.isArray(earlier) && Array.isArray(value) ? Object.freeze([...earlier, ...value]) : value);
}

function isNodeFlag(name: string): boolean {
  // The set itself ignores the difference between `-` and `_` and resolves `--no-`.
  return process.allowedNodeEnvironmentFlags.has(name) || furtherNodeFlags.includes(name);
}

function unknownOption(name: string): UsageError {
  const guess = name.startsWith('--') ? nearestLong(name) : attachedToShort(name);
  const hint = guess === undefined ? 'see devwatch --help' : `did you mean ${guess}?`;
  return new UsageError(`unknown option ${name} · ${hint} (the program's own options go after its name)`);
}

function nearestLong(name: string): string | undefined {
  const long = [...flagsByName.values()].filter((flag) => flag.name.startsWith('--'));
  const negated = long
    .filter((flag) => flag.spec !== undefined && isSwitch(flag.spec))
    .map((flag) => `--no-${flag.name.slice(2)}`);
  return (
    nearest(name, [...long.map((flag) => flag.name), ...negated]) ??
    nearest(name, [...process.allowedNodeEnvironmentFlags, ...furtherNodeFlags])
  );
}

/** `-wsrc` and `-w=src`: one letter is too little to guess from, but this much is clear. */
function attachedToShort(word: string): string | undefined {
  const flag = flagsByName.get(word.slice(0, 2));
  return flag?.takesValue === true ? `${flag.name} ${word.slice(2).replace(/^=/, '')}` : undefined;
}

function usageOf(name: string): string {
  const spec = flagsByName.get(name)?.spec;
  const others: Readonly<Record<string, string>> = { '-c': 'file', '--config': 'file', '--only': 'names' };
  return `${name} <${spec?.value ?? others[name] ?? 'value'}>`;
}
