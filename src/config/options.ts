/**
 * The one table of options. The flags, the keys of `.watchrc`, their types, the validation, the
 * JSON Schema, `--help` and the README's table are all made from it.
 */

export type OptionKind =
  | 'switch' // true or false
  | 'selection' // true for all, false for none, or several; the flag stands for true
  | 'text'
  | 'texts' // several; the flag may be repeated
  | 'path' // made absolute against the folder in which it was written
  | 'paths'
  | 'globs' // several; the flag may be repeated
  | 'extensions' // several; the flag also takes `js,ts`
  | 'duration' // ms; `250`, `250ms`, `5s`, `1m`
  | 'count' // a whole number ≥ 0
  | 'size' // bytes; `500M`, `2G`
  | 'port' // true for the usual one, false for none, or a number; the flag stands for true, or takes `=number`
  | 'health' // what is asked, alone or with when
  | 'readiness' // listen, message, exit, http://…, tcp://…, /pattern/
  | 'hooks' // name → command
  | 'choice'
  | 'signal'
  | 'commands' // extension → command
  | 'variables'; // name → value

export type OptionGroup = 'Program' | 'Watching' | 'Restarting' | 'Health' | 'Output';

/** What a changed setting affects, and so what devwatch does about it. */
export type Effect =
  | 'program' // the running program: it is restarted
  | 'watch' // what is watched: the watcher is replaced
  | 'watchdog' // the readiness, health and resource checks of a run: they are replaced
  | 'policy' // the supervisor's decisions: its policy is replaced
  | 'output' // devwatch's own lines: the reporter is configured again
  | 'nextUse' // the next run, hook or stop, which reads the setting
  | 'start' // nothing that runs: read once, when devwatch starts
  | 'backgroundStart'; // the same, and read by `devwatch start` only

export interface OptionSpec {
  readonly kind: OptionKind;
  readonly group: OptionGroup;
  readonly default: unknown;
  /** What happens without it, where no single value says so. */
  readonly byDefault?: string;
  readonly help: string;
  /** Left out of `-h`, which shows what fits into a terminal. */
  readonly rare?: boolean;
  /** How devwatch applies a change of the setting while it runs. */
  readonly affects: readonly Effect[];
  /** The long flag, `--` left out; options without one are keys of the file only. */
  readonly flag?: string;
  readonly short?: string;
  /** A second name that peers use for the flag. */
  readonly alias?: string;
  /** What the flag's value is called in the help. */
  readonly value?: string;
  readonly choices?: readonly string[];
}

