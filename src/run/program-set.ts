/** The programs of one devwatch: each has a runner of its own, they begin in their order and end together. */

import type { LoadedSettings } from '../config/load.ts';
import { type CancelTimer, type Clock, systemClock } from '../shared/clock.ts';
import { CommonMistake, UsageError } from '../shared/errors.ts';
import type { Emit, StopReason } from '../shared/events.ts';
import type { AppRequest } from './program.ts';
import { Runner } from './runner.ts';

/** A program, and what it is called where there are several. */
export interface MemberRequest extends Omit<AppRequest, 'reload'> {
  /** Its name under `apps`; undefined for the only program. */
  readonly app: string | undefined;
}

export interface GroupOptions {
  readonly members: readonly MemberRequest[];
  /** Who hears of all that happens to a program. Asked for once for each. */
  readonly observe: (member: MemberRequest) => Emit;
  /** All programs as the settings name them now. Throws UsageError when they are wrong. */
  readonly reread: () => readonly MemberRequest[];
  /** All is over: nothing of any program is alive. */
  readonly onEnd: (ending: StopReason) => void;
  /** For what waiting programs are told; the programs themselves have the system's. */
  readonly clock?: Clock;
}

/** When a program has lived so long, in ms, without a sign that it is up, those that wait for it are told. */
const patience = 10_000;

interface Member {
  readonly request: MemberRequest;
  readonly runner: Runner;
  readonly emit: Emit;
  hasStarted: boolean;
  /** No longer counts how long its run has lived without being up. */
  cancelPatience: CancelTimer;
  /** The settings name it no longer. */
  isLeaving: boolean;
}

const keyOf = ({ app }: MemberRequest): string => app ?? '';

export class Group {
  readonly #options: GroupOptions;
  readonly #clock: Clock;
  readonly #members = new Map<string, Member>();
  #ending: StopReason | undefined;
  /** All that the settings name, as they were last read. */
  #requests: readonly MemberRequest[];
  /** What the settings were last found wrong for, and the programs that know of it. */
  #mistake = { message: '', told: new Set<string>() };

  /** @throws UsageError when one of them cannot be run */
  constructor(options: GroupOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#requests = options.members;
    for (const member of options.members) this.#add(member);
  }

