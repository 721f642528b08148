/**
 * The table of options. Flags, keys of `.watchrc`, types, validation, JSON Schema, `--help` and the tables in
 * docs/options.md are made from it.
 */

import { longLived } from './long-lived.ts';
import type { Settings } from './settings-types.ts';

/**
 * How values of an option are written; `option-kinds.ts` describes each kind. An option has the default of its kind, and its
 * flag the name of the value, unless its row says otherwise.
 */
const kindDefaults = {
  switch: { default: false }, // true or false
  selection: { default: false }, // auto, true for all, false for none, a list, or all but a list; the flag means true
  text: {},
  texts: { default: [] }, // a list; the flag may be repeated
  path: { value: 'file' }, // made absolute; relative to the folder in which it was written
  paths: { default: [], value: 'file' },
  globs: { default: [], value: 'glob' }, // a list; the flag may be repeated
  extensions: { value: 'list' }, // a list; the flag also takes `js,ts`
  duration: { value: 'time' }, // ms; `250`, `250ms`, `5s`, `1m`
  count: { value: 'n' }, // a whole number ≥ 0
  size: { value: 'size' }, // bytes; `500M`, `2G`
  port: { default: false }, // true for the default one, false for none, or a number; the flag means true, or takes `=number`
  address: { default: false }, // true or false, or a port with or without a host; the flag means true, or takes `=8000`
  health: { value: 'probe' }, // a probe, or an object with a probe and its times
  readiness: { value: 'check' }, // listen, message, exit, http://…, tcp://…, /pattern/
  hooks: { default: {} }, // name → command
  choice: {},
  choices: { value: 'list' }, // a list of choices; the flag also takes `add,change`
  reaction: { value: 'how' }, // restart, nothing, signal:<name>, signal:<name>:tree
  schedule: { value: 'cron' }, // times as in crontab
  signal: { value: 'name' },
  commands: { default: {} }, // extension → command
  variables: { default: {} }, // name → value
} as const;

export type OptionKind = keyof typeof kindDefaults;

/** The kinds whose options have a value even if users set none. */
export type KindWithDefault = {
  [Kind in OptionKind]: (typeof kindDefaults)[Kind] extends { default: unknown } ? Kind : never;
}[OptionKind];

/** Effects of a changed setting; devwatch acts on them. */
export type Effect =
  | 'program' // the running program: it is restarted
  | 'watch' // what is watched: the watcher is replaced
  | 'watchdog' // the readiness, health and resource checks of a run: they are replaced
  | 'policy' // the supervisor's decisions: its policy is replaced
  | 'output' // devwatch's own lines: the reporter is configured again
  | 'nextUse' // the next run, hook or stop, which reads the setting
  | 'start' // nothing that runs: read once, when devwatch starts
  | 'backgroundStart'; // the same, and read by `devwatch start` only

/** Particulars of one option. */
export interface OptionRow {
  readonly kind: OptionKind;
  /** Default; by default that of the kind. */
  readonly default?: unknown;
  /** The default in words, where the value does not say it. */
  readonly byDefault?: string;
  readonly help: string;
  /** Omitted by `-h`, whose output fits into a terminal. */
  readonly rare?: boolean;
  /** The option has no flag, and can only be set in a settings file. The others have a flag named after the key. */
  readonly fileOnly?: true;
  readonly short?: string;
  /** A second name of the flag, which similar tools use. */
  readonly alias?: string;
  /** Name of the flag's value in the help; by default that of the kind. */
  readonly value?: string;
  readonly choices?: readonly string[];
  /** Other words for choices, which are read but not shown. */
  readonly formerChoices?: Readonly<Record<string, string>>;
}

/** All about one option. */
export interface OptionSpec extends OptionRow {
  readonly group: OptionGroup;
  /** How devwatch applies a change of the setting while it runs. */
  readonly affects: readonly Effect[];
  /** The long flag without `--`. */
  readonly flag: string | undefined;
}

