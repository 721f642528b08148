/** One program: what is watched, when it is quiet, and the supervisor that acts on it. */

import fs from 'node:fs';
import path from 'node:path';
import { affected, restartNotice } from '../config/affects.ts';
import type { LoadedSettings } from '../config/load.ts';
import {
  type Hooks as HookCommands,
  isPattern,
  type OptionKey,
  optionKeys,
  pageExtensions,
  type Settings,
} from '../config/options.ts';
import type { Hooks } from '../process/hooks.ts';
import type { Command } from '../process/launch/command.ts';
import { readEnvironment, runVariables } from '../process/launch/environment.ts';
import type { Launcher } from '../process/launch/launcher.ts';
import type { Output } from '../process/launch/output.ts';
import type { ProgramEvent } from '../process/launch/program-events.ts';
import type { RunningProgram } from '../process/launch/running-program.ts';
import { isDeliveredByTerminal, isForeground, looksInterrupted } from '../process/launch/tty.ts';
import { probeHttp, probeTcp } from '../process/probe.ts';
import type { HeldPort } from '../process/sockets/held-ports.ts';
import { findPortHolders } from '../process/sockets/port-holders.ts';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import { CommonMistake, messageOf, UsageError } from '../shared/errors.ts';
import type { Cause, Change, Emit, EventOf, StopReason } from '../shared/events.ts';
import { stampOf } from '../shared/file-stamp.ts';
import { unreachable } from '../shared/unreachable.ts';
import { defaultPolicy, type Policy } from '../supervise/machine.ts';
import { type RunListener, Supervisor } from '../supervise/supervisor.ts';
import { Watchdog } from '../supervise/watchdog.ts';
import { restOfSaveAt } from '../watch/disk.ts';
import type { Filter } from '../watch/filter.ts';
import { QuietWindow } from '../watch/quiet.ts';
import { createLoopDetector, type LoopDetector } from '../watch/restart-loop.ts';
import type { WatchSession } from '../watch/session.ts';
import { isReadByDevwatchAlone, ownFiles, type ProgramRequest, planCommand } from './command-plan.ts';
import { Readiness } from './readiness.ts';

export interface AppRequest extends ProgramRequest {
  /** Relay IPC messages between whoever started this process and the program. */
  readonly relayMessages?: boolean;
  /** Where what the program prints goes; by default to devwatch's own stdout and stderr. */
  readonly output?: Output;
  /** Variables that the program has where nothing else sets them. */
  readonly defaultEnv?: (settings: Settings) => Readonly<Record<string, string>>;
  /** What a service manager has opened for the program; see process/activation.ts. */
  readonly sockets?: readonly HeldPort[] | undefined;
  /** Reads the settings again, after their file has changed. Throws UsageError when they are wrong. */
  readonly reload?: (() => LoadedSettings) | undefined;
}

export interface AppOptions {
  readonly request: AppRequest;
  readonly clock: Clock;
  readonly emit: Emit;
  /** All is over: nothing of it is alive, nothing is watched. */
  readonly onEnd: (ending: StopReason) => void;
}

/** What came of reading the settings again. */
export interface Reread {
  /** The keys that have other values now. */
  readonly changed: readonly OptionKey[];
  /** What is wrong with them: all stays as it was. */
  readonly problem?: string;
  /** It is about none of several programs. */
  readonly isCommon?: boolean;
}

/** How much later than the program's end devwatch may hear of the Ctrl-C that caused it, in ms. */
const interruptOrder = 50;

/** Who has saved a file and sees nothing come of it for so long, in ms, wonders. */
const patience = 1500;

/** A settings file is read this long after the last event about it, in ms: editors write in several steps. */
const settingsDelay = 50;

/** git may take so long from locking its index to the first file that it writes, in ms. */
const gitPreparation = 10_000;

/** As much as a terminal's own queue is kept of what is typed before the program reads, in characters. */
const longestTypedAhead = 4096;