  /** The names of several programs; none for a single one. */
  get names(): readonly string[] {
    return [...this.#members.keys()].filter((name) => name !== '');
  }

  /** Starts each as soon as those that it waits for are up. To be called once. */
  start(): void {
    this.#startDue();
    for (const member of this.#members.values()) this.#tellWait(member);
  }

  /** Restarts one by its name, or all; of one that waits for others it says so. Returns false when there is none of that name. */
  restart(name?: string): boolean {
    const meant = name === undefined ? [...this.#members.values()] : [this.#members.get(name)];
    for (const member of meant) {
      if (member?.hasStarted === true) member.runner.restart();
      else if (member !== undefined) this.#tellWait(member);
    }
    return meant.every((member) => member !== undefined);
  }

  /** Ends all of them; asked a second time, by force. */
  stop(ending: StopReason = { kind: 'requested' }): void {
    const isFirst = this.#ending === undefined;
    this.#ending ??= ending;
    for (const { runner, isLeaving } of this.#members.values()) {
      // Who is leaving has been asked already: another time would be by force.
      if (!isFirst || !isLeaving) void runner.stop(ending);
    }
  }

  /** Hands a signal to every program; see Runner. */
  signal(name: NodeJS.Signals, to?: 'root' | 'tree'): void {
    for (const { runner } of this.#members.values()) runner.signal(name, to);
  }

  /** Hands input to the only program, as Runner does; of several none is meant. */
  write(chunk: string | Buffer | null, taken: () => void = () => {}): void {
    const only = this.#members.get('');
    if (only === undefined) taken();
    else only.runner.write(chunk, taken);
  }

  /** Has the only program been stopped, by a signal or by itself? It goes on with devwatch. */
  isStopped(): boolean {
    return this.#members.get('')?.runner.isStopped() === true;
  }

  /** Is devwatch in the foreground of the terminal on its stdin? See Runner. */
  isForeground(): boolean {
    return [...this.#members.values()].some(({ runner }) => runner.isForeground());
  }

  #add(request: MemberRequest): Member {
    const key = keyOf(request);
    const runner = naming(request, () => new Runner({ ...request, reload: () => this.#reload(key) }));
    const emit = this.#options.observe(request);
    const member: Member = {
      request,
      runner,
      emit,
      hasStarted: false,
      cancelPatience() {},
      isLeaving: false,
    };
    const up = (): void => {
      member.cancelPatience();
      this.#startDue();
    };
    runner.observe(emit);
    runner.on('start', () => this.#countPatience(member));
    for (const over of ['stopping', 'crash', 'end'] as const) runner.on(over, () => member.cancelPatience());
    for (const sign of ['ready', 'running', 'exit'] as const) runner.on(sign, up);
    runner.on('end', ({ reason }) => this.#onMemberEnd(member, reason));
    this.#members.set(key, member);
    return member;
  }

  #startDue(): void {
    if (this.#ending !== undefined) return;
    for (const member of this.#members.values()) {
      if (member.hasStarted || member.isLeaving || this.#awaited(member).length > 0) continue;
      member.hasStarted = true;
      member.runner.start();
    }
  }

  #tellWait(member: Member): void {
    if (!member.hasStarted) member.emit({ type: 'wait', reason: 'after', programs: this.#awaited(member) });
  }

  #countPatience(member: Member): void {
    member.cancelPatience();
    if (!member.runner.readiness.hasBeenUp)
      member.cancelPatience = this.#clock.after(patience, () => this.#tellOfDelay(member));
  }

  /** Tells those that wait for it why they may do so for ever. */
  #tellOfDelay({ request, runner }: Member): void {
    const { ready } = runner.loaded.settings;
    // Without a readiness check it counts as running after a while; a job may take its time.
    if (ready === undefined || ready === 'exit') return;
    const name = keyOf(request);
    for (const waiting of this.#members.values()) {
      if (waiting.hasStarted || !this.#awaited(waiting).includes(name)) continue;
      waiting.emit({
        type: 'warning',
        message: `waits for ${name}, which has not been up yet · its "ready" is ${JSON.stringify(ready)}`,
      });
    }
  }

  /** Those that it has to wait for; who was not asked to run is not waited for. */
  #awaited({ runner }: Member): readonly string[] {
    return runner.loaded.settings.after.filter((name) => this.#members.get(name)?.runner.readiness.hasBeenUp === false);
  }

  #onMemberEnd(member: Member, ending: StopReason): void {
    const key = keyOf(member.request);
    this.#members.delete(key);
    // It was taken out of the settings and has come back meanwhile.
    const again = member.isLeaving ? this.#requests.find((request) => keyOf(request) === key) : undefined;
    if (again !== undefined && this.#ending === undefined) this.#tryToAdd(again, member.emit);
    if (this.#members.size === 0) this.#options.onEnd(this.#ending ?? ending);
    // With `exitOnCrash` the end of one is the end of all.
    else if (!member.isLeaving && this.#ending === undefined) this.stop(ending);
    // Whoever waited for it waits no longer.
    else this.#startDue();
  }

  /** What the settings say of one program now. When they change, every program hears of it, and asks. */
  #reload(key: string): LoadedSettings {
    const member = this.#members.get(key);
    if (member === undefined) throw new UsageError(`${key} has ended`);
    let requests: readonly MemberRequest[];
    try {
      requests = this.#reread();
      for (const request of requests) this.#requireRunnable(request);
    } catch (error) {
      if (error instanceof UsageError && this.#isToldAlready(error.message, key)) return member.runner.loaded;
      throw error;
    }
    queueMicrotask(() => this.#adapt(requests));
    return requests.find((request) => keyOf(request) === key)?.loaded ?? member.runner.loaded;
  }

  #reread(): readonly MemberRequest[] {
    try {
      return this.#options.reread();
    } catch (error) {
      throw error instanceof UsageError && this.names.length > 0 ? new CommonMistake(error.message) : error;
    }
  }

  /** Has another program been told of this mistake? The same one made anew is told anew. */
  #isToldAlready(message: string, key: string): boolean {
    const isNews = this.#mistake.message !== message || this.#mistake.told.has(key);
    if (isNews) this.#mistake = { message, told: new Set() };
    this.#mistake.told.add(key);
    return !isNews;
  }

  /** @throws UsageError when it would be started anew, and cannot be run: then nothing is to change */
  #requireRunnable(request: MemberRequest): void {
    const member = this.#members.get(keyOf(request));
    if (member === undefined || member.isLeaving) naming(request, () => new Runner(request));
  }

  /** Starts what the settings name anew, and ends what they name no longer. */
  #adapt(requests: readonly MemberRequest[]): void {
    if (this.#ending !== undefined) return;
    this.#requests = requests;
    const named = new Set(requests.map(keyOf));
    for (const [key, member] of this.#members) {
      if (named.has(key) || member.isLeaving) continue;
      member.isLeaving = true;
      member.emit({ type: 'warning', message: 'ends, for "apps" names it no longer' });
      void member.runner.stop();
    }
    const [first] = this.#members.values();
    const added: Member[] = [];
    for (const request of requests) {
      const member = this.#members.get(keyOf(request));
      if (member !== undefined) this.#tell(member, request.loaded);
      else if (first !== undefined) added.push(...this.#tryToAdd(request, first.emit));
    }
    this.#startDue();
    for (const member of added) this.#tellWait(member);
  }

  /** A program for which nothing is watched, or not yet, hears of changed settings through the others. */
  #tell({ runner, emit, hasStarted, isLeaving }: Member, { settings }: LoadedSettings): void {
    const inForce = runner.loaded.settings;
    const isSame = JSON.stringify(inForce) === JSON.stringify(settings);
    if (isSame || isLeaving || (hasStarted && inForce.watch.length > 0)) return;
    const { problem } = runner.reload();
    if (problem !== undefined) emit({ type: 'problem', message: `${problem} · the old settings stay in force` });
  }

  /** @param tell what went wrong: the program itself is none yet, of which anything could be told */
  #tryToAdd(request: MemberRequest, tell: Emit): Member[] {
    try {
      return [this.#add(request)];
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      tell({ type: 'problem', message: error.message });
      return [];
    }
  }
}

/** Which of several programs a mistake is about. */
function naming<Result>({ app }: MemberRequest, act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    throw error instanceof UsageError && app !== undefined ? new UsageError(`${app}: ${error.message}`) : error;
  }
}