const options = {
  script: {
    kind: 'text',
    group: 'Program',
    affects: ['program', 'watch'],
    default: undefined,
    help: 'the script or command to run, when the command line names none',
  },
  args: { kind: 'texts', group: 'Program', affects: ['program', 'watch'], default: [], help: 'its arguments' },
  nodeArgs: {
    kind: 'texts',
    group: 'Program',
    affects: ['program', 'watch'],
    default: [],
    help: 'flags for Node itself, such as `--inspect`',
  },
  exec: {
    kind: 'text',
    group: 'Program',
    affects: ['program', 'watch'],
    default: undefined,
    flag: 'exec',
    short: 'x',
    value: 'line',
    help: 'run this shell line; script and arguments are appended',
  },
  execMap: {
    kind: 'commands',
    group: 'Program',
    affects: ['program', 'watch'],
    default: {},
    help: 'what runs a script, by its extension: `{"rb": "ruby -w"}`',
  },
  env: {
    kind: 'variables',
    group: 'Program',
    affects: ['program'],
    default: {},
    help: 'environment variables for the program',
  },
  envFile: {
    kind: 'paths',
    group: 'Program',
    affects: ['program', 'watch'],
    default: [],
    flag: 'env-file',
    value: 'file',
    help: 'read environment variables from it at every start',
  },
  stdin: {
    kind: 'choice',
    group: 'Program',
    affects: ['program'],
    rare: true,
    default: 'inherit',
    flag: 'stdin',
    value: 'how',
    choices: ['inherit', 'pipe', 'ignore'],
    help: "the program's stdin",
  },
  cwd: {
    kind: 'path',
    group: 'Program',
    affects: ['program', 'watch'],
    default: undefined,
    flag: 'cwd',
    value: 'folder',
    help: 'run and watch in this folder',
  },
  watch: {
    kind: 'globs',
    group: 'Watching',
    affects: ['watch'],
    default: ['.'],
    flag: 'watch',
    short: 'w',
    value: 'glob',
    help: 'watch this file, folder or glob (`--no-watch`: none)',
  },
  ignore: {
    kind: 'globs',
    group: 'Watching',
    affects: ['watch'],
    default: [],
    flag: 'ignore',
    short: 'i',
    value: 'glob',
    help: 'ignore this file, folder or glob',
  },
  ext: {
    kind: 'extensions',
    group: 'Watching',
    affects: ['watch'],
    default: undefined,
    flag: 'ext',
    short: 'e',
    value: 'list',
    byDefault: 'by program',
    help: 'extensions that count: `js,ts`; `*` is all',
  },
  gitignore: {
    kind: 'switch',
    group: 'Watching',
    affects: ['watch'],
    default: false,
    flag: 'gitignore',
    help: 'also ignore what git ignores',
  },
  deps: {
    kind: 'switch',
    group: 'Watching',
    affects: ['watch'],
    default: false,
    flag: 'deps',
    help: 'also watch every file that the program loads (Node)',
  },
  follow: {
    kind: 'switch',
    group: 'Watching',
    affects: ['watch'],
    rare: true,
    default: true,
    flag: 'follow',
    help: 'links to outside, linked workspace packages',
  },
  skipUnchanged: {
    kind: 'switch',
    group: 'Watching',
    affects: ['watch'],
    rare: true,
    default: false,
    flag: 'skip-unchanged',
    help: 'ignore saves that leave the content as it was',
  },
  delay: {
    kind: 'duration',
    group: 'Watching',
    affects: ['watch'],
    default: undefined,
    flag: 'delay',
    short: 'd',
    value: 'time',
    byDefault: 'adaptive',
    help: 'act when no change has come for so long',
  },
  poll: {
    kind: 'switch',
    group: 'Watching',
    affects: ['watch'],
    default: false,
    flag: 'poll',
    short: 'L',
    alias: 'legacy-watch',
    help: 'look at intervals instead of waiting for events',
  },
  pollInterval: {
    kind: 'duration',
    group: 'Watching',
    affects: ['watch'],
    rare: true,
    default: undefined,
    flag: 'poll-interval',
    value: 'time',
    byDefault: 'adaptive',
    help: 'how often to look when polling',
  },
  watcher: {
    kind: 'choice',
    group: 'Watching',
    affects: ['watch'],
    rare: true,
    default: 'auto',
    flag: 'watcher',
    value: 'name',
    choices: ['auto', 'inotify', 'chokidar'],
    help: 'which backend watches',
  },
  restart: {
    kind: 'choice',
    group: 'Restarting',
    affects: ['policy'],
    default: 'on-crash',
    flag: 'restart',
    value: 'when',
    choices: ['on-crash', 'always', 'never'],
    help: 'restart what ended',
  },
  maxRestarts: {
    kind: 'count',
    group: 'Restarting',
    affects: ['policy'],
    rare: true,
    default: 5,
    flag: 'max-restarts',
    value: 'n',
    help: 'quick crashes in a row, then wait for a change',
  },
  minUptime: {
    kind: 'duration',
    group: 'Restarting',
    affects: ['policy'],
    rare: true,
    default: 1000,
    flag: 'min-uptime',
    value: 'time',
    help: 'a run this long is no quick crash',
  },
  exitOnCrash: {
    kind: 'switch',
    group: 'Restarting',
    affects: ['policy'],
    rare: true,
    default: false,
    flag: 'exit-on-crash',
    help: "end with the program's code when it crashes",
  },
  onChangeOnly: {
    kind: 'switch',
    group: 'Restarting',
    affects: ['policy'],
    rare: true,
    default: false,
    flag: 'on-change-only',
    short: 'C',
    help: 'start at the first change, not at once',
  },
  signal: {
    kind: 'signal',
    group: 'Restarting',
    affects: ['nextUse'],
    default: 'SIGTERM',
    flag: 'signal',
    short: 's',
    value: 'name',
    help: 'how the program is asked to end',
  },
  killTimeout: {
    kind: 'duration',
    group: 'Restarting',
    affects: ['policy'],
    default: 5000,
    flag: 'kill-timeout',
    value: 'time',
    help: 'from that signal to SIGKILL',
  },
  standby: {
    kind: 'switch',
    group: 'Restarting',
    affects: ['nextUse'],
    default: true,
    flag: 'standby',
    help: 'process prepared for the next run (Node)',
  },
  hold: {
    kind: 'port',
    group: 'Restarting',
    affects: ['nextUse', 'start'],
    rare: true,
    default: true,
    flag: 'hold',
    help: 'connections wait through a restart (or `=port`)',
  },
  drain: {
    kind: 'duration',
    group: 'Restarting',
    affects: ['nextUse'],
    rare: true,
    default: 100,
    flag: 'drain',
    value: 'time',
    help: 'time at a restart for requests under way',
  },
  prewarm: {
    kind: 'selection',
    group: 'Restarting',
    affects: ['nextUse'],
    default: false,
    flag: 'prewarm',
    help: 'packages loaded into that process ahead of time',
  },
  keep: {
    kind: 'texts',
    group: 'Restarting',
    affects: ['start'],
    rare: true,
    default: [
      'google-chrome*',
      'chrome*',
      'chromium*',
      'firefox*',
      'msedge*',
      'brave*',
      'tmux*',
      'screen',
      'SCREEN',
      'watchman',
      '*GradleDaemon*',
      '*/nx/src/daemon/*',
      'turbo*daemon*',
      'ssh-agent',
      'gpg-agent',
      'adb',
    ],
    byDefault: 'browsers, tmux, screen, build daemons',
    flag: 'keep',
    value: 'glob',
    help: 'commands that may live on in a session of their own',
  },
  health: {
    kind: 'health',
    group: 'Health',
    affects: ['program', 'watchdog'],
    default: undefined,
    flag: 'health',
    value: 'probe',
    help: 'restart it when this (`http://…`) has no answer',
  },
  ready: {
    kind: 'readiness',
    group: 'Health',
    affects: ['program', 'watchdog'],
    rare: true,
    default: undefined,
    flag: 'ready',
    value: 'sign',
    byDefault: 'listen',
    help: '`listen` `message` `exit` `http://…` `tcp://…` `/text/`',
  },
  after: {
    kind: 'texts',
    group: 'Health',
    affects: ['nextUse'],
    default: [],
    help: 'programs of `apps` that have to be up before it is started',
  },
  maxMemory: {
    kind: 'size',
    group: 'Health',
    affects: ['watchdog'],
    rare: true,
    default: undefined,
    flag: 'max-memory',
    value: 'size',
    help: 'restart it when its processes take more: `500M`',
  },
  timeout: {
    kind: 'duration',
    group: 'Health',
    affects: ['watchdog'],
    rare: true,
    default: undefined,
    flag: 'timeout',
    value: 'time',
    help: 'end a run that takes longer, and wait for a change',
  },
  on: {
    kind: 'hooks',
    group: 'Health',
    affects: ['nextUse'],
    default: {},
    help: 'commands to run at `start`, `ready`, `restart`, `change`, `crash`, `exit`',
  },
  onReady: {
    kind: 'text',
    group: 'Health',
    affects: ['nextUse'],
    rare: true,
    default: undefined,
    flag: 'on-ready',
    value: 'command',
    help: 'run this command when the program is up',
  },
  notify: {
    kind: 'switch',
    group: 'Health',
    affects: ['output'],
    rare: true,
    default: false,
    flag: 'notify',
    help: 'tell the terminal of a crash and of its end',
  },
  liveReload: {
    kind: 'port',
    group: 'Health',
    affects: ['start'],
    default: false,
    flag: 'live-reload',
    help: 'pages reload (script: port 35729, or `=port`)',
  },
  name: {
    kind: 'text',
    group: 'Output',
    affects: ['backgroundStart'],
    rare: true,
    default: undefined,
    flag: 'name',
    value: 'name',
    byDefault: 'of the package',
    help: 'its name in the background',
  },
  log: {
    kind: 'path',
    group: 'Output',
    affects: ['backgroundStart'],
    rare: true,
    default: undefined,
    flag: 'log',
    value: 'file',
    help: 'one log for all that it prints in the background',
  },
  logSize: {
    kind: 'size',
    group: 'Output',
    affects: ['backgroundStart'],
    rare: true,
    default: 10_485_760,
    byDefault: '10M',
    flag: 'log-size',
    value: 'size',
    help: 'begin another log file at this size',
  },
  logFiles: {
    kind: 'count',
    group: 'Output',
    affects: ['backgroundStart'],
    rare: true,
    default: 5,
    flag: 'log-files',
    value: 'n',
    help: 'keep so many files of a log',
  },
  logTimestamps: {
    kind: 'switch',
    group: 'Output',
    affects: ['backgroundStart'],
    rare: true,
    default: false,
    flag: 'log-timestamps',
    help: 'begin each line of a log with the time',
  },
  prefix: {
    kind: 'switch',
    group: 'Output',
    affects: ['output'],
    rare: true,
    default: true,
    flag: 'prefix',
    help: 'names before the lines of several programs',
  },
  clear: {
    kind: 'switch',
    group: 'Output',
    affects: ['output'],
    rare: true,
    default: false,
    flag: 'clear',
    help: 'clear the screen at every restart',
  },
  quiet: {
    kind: 'switch',
    group: 'Output',
    affects: ['output'],
    default: false,
    flag: 'quiet',
    short: 'q',
    help: 'say nothing but warnings and errors',
  },
  verbose: {
    kind: 'switch',
    group: 'Output',
    affects: ['output', 'watch'],
    default: false,
    flag: 'verbose',
    short: 'V',
    help: 'also say what changed and how the old tree ended',
  },
  logFormat: {
    kind: 'choice',
    group: 'Output',
    affects: ['output'],
    rare: true,
    default: 'pretty',
    flag: 'log-format',
    value: 'format',
    choices: ['pretty', 'json'],
    help: "devwatch's own lines, on stderr",
  },
  color: {
    kind: 'switch',
    group: 'Output',
    affects: ['output'],
    rare: true,
    default: true,
    flag: 'color',
    help: 'colours on a terminal',
  },
} as const;

