/**
 * The command line: argv → settings → command. The only owner of exit codes and of devwatch's
 * own signals.
 */

import { constants } from 'node:os';
import { isatty } from 'node:tty';
import { setFlagsFromString } from 'node:v8';
import { type CommandLine, parseArgv, parsePaths } from '../config/argv.ts';
import type { Described } from '../config/describe.ts';
import type { LoadedSettings } from '../config/load.ts';
import { type Settings, specOf } from '../config/options.ts';
import { isForeground, terminalModes } from '../process/launch/tty.ts';
import type { RunRequest } from '../run/command-plan.ts';
import { ProgramSet } from '../run/program-set.ts';
import { foreignSignals } from '../run/runner.ts';
import { systemClock } from '../shared/clock.ts';
import { codeOf, UsageError } from '../shared/errors.ts';
import type { StopReason } from '../shared/events.ts';
import { version } from '../shared/version.ts';
import { openNotifySocket, type ServiceNotifier } from '../systemd/notify.ts';
import { takeSockets } from '../systemd/sockets.ts';
import { Reporter, type ReporterSettings, wantsColor } from '../terminal/reporter.ts';
import { type Command, readLines, shortcutHelp } from '../terminal/shortcuts.ts';
import type { StartRequest } from './manage.ts';
import { type NamedProgram, type Programs, programsOf, readProject } from './select-programs.ts';
import { backgroundVariable, type Managing, managing } from './subcommands.ts';

/** A Ctrl-C that npm passes on right after the terminal's own is the same Ctrl-C. Milliseconds. */
const samePress = 200;

/** A program that takes longer than this to end, in ms, makes people wonder. */
const patience = 1500;

const usageExitCode = 2;

async function main(argv: readonly string[], keepCompiled: () => void): Promise<void> {
  const { [backgroundVariable]: name } = process.env;
  if (name !== undefined) return runAsDaemon(name, argv);
  const line = parseArgv(argv);
  if (line.help !== undefined) return (await import('../config/describe.ts')).printHelp(version, line.help);
  if (line.version) return void process.stdout.write(`${version}\n`);
  const [word = '', ...rest] = line.program;
  const isManaging = !line.literal && (managing as readonly string[]).includes(word);
  if (!isManaging && (line.literal || !isSubcommand(word))) return runPrograms(line, keepCompiled);
  if (asksForHelp(word, rest)) {
    const { commandHelp } = await import('../config/describe.ts');
    return void process.stdout.write(commandHelp(word as Described));
  }
  if (isManaging) return manageBackground(word as Managing, rest, argv);
  const commands = await import('./commands.ts');
  if (word === 'explain') {
    const { line: all, paths } = parsePaths(line, rest);
    return commands.explain(paths, programsOf({ ...all, program: [] }));
  }
  if (rest.length > 0) throw new UsageError(`devwatch ${word} takes no arguments: ${rest[0]}`);
  return word === 'init' ? commands.init(process.cwd()) : commands.showSettings(readProject(line));
}

/** What follows the script that is to be started is that script's. */
function asksForHelp(word: string, rest: readonly string[]): boolean {
  if (word === 'start') return parseArgv(rest).help !== undefined;
  if (word === 'unit') return rest[0] === '-h' || rest[0] === '--help';
  return rest.includes('-h') || rest.includes('--help');
}

async function manageBackground(word: Managing, rest: readonly string[], argv: readonly string[]): Promise<void> {
  // Options may stand on both sides of the word.
  const words = [...argv.slice(0, argv.length - rest.length - 1), ...rest];
  if (word === 'unit') return (await import('./unit.ts')).unit(words, readStart);
  const { manage, start } = await import('./manage.ts');
  process.exitCode = await (word === 'start' ? start(readStart(words)) : manage(word, rest));
}

function readStart(argv: readonly string[]): StartRequest {
  const line = parseArgv(argv);
  const programs = programsOf(line);
  // The last word is the name of one of "apps", which each is given by --only.
  const endsWithName = programs[0].app !== undefined && line.program.length > 0;
  return { programs, argv: endsWithName ? argv.slice(0, -1) : argv, cli: process.argv[1] ?? '' };
}

async function runAsDaemon(name: string, argv: readonly string[]): Promise<void> {
  delete process.env[backgroundVariable];
  const line = parseArgv(argv);
  // Nobody is there to ask whether the program reads: it may, and gets what is typed by those who attach.
  const inBackground = ([program]: Programs): NamedProgram => {
    const { loaded } = program;
    return { ...program, loaded: { ...loaded, settings: { ...loaded.settings, stdin: 'pipe' } } };
  };
  const atStart = programsOf(line);
  const { runInBackground } = await import('../background/daemon.ts');
  await runInBackground({
    name,
    argv,
    ...inBackground(atStart),
    reload: () => inBackground(programsNow(line, atStart)).loaded,
    onEnd: () => process.exit(0),
  });
  frugalize();
}

