/** Runs programs: in the foreground, which is the default command, or one as a daemon. */

import { isatty } from 'node:tty';
import { setFlagsFromString } from 'node:v8';
import { type CommandLine, parseArgv } from '../config/argv.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { Settings } from '../config/settings-types.ts';
import type { RunRequest } from '../run/command-plan.ts';
import { ProgramSet } from '../run/program-set.ts';
import { maxTimerMs } from '../shared/clock.ts';
import type { Emit } from '../shared/events.ts';
import { unpackVariables } from '../shared/packed-variables.ts';
import { version } from '../shared/version.ts';
import { workingFolder } from '../shared/working-folder.ts';
import { openNotifySocket } from '../systemd/notify.ts';
import { takeSockets } from '../systemd/socket-activation.ts';
import { Reporter, type ReporterSettings, reporterSettingsOf, wantsColor } from '../terminal/reporter.ts';
import type { SharedTerminal } from '../terminal/shared-terminal.ts';
import { installLastResort } from './last-resort.ts';
import { remarksInForeground, remarksOn } from './remarks.ts';
import { type NamedProgram, type Programs, programsOf, selectAgain } from './select-programs.ts';
import { endProcess, handleSignals } from './signals.ts';
import { backgroundVariable } from './subcommands.ts';
import { HelpHint, openTerminalInput } from './terminal-input.ts';

/** Runs the programs that a command line means, until all have ended; then exits the process. */
export async function runPrograms(line: CommandLine, keepCompiled: () => void): Promise<void> {
  const programs = programsOf(line);
  // Loaded only for several programs: a single one starts earlier without it.
  const shared =
    programs.length > 1
      ? new (await import('../terminal/shared-terminal.ts')).SharedTerminal(programs.map(({ app = '' }) => app))
      : undefined;
  const [{ loaded }] = programs;
  /** Prints lines that are not about one of several programs. */
  const reporter = openReporter(loaded, shared);
  const warn = (message: string): void => reporter.report({ type: 'warning', message });
  const sockets = takeSockets(process.env);
  const notifier = openNotifySocket(process.env, warn);
  const membersOf = (now: readonly NamedProgram[]): readonly RunRequest[] =>
    now.map((program) => {
      const member = shared?.member(program) ?? { ...program, app: undefined, relayMessages: true };
      return { ...member, sockets, endsWhenDone: canEndWhenDone(programs) };
    });
  const onProgress = workAfterStart(keepCompiled);
  const hint = new HelpHint();
  const observe = ({ app, loaded }: RunRequest): Emit => {
    const { settings } = loaded;
    const own = openReporter(loaded, shared, app, () => hint.take());
    const label = (now: Settings): void => void (app !== undefined && shared?.label(app, now));
    label(settings);
    const notify = notifier?.program(app);
    return (event) => {
      own.report(event);
      notify?.(event);
      if (event.type === 'settings') {
        own.configure(reporterSettings(event.settings, shared));
        label(event.settings);
      }
      if (event.type === 'start' || event.type === 'watching') onProgress();
      if (event.type === 'input') {
        hint.isPossible = event.owner === 'devwatch';
        giveInputTo(event.owner);
      }
    };
  };
  const group = new ProgramSet({
    members: membersOf(programs),
    observe,
    reread: () => membersOf(selectAgain(line, programs)),
    onProblem: (message) => reporter.report({ type: 'problem', message }),
    onEnd: (reason) =>
      void Promise.all([shared?.close(), notifier?.stop()]).then(() => endProcess(hasFailed() ? undefined : reason)),
  });
  const hasFailed = installLastResort({
    tell: (message) => reporter.report({ type: 'problem', message }),
    stop: () => group.stop(),
    timeoutMs: maxStopMs(programs),
  });
  const requests = handleSignals(group, reporter, () => notifier?.stop());
  const giveInputTo = openTerminalInput(group, { reporter, requests, settings: loaded.settings });
  // While devwatch waits for what no handle stands for, Node would end with code 0.
  setInterval(() => {}, maxTimerMs);
  group.start();
  for (const remark of [...remarksOn(line, programs), ...remarksInForeground(line)]) warn(remark);
}

/** While files of one program are watched, somebody may be there to restart another one. */
const canEndWhenDone = (programs: Programs): boolean =>
  programs.length === 1 || programs.every(({ loaded: { settings } }) => settings.watch.length === 0);

/** Returns a function that does the work for which no program has to wait: after a start, and when files are watched. */
function workAfterStart(keepCompiled: () => void): () => void {
  let isTuned = false;
  return () => {
    // First: V8 accepts a code cache only under the flags with which it was made.
    keepCompiled();
    if (!isTuned) tuneV8();
    isTuned = true;
  };
}

function openReporter(
  { settings }: Pick<LoadedSettings, 'settings'>,
  shared?: SharedTerminal,
  app?: string,
  hint?: () => string | undefined,
): Reporter {
  return new Reporter({
    ...(hint && { hint }),
    stream: () => shared?.messages ?? process.stderr,
    folder: workingFolder(),
    version,
    env: process.env,
    app: app === undefined ? undefined : shared?.labelOf(app),
    ...reporterSettings(settings, shared),
  });
}

function reporterSettings(settings: Settings, shared: SharedTerminal | undefined): ReporterSettings {
  const own = reporterSettingsOf(settings, wantsColor({ isTTY: isatty(2) }, process.env));
  // Clearing the screen would erase the output of the other programs.
  return { ...own, clear: own.clear && shared === undefined };
}

/** Runs one program without a terminal, in the process that `devwatch start` has started. */
export async function runAsDaemon(name: string, argv: readonly string[]): Promise<void> {
  unpackVariables(process.env);
  delete process.env[backgroundVariable];
  const line = parseArgv(argv);
  const atStart = programsOf(line);
  const { runInBackground } = await import('../background/daemon.ts');
  const runner = await runInBackground({
    name,
    argv,
    ...withPipedInput(atStart),
    reload: () => withPipedInput(selectAgain(line, atStart)).loaded,
    onEnd: () => endProcess(hasFailed() ? undefined : { kind: 'requested' }),
  });
  const hasFailed = installLastResort({
    tell: (message) => runner.program.reportProblem(message),
    stop: () => void runner.stop(),
    timeoutMs: maxStopMs(atStart),
  });
  tuneV8();
}

/** Time in which devwatch stops all programs, in ms: its own part is short. */
const maxStopMs = (programs: Programs): number =>
  5000 + Math.max(...programs.map(({ loaded: { settings } }) => 2 * settings.killTimeout + settings.drain));

/** The program's stdin is a pipe, for the input of those who attach. */
const withPipedInput = ([{ loaded, ...program }]: Programs): NamedProgram => ({
  ...program,
  loaded: { ...loaded, settings: { ...loaded.settings, stdin: 'pipe' } },
});

/**
 * Makes V8 save CPU time and memory, once the program has been started. devwatch works for milliseconds at a time: the
 * optimizing compiler takes longer than it saves, on a core that the program's start needs. Without it, scanning a tree
 * of 10,000 files takes half the CPU time and two thirds of the memory (npm run bench:watch). V8 would also keep the
 * memory that it gives to short-lived objects during the scan: 6 MB of 20.
 */
function tuneV8(): void {
  setFlagsFromString('--no-opt');
  setFlagsFromString('--semi-space-growth-factor=1');
}
