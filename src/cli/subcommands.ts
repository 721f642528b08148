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

interface Row {
  readonly aliases?: readonly string[];
  /** The usage after the name; by default `[name|folder|all]...`. */
  readonly usage?: string;
  readonly help: string | readonly string[];
  /** Flags as in `-f, --follow` and `-n, --lines <n>`, with their help. */
  readonly options?: Readonly<Record<string, string>>;
  /** The words that it takes as operands, if these are all. */
  readonly operands?: readonly string[];
  /** The `options` are not among those of devwatch itself. */
  readonly hasOwnFlags?: true;
  /**
   * The words that it takes: operands and its own options (the default); paths, with options of devwatch among them; or
   * a line as devwatch itself takes it, of which everything after the script belongs to the program.
   */
  readonly takes?: 'operands' | 'paths' | 'line';
  readonly load: () => Promise<{ readonly execute: Execute }>;
}

export interface Subcommand extends Row {
  readonly name: string;
  /** The line of `--help` that names the subcommand. */
  readonly group: 'settings' | 'background';
}

const table: Readonly<Record<Subcommand['group'], Readonly<Record<string, Row>>>> = {
  settings: {
    init: {
      usage: '[file]',
      help: [
        'Writes a .watchrc to start from. Beside settings of nodemon (nodemon.json, or "nodemonConfig" in package.json)',
        'or of pm2 (ecosystem.config.js and the like, which is run to read it) it converts those; the file is not changed.',
      ],
      load: () => import('./init.ts'),
    },
    config: {
      usage: '[options]',
      help: 'Shows the settings that differ from the defaults, in the form of a .watchrc, and where they come from.',
      options: { '--all': 'show all settings in force' },
      load: () => import('./show-config.ts'),
    },
    explain: {
      usage: '<path>... [-- script|command [args...]]',
      help: [
        'Explains for each path why a change of it restarts the program, or why it does not. A command line that the settings',
        'do not know follows --, with its options: devwatch explain src/a.ts -- --ext ts src/main.ts',
        'For the name of a package: whether it is loaded ahead of time, and why.',
      ],
      takes: 'paths',
      load: () => import('./explain.ts'),
    },
    doctor: {
      usage: '[options] [script|command [args...]]',
      help: [
        'Looks at the machine, the settings and the program, and says what is off or broken, and how to change it.',
        'Exit code 1 if something is broken. Takes all options of devwatch, and:',
      ],
      options: { '--json': 'print JSON', '--all': 'show all settings, also those that have their default' },
      hasOwnFlags: true,
      takes: 'line',
      load: () => import('./doctor.ts'),
    },
    completion: {
      usage: '[bash|zsh|fish]',
      help: [
        'Prints a script that lets the shell complete options, subcommands and names of programs. In the file that the shell',
        'reads at its start: eval "$(devwatch completion bash)"; the same with zsh; for fish: devwatch completion fish | source',
      ],
      options: { '--words': 'print the words that can stand at the end of a command line, which follows --' },
      operands: ['bash', 'zsh', 'fish'],
      load: () => import('./completion.ts'),
    },
  },
  background: {
    start: {
      usage: '[options] [script|command [args...]]',
      help: [
        'Starts a program in the background: the given one, an app of the settings by its name, or all of them.',
        'The name of a program that was started before starts it again as it was, and so does "all" for all of them.',
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
    stop: { help: 'Stops programs; returns when all of their processes are gone.', load: () => import('./stop.ts') },
    restart: {
      help: 'Restarts programs, and starts those again that have ended; returns when they are up again.',
      load: () => import('./restart.ts'),
    },
    reload: { help: 'Makes programs read their settings again.', load: () => import('./reload.ts') },
    pause: {
      help: 'Pauses programs: they keep running, and saves are collected until they are resumed.',
      load: () => import('./pause.ts'),
    },
    resume: {
      help: 'Ends the pause of programs: they restart once for all that was saved meanwhile.',
      load: () => import('./resume.ts'),
    },
    list: {
      aliases: ['ls', 'status'],
      usage: '[options] [name|folder]...',
      help: 'Shows the programs in the background. Aliases: ls, status.',
      options: { '-w, --watch': 'show them until q is pressed, again every 2 s', '--json': 'print JSON' },
      load: () => import('./list.ts'),
    },
    logs: {
      usage: '[options] [name|folder|all]...',
      help: 'Prints the last lines that programs have printed, in the order in which they arrived.',
      options: {
        '-f, --follow': 'also print new lines as they come',
        '-n, --lines <n>': 'number of lines of each program (default: 20)',
        '-t, --timestamps': 'show the time of each line',
        '--out': 'stdout only',
        '--err': 'stderr only',
        '--since <time>': 'only newer lines (5m, 1h)',
        '--clear': 'empty the logs instead',
      },
      load: () => import('./logs.ts'),
    },
    delete: {
      aliases: ['del', 'rm'],
      help: 'Deletes the logs of programs that have ended, and forgets how they were started. Aliases: del, rm.',
      load: () => import('./delete.ts'),
    },
    attach: {
      usage: '[name]',
      help: 'Shows the output of a program and sends it what is typed. Ctrl-C leaves it running.',
      load: () => import('./attach.ts'),
    },
    unit: {
      usage: '[options] [name | script|command [args...]]',
      help: 'Prints a systemd user unit, or a LaunchAgent of macOS, that runs the program. Takes all options of devwatch, and:',
      options: {
        '--write': 'write it to the folder where systemd or launchd looks for it',
        '--socket <port>': 'let systemd listen, and start the program at the first connection',
      },
      hasOwnFlags: true,
      takes: 'line',
      load: () => import('./unit.ts'),
    },
  },
};

export const subcommands: readonly Subcommand[] = (['settings', 'background'] as const).flatMap((group) =>
  Object.entries(table[group]).map(([name, row]) => ({ ...row, name, group })),
);

export const subcommandNames: readonly string[] = subcommands.flatMap(({ name, aliases = [] }) => [name, ...aliases]);

export const findSubcommand = (word: string): Subcommand | undefined =>
  subcommands.find(({ name, aliases = [] }) => name === word || aliases.includes(word));
