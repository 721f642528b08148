/** The default command: runs programs in the foreground. */

import { constants } from 'node:os';
import { isatty } from 'node:tty';
import type { CommandLine } from '../config/argv.ts';
import type { LoadedSettings } from '../config/load.ts';
import { specOf } from '../config/options.ts';
import type { Settings } from '../config/settings-types.ts';
import type { RunRequest } from '../run/command-plan.ts';
import { ProgramSet } from '../run/program-set.ts';
import type { Emit, StopReason } from '../shared/events.ts';
import { version } from '../shared/version.ts';
import { openNotifySocket, type ServiceNotifier } from '../systemd/notify.ts';
import { takeSockets } from '../systemd/sockets.ts';
import { Reporter, type ReporterSettings, reporterSettingsOf, wantsColor } from '../terminal/reporter.ts';
import type { SharedTerminal } from '../terminal/shared-terminal.ts';
import { type NamedProgram, type Programs, programsOf, selectAgain } from './select-programs.ts';
import { handleSignals, stopWithNpm } from './signals.ts';
import { openTerminalInput, type TerminalInput } from './terminal-input.ts';
import { tuneV8 } from './tune-v8.ts';

/** Runs the programs that a command line means, until all have ended; then exits the process. */
export async function runPrograms(line: CommandLine, keepCompiled: () => void): Promise<void> {
  const programs = programsOf(line);
  // Loaded only for several programs: a single one starts earlier without it.
  const shared =
    programs.length > 1
      ? (await import('../terminal/shared-terminal.ts')).openSharedTerminal(programs.map(({ app = '' }) => app))
      : undefined;
  new ForegroundRun(line, programs, shared, keepCompiled).start();
}

class ForegroundRun {
  readonly #line: CommandLine;
  readonly #shared: SharedTerminal | undefined;
  readonly #keepCompiled: () => void;
  /** Prints lines that are not about one of several programs. */
  readonly #reporter: Reporter;
  readonly #notifier: ServiceNotifier | undefined;
  readonly #group: ProgramSet;
  readonly #input: TerminalInput;
  #hasStarted = false;

  constructor(line: CommandLine, programs: Programs, shared: SharedTerminal | undefined, keepCompiled: () => void) {
    this.#line = line;
    this.#shared = shared;
    this.#keepCompiled = keepCompiled;
    const [{ loaded }] = programs;
    this.#reporter = this.#openReporter(loaded, undefined);
    const sockets = takeSockets(process.env);
    this.#notifier = openNotifySocket(process.env, (message) => this.#reporter.report({ type: 'warning', message }));
    const membersOf = (now: readonly NamedProgram[]): readonly RunRequest[] =>
      now.map((program) => ({ ...this.#memberOf(program), sockets }));
    this.#group = new ProgramSet({
      members: membersOf(programs),
      observe: (member) => this.#observe(member),
      reread: () => membersOf(selectAgain(line, programs)),
      onProblem: (message) => this.#reporter.report({ type: 'problem', message }),
      onEnd: (reason) => void this.#exit(reason),
    });
    this.#input = openTerminalInput(this.#group, this.#reporter, loaded.settings);
  }

  start(): void {
    handleSignals(this.#group, this.#reporter, () => this.#notifier?.stop());
    stopWithNpm(this.#group);
    this.#group.start();
    for (const { flag, affects } of [...this.#line.flags.keys()].map(specOf)) {
      if (!affects.includes('backgroundStart')) continue;
      const message = `--${flag} has no effect in the foreground; it is for devwatch start`;
      this.#reporter.report({ type: 'warning', message });
    }
  }

  #memberOf(program: NamedProgram): RunRequest {
    return this.#shared?.member(program) ?? { ...program, app: undefined, relayMessages: true };
  }

  #observe({ app, loaded }: RunRequest): Emit {
    const reporter = this.#openReporter(loaded, app);
    const label = (settings: Settings): void => void (app !== undefined && this.#shared?.label(app, settings));
    label(loaded.settings);
    const notify = this.#notifier?.program(app);
    return (event) => {
      reporter.report(event);
      notify?.(event);
      if (event.type === 'settings') {
        reporter.configure(this.#reporterSettings(event.settings));
        label(event.settings);
      }
      if (event.type === 'start') this.#onStart();
      if (event.type === 'input') this.#input.giveTo(event.owner);
    };
  }

  #openReporter({ settings }: LoadedSettings, app: string | undefined): Reporter {
    return new Reporter({
      stream: () => this.#shared?.messages ?? process.stderr,
      folder: process.cwd(),
      version,
      env: process.env,
      app: app === undefined ? undefined : this.#shared?.labelOf(app),
      ...this.#reporterSettings(settings),
    });
  }

  #reporterSettings(settings: Settings): ReporterSettings {
    const own = reporterSettingsOf(settings, wantsColor({ isTTY: isatty(2) }, process.env));
    // Clearing the screen would erase the output of the other programs.
    return { ...own, clear: own.clear && this.#shared === undefined };
  }

  /** Work that no program has to wait for. */
  #onStart(): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    // First: V8 accepts a code cache only under the flags with which it was made.
    this.#keepCompiled();
    tuneV8();
  }

  async #exit(reason: StopReason): Promise<void> {
    await Promise.all([this.#shared?.close(), this.#notifier?.stop()]);
    process.exit(exitCodeOf(reason));
  }
}

function exitCodeOf(reason: StopReason): number {
  switch (reason.kind) {
    case 'requested':
      return 0;
    case 'signal':
      return 128 + constants.signals[reason.signal];
    case 'program': {
      const { code, signal } = reason.outcome;
      return code ?? (signal === null ? 1 : 128 + constants.signals[signal]);
    }
  }
}