/** When a program counts as healthy; times in ms. */
export interface Health {
  /** `http://…`, `https://…`, `tcp://host:port` or `event-loop`. */
  readonly probe: string;
  readonly interval: number;
  readonly timeout: number;
  /** So many in a row. */
  readonly failures: number;
  /** For a run to come up: before its first answer, failures do not count for so long. */
  readonly grace: number;
  readonly failOn: readonly FailureKind[];
}

export type HealthInput = { readonly probe: string; readonly failOn?: readonly FailureKind[] } & {
  readonly [Key in 'interval' | 'timeout' | 'grace' | 'failures']?: number | string;
};

export type FailureKind = 'refused' | 'timeout' | 'reset' | 'unreachable' | 'status' | 'closed';

export const healthDefaults: Omit<Health, 'probe'> = {
  interval: 10_000,
  timeout: 5000,
  failures: 2,
  grace: 10_000,
  failOn: ['refused', 'timeout', 'reset', 'unreachable', 'status', 'closed'],
};

export type HookName = 'start' | 'ready' | 'restart' | 'change' | 'crash' | 'exit';

export const hookNames: readonly HookName[] = ['start', 'ready', 'restart', 'change', 'crash', 'exit'];

/** A text is split into words, a list is taken as it is; only `shell` gets a shell. */
export type HookCommand = string | readonly string[] | { readonly shell: string };

