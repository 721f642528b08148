/** One program: what is watched, when it is quiet, and the supervisor that acts on it. */

import fs from 'node:fs';
import path from 'node:path';
import type { Clock } from './clock.ts';
import type { LoadedSettings } from './config/load.ts';
import { type OptionKey, optionKeys, type Settings, specOf } from './config/options.ts';
import { messageOf, UsageError } from './errors.ts';
import type { Cause, Change, Emit, Ending } from './events.ts';
import { type Command, resolveCommand } from './process/command.ts';
import { readEnvironment } from './process/environment.ts';
import { findPortHolders } from './process/ports.ts';
import type { Launch, Program } from './process/spawn.ts';
import { isDeliveredByTerminal } from './process/terminal.ts';
import { defaultPolicy, type Policy } from './supervise/machine.ts';
import { type RunListener, Supervisor } from './supervise/supervisor.ts';
import { createFilter, type Filter } from './watch/filter.ts';
import { createQuietWindow, type QuietWindow } from './watch/quiet.ts';
import type { Watcher } from './watch/watcher.ts';

/** What to run, and where its settings come from. */
export interface AppRequest {
  readonly loaded: LoadedSettings;
  /** The script or command with its arguments as given; empty: what the settings name. */
  readonly program: readonly string[];
  /** Node's flags as given; they come before those of the settings. */
  readonly nodeArgs: readonly string[];
  /** Relay IPC messages between whoever started this process and the program. */
  readonly relayMessages?: boolean;
  /** Reads the settings again, after their file has changed. Throws UsageError when they are wrong. */
  readonly reload?: (() => LoadedSettings) | undefined;
}

export interface AppOptions {
  readonly request: AppRequest;
  readonly clock: Clock;
  readonly emit: Emit;
  /** All is over: nothing of it is alive, nothing is watched. */
  readonly onEnd: (ending: Ending) => void;
}

/** How much later than the program's end devwatch may hear of the Ctrl-C that caused it, in ms. */
const interruptOrder = 50;

/** A settings file is read this long after the last event about it, in ms: editors write in several steps. */
const settingsDelay = 50;

/** As much as a terminal's own queue is kept of what is typed before the program reads, in characters. */
const longestTypedAhead = 4096;

export class App {
  readonly #request: AppRequest;
  readonly #clock: Clock;
  readonly #emit: Emit;
  readonly #supervisor: Supervisor;
  readonly #settingsQuiet: QuietWindow;
  /** The run whose root process is alive. */
  #liveRun: number | undefined;
  #inputOwner: 'program' | 'devwatch' = 'devwatch';
  #inputEnded = false;
  #typedAhead = '';
  /** Set by start(), before which nothing can ask for a run. */
  #launch: Launch | undefined;
  #loaded: LoadedSettings;
  #command: Command;
  #env: NodeJS.ProcessEnv;
  readonly #quiet: QuietWindow;
  #watcher: Watcher | undefined;
  /** Done when the latest watcher is armed. */
  #watching: Promise<void> = Promise.resolve();
  #ended = false;
  /** What led to the next run, and when the first of it was noticed. */
  #changes: readonly Change[] = [];
  #causedAt: number | undefined;

