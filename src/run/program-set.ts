/** The programs of one devwatch: each has its own runner; they start in order and end together. */

import { type CancelTimer, type Clock, systemClock } from '../shared/clock.ts';
import { UsageError } from '../shared/errors.ts';
import type { Change, Emit, StopReason } from '../shared/events.ts';
import type { RunRequest } from './command-plan.ts';
import { Runner } from './runner.ts';
import { attempt, type Configurable, nameIn, SettingsReloader } from './settings-reloader.ts';

export interface ProgramSetOptions {
  readonly members: readonly RunRequest[];
  /** Returns the receiver of a program's events. Called once for each program. */
  readonly observe: (member: RunRequest) => Emit;
  /** Reads all programs that the settings name. @throws UsageError */
  readonly reread: () => readonly RunRequest[];
  /** Reports an error in settings that concern no single program. */
  readonly onProblem: (message: string) => void;
  /** Called once, when no process of any program is alive. */
  readonly onEnd: (reason: StopReason) => void;
  /** Clock of the set and of its settings; the programs use the system clock. */
  readonly clock?: Clock;
}

/** Programs that wait for another one are warned when its `ready` has not come for this long. */
const slowReadinessNoticeMs = 10_000;

interface Member {
  readonly request: RunRequest;
  readonly runner: Runner;
  readonly emit: Emit;
  hasStarted: boolean;
  cancelNotice: CancelTimer;
  /** The settings no longer name it; it is being stopped. */
  isLeaving: boolean;
}

/** The program has done its work, and nothing could start it again. */
const isSuccess = (reason: StopReason): boolean => reason.kind === 'program' && reason.outcome.code === 0;

const keyOf = ({ app }: RunRequest): string => app ?? '';

export class ProgramSet {
  readonly #options: ProgramSetOptions;
  readonly #clock: Clock;
  readonly #members = new Map<string, Member>();
  readonly #settings: SettingsReloader;
  #stopReason: StopReason | undefined;
  /** The programs that the settings name, as they were last read. */
  #requests: readonly RunRequest[];