export type Hooks = Readonly<Partial<Record<HookName, HookCommand>>>;

/** `/pattern/flags` */
export const isPattern = (text: string): boolean => /^\/.+\/[a-z]*$/s.test(text);

/** @throws SyntaxError */
export function patternOf(text: string): RegExp {
  const end = text.lastIndexOf('/');
  return new RegExp(text.slice(1, end), text.slice(end + 1).replace(/[gy]/g, ''));
}

/** Files that a page loads: with live reload they count, and no program is restarted for them unless `ext` names them. */
export const pageExtensions: readonly string[] = ['css', 'html'];

/** The port that tools for live reload have long used. */
export const liveReloadPort = 35_729;

type Table = typeof options;
export type OptionKey = keyof Table;

/** The value that each kind of option has once it is read. */
interface KindValues {
  switch: boolean;
  selection: boolean | readonly string[];
  text: string;
  texts: readonly string[];
  path: string;
  paths: readonly string[];
  globs: readonly string[];
  extensions: readonly string[];
  duration: number;
  count: number;
  size: number;
  port: boolean | number;
  health: Health;
  readiness: string;
  hooks: Hooks;
  signal: NodeJS.Signals | 'message';
  commands: Readonly<Record<string, string | readonly string[]>>;
  variables: Readonly<Record<string, string>>;
}