const table = {
  Program: {
    script: { kind: 'text', fileOnly: true, help: 'script or command to run, if the command line names none' },
    args: { kind: 'texts', fileOnly: true, help: 'arguments for `script`' },
    nodeArgs: { kind: 'texts', fileOnly: true, help: 'flags for Node itself, such as `--inspect`' },
    exec: { kind: 'text', short: 'x', value: 'line', help: 'run this shell line; script and arguments are appended' },
    execMap: { kind: 'commands', fileOnly: true, help: 'commands that run scripts, by extension: `{"rb": "ruby -w"}`' },
    env: { kind: 'variables', fileOnly: true, help: 'environment variables of the program' },
    envFile: { kind: 'paths', help: 'read environment variables from a file at every start' },
    envFileIfExists: { kind: 'paths', rare: true, help: 'read variables from a file that may be missing' },
    stdin: {
      kind: 'choice',
      value: 'how',
      choices: ['inherit', 'pipe', 'ignore'],
      default: 'inherit',
      rare: true,
      help: 'stdin of the program',
    },
    cwd: { kind: 'path', value: 'folder', rare: true, help: 'run the program and watch in this folder' },
  },
  Watching: {
    watch: { kind: 'globs', short: 'w', default: ['.'], help: 'watch this file, folder or glob (`--no-watch`: none)' },
    ignore: { kind: 'globs', short: 'i', help: 'ignore this file, folder or glob' },
    ext: {
      kind: 'extensions',
      short: 'e',
      byDefault: 'by program',
      help: 'watched extensions: `js,ts`, `+sql` adds, `*` all',
    },
    gitignore: { kind: 'switch', rare: true, help: 'also ignore files that git ignores' },
    deps: { kind: 'switch', rare: true, help: 'also watch every file that the program loads (Node)' },
    follow: {
      kind: 'switch',
      default: true,
      rare: true,
      help: 'follow symlinks out of the watched folders, and linked workspace packages',
    },
    events: {
      kind: 'choices',
      choices: ['add', 'change', 'delete'],
      default: ['add', 'change', 'delete'],
      byDefault: 'all',
      rare: true,
      help: 'kinds of events that count',
    },
    skipUnchanged: { kind: 'switch', rare: true, help: 'ignore saves that do not change the content' },
    delay: { kind: 'duration', short: 'd', byDefault: 'adaptive', help: 'debounce: wait this long without changes' },
    poll: { kind: 'switch', short: 'L', alias: 'legacy-watch', help: 'poll for changes instead of waiting for events' },
    pollInterval: { kind: 'duration', byDefault: 'adaptive', rare: true, help: 'time between two polls' },
    watcher: {
      kind: 'choice',
      value: 'name',
      choices: ['auto', 'native', 'chokidar'],
      formerChoices: { inotify: 'native' },
      default: 'auto',
      rare: true,
      help: 'watching backend',
    },
  },
  Restarting: {
    restart: {
      kind: 'choice',
      value: 'when',
      choices: ['on-crash', 'always', 'never'],
      default: 'on-crash',
      help: 'restart policy',
    },
    onChange: {
      kind: 'reaction',
      default: 'restart',
      rare: true,
      help: 'answer to a change: `restart`, `signal:SIGHUP` (or `signal:SIGHUP:tree`), `nothing`',
    },
    maxRestarts: {
      kind: 'count',
      byDefault: '5; no limit with --no-watch',
      rare: true,
      help: 'restarts of a program that does not come up, before waiting for a change',
    },
    minUptime: {
      kind: 'duration',
      default: 10_000,
      rare: true,
      help: 'without a readiness check, a run that lives this long has come up',
    },
    restartAt: {
      kind: 'schedule',
      rare: true,
      help: 'restart the program at these times: `"0 4 * * *"`',
    },
    exitOnCrash: { kind: 'switch', rare: true, help: "exit with the program's exit code when it crashes" },
    onChangeOnly: {
      kind: 'switch',
      short: 'C',
      rare: true,
      help: 'start the program at the first change, not at once',
    },
    signal: { kind: 'signal', short: 's', default: 'SIGTERM', help: 'signal that stops the program' },
    killTimeout: {
      kind: 'duration',
      default: 5000,
      rare: true,
      help: 'grace period between the stop signal and SIGKILL',
    },
    standby: { kind: 'switch', default: true, rare: true, help: 'boot a standby process for the next run (Node)' },
    hold: { kind: 'address', default: true, rare: true, help: 'keep ports open during restarts (or `=port`)' },
    drain: { kind: 'duration', default: 100, rare: true, help: 'time for open requests to finish at a restart' },
    prewarm: {
      kind: 'selection',
      default: 'auto',
      rare: true,
      help: 'load packages into the standby process, as far as the program cannot tell',
    },
    keep: {
      kind: 'texts',
      value: 'glob',
      default: longLived as readonly string[],
      byDefault: 'editors, browsers, terminals, shared daemons',
      rare: true,
      help: 'processes that may outlive the program (`--no-keep`: none)',
    },
  },
  Health: {
    health: { kind: 'health', help: 'restart the program when this URL stops answering' },
    ready: {
      kind: 'readiness',
      byDefault: 'listen',
      rare: true,
      help: 'when the program counts as ready: `listen`, `message`, `exit`, `http://…`, `tcp://…` or `/pattern/`',
    },
    after: { kind: 'texts', fileOnly: true, help: 'programs of `apps` that must be ready before this program starts' },
    maxMemory: { kind: 'size', rare: true, help: 'restart when the process tree uses more memory: `500M`' },
    timeout: { kind: 'duration', rare: true, help: 'stop a run that takes longer, and wait for a change' },
    on: {
      kind: 'hooks',
      fileOnly: true,
      help: 'commands to run at `start`, `ready`, `restart`, `change`, `crash`, `exit`',
    },
    onReady: { kind: 'text', value: 'command', rare: true, help: 'run this command when the program is ready' },
    notify: { kind: 'switch', rare: true, help: 'notify through the terminal of crashes and recovery' },
    liveReload: { kind: 'port', help: 'live reload of pages (port 35729, or `=port`)' },
  },
  Output: {
    name: {
      kind: 'text',
      value: 'name',
      byDefault: 'from package.json',
      rare: true,
      help: "program's name in the background",
    },
    log: { kind: 'path', rare: true, help: 'write stdout and stderr to this file (background)' },
    logSize: {
      kind: 'size',
      default: 10_485_760,
      byDefault: '10M',
      rare: true,
      help: 'rotate a log at this size (background)',
    },
    logFiles: { kind: 'count', default: 5, rare: true, help: 'number of rotated log files to keep (background)' },
    logTimestamps: { kind: 'switch', rare: true, help: 'show the time of each line of the log (background)' },
    prefix: { kind: 'switch', default: true, rare: true, help: 'prefix output of several programs with names' },
    clear: { kind: 'switch', rare: true, help: 'clear the screen at every restart' },
    quiet: { kind: 'switch', short: 'q', help: 'print only warnings and errors' },
    verbose: { kind: 'switch', short: 'V', help: 'also print which files changed and how processes ended' },
    logFormat: {
      kind: 'choice',
      value: 'format',
      choices: ['pretty', 'json'],
      default: 'pretty',
      rare: true,
      help: "format of devwatch's own lines",
    },
    color: { kind: 'switch', default: true, rare: true, help: 'use colors on a terminal' },
  },
} as const;

