/**
 * The table of subcommands: dispatch, `--help` and the help of each subcommand are made from it. Loaded on every
 * launch, so the subcommands themselves are loaded on demand.
 */

import type { CommandLine } from '../config/argv.ts';

/** Environment variable with the name that `devwatch start` gives to the process that it starts. */
export const backgroundVariable = 'DEVWATCH_BACKGROUND';

/** The arguments of a subcommand. */
export interface Invocation {
  /** Options of devwatch on both sides of the subcommand; `program` is what follows `start` or `unit`. */
  readonly line: CommandLine;
  /** Words that are no options: names, folders, paths. */
  readonly operands: readonly string[];
  /** The subcommand's own options, by their long names. */
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
}

/** Runs a subcommand; returns the exit code, by default 0. */
export type Execute = (invocation: Invocation) => Promise<number> | Promise<void> | void;

export interface Subcommand {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** The line of `--help` that names the subcommand. */
  readonly group: 'settings' | 'background';
  /** The usage after the name: `[options] <name|folder|all>...`. */
  readonly usage: string;
  readonly help: readonly string[];
  /** Flags as in `-f, --follow` and `-n, --lines <n>`, with their help. */
  readonly options?: Readonly<Record<string, string>>;
  /** Among `options`: the flags that devwatch itself does not have. */
  readonly own?: readonly string[];
  /**
   * The words that it takes: operands and its own options; paths, with options of devwatch among them; or a line as
   * devwatch itself takes it, of which everything after the script belongs to the program.
   */
  readonly takes: 'operands' | 'paths' | 'line';
  readonly load: () => Promise<{ readonly execute: Execute }>;
}

export const subcommands: readonly Subcommand[] = [
  {
    name: 'init',
    group: 'settings',
    usage: '',
    help: ['Writes a .watchrc to start from.'],
    takes: 'operands',
    load: () => import('./init.ts'),
  },
  {
    name: 'config',
    group: 'settings',
    usage: '',
    help: ['Shows the settings in force, in the form of a .watchrc, and where they come from.'],
    takes: 'operands',
    load: () => import('./show-config.ts'),
  },
  {
    name: 'explain',
    group: 'settings',
    usage: '<path>...',
    help: ['Explains for each path why a change of it restarts the program, or why it does not.'],
    takes: 'paths',
    load: () => import('./explain.ts'),
  },
  {
    name: 'start',
    group: 'background',
    usage: '[options] [script|command [args...]]',
    help: [
      'Starts a program in the background: the given one, an app of the settings by its name, or all of them.',
      'Returns when it is up, or prints why it is not. Takes all options of devwatch; the most useful here are:',
    ],
    options: {
      '--name <name>': 'its name (default: the name of the package)',
      '--no-watch': 'keep it running, without restarts at saves',
      '--log <file>': 'write its stdout and stderr to this file',
      '--ready <check>': 'when it counts as ready',
    },
    takes: 'line',
    load: () => import('./start.ts'),
  },
  {
    name: 'stop',
    group: 'background',
    usage: '<name|folder|all>...',
    help: ['Stops programs; returns when all of their processes are gone.'],
    takes: 'operands',
    load: () => import('./stop.ts'),
  },
  {
    name: 'restart',
    group: 'background',
    usage: '<name|folder|all>...',
    help: ['Restarts programs; returns when they are up again.'],
    takes: 'operands',
    load: () => import('./restart.ts'),
  },
  {
    name: 'reload',
    group: 'background',
    usage: '<name|folder|all>...',
    help: ['Makes programs read their settings again.'],
    takes: 'operands',
    load: () => import('./reload.ts'),
  },
  {
    name: 'list',
    aliases: ['ls', 'status'],
    group: 'background',
    usage: '[options] [name|folder]...',
    help: ['Shows the programs in the background. Aliases: ls, status.'],
    options: { '--json': 'print JSON' },
    takes: 'operands',
    load: () => import('./list.ts'),
  },
  {
    name: 'logs',
    group: 'background',
    usage: '[options] <name|folder|all>...',
    help: ['Prints the last lines of the logs of programs.'],
    options: {
      '-f, --follow': 'also print new lines as they come',
      '-n, --lines <n>': 'number of lines of each log (default: 20)',
      '--err': 'stderr only',
      '--since <time>': 'only newer lines (5m, 1h); without --log-timestamps the age of the file counts',
      '--clear': 'empty the logs instead',
    },
    takes: 'operands',
    load: () => import('./logs.ts'),
  },
  {
    name: 'attach',
    group: 'background',
    usage: '<name>',
    help: ['Shows the output of a program and sends it what is typed. Ctrl-C leaves it running.'],
    takes: 'operands',
    load: () => import('./attach.ts'),
  },
  {
    name: 'unit',
    group: 'background',
    usage: '[options] [name | script|command [args...]]',
    help: ['Prints a systemd user unit that runs the program. Takes all options of devwatch, and:'],
    options: {
      '--write': 'write the unit to the folder where systemd looks for it',
      '--socket <port>': 'let systemd listen, and start the program at the first connection',
    },
    own: ['--write', '--socket <port>'],
    takes: 'line',
    load: () => import('./unit.ts'),
  },
];

export const subcommandNames: readonly string[] = subcommands.flatMap(({ name, aliases = [] }) => [name, ...aliases]);

export const findSubcommand = (word: string): Subcommand | undefined =>
  subcommands.find(({ name, aliases = [] }) => name === word || aliases.includes(word));
