/**
 * The command line: argv → settings → command. The only owner of exit codes and of devwatch's
 * own signals.
 */

import fs from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { isatty } from 'node:tty';
import { setFlagsFromString } from 'node:v8';
import { systemClock } from './clock.ts';
import { type CommandLine, parseArgv } from './config/argv.ts';
import { type LoadedSettings, loadSettings, packageMain } from './config/load.ts';
import type { Settings } from './config/options.ts';
import { UsageError } from './errors.ts';
import type { Ending } from './events.ts';
import { backgroundVariable, type Managing, managing } from './managing.ts';
import { Runner } from './runner.ts';
import { type Action, readLines, shortcutHelp } from './terminal/keys.ts';
import { createReporter, type Reporter, type ReporterOptions, wantsColor } from './terminal/reporter.ts';
import { version } from './version.ts';

/** A Ctrl-C that npm passes on right after the terminal's own is the same Ctrl-C. Milliseconds. */
const samePress = 200;

/** A program that takes longer than this to end, in ms, makes people wonder. */
const patience = 1500;

const usageExitCode = 2;

async function main(argv: readonly string[], keepCompiled: () => void): Promise<void> {
  const { [backgroundVariable]: name } = process.env;
  if (name !== undefined) return runAsDaemon(name, argv);
  const line = parseArgv(argv);
  if (line.help !== undefined) return (await import('./config/describe.ts')).printHelp(version, line.help);
  if (line.version) return void process.stdout.write(`${version}\n`);
  const [word = '', ...rest] = line.program;
  if (!line.literal && (managing as readonly string[]).includes(word))
    return manageBackground(word as Managing, rest, argv);
  if (line.literal || !isSubcommand(word)) return runProgram(line, keepCompiled);
  const commands = await import('./commands.ts');
  if (word === 'explain') {
    const loaded = load(line);
    return commands.explain(rest, {
      loaded,
      nodeArgs: line.nodeArgs,
      program: programOf({ ...line, program: [] }, loaded),
    });
  }
  if (rest.length > 0) throw new UsageError(`devwatch ${word} takes no arguments: ${rest[0]}`);
  return word === 'init' ? commands.init(process.cwd()) : commands.showSettings(load(line));
}

async function manageBackground(word: Managing, rest: readonly string[], argv: readonly string[]): Promise<void> {
  const { manage, start } = await import('./manage.ts');
  if (word !== 'start') {
    process.exitCode = await manage(word, rest);
    return;
  }
  // Options may stand on both sides of the word.
  const words = [...argv.slice(0, argv.length - rest.length - 1), ...rest];
  const line = parseArgv(words);
  const loaded = load(line);
  process.exitCode = await start({
    loaded,
    program: programOf(line, loaded),
    nodeArgs: line.nodeArgs,
    argv: words,
    cli: process.argv[1] ?? '',
  });
}

async function runAsDaemon(name: string, argv: readonly string[]): Promise<void> {
  delete process.env[backgroundVariable];
  const line = parseArgv(argv);
  // Nobody is there to ask whether the program reads: it may, and gets what is typed by those who attach.
  const inBackground = (): LoadedSettings => {
    const loaded = load(line);
    return { ...loaded, settings: { ...loaded.settings, stdin: 'pipe' } };
  };
  const loaded = inBackground();
  const { runInBackground } = await import('./daemon.ts');
  await runInBackground({
    name,
    argv,
    loaded,
    program: programOf(line, loaded),
    nodeArgs: line.nodeArgs,
    reload: inBackground,
    onEnd: () => process.exit(0),
  });
}

const isSubcommand = (word: string): word is 'init' | 'config' | 'explain' =>
  ['init', 'config', 'explain'].includes(word);

function load(line: CommandLine): LoadedSettings {
  return loadSettings({ given: line.flags, folder: process.cwd(), config: line.config });
}

function runProgram(line: CommandLine, keepCompiled: () => void): void {
  const loaded = load(line);
  const runner = new Runner({
    loaded,
    program: programOf(line, loaded),
    nodeArgs: line.nodeArgs,
    relayMessages: true,
    reload: () => load(line),
  });
  const reporter = createReporter({
    stream: process.stderr,
    folder: process.cwd(),
    version,
    env: process.env,
    ...reporterSettings(loaded.settings),
  });
  runner.observe(reporter.report);
  runner.on('settings', ({ settings }) => reporter.configure(reporterSettings(settings)));
  runner.on('end', ({ ending }) => process.exit(exitCodeOf(ending)));
  handleSignals(runner, reporter);
  endWithNpm(runner);
  readInput(runner, reporter, loaded.settings);
  runner.start();
  // V8 takes what it has compiled under the same flags only.
  keepCompiled();
  frugalize();
}

/**
 * devwatch works for milliseconds at a time. The optimizing compiler is busy longer than what it
 * compiles, on a core that the program's start needs: without it a tree of 10,000 files is scanned
 * with half the CPU time and two thirds of the memory (npm run bench:watch). And what V8 gives to
 * short-lived objects during the scan it would keep: 6 MB of 20.
 */