type Table = typeof table;
export type OptionGroup = keyof Table;
export type OptionTable = Table['Program'] &
  Table['Watching'] &
  Table['Restarting'] &
  Table['Health'] &
  Table['Output'];
export type OptionKey = keyof OptionTable;

/** Effects of the options of a group. */
const groupEffects: Readonly<Record<OptionGroup, readonly Effect[]>> = {
  Program: ['program', 'watch'],
  Watching: ['watch'],
  Restarting: ['policy'],
  Health: ['nextUse'],
  Output: ['output'],
};

/** Effects that differ from those of the group, and the options that have them. */
const otherEffects: readonly (readonly [readonly Effect[], readonly OptionKey[]])[] = [
  [['program'], ['env', 'stdin']],
  [['output', 'watch'], ['verbose']],
  [['nextUse'], ['events', 'onChange', 'signal', 'standby', 'drain', 'prewarm']],
  [['nextUse', 'start'], ['hold']],
  [['start'], ['keep', 'liveReload']],
  [['backgroundStart'], ['name', 'log', 'logSize', 'logFiles', 'logTimestamps']],
  [
    ['program', 'watchdog'],
    ['health', 'ready'],
  ],
  [['watchdog'], ['maxMemory', 'timeout']],
  [['output'], ['notify']],
];

export const optionGroups: readonly OptionGroup[] = Object.keys(table) as OptionGroup[];

const specs = Object.fromEntries(
  optionGroups.flatMap((group) =>
    Object.entries<OptionRow>(table[group]).map(([key, row]) => [key, complete(group, key as OptionKey, row)]),
  ),
) as Readonly<Record<OptionKey, OptionSpec>>;

function complete(group: OptionGroup, key: OptionKey, row: OptionRow): OptionSpec {
  const flag = row.fileOnly ? undefined : key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const defaults: Pick<OptionRow, 'default' | 'value'> = kindDefaults[row.kind];
  const [affects] = otherEffects.find(([, keys]) => keys.includes(key)) ?? [groupEffects[group]];
  return { ...defaults, ...row, group, flag, affects };
}

export const optionKeys: readonly OptionKey[] = Object.keys(specs) as OptionKey[];

export const specOf = (key: OptionKey): OptionSpec => specs[key];

export const isOptionKey = (key: string): key is OptionKey => Object.hasOwn(specs, key);

/** Returns whether a change of these settings affects `effect`. */
export const affected = (changed: readonly OptionKey[], effect: Effect): boolean =>
  changed.some((key) => specOf(key).affects.includes(effect));

/** Returns a message that names the changed settings that only a restart of devwatch applies; undefined if there are none. */
export function restartNotice(
  changed: readonly OptionKey[],
  effect: 'start' | 'backgroundStart',
  [before, after]: readonly [Settings, Settings],
): string | undefined {
  // Each run of the program reads whether ports are held; a port to open is read at the start only.
  const opensPort = [before, after].some(({ hold }) => typeof hold !== 'boolean');
  const keys = changed.filter((key) => specOf(key).affects.includes(effect) && (key !== 'hold' || opensPort));
  if (keys.length === 0) return undefined;
  return `${keys.join(', ')} ${keys.length === 1 ? 'takes' : 'take'} effect when devwatch is restarted`;
}
