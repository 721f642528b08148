/**
 * The table of options. Flags, keys of `.watchrc`, types, validation, JSON Schema, `--help` and the README's table are
 * made from it.
 */

/** How values of an option are written; `kinds.ts` describes each kind. */
export type OptionKind =
  | 'switch' // true or false
  | 'selection' // true for all, false for none, or a list; the flag means true
  | 'text'
  | 'texts' // a list; the flag may be repeated
  | 'path' // made absolute; relative to the folder in which it was written
  | 'paths'
  | 'globs' // a list; the flag may be repeated
  | 'extensions' // a list; the flag also takes `js,ts`
  | 'duration' // ms; `250`, `250ms`, `5s`, `1m`
  | 'count' // a whole number ≥ 0
  | 'size' // bytes; `500M`, `2G`
  | 'port' // true for the default port, false for none, or a number; the flag means true, or takes `=number`
  | 'health' // a probe, or an object with a probe and its times
  | 'readiness' // listen, message, exit, http://…, tcp://…, /pattern/
  | 'hooks' // name → command
  | 'choice'
  | 'signal'
  | 'commands' // extension → command
  | 'variables'; // name → value

export type OptionGroup = 'Program' | 'Watching' | 'Restarting' | 'Health' | 'Output';

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

export interface OptionSpec {
  readonly kind: OptionKind;
  readonly group: OptionGroup;
  readonly default: unknown;
  /** The default in words, where the value does not say it. */
  readonly byDefault?: string;
  readonly help: string;
  /** Omitted by `-h`, whose output fits into a terminal. */
  readonly rare?: boolean;
  /** How devwatch applies a change of the setting while it runs. */
  readonly affects: readonly Effect[];
  /** The long flag without `--`; an option without a flag can only be set in a settings file. */
  readonly flag?: string;
  readonly short?: string;
  /** A second name of the flag, which similar tools use. */
  readonly alias?: string;
  /** Name of the flag's value in the help. */
  readonly value?: string;
  readonly choices?: readonly string[];
}