function frugalize(): void {
  setFlagsFromString('--no-opt');
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** What the command line names; else what the settings do; else the package's entry point. */
function programOf(line: CommandLine, { settings, folder }: LoadedSettings): readonly string[] {
  if (line.program.length > 0 || settings.script !== undefined || settings.exec !== undefined) return line.program;
  const main = packageMain(folder);
  if (main === undefined) return [];
  if (!fs.existsSync(path.resolve(folder, main))) {
    throw new UsageError(
      `nothing to run: "main" in package.json names ${main}, which is not there · devwatch <script>`,
    );
  }
  return [main];
}

function reporterSettings(
  settings: Settings,
): Pick<ReporterOptions, 'format' | 'level' | 'color' | 'clear' | 'notify'> {
  return {
    format: settings.logFormat,
    level: settings.quiet ? 'quiet' : settings.verbose ? 'verbose' : 'normal',
    color: settings.color && wantsColor(process.stderr, process.env),
    clear: settings.clear,
    notify: settings.notify,
  };
}

function exitCodeOf(ending: Ending): number {
  switch (ending.kind) {
    case 'asked':
      return 0;
    case 'signal':
      return 128 + constants.signals[ending.signal];
    case 'program': {
      const { code, signal } = ending.outcome;
      return code ?? (signal === null ? 1 : 128 + constants.signals[signal]);
    }
  }
}

/** Signals that end everything. */
const endSignals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];
/** Signals that mean nothing to devwatch, and perhaps something to the program. */
const foreignSignals: readonly NodeJS.Signals[] = ['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGIO', 'SIGPWR'];

function handleSignals(runner: Runner, reporter: Reporter): void {
  const lastAt = new Map<NodeJS.Signals, number>();
  for (const signal of endSignals) {
    process.on(signal, () => {
      const now = systemClock.now();
      if (now - (lastAt.get(signal) ?? Number.NEGATIVE_INFINITY) < samePress) return;
      lastAt.set(signal, now);
      setTimeout(() => reporter.say('still ending · a second signal kills'), patience).unref();
      void runner.stop({ kind: 'signal', signal });
    });
  }
  for (const signal of foreignSignals) {
    if (signal in constants.signals) process.on(signal, () => runner.signal(signal));
  }
  // On a terminal the program is in devwatch's process group and gets these by itself.
  if (isatty(0) || !('SIGTSTP' in constants.signals)) return;
  process.on('SIGWINCH', () => runner.signal('SIGWINCH'));
  process.on('SIGTSTP', () => {
    runner.signal('SIGSTOP', 'tree');
    process.kill(process.pid, 'SIGSTOP');
  });
  process.on('SIGCONT', () => runner.signal('SIGCONT', 'tree'));
}

/** How often devwatch looks, while it runs in the background of a terminal, whether it still does. Milliseconds. */
const foregroundCheck = 1000;

/** How often the parent is looked at under npm, in ms. */
const parentCheck = 1000;

/**
 * npm passes SIGTERM on to the shell that runs the script, and that dies of it without telling
 * anybody (npm/cli#5776). Nobody else would end us then, so under npm its death is the order to.
 */
function endWithNpm(runner: Runner): void {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    void runner.stop({ kind: 'signal', signal: 'SIGTERM' });
  }, parentCheck);
  timer.unref();
}

/** Takes what is typed or piped to devwatch: shortcuts, and the input of a program whose stdin is a pipe. */
function readInput(runner: Runner, reporter: Reporter, { stdin }: Settings): void {
  if (!isatty(0)) {
    if (stdin !== 'pipe') return;
    process.stdin.on('data', (chunk: Buffer) => runner.write(chunk));
    process.stdin.on('end', () => runner.write(null));
    return;
  }
  const lines = readLines(process.stdin, {
    onAction: (action) => perform(action, runner, reporter),
    onOther: (line) => runner.write(line),
    onEnd: () => runner.write(null),
  });
  let ours = true;
  let check: NodeJS.Timeout | undefined;
  const take = (): void => {
    clearTimeout(check);
    // Reading in the background would stop devwatch. `fg` sends no SIGCONT to a job that ran on
    // there without having been stopped: so as long as it lasts, it is looked after.
    const inForeground = runner.isForeground();
    if (ours && inForeground) lines.resume();
    else lines.pause();
    if (!inForeground) check = setTimeout(take, foregroundCheck).unref();
  };
  runner.on('input', ({ owner }) => {
    ours = owner === 'devwatch';
    take();
  });
  process.on('SIGCONT', take);
  setImmediate(take);
}

function perform(action: Action, runner: Runner, reporter: Reporter): void {
  switch (action) {
    case 'restart':
      runner.restart();
      break;
    case 'quit':
      void runner.stop();
      break;
    case 'clear':
      process.stderr.write('\u001b[2J\u001b[H');
      break;
    case 'help':
      reporter.say(shortcutHelp);
      break;
  }
}

/**
 * Runs the command.
 *
 * @param keepCompiled keeps what is compiled by now for later launches, once
 */
export function run(argv: readonly string[], keepCompiled: () => void): void {
  main(argv, keepCompiled).catch((error: unknown) => {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`devwatch: ${error.message}\n`);
    process.exitCode = usageExitCode;
  });
}