  /** @throws UsageError when there is nothing to run, or it cannot be run */
  constructor({ request, clock, emit, onEnd }: AppOptions) {
    this.#request = request;
    this.#clock = clock;
    this.#emit = emit;
    this.#loaded = request.loaded;
    this.#command = commandOf(request, request.loaded);
    this.#env = this.#readEnvironment(request.loaded);
    this.#quiet = this.#openQuiet();
    this.#settingsQuiet = createQuietWindow({
      clock,
      delay: () => settingsDelay,
      busy: () => false,
      onQuiet: () => this.#reload(),
    });
    this.#supervisor = new Supervisor({
      policy: policyOf(request.loaded.settings),
      clock,
      launch: (run, cause, listener) => this.#start(run, cause, listener),
      emit,
      onEnd: (ending) => void this.#end(ending, onEnd),
    });
  }

  /** The root process, or undefined while none runs. */
  get pid(): number | undefined {
    return this.#liveRun === undefined ? undefined : this.#supervisor.program?.pid;
  }

  /** Starts the program, and then begins to watch; resolves once no save can be missed any more. */
  async start(launch: Launch): Promise<void> {
    this.#launch = launch;
    const since = Date.now();
    this.#supervisor.dispatch({ type: 'start' });
    this.#watching = this.#watch(since);
    await this.#watching;
  }

  restart(cause: Cause): void {
    if (this.#launch === undefined) return; // It is about to start anyway.
    this.#causedAt ??= this.#clock.now();
    this.#supervisor.dispatch({ type: 'restart', cause });
  }

  /** Ends everything; asked a second time, by force. */
  stop(ending: Ending): void {
    // What a person does to a program reaches it as it would without devwatch; only if it does not
    // end on that is it asked in devwatch's way. SIGTERM is devwatch's way.
    const polite = ending.kind === 'signal' && ending.signal !== 'SIGTERM' ? ending.signal : undefined;
    if (polite !== undefined && !isDeliveredByTerminal(polite)) this.#supervisor.program?.signal(polite, 'tree');
    this.#supervisor.dispatch({ type: 'stop', ending, told: polite !== undefined });
  }

  /** Hands a signal to the program as it is. */
  signal(name: NodeJS.Signals, to: 'root' | 'tree'): void {
    this.#supervisor.program?.signal(name, to);
  }

  /**
   * Hands input to the program: to its stdin, if that is a pipe (null ends it, for later runs, too);
   * else it is kept until the program begins to read the terminal itself.
   */
  write(chunk: string | Buffer | null): void {
    if (this.#loaded.settings.stdin === 'inherit') {
      if (chunk !== null && this.#typedAhead.length < longestTypedAhead) this.#typedAhead += chunk.toString();
      return;
    }
    if (chunk === null) this.#inputEnded = true;
    this.#supervisor.program?.write(chunk);
  }

  #start(run: number, cause: Cause, listener: RunListener): Program {
    try {
      this.#env = this.#readEnvironment(this.#loaded);
    } catch (error) {
      this.#emit('problem', { message: `${messageOf(error)} · the variables stay as they were` });
    }
    const { settings, folder } = this.#loaded;
    const launch = this.#launch as Launch;
    const program = launch(
      run,
      {
        command: this.#command,
        folder,
        env: this.#env,
        signal: settings.signal,
        stdin: settings.stdin,
        relay: this.#request.relayMessages ?? false,
      },
      {
        onExit: (outcome) => {
          this.#onRootExit(run);
          // Ctrl-C reaches the program and devwatch at once, and its end may be heard of first: that is no crash.
          if (outcome.signal !== null && isDeliveredByTerminal(outcome.signal))
            this.#clock.after(interruptOrder, () => listener.onExit(outcome));
          else listener.onExit(outcome);
        },
        onGone: (survivors) => listener.onGone(survivors),
        onReadsInput: () => this.#yieldInput(),
        onPortTaken: (port) => this.#emit('portTaken', { port, holders: findPortHolders(port) }),
      },
    );
    this.#liveRun = program.pid === undefined ? undefined : run;
    this.#typedAhead = '';
    if (this.#inputEnded) program.write(null);
    // Other programs than Node cannot tell whether they read: they are left alone with the terminal.
    this.#setInputOwner(settings.stdin === 'inherit' && !this.#command.isNode ? 'program' : 'devwatch');
    const now = this.#clock.now();
    this.#emit('start', { run, pid: program.pid, cause, changes: this.#changes, ms: now - (this.#causedAt ?? now) });
    this.#changes = [];
    this.#causedAt = undefined;
    return program;
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
    this.#setInputOwner('devwatch');
  }

  #setInputOwner(owner: 'program' | 'devwatch'): void {
    if (this.#inputOwner === owner) return;
    this.#inputOwner = owner;
    this.#emit('input', { owner });
  }

  #readEnvironment({ settings, folder }: LoadedSettings): NodeJS.ProcessEnv {
    return readEnvironment({ folder, files: settings.envFile, variables: settings.env });
  }

  /** Watches with the settings in force; a watcher that is already there goes once the new one has taken over. */
  async #watch(since: number): Promise<void> {
    const began = this.#clock.now();
    const { settings } = this.#loaded;
    const filter = this.#createFilter();
    // Loaded only now: the program is already starting.
    const { openWatcher } = await import('./watch/watcher.ts');
    if (this.#ended) return;
    const watcher = await openWatcher(
      {
        filter,
        since,
        pollInterval: settings.pollInterval,
        onChange: (change) => this.#onChange(change),
        onWarning: (message) => this.#emit('warning', { message }),
      },
      { watcher: settings.watcher, poll: settings.poll },
    );
    const previous = this.#watcher;
    this.#watcher = watcher;
    if (this.#ended) {
      await watcher.close();
      return;
    }
    const coverage = await watcher.armed;
    await previous?.close();
    if (this.#ended) return;
    this.#emit('watching', {
      program: this.#command.display,
      patterns: settings.watch,
      extensions: filter.extensions,
      ms: this.#clock.now() - began,
      ...coverage,
    });
    for (const root of filter.roots) {
      if (!this.#ownFiles().includes(root) && !fs.existsSync(root)) {
        this.#emit('warning', {
          message: `${path.relative(this.#loaded.folder, root)}: nothing is there to watch yet`,
        });
      }
    }
  }

  #createFilter(): Filter {
    const { settings, bases } = this.#loaded;
    const extensions = settings.ext ?? this.#command.extensions;
    return createFilter({
      watch: { patterns: settings.watch, base: bases.watch },
      ignore: { patterns: settings.ignore, base: bases.ignore },
      extensions: extensions.includes('*') ? null : extensions,
      always: this.#ownFiles(),
      script: this.#command.script,
    });
  }

  /** Files that count wherever they are: what runs, what it is configured with, and what configures us. */
  #ownFiles(): string[] {
    const { settings, settingsFiles } = this.#loaded;
    return [this.#command.script, ...settingsFiles, ...settings.envFile].filter((name) => name !== undefined);
  }

  #onChange(change: Change): void {
    if (this.#loaded.settingsFiles.includes(change.path)) {
      this.#settingsQuiet.push(change);
      // package.json also says something to the program; our own file does not.
      if (path.basename(change.path) !== 'package.json') return;
    }
    this.#causedAt ??= this.#clock.now();
    this.#quiet.push(change);
    this.#supervisor.dispatch({ type: 'changed' });
  }

  #openQuiet(): QuietWindow {
    return createQuietWindow({
      clock: this.#clock,
      delay: () => this.#loaded.settings.delay,
      busy: () => fs.existsSync(path.join(this.#loaded.folder, '.git', 'index.lock')),
      onQuiet: (changes) => {
        this.#changes = changes;
        this.#emit('change', { changes });
        this.#supervisor.dispatch({ type: 'quiet' });
      },
    });
  }

  /** Puts new settings into force; wrong ones leave everything as it is. */
  #reload(): void {
    const { reload } = this.#request;
    if (reload === undefined) return;
    let loaded: LoadedSettings;
    let command: Command;
    try {
      loaded = reload();
      command = commandOf(this.#request, loaded);
      this.#env = this.#readEnvironment(loaded);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      this.#emit('problem', { message: `${error.message} · the old settings stay in force` });
      return;
    }
    const changed = changedKeys(this.#loaded.settings, loaded.settings);
    const since = Date.now();
    this.#loaded = loaded;
    this.#command = command;
    if (changed.length === 0) return;
    this.#emit('settings', { file: loaded.file ?? '', changed, settings: loaded.settings });
    this.#supervisor.policy = policyOf(loaded.settings);
    if (changed.some((key) => specOf(key).group === 'Watching' || specOf(key).group === 'Program')) {
      this.#watching = this.#watching
        .then(() => this.#watch(since))
        .catch((error: unknown) => this.#emit('problem', { message: `the old watcher goes on: ${messageOf(error)}` }));
    }
    if (changed.some((key) => specOf(key).group === 'Program')) this.restart('settings');
  }

  async #end(ending: Ending, onEnd: (ending: Ending) => void): Promise<void> {
    this.#quiet.close();
    this.#settingsQuiet.close();
    this.#ended = true;
    await this.#watcher?.close();
    onEnd(ending);
  }
}

function commandOf(request: AppRequest, { settings, folder }: LoadedSettings): Command {
  const fromSettings = settings.script === undefined ? [] : [settings.script, ...settings.args];
  const program = request.program.length > 0 ? request.program : fromSettings;
  if (program.length === 0 && settings.exec === undefined) {
    throw new UsageError(
      'nothing to run · devwatch <script>, or "script" in .watchrc, or "main" in package.json (devwatch --help)',
    );
  }
  const command = resolveCommand({
    folder,
    program,
    nodeArgs: [...request.nodeArgs, ...settings.nodeArgs],
    exec: settings.exec,
    execMap: settings.execMap,
  });
  if (settings.signal === 'message' && !command.isNode) {
    throw new UsageError(`signal "message" needs a program that Node runs directly, not: ${command.display}`);
  }
  return command;
}

function policyOf(settings: Settings): Policy {
  const { restart, maxRestarts, minUptime, exitOnCrash, onChangeOnly, killTimeout } = settings;
  return { ...defaultPolicy, restart, maxRestarts, minUptime, exitOnCrash, onChangeOnly, killTimeout };
}

function changedKeys(before: Settings, after: Settings): OptionKey[] {
  return optionKeys.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]));
}