type ValueOf<Spec extends OptionSpec> = Spec extends { kind: 'choice'; choices: readonly (infer Choice)[] }
  ? Choice
  : Spec['kind'] extends keyof KindValues
    ? KindValues[Spec['kind']]
    : never;

/** The value, or undefined for an option that has no default. */
type SettingOf<Spec extends OptionSpec> = Spec['default'] extends undefined ? ValueOf<Spec> | undefined : ValueOf<Spec>;

/** All options with their values; durations are ms. Frozen. */
export type Settings = { readonly [Key in OptionKey]: SettingOf<Table[Key]> };

/** What a person may write for an option: durations also as text, lists also as one text. */
type InputOf<Spec extends OptionSpec> = Spec['kind'] extends 'duration' | 'size'
  ? number | string
  : Spec['kind'] extends 'health'
    ? string | HealthInput
    : Spec['kind'] extends 'texts' | 'paths' | 'globs' | 'extensions'
      ? string | readonly string[]
      : ValueOf<Spec>;

/** Any of the options, as `.watchrc` and the API take them. */
export type SettingsInput = { readonly [Key in OptionKey]?: InputOf<Table[Key]> | undefined };

export const optionKeys: readonly OptionKey[] = Object.keys(options) as OptionKey[];

/** The same table, its rows as what they have in common. */
const specs: Readonly<Record<OptionKey, OptionSpec>> = options;

export const specOf = (key: OptionKey): OptionSpec => specs[key];

/** Does its flag take no value? */
export const isSwitch = ({ kind }: OptionSpec): boolean => kind === 'switch' || kind === 'selection' || kind === 'port';

export const isOptionKey = (key: string): key is OptionKey => Object.hasOwn(options, key);

/** Every option at its default; frozen, lists and maps included. */
export const defaultSettings: Settings = Object.freeze(
  Object.fromEntries(optionKeys.map((key) => [key, Object.freeze(specOf(key).default)])),
) as Settings;