  /** @throws UsageError when one of the programs cannot be run */
  constructor(options: ProgramSetOptions) {
    const { clock = systemClock, members, reread, onProblem } = options;
    this.#options = options;
    this.#clock = clock;
    this.#requests = members;
    this.#settings = new SettingsReloader({
      clock,
      read: reread,
      match: (requests) => this.#match(requests),
      onRead: (requests) => this.#adapt(requests),
      onProblem,
    });
    for (const request of members) this.#add(request);
  }

  /** The names of several programs; empty for a single one. */
  get names(): readonly string[] {
    return [...this.#members.keys()].filter((name) => name !== '');
  }

  /** The runner of a single program, which has no name; undefined for several programs. */
  get single(): Runner | undefined {
    return this.#members.get('')?.runner;
  }

  /** Starts each program as soon as those that it comes after are up. Must be called once. */
  start(): void {
    this.#startDue();
    for (const member of this.#members.values()) this.#reportWait(member);
  }

  /** Restarts a program by its name, or all; false for an unknown name. A program that waits for others only reports that. */
  restart(name?: string): boolean {
    const members = name === undefined ? [...this.#members.values()] : [this.#members.get(name)];
    for (const member of members) {
      if (member?.hasStarted === true) member.runner.restart();
      else if (member !== undefined) this.#reportWait(member);
    }
    return members.every((member) => member !== undefined);
  }

  /** Pauses all programs, or ends their pause: saves are collected until then. */
  togglePause(): void {
    const isPaused = this.#isPaused();
    for (const { runner } of this.#members.values()) {
      if (isPaused) runner.resume();
      else runner.pause();
    }
  }

  #isPaused(): boolean {
    return [...this.#members.values()].some(({ runner }) => runner.program.changes.waiting !== undefined);
  }

  /** Stops all programs; does nothing if they are being stopped. */
  stop(reason: StopReason = { kind: 'requested' }): void {
    if (this.#stopReason !== undefined) return;
    this.#stopReason = reason;
    for (const { runner, isLeaving } of this.#members.values()) {
      // A program that is leaving is being stopped already: a second request would kill it.
      if (!isLeaving) void runner.stop(reason);
    }
  }

  /** Kills all programs that are being stopped. */
  kill(reason: StopReason): void {
    for (const { runner } of this.#members.values()) void runner.stop(reason);
  }

  /** Sends a signal to every program, by default to the root processes alone. */
  signal(name: NodeJS.Signals, to: 'root' | 'tree' = 'root'): void {
    for (const { runner } of this.#members.values()) runner.program.signal(name, to);
  }

  #add(request: RunRequest): Member {
    let emit: Emit = () => {};
    const onEvent: Emit = (event) => emit(event);
    const onSettingsChange = (change: Change): void => this.#settings.push(change);
    const runner = attempt(() => new Runner({ ...request, onEvent, onSettingsChange }));
    if (runner instanceof UsageError) throw new UsageError(nameIn(runner.message, request));
    emit = this.#options.observe(request);
    const member: Member = { request, runner, emit, hasStarted: false, cancelNotice() {}, isLeaving: false };
    runner.on('start', () => this.#awaitReadiness(member));
    for (const type of ['ready', 'running', 'exit', 'stopping', 'crash', 'end'] as const) {
      runner.on(type, () => member.cancelNotice());
    }
    for (const type of ['ready', 'running', 'exit'] as const) runner.on(type, () => this.#startDue());
    runner.on('end', ({ reason }) => this.#onMemberEnd(member, reason));
    if (this.#isPaused()) runner.pause();
    this.#members.set(keyOf(request), member);
    return member;
  }

  #startDue(): void {
    if (this.#stopReason !== undefined) return;
    for (const member of this.#members.values()) {
      if (member.hasStarted || member.isLeaving || this.#awaitedBy(member).length > 0) continue;
      member.hasStarted = true;
      member.runner.start();
    }
  }

  #reportWait(member: Member): void {
    if (!member.hasStarted) member.emit({ type: 'wait', reason: 'after', programs: this.#awaitedBy(member) });
  }

  /** A run has begun whose readiness other programs may wait for. */
  #awaitReadiness(member: Member): void {
    member.cancelNotice();
    const { readiness, plan } = member.runner.program;
    const { ready } = plan.loaded.settings;
    // Without a readiness check the program counts as running after a while, and a job may take its time.
    if (readiness.hasBeenUp || ready === undefined || ready === 'exit') return;
    member.cancelNotice = this.#clock.after(slowReadinessNoticeMs, () => {
      const name = keyOf(member.request);
      const message = `waits for ${name}, which has not been up yet · its "ready" is ${JSON.stringify(ready)}`;
      for (const waiting of this.#members.values()) {
        if (waiting.hasStarted || !this.#awaitedBy(waiting).includes(name)) continue;
        waiting.emit({ type: 'warning', message });
      }
    });
  }

  /** The programs that a program has to wait for. A program that is not part of the set is not awaited. */
  #awaitedBy({ runner }: Member): readonly string[] {
    const { after } = runner.program.plan.loaded.settings;
    return after.filter((name) => this.#members.get(name)?.runner.program.readiness.hasBeenUp === false);
  }

  #onMemberEnd(member: Member, reason: StopReason): void {
    const key = keyOf(member.request);
    this.#members.delete(key);
    // The settings may name it again since.
    const again = member.isLeaving ? this.#requests.find((request) => keyOf(request) === key) : undefined;
    if (again !== undefined && this.#stopReason === undefined) this.#tryToAdd(again);
    if (this.#members.size === 0) {
      this.#settings.close();
      this.#options.onEnd(this.#stopReason ?? reason);
    }
    // The failure of one program stops all, with `exitOnCrash` or when nothing could start it again.
    else if (!member.isLeaving && !isSuccess(reason) && this.#stopReason === undefined) this.stop(reason);
    // Programs no longer wait for one that has left.
    else this.#startDue();
  }

  #match(requests: readonly RunRequest[]): ReadonlyMap<Configurable, RunRequest | undefined> {
    const byKey = new Map(requests.map((request) => [keyOf(request), request]));
    const members = [...this.#members].filter(([, { isLeaving }]) => !isLeaving);
    return new Map(members.map(([key, { runner }]) => [runner.program, byKey.get(key)]));
  }

  /** Starts programs that the settings name now, and stops those that they no longer name. */
  #adapt(requests: readonly RunRequest[]): void {
    if (this.#stopReason !== undefined) return;
    this.#requests = requests;
    const named = new Set(requests.map(keyOf));
    for (const [key, member] of this.#members) {
      if (named.has(key) || member.isLeaving) continue;
      member.isLeaving = true;
      member.emit({ type: 'warning', message: 'stops, because "apps" no longer names it' });
      void member.runner.stop();
    }
    const isNew = (request: RunRequest): boolean => !this.#members.has(keyOf(request));
    const added = requests.filter(isNew).flatMap((request) => this.#tryToAdd(request));
    this.#startDue();
    for (const member of added) this.#reportWait(member);
  }

  /** Adds a program; reports it when it cannot be run. */
  #tryToAdd(request: RunRequest): Member[] {
    const member = attempt(() => this.#add(request));
    if (!(member instanceof UsageError)) return [member];
    this.#options.onProblem(member.message);
    return [];
  }
}