const isSubcommand = (word: string): word is 'init' | 'config' | 'explain' =>
  ['init', 'config', 'explain'].includes(word);

async function runPrograms(line: CommandLine, keepCompiled: () => void): Promise<void> {
  const programs = programsOf(line);
  const [first] = programs;
  const isSeveral = programs.length > 1;
  // Loaded where there are several: at the start a program comes first.
  const beside = isSeveral
    ? (await import('../terminal/shared-terminal.ts')).openSharedTerminal(programs.map(({ app = '' }) => app))
    : undefined;
  const sockets = takeSockets(process.env);
  const membersOf = (now: readonly NamedProgram[]): readonly RunRequest[] =>
    now.map((program) => ({
      ...(beside === undefined ? { ...program, app: undefined, relayMessages: true } : beside.member(program)),
      sockets,
    }));
  const settingsFor = (settings: Settings): ReporterSettings => ({
    ...reporterSettings(settings),
    // What others have printed is not one program's to clear.
    ...(isSeveral && { clear: false }),
  });
  const openReporter = (loaded: LoadedSettings, app: string | undefined): Reporter =>
    new Reporter({
      stream: () => beside?.messages ?? process.stderr,
      folder: process.cwd(),
      version,
      env: process.env,
      app: app === undefined ? undefined : beside?.labelOf(app),
      ...settingsFor(loaded.settings),
    });
  let hasStarted = false;
  // No program waits for this.
  const onFirstStart = (): void => {
    if (hasStarted) return;
    hasStarted = true;
    // V8 takes what it has compiled under the same flags only.
    keepCompiled();
    frugalize();
  };
  const notices = openNotifySocket(process.env, (message) => common.report({ type: 'warning', message }));
  const group = new ProgramSet({
    members: membersOf(programs),
    observe({ app, loaded }) {
      const reporter = openReporter(loaded, app);
      const label = (settings: Settings): void => void (app !== undefined && beside?.label(app, settings));
      label(loaded.settings);
      const tellManager = notices?.program(app);
      return (event) => {
        reporter.report(event);
        tellManager?.(event);
        if (event.type === 'settings') {
          const { settings } = event;
          reporter.configure(settingsFor(settings));
          label(settings);
        }
        if (event.type === 'start') onFirstStart();
        if (event.type === 'input') input.giveTo(event.owner);
      };
    },
    reread: () => membersOf(programsNow(line, programs)),
    onProblem: (message) => common.report({ type: 'problem', message }),
    onEnd: (ending) =>
      void Promise.all([beside?.close(), notices?.stop()]).then(() => process.exit(exitCodeOf(ending))),
  });
  const common = openReporter(first.loaded, undefined);
  handleSignals(group, common, notices);
  endWithNpm(group);
  const input = openInput(group, common, first.loaded.settings);
  group.start();
  const unused = [...line.flags.keys()].map(specOf).filter(({ affects }) => affects.includes('backgroundStart'));
  for (const { flag } of unused) {
    common.report({
      type: 'warning',
      message: `--${flag} is for devwatch start: here, in the foreground, it changes nothing`,
    });
  }
}

/**
 * The programs as the settings name them now. One has the terminal to itself, several share it: that is
 * decided at the start.
 *
 * @throws UsageError where it would be otherwise now, and as `programsOf` does
 */