export class App {
  readonly readiness: Readiness;
  readonly #request: AppRequest;
  readonly #clock: Clock;
  readonly #emit: Emit;
  readonly #supervisor: Supervisor<RunningProgram>;
  readonly #settingsQuiet: QuietWindow;
  /** The run whose root process is alive. */
  #liveRun: number | undefined;
  #inputOwner: 'program' | 'devwatch' = 'devwatch';
  #inputEnded = false;
  #typedAhead = '';
  /** Input that came while no program ran, for the next run. */
  readonly #held: [chunk: string | Buffer, taken: () => void][] = [];
  /** Set by start(), before which nothing can ask for a run. */
  #launcher: Launcher | undefined;
  #loaded: LoadedSettings;
  #command: Command;
  #env: NodeJS.ProcessEnv;
  readonly #quiet: QuietWindow;
  /** Files that pages load and the program does not (`--live-reload`). */
  readonly #pageQuiet: QuietWindow;
  #watchdog: Watchdog;
  #hooks: Hooks | undefined;
  /** What caused the latest run, as `#causedAt` is for the next. */
  #runCausedAt = 0;
  readonly #loops: LoopDetector = createLoopDetector();
  #lookout: WatchSession | undefined;
  #filter: Filter | undefined;
  /** Done when what is watched now is armed. */
  #watching: Promise<void> = Promise.resolve();
  #cancelPatience: CancelTimer = () => {};
  /** Everything has been asked to end. */
  #isStopping = false;
  #ended = false;
  /** The settings' file was empty or gone when it was to be read. */
  #isSecondLook = false;
  /** What led to the next run, when the first of it was noticed, and what has come of it since. */
  #changes: readonly Change[] = [];
  #causedAt: number | undefined;
  #goneAt: number | undefined;
  #quietAt: number | undefined;
  /** The supervisor knows of the changes that the quiet window holds. */
  #changeIsAnnounced = false;