const options = {
  script: {
    kind: 'text',
    group: 'Program',
    affects: ['program', 'watch'],
    default: undefined,
    help: 'script or command to run, if the command line names none',
  },
  args: { kind: 'texts', group: 'Program', affects: ['program', 'watch'], default: [], help: 'arguments for `script`' },
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
    help: 'commands that run scripts, by extension: `{"rb": "ruby -w"}`',
  },
  env: {
    kind: 'variables',
    group: 'Program',
    affects: ['program'],
    default: {},
    help: 'environment variables of the program',
  },
  envFile: {
    kind: 'paths',
    group: 'Program',
    affects: ['program', 'watch'],
    default: [],
    flag: 'env-file',
    value: 'file',
    help: 'read environment variables from a file at every start',
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
    help: 'stdin of the program',
  },
  cwd: {
    kind: 'path',
    group: 'Program',
    affects: ['program', 'watch'],
    default: undefined,
    flag: 'cwd',
    value: 'folder',
    help: 'run the program and watch in this folder',
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
    help: 'watched extensions: `js,ts`; `*` for all',
  },
  gitignore: {
    kind: 'switch',
    group: 'Watching',
    affects: ['watch'],
    default: false,
    flag: 'gitignore',
    help: 'also ignore files that git ignores',
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
    help: 'follow symlinks out of the watched folders, and linked workspace packages',
  },
  skipUnchanged: {
    kind: 'switch',
    group: 'Watching',
    affects: ['watch'],
    rare: true,
    default: false,
    flag: 'skip-unchanged',
    help: 'ignore saves that do not change the content',
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
    help: 'debounce: wait this long without changes',
  },
  poll: {
    kind: 'switch',
    group: 'Watching',
    affects: ['watch'],
    default: false,
    flag: 'poll',
    short: 'L',
    alias: 'legacy-watch',
    help: 'poll for changes instead of waiting for events',
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
    help: 'time between two polls',
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
    help: 'watching backend',
  },
  restart: {
    kind: 'choice',
    group: 'Restarting',
    affects: ['policy'],
    default: 'on-crash',
    flag: 'restart',
    value: 'when',
    choices: ['on-crash', 'always', 'never'],
    help: 'restart policy',
  },
  maxRestarts: {
    kind: 'count',
    group: 'Restarting',
    affects: ['policy'],
    rare: true,
    default: 5,
    flag: 'max-restarts',
    value: 'n',
    help: 'quick crashes in a row before waiting for a change',
  },
  minUptime: {
    kind: 'duration',
    group: 'Restarting',
    affects: ['policy'],
    rare: true,
    default: 1000,
    flag: 'min-uptime',
    value: 'time',
    help: 'a run that lives longer resets the crash count',
  },
  exitOnCrash: {
    kind: 'switch',
    group: 'Restarting',
    affects: ['policy'],
    rare: true,
    default: false,
    flag: 'exit-on-crash',
    help: "exit with the program's exit code when it crashes",
  },
  onChangeOnly: {
    kind: 'switch',
    group: 'Restarting',
    affects: ['policy'],
    rare: true,
    default: false,
    flag: 'on-change-only',
    short: 'C',
    help: 'start the program at the first change, not at once',
  },
  signal: {
    kind: 'signal',
    group: 'Restarting',
    affects: ['nextUse'],
    default: 'SIGTERM',
    flag: 'signal',
    short: 's',
    value: 'name',
    help: 'signal that stops the program',
  },
  killTimeout: {
    kind: 'duration',
    group: 'Restarting',
    affects: ['policy'],
    default: 5000,
    flag: 'kill-timeout',
    value: 'time',
    help: 'grace period between the stop signal and SIGKILL',
  },
  standby: {
    kind: 'switch',
    group: 'Restarting',
    affects: ['nextUse'],
    default: true,
    flag: 'standby',
    help: 'boot a standby process for the next run (Node)',
  },
  hold: {
    kind: 'port',
    group: 'Restarting',
    affects: ['nextUse', 'start'],
    rare: true,
    default: true,
    flag: 'hold',
    help: 'keep ports open during restarts (or `=port`)',
  },
  drain: {
    kind: 'duration',
    group: 'Restarting',
    affects: ['nextUse'],
    rare: true,
    default: 100,
    flag: 'drain',
    value: 'time',
    help: 'time for open requests to finish at a restart',
  },
  prewarm: {
    kind: 'selection',
    group: 'Restarting',
    affects: ['nextUse'],
    default: false,
    flag: 'prewarm',
    help: 'load dependencies into the standby process',
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
    help: 'processes that may outlive the program',
  },
  health: {
    kind: 'health',
    group: 'Health',
    affects: ['program', 'watchdog'],
    default: undefined,
    flag: 'health',
    value: 'probe',
    help: 'restart the program when this URL stops answering',
  },
  ready: {
    kind: 'readiness',
    group: 'Health',
    affects: ['program', 'watchdog'],
    rare: true,
    default: undefined,
    flag: 'ready',
    value: 'check',
    byDefault: 'listen',
    help: 'when the program counts as ready: `listen`, `message`, `exit`, `http://…`, `tcp://…` or `/pattern/`',
  },
  after: {
    kind: 'texts',
    group: 'Health',
    affects: ['nextUse'],
    default: [],
    help: 'programs of `apps` that must be ready before this program starts',
  },
  maxMemory: {
    kind: 'size',
    group: 'Health',
    affects: ['watchdog'],
    rare: true,
    default: undefined,
    flag: 'max-memory',
    value: 'size',
    help: 'restart when the process tree uses more memory: `500M`',
  },
  timeout: {
    kind: 'duration',
    group: 'Health',
    affects: ['watchdog'],
    rare: true,
    default: undefined,
    flag: 'timeout',
    value: 'time',
    help: 'stop a run that takes longer, and wait for a change',
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
    help: 'run this command when the program is ready',
  },
  notify: {
    kind: 'switch',
    group: 'Health',
    affects: ['output'],
    rare: true,
    default: false,
    flag: 'notify',
    help: 'notify through the terminal of crashes and recovery',
  },
  liveReload: {
    kind: 'port',
    group: 'Health',
    affects: ['start'],
    default: false,
    flag: 'live-reload',
    help: 'live reload of pages (port 35729, or `=port`)',
  },
  name: {
    kind: 'text',
    group: 'Output',
    affects: ['backgroundStart'],
    rare: true,
    default: undefined,
    flag: 'name',
    value: 'name',
    byDefault: 'from package.json',
    help: "program's name in the background",
  },
  log: {
    kind: 'path',
    group: 'Output',
    affects: ['backgroundStart'],
    rare: true,
    default: undefined,
    flag: 'log',
    value: 'file',
    help: 'write stdout and stderr to this file (background)',
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
    help: 'rotate a log at this size (background)',
  },
  logFiles: {
    kind: 'count',
    group: 'Output',
    affects: ['backgroundStart'],
    rare: true,
    default: 5,
    flag: 'log-files',
    value: 'n',
    help: 'number of rotated log files to keep (background)',
  },
  logTimestamps: {
    kind: 'switch',
    group: 'Output',
    affects: ['backgroundStart'],
    rare: true,
    default: false,
    flag: 'log-timestamps',
    help: 'prefix each line of a log with the time (background)',
  },
  prefix: {
    kind: 'switch',
    group: 'Output',
    affects: ['output'],
    rare: true,
    default: true,
    flag: 'prefix',
    help: 'prefix output of several programs with names',
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
    help: 'print only warnings and errors',
  },
  verbose: {
    kind: 'switch',
    group: 'Output',
    affects: ['output', 'watch'],
    default: false,
    flag: 'verbose',
    short: 'V',
    help: 'also print which files changed and how processes ended',
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
    help: "format of devwatch's own lines",
  },
  color: {
    kind: 'switch',
    group: 'Output',
    affects: ['output'],
    rare: true,
    default: true,
    flag: 'color',
    help: 'use colors on a terminal',
  },
} as const;

export type OptionTable = typeof options;
export type OptionKey = keyof OptionTable;

export const optionKeys: readonly OptionKey[] = Object.keys(options) as OptionKey[];

/** The same table, with one type for all of its rows. */
const specs: Readonly<Record<OptionKey, OptionSpec>> = options;

export const specOf = (key: OptionKey): OptionSpec => specs[key];

export const isOptionKey = (key: string): key is OptionKey => Object.hasOwn(options, key);