function programsNow(line: CommandLine, atStart: Programs): Programs {
  const now = programsOf(line);
  if ((now[0].app === undefined) !== (atStart[0].app === undefined)) {
    throw new UsageError('"apps" was added or removed · restart devwatch to apply this');
  }
  if (now.length > 1 && atStart.length === 1) {
    throw new UsageError('"apps" names several programs now · restart devwatch to apply this');
  }
  return now;
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

function reporterSettings(settings: Settings): ReporterSettings {
  return {
    format: settings.logFormat,
    level: settings.quiet ? 'quiet' : settings.verbose ? 'verbose' : 'normal',
    color: settings.color && wantsColor({ isTTY: isatty(2) }, process.env),
    clear: settings.clear,
    notify: settings.notify,
  };
}

function exitCodeOf(ending: StopReason): number {
  switch (ending.kind) {
    case 'requested':
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

function handleSignals(group: ProgramSet, reporter: Reporter, notices: ServiceNotifier | undefined): void {
  const lastAt = new Map<NodeJS.Signals, number>();
  for (const signal of endSignals) {
    process.on(signal, () => {
      const now = systemClock.now();
      if (now - (lastAt.get(signal) ?? Number.NEGATIVE_INFINITY) < samePress) return;
      lastAt.set(signal, now);
      setTimeout(() => reporter.say('still ending · a second signal kills'), patience).unref();
      void notices?.stop();
      group.stop({ kind: 'signal', signal });
    });
  }
  for (const signal of foreignSignals) {
    process.on(signal, () => group.signal(signal));
  }
  // On a terminal the program is in devwatch's process group and gets these by itself.
  if (isatty(0) || !('SIGTSTP' in constants.signals)) return;
  process.on('SIGWINCH', () => group.signal('SIGWINCH'));
  process.on('SIGTSTP', () => {
    group.signal('SIGSTOP', 'tree');
    process.kill(process.pid, 'SIGSTOP');
  });
  process.on('SIGCONT', () => group.signal('SIGCONT', 'tree'));
}

/** How often devwatch looks, while it runs in the background of a terminal, whether it still does. Milliseconds. */
const foregroundCheck = 1000;

/** How often the parent is looked at under npm, in ms. */
const parentCheck = 1000;

/**
 * npm passes SIGTERM on to the shell that runs the script, and that dies of it without telling
 * anybody (npm/cli#5776). Nobody else would end us then, so under npm its death is the order to.
 */
function endWithNpm(group: ProgramSet): void {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    group.stop({ kind: 'signal', signal: 'SIGTERM' });
  }, parentCheck);
  timer.unref();
}

/** What is typed or piped to devwatch. */
interface Input {
  /** The terminal's next line is this one's. */
  giveTo(owner: 'program' | 'devwatch'): void;
}

/** Takes shortcuts, and the input of a program whose stdin is a pipe. */
function openInput(group: ProgramSet, reporter: Reporter, { stdin }: Settings): Input {
  if (!isatty(0)) {
    if (stdin === 'pipe') {
      process.stdin.on('data', (chunk: Buffer) => {
        // No faster than the program reads: who feeds it is held up as without devwatch.
        process.stdin.pause();
        group.single?.program.input.write(chunk, () => process.stdin.resume());
      });
      process.stdin.on('end', () => group.single?.program.input.write(null));
    }
    return { giveTo() {} };
  }
  const lines = readLines(process.stdin, {
    isSeveral: group.names.length > 0,
    onShortcut: (command) => perform(command, group, reporter),
    onOther: (line) => group.single?.program.input.write(line),
    onEnd: () => group.single?.program.input.write(null),
  });
  let ours = true;
  let check: NodeJS.Timeout | undefined;
  const take = (): void => {
    clearTimeout(check);
    // Reading in the background would stop devwatch. `fg` sends no SIGCONT to a job that ran on
    // there without having been stopped: so as long as it lasts, it is looked after.
    terminalModes().save('wait');
    const inForeground = isForeground();
    if (ours && inForeground) lines.resume();
    else lines.pause();
    if (!inForeground) check = setTimeout(take, foregroundCheck).unref();
  };
  process.on('SIGCONT', take);
  // A program that reads single keys, as readline does, stops at Ctrl-Z by itself and alone.
  if ('SIGCHLD' in constants.signals) {
    process.on('SIGCHLD', () => {
      if (!ours && group.single?.isStopped() === true) process.kill(process.pid, 'SIGSTOP');
    });
  }
  setImmediate(take);
  return {
    giveTo(owner) {
      ours = owner === 'devwatch';
      take();
    },
  };
}

function perform({ action, name }: Command, group: ProgramSet, reporter: Reporter): void {
  switch (action) {
    case 'restart':
      if (!group.restart(name)) reporter.say(`no program is called ${name} · ${group.names.join(', ')}`);
      break;
    case 'quit':
      group.stop();
      break;
    case 'clear':
      process.stderr.write('\u001b[2J\u001b[H');
      break;
    case 'help':
      reporter.say(shortcutHelp(group.names.length > 0));
      break;
  }
}

/** What process.cwd() throws where the working folder has been removed. */
const isFolderGone = (error: unknown): boolean =>
  codeOf(error) === 'ENOENT' && (error as NodeJS.ErrnoException).syscall === 'uv_cwd';

/**
 * Runs the command.
 *
 * @param keepCompiled keeps what is compiled by now for later launches, once
 */
export function run(argv: readonly string[], keepCompiled: () => void): void {
  main(argv, keepCompiled).catch((error: unknown) => {
    const problem =
      error instanceof UsageError ? error.message : isFolderGone(error) ? 'this folder is gone' : undefined;
    if (problem === undefined) throw error;
    process.stderr.write(`devwatch: ${problem}\n`);
    process.exitCode = usageExitCode;
  });
}