  /** @throws UsageError when there is nothing to run, or it cannot be run */
  constructor({ request, clock, emit, onEnd }: AppOptions) {
    this.#request = request;
    this.#clock = clock;
    this.readiness = new Readiness({
      clock,
      hasCheck: request.loaded.settings.ready !== undefined,
      onRunning: emit,
    });
    this.#emit = (event) => {
      this.readiness.onEvent(event);
      emit(event);
    };
    this.#loaded = request.loaded;
    this.#command = planCommand(request);
    this.#env = this.#readEnvironment(request.loaded);
    this.#quiet = this.#openQuiet();
    this.#watchdog = this.#openWatchdog();
    this.#pageQuiet = new QuietWindow({
      clock,
      delay: () => undefined,
      busy: () => false,
      restOfSave: restOfSaveAt,
      onQuiet: (changes) => this.#onPages(changes.map((change) => change.path)),
    });
    this.#settingsQuiet = new QuietWindow({
      clock,
      delay: () => settingsDelay,
      busy: () => false,
      restOfSave: () => 0,
      onQuiet: (changes) => this.#reload(changes),
    });
    this.#supervisor = new Supervisor({
      policy: policyOf(request.loaded.settings),
      clock,
      launch: (run, cause, listener) => this.#start(run, cause, listener),
      onStopping: (event) => {
        this.#onStopping(event);
        this.#emit(event);
      },
      onGone: (event) => {
        this.#onGone();
        this.#emit(event);
      },
      onOwnEnd: (event) => {
        this.#onOwnEnd(event);
        this.#emit(event);
      },
      onWait: () => this.#emit({ type: 'wait', reason: 'on-change-only' }),
      onEnd: (ending) => void this.#end(ending, onEnd),
    });
  }

  /** The root process, or undefined while none runs. */
  get pid(): number | undefined {
    return this.#liveRun === undefined ? undefined : this.#supervisor.program?.pid;
  }

  /** Resident memory of the program's processes in bytes; undefined where that cannot be known. */
  get memory(): number | undefined {
    return this.#liveRun === undefined ? undefined : this.#supervisor.program?.memory();
  }

  /** CPU time that the program's processes have used so far, in ms; undefined as for memory. */
  get cpu(): number | undefined {
    return this.#liveRun === undefined ? undefined : this.#supervisor.program?.cpu();
  }

  /** As it is shown to people. */
  get display(): string {
    return this.#command.display;
  }

  get isNode(): boolean {
    return this.#command.isNode;
  }

  /** The settings in force. */
  get loaded(): LoadedSettings {
    return this.#loaded;
  }

  /** Starts the program, and then begins to watch; resolves once no save can be missed any more. */
  async start(launcher: Launcher): Promise<void> {
    this.#launcher = launcher;
    this.#hooks = launcher.openHooks({
      folder: this.#loaded.folder,
      commands: () => hooksOf(this.#loaded.settings),
      env: () => this.#env,
      onProblem: (message) => this.#emit({ type: 'problem', message }),
    });
    const since = Date.now();
    this.#supervisor.dispatch({ type: 'start' });
    for (const held of this.#held.splice(0)) this.write(...held);
    this.#watching = this.#watch(since);
    await this.#watching;
  }

  /** @param escalates whether a run that is being stopped for a restart already is killed */
  restart(cause: Cause, escalates: boolean): void {
    if (this.#launcher === undefined) return; // It is about to start anyway.
    this.#causedAt ??= this.#clock.now();
    this.#supervisor.dispatch({ type: 'restart', cause, escalates });
  }

  /** Reads the settings again; wrong ones leave everything as it is. */
  reload(): Reread {
    const reread = this.#readSettings();
    this.#adapt(reread.changed, false);
    return reread;
  }

  /** Ends everything; asked a second time, by force. */
  stop(ending: StopReason): void {
    // What a person does to a program reaches it as it would without devwatch; only if it does not
    // end on that is it asked in devwatch's way. SIGTERM is devwatch's way.
    this.#isStopping = true;
    this.#cancelPatience();
    this.#launcher?.releasePorts();
    const polite = ending.kind === 'signal' && ending.signal !== 'SIGTERM' ? ending.signal : undefined;
    if (polite !== undefined && !isDeliveredByTerminal(polite)) this.#supervisor.program?.signal(polite, 'tree');
    this.#supervisor.dispatch({ type: 'stop', reason: ending, delivered: polite !== undefined });
  }

  /** Hands a signal to the program as it is. */
  signal(name: NodeJS.Signals, to: 'root' | 'tree'): void {
    this.#supervisor.program?.signal(name, to);
  }

  /**
   * Hands input to the program: to its stdin, if that is a pipe (null ends it, for later runs, too);
   * else it is kept until the program begins to read the terminal itself.
   *
   * @param taken called when more may be written: the program has read, or will not
   */
  write(chunk: string | Buffer | null, taken: () => void = () => {}): void {
    const isPiped = this.#loaded.settings.stdin !== 'inherit';
    const program = this.#liveRun === undefined ? undefined : this.#supervisor.program;
    if (chunk === null) {
      if (isPiped) {
        this.#inputEnded = true;
        program?.write(null);
      }
      taken();
    } else if (!isPiped && this.#launcher !== undefined) {
      if (this.#typedAhead.length < longestTypedAhead) this.#typedAhead += chunk.toString();
      taken();
    } else if (program === undefined) {
      this.#held.push([chunk, taken]);
    } else {
      this.#hand(program, chunk, taken);
    }
  }

  /** What a run does not live to take is for the next one. */
  #hand(program: RunningProgram, chunk: string | Buffer, taken: () => void): void {
    program.write(chunk, (isLost) => {
      if (!isLost) taken();
      // That may be heard of late.
      else if (this.#supervisor.program !== program) this.write(chunk, taken);
      else this.#held.push([chunk, taken]);
    });
  }

  #start(run: number, cause: Cause, listener: RunListener): RunningProgram {
    try {
      this.#env = this.#readEnvironment(this.#loaded);
    } catch (error) {
      this.#emit({ type: 'problem', message: `${messageOf(error)} · the variables stay as they were` });
    }
    const { settings, folder } = this.#loaded;
    const causedAt = this.#causedAt ?? this.#clock.now();
    this.#lookout?.begin(Date.now());
    this.#loops.started(this.#clock.now());
    const program = (this.#launcher as Launcher).launch(
      {
        command: this.#command,
        folder,
        env: this.#env,
        variables: runVariables(run, cause, this.#changes),
        signal: settings.signal,
        stdin: settings.stdin,
        reportLoads: settings.deps,
        prewarm: settings.standby ? settings.prewarm : false,
        standby: settings.standby,
        hold: settings.hold !== false,
        drain: settings.drain,
        isPinged: settings.health?.probe === 'event-loop',
        sendsReady: settings.ready === 'message',
        capturesOutput:
          this.#request.output !== undefined || (settings.ready !== undefined && isPattern(settings.ready)),
        relay: this.#request.relayMessages ?? false,
      },
      {
        onEvent: (event) => this.#onProgramEvent(event, run, causedAt, listener),
        onReadsInput: () => this.#yieldInput(),
      },
    );
    this.#liveRun = program.pid === undefined ? undefined : run;
    this.#typedAhead = '';
    if (settings.stdin !== 'inherit' && this.#liveRun !== undefined) {
      for (const [chunk, taken] of this.#held.splice(0)) this.#hand(program, chunk, taken);
      if (this.#inputEnded) program.write(null);
    }
    // Other programs than Node cannot tell whether they read: they are left alone with the terminal.
    this.#setInputOwner(settings.stdin === 'inherit' && !this.#command.isNode ? 'program' : 'devwatch');
    this.#emit({
      type: 'start',
      run,
      pid: program.pid,
      cause,
      changes: this.#changes,
      standby: program.fromStandby,
      ...(this.#goneAt !== undefined && this.#goneAt >= causedAt && { gone: this.#goneAt - causedAt }),
      ...(this.#quietAt !== undefined && { quiet: this.#quietAt - causedAt }),
      ms: this.#clock.now() - causedAt,
    });
    this.#hooks?.run(run === 1 ? 'start' : 'restart', runVariables(run, cause, this.#changes));
    this.#runCausedAt = causedAt;
    this.#changes = [];
    this.#causedAt = undefined;
    this.#quietAt = undefined;
    if (program.pid !== undefined) this.#watchdog.begin(program);
    return program;
  }

  #onProgramEvent(event: ProgramEvent, run: number, causedAt: number, listener: RunListener): void {
    switch (event.type) {
      case 'exit':
        this.#onRootExit(run);
        // Ctrl-C reaches the program and devwatch at once, and its end may be heard of first: that is no crash,
        // and no exit of its own. Of two signals that wait, two threads of devwatch may take the second one first.
        if (looksInterrupted(event.outcome) && isForeground())
          this.#clock.after(interruptOrder, () => listener.onExit(event.outcome));
        else listener.onExit(event.outcome);
        return;
      case 'gone':
        listener.onGone(event.survivors);
        return;
      case 'begin':
        this.#emit({ type: 'begin', run, ms: this.#clock.now() - causedAt });
        return;
      case 'standby':
        this.#emit(event);
        return;
      case 'prewarmFailed':
        this.#emit({
          type: 'warning',
          message: `${event.file} cannot be loaded ahead of time (${event.message}): --prewarm is off for now`,
        });
        return;
      case 'leavesInput':
        if (this.#liveRun === run) this.#setInputOwner('devwatch');
        return;
      case 'load':
        this.#lookout?.loads(event.file);
        return;
      case 'listens':
        this.#watchdog.listens(event.port);
        return;
      case 'message':
        this.#watchdog.receives(event.message);
        return;
      case 'output':
        this.#watchdog.prints(event.chunk);
        return;
      case 'portTaken':
        this.#emit({ type: 'portTaken', port: event.port, holders: findPortHolders(event.port) });
        return;
      default:
        unreachable(event);
    }
  }

  #openWatchdog(): Watchdog {
    return new Watchdog({
      clock: this.#clock,
      // A program that stands at a breakpoint answers nobody.
      settings: { ...this.#loaded.settings, ...(this.#isDebugged() && { health: undefined }) },
      onReady: (port) => {
        const ms = this.#clock.now() - this.#runCausedAt;
        const run = this.#supervisor.run;
        this.#emit({ type: 'ready', run, ms, ...(port !== undefined && { port }) });
        this.#hooks?.run('ready', {
          DEVWATCH_RUN: String(run),
          DEVWATCH_MS: String(Math.round(ms)),
          DEVWATCH_PORT: String(port ?? ''),
        });
      },
      probe: (target, signal) => (target.kind === 'http' ? probeHttp(target.url, signal) : probeTcp(target, signal)),
      onUnhealthy: (reason, permanent) => this.#supervisor.reportUnhealthy(reason, permanent),
    });
  }

  #isDebugged(): boolean {
    return [...this.#command.nodeArgs, this.#env.NODE_OPTIONS ?? ''].some((words) => /(?:^|\s)--inspect/.test(words));
  }

  #onStopping({ run, stage }: EventOf<'stopping'>): void {
    this.#watchdog.end();
    this.#cancelPatience();
    const { killTimeout, signal } = this.#loaded.settings;
    // Who ends devwatch itself is told by others.
    if (stage !== 'terminating' || this.#isStopping || killTimeout <= patience) return;
    this.#cancelPatience = this.#clock.after(patience, () =>
      this.#emit({ type: 'slowStop', run, signal, killIn: killTimeout - patience }),
    );
  }

  #onGone(): void {
    this.#cancelPatience();
    this.#goneAt = this.#clock.now();
  }

  #onOwnEnd({ type, run, outcome, next }: EventOf<'crash' | 'exit'>): void {
    this.#watchdog.end();
    if (next.kind !== 'restart') {
      // Nobody is to wait for an answer that is not about to come.
      this.#launcher?.releasePorts();
      this.#setInputOwner('devwatch');
    }
    this.#hooks?.run(type, {
      DEVWATCH_RUN: String(run),
      DEVWATCH_CODE: String(outcome.code ?? ''),
      DEVWATCH_SIGNAL: outcome.signal ?? '',
      DEVWATCH_REASON: outcome.reason ?? outcome.error ?? '',
    });
  }

  /** The program reads the terminal now; it gets what was typed before, too. */
  #yieldInput(): string {
    if (this.#loaded.settings.stdin !== 'inherit') return '';
    this.#setInputOwner('program');
    return this.#typedAhead;
  }

  #onRootExit(run: number): void {
    // A tree is proven gone by the kernel's word; Node's may come when the next run has begun.
    if (this.#liveRun !== run) return;
    this.#liveRun = undefined;
    // What another command has left unread is for its next run: devwatch would take old lines for new orders.
    if (this.#command.isNode) this.#setInputOwner('devwatch');
  }

  #setInputOwner(owner: 'program' | 'devwatch'): void {
    if (this.#inputOwner === owner) return;
    this.#inputOwner = owner;
    this.#emit({ type: 'input', owner });
  }

  #readEnvironment({ settings, folder }: LoadedSettings): NodeJS.ProcessEnv {
    const defaults = this.#request.defaultEnv?.(settings);
    return readEnvironment({ folder, files: settings.envFile, variables: settings.env, defaults });
  }

  /** Watches with the settings in force; what watched before goes once this has taken over. */
  async #watch(since: number): Promise<void> {
    if (this.#loaded.settings.watch.length === 0) {
      await this.#lookout?.close();
      this.#lookout = undefined;
      return;
    }
    const began = this.#clock.now();
    // Loaded only now: the program is already starting.
    const [{ WatchSession }, { planWatch }] = await Promise.all([
      import('../watch/session.ts'),
      import('./watch-plan.ts'),
    ]);
    if (this.#ended) return;
    this.#lookout ??= new WatchSession(
      {
        clock: this.#clock,
        onChange: (change) => this.#onChange(change),
        onIgnored: (file) => this.#onIgnored(file),
        onLoadsWatched: (files) => this.#emit({ type: 'watchingLoads', files }),
        onWarning: (message) => this.#emit({ type: 'warning', message }),
      },
      since,
    );
    const scope = await planWatch(this.#loaded, this.#command);
    this.#filter = scope.filter;
    const coverage = await this.#lookout.watch(scope, since);
    if (coverage === undefined) return;
    this.#emit({
      type: 'watching',
      program: this.#command.display,
      patterns: this.#loaded.settings.watch,
      extensions: scope.filter.extensions,
      ms: this.#clock.now() - began,
      ...coverage,
    });
    const own = ownFiles(this.#loaded, this.#command);
    for (const root of scope.filter.roots) {
      if (!own.includes(root) && !fs.existsSync(root)) {
        this.#emit({
          type: 'warning',
          message: `${path.relative(this.#loaded.folder, root)}: nothing is there to watch yet`,
        });
      }
    }
  }

  #onChange(change: Change): void {
    const isForDevwatchAlone = isReadByDevwatchAlone(change.path, this.#loaded);
    if (isForDevwatchAlone || this.#loaded.settingsFiles.includes(change.path)) this.#settingsQuiet.push(change);
    if (isForDevwatchAlone) return;
    if (this.#isPageFile(change.path)) {
      this.#pageQuiet.push(change);
      return;
    }
    if (isReadAtBoot(change.path)) this.#launcher?.discardStandbys();
    this.#causedAt ??= this.#clock.now();
    this.#quiet.push(change);
    // Whether anything has changed shows once it is quiet: a save may pass through an empty file.
    if (!this.#loaded.settings.skipUnchanged) this.#announceChange();
  }

  #isPageFile(file: string): boolean {
    const { liveReload, ext } = this.#loaded.settings;
    const extension = path.extname(file).slice(1);
    return liveReload !== false && pageExtensions.includes(extension) && !ext?.includes(extension);
  }

  #onPages(paths: readonly string[]): void {
    this.#emit({ type: 'pages', paths, styles: paths.every((file) => file.endsWith('.css')) });
  }

  #announceChange(): void {
    this.#changeIsAnnounced = true;
    this.#supervisor.dispatch({ type: 'changed' });
  }

  #onIgnored(file: string): void {
    const verdict = this.#filter?.explain(file);
    if (verdict !== undefined) this.#emit({ type: 'ignored', path: file, verdict });
  }

  #openQuiet(): QuietWindow {
    return new QuietWindow({
      clock: this.#clock,
      delay: () => this.#loaded.settings.delay,
      busy: () => this.#gitIsWriting() || this.#lookout?.isResyncing() === true,
      restOfSave: restOfSaveAt,
      onQuiet: (changes) => this.#onQuiet(changes),
    });
  }

  /** Does git hold its lock for what is being written? An old one is left over, or that of an open commit message. */
  #gitIsWriting(): boolean {
    let lockedAt: number;
    try {
      lockedAt = fs.statSync(path.join(this.#loaded.folder, '.git', 'index.lock')).mtimeMs;
    } catch {
      return false; // Also where .git is a file, as in a worktree or a submodule.
    }
    const burst = this.#clock.now() - (this.#causedAt ?? this.#clock.now());
    return Date.now() - lockedAt < burst + gitPreparation;
  }

  #onQuiet(all: readonly Change[]): void {
    const changes = this.#lookout?.changed(all) ?? all;
    for (const { path } of all.filter((change) => !changes.includes(change))) {
      this.#emit({ type: 'ignored', path, verdict: { watched: false, reason: 'unchanged' } });
    }
    if (changes.length > 0 && !this.#changeIsAnnounced) this.#announceChange();
    if (!this.#changeIsAnnounced) {
      this.#causedAt = undefined;
      return;
    }
    this.#changeIsAnnounced = false;
    this.#changes = changes;
    this.#quietAt = this.#clock.now();
    this.#emit({ type: 'change', changes: changes.map((change) => ({ ...change, ...this.#ruleFor(change) })) });
    this.#hooks?.run('change', runVariables(this.#supervisor.run, 'change', changes));
    this.#warnOfLoop(changes);
    this.#supervisor.dispatch({ type: 'quiet' });
  }

  #ruleFor({ path: file }: Change): { rule?: string } {
    const verdict = this.#loaded.settings.verbose ? this.#filter?.explain(file) : undefined;
    return verdict?.watched === true ? { rule: verdict.pattern } : {};
  }

  #warnOfLoop(changes: readonly Change[]): void {
    const culprit = this.#loops.changed(
      changes.map((change) => change.path),
      this.#clock.now(),
    );
    // Who saves it quickly is a person; to ignore it would be no advice.
    if (culprit === undefined || culprit === this.#command.script) return;
    const name = path.relative(this.#loaded.folder, culprit);
    this.#emit({
      type: 'warning',
      message: `${name} changes right after every start: if the program itself writes it, use --ignore ${name}`,
    });
  }

  /** Puts new settings into force; wrong ones leave everything as it is. */
  #reload(changes: readonly Change[]): void {
    // The next save may have begun since.
    this.#isSecondLook = !this.#isSecondLook && changes.some((change) => restOfSaveAt(change.path) > 0);
    if (this.#isSecondLook) {
      for (const change of changes) this.#settingsQuiet.push(change);
      return;
    }
    const stamps = (): string => changes.map((change) => stampOf(change.path)).join();
    const before = stamps();
    const { changed, problem, isCommon } = this.#readSettings();
    // A save that has begun since is still to be heard of, and what was read may be half of it.
    if (problem !== undefined && stamps() !== before) return;
    if (problem !== undefined) {
      this.#emit({
        type: 'problem',
        message: `${problem} · the old settings stay in force`,
        ...(isCommon && { isCommon }),
      });
    }
    this.#adapt(
      changed,
      changes.some(({ path: file }) => ['package.json', '.gitignore'].includes(path.basename(file))),
    );
  }

  /** Acts on settings that have other values now. */
  #adapt(changed: readonly OptionKey[], replans: boolean): void {
    if (this.#launcher === undefined) return; // It is about to start with them.
    const since = Date.now();
    if (affected(changed, 'watch') || replans) {
      this.#watching = this.#watching
        .then(() => this.#watch(since))
        .catch((error: unknown) =>
          this.#emit({ type: 'problem', message: `the old watcher goes on: ${messageOf(error)}` }),
        );
    }
    // What it takes to ask a program, or to hear that it is up, it gets at its start.
    if (affected(changed, 'program')) {
      this.restart('settings', false);
    }
  }

  /** Takes what the settings files say now. */
  #readSettings(): Reread {
    const { reload } = this.#request;
    if (reload === undefined) return { changed: [] };
    let loaded: LoadedSettings;
    let command: Command;
    try {
      loaded = reload();
      command = planCommand({ ...this.#request, loaded });
      this.#env = this.#readEnvironment(loaded);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return { changed: [], problem: error.message, isCommon: error instanceof CommonMistake };
    }
    const before = this.#loaded.settings;
    const changed = changedKeys(before, loaded.settings);
    this.#loaded = loaded;
    this.#command = command;
    if (changed.length > 0) {
      this.#emit({ type: 'settings', file: loaded.file ?? '', changed, settings: loaded.settings });
      const message = restartNotice(changed, 'start', [before, loaded.settings]);
      if (message !== undefined) this.#emit({ type: 'warning', message });
      this.#supervisor.policy = policyOf(loaded.settings);
      if (affected(changed, 'watchdog')) {
        const previous = this.#watchdog;
        this.#watchdog = this.#openWatchdog();
        previous.replaceBy(this.#watchdog);
      }
    }
    return { changed };
  }

  async #end(ending: StopReason, onEnd: (ending: StopReason) => void): Promise<void> {
    this.#quiet.close();
    this.#settingsQuiet.close();
    this.#pageQuiet.close();
    this.#watchdog.end();
    this.#ended = true;
    await Promise.all([this.#lookout?.close(), this.#hooks?.close(), this.#launcher?.close()]);
    this.readiness.onEvent({ type: 'end', reason: ending });
    onEnd(ending);
  }
}

/** Node and its loaders read these before the program; so may loaders that are configured by `.env`. */
const isReadAtBoot = (file: string): boolean =>
  /^(?:(?:package(?:-lock)?|[tj]sconfig.*)\.json|\.env.*)$/.test(path.basename(file));

const hooksOf = ({ on, onReady }: Settings): HookCommands => (onReady === undefined ? on : { ...on, ready: onReady });

function policyOf(settings: Settings): Policy {
  const { restart, maxRestarts, minUptime, exitOnCrash, onChangeOnly, killTimeout } = settings;
  return { ...defaultPolicy, restart, maxRestarts, minUptime, exitOnCrash, onChangeOnly, killTimeout };
}

function changedKeys(before: Settings, after: Settings): OptionKey[] {
  return optionKeys.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]));
}
