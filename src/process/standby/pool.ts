/**
 * Standbys: processes prepared for the next run. Node has booted and the loaders are loaded, but nothing of the program
 * has been read. A restart from a standby is several times faster than a cold start (Node 20, to the first line: 4 ms
 * instead of 115 ms; 10 ms instead of 365 ms with tsx).
 *
 * A standby is started when a run has settled, so that it does not compete with the program's own start; two while
 * restarts follow each other quickly. It waits in the preload for data on its channel, and so exits with devwatch.
 */

import path from 'node:path';
import type { HeldSocket, LoadFacts, Misfit, ParkOrders, PreloadMessage, Release } from '../../preload/protocol.ts';
import type { CancelTimer, Clock } from '../../shared/clock.ts';
import type { Feature } from '../../shared/events.ts';
import { openCache } from '../../shared/user-folders.ts';
import type { Child, ChildOptions, StartedChild } from '../launch/child.ts';
import { findPreload } from '../launch/preload-files.ts';
import type { ProgramListener } from '../launch/program-interface.ts';
import { stdinIsTerminal } from '../launch/tty.ts';
import { explainSpawnError } from '../spawn-errors.ts';
import { cpuTimeOf } from '../tree/proc.ts';
import { terminateTree } from '../tree/terminate.ts';
import type { ProcessTree } from '../tree/tree.ts';
import { packageOf } from './audits.ts';
import { BootFiles } from './boot-files.ts';
import type { Loading } from './loading.ts';
import { hasMemoryFor as isMemoryLeftFor } from './memory.ts';
import type { PackageChanges } from './package-files.ts';
import { StandbyPackages } from './packages.ts';
import { planParking } from './parking-plan.ts';
import { makeStdinBlocking, startBesideReader } from './shared-stdin.ts';

export interface StandbyContext {
  readonly start: (options: ChildOptions, park: ParkOrders) => StartedChild;
  readonly clock: Clock;
  /** Returns the sockets of the latest run, for the next one. */
  readonly held: () => readonly HeldSocket[];
  /** CPU time used by a process so far, in ms; undefined when the process is gone or the time is unknown. */
  readonly cpuTime?: (pid: number) => number | undefined;
  /** Returns whether there is memory for packages as well; by default what the system says. */
  readonly hasMemoryFor?: (pid: number) => boolean;
}

/** Time from a launch to the first check whether the program has settled; less while restarts follow each other quickly. */
const firstCheckMs = 1000;
const firstQuickCheckMs = 100;
const checkIntervalMs = 100;
/** A program that uses less CPU time between two checks has settled. The kernel counts in steps of 10 ms. */
const settledCpuMs = 10;
/** A program that never settles gets a standby after this time. */
const maxSettlingMs = 3000;
/** Two launches within this time are quick; … */
const quickGapMs = 2000;
/** … and a second standby is kept for this time after the last of them. */
const quickPeriodMs = 3000;

/** An early look at the files of packages counts for this long; it is repeated this long after the release. */
const maxLookAgeMs = 250;
const proofDelayMs = 200;

type EventListener = Pick<ProgramListener, 'onEvent'>;

interface Run {
  readonly options: ChildOptions;
  readonly pid: number;
  readonly tree: ProcessTree;
  readonly startedAt: number;
  /** Epoch ms. */
  readonly startedAtEpochMs: number;
  readonly listener: EventListener;
}

interface Standby {
  readonly child: Child;
  readonly key: string;
  readonly files: BootFiles;
  /** It waits for an answer: the release, or packages to load. */
  isParked: boolean;
  /** It has been parked once. */
  hasBooted?: true;
  /** The packages that it loads, or has loaded, ahead of time. */
  loading: Loading | undefined;
  /** An early look at the files of these packages, and when it was taken. */
  look?: PackageChanges & { readonly at: number };
}

export class StandbyPool {
  readonly #context: StandbyContext;
  readonly #standbys = new Set<Standby>();
  readonly #terminations = new Set<Promise<unknown>>();
  readonly #packages: StandbyPackages;
  #run: Run | undefined;
  #cancelCheck: CancelTimer = () => {};
  /** Repeats the early look at the files of the run that has just been released. */
  #proof: (() => boolean) | undefined;
  #cancelProof: CancelTimer = () => {};
  /** Set while restarts follow each other quickly. */
  #cancelCalm: CancelTimer | undefined;
  #isClosed = false;

  constructor(context: StandbyContext) {
    this.#context = context;
    const { clock, cpuTime = cpuTimeOf, hasMemoryFor = isMemoryLeftFor } = context;
    this.#packages = new StandbyPackages({
      ...{ clock, cpuTime, hasMemoryFor },
      // A package may open stdin: as a pipe, it would not block any more, for the program either.
      start: (options) => this.#park(stdinIsTerminal() ? options : { ...options, stdin: 'ignore' }),
      discard: (child) => this.#discardChild(child),
      onReady: () => this.#loadPackages(),
      onShortage: () => this.#report('packages', 'too little memory is free', '--prewarm loads them in any case'),
    });
  }

  /**
   * A run is ending, and the next one may follow: looks at the files of its packages meanwhile. What changes between this
   * look and the release is found after the release, by another look, and leads to a restart.
   */
  lookAhead(): void {
    for (const standby of this.#standbys) {
      const { isParked, loading } = standby;
      if (isParked && loading !== undefined) standby.look = { ...loading.files.look(), at: this.#context.clock.now() };
    }
  }

  /** Releases a standby with the run's own variables; returns undefined if none fits the options. */
  take(options: ChildOptions, variables: Readonly<Record<string, string>>): Child | undefined {
    const key = keyOf(options);
    for (const standby of this.#standbys) {
      if (standby.loading?.isStuck === true || !standby.files.areUnchanged()) this.#discard(standby);
    }
    const fitting = [...this.#standbys].filter((standby) => standby.key === key);
    // The one that has loaded most.
    const [best] = fitting.sort((one, other) => (other.loading?.fileCount ?? 0) - (one.loading?.fileCount ?? 0));
    if (best === undefined) return undefined;
    const validity = this.#validityOf(best);
    if (validity === undefined) {
      this.#discard(best);
      return this.take(options, variables);
    }
    this.#standbys.delete(best);
    const release: Release = { variables, held: options.hold ? this.#context.held() : [], ...validity };
    best.loading?.close();
    if (options.stdin === 'inherit') makeStdinBlocking();
    best.child.answer(release);
    best.child.process.ref();
    return best.child;
  }

  /** Says which of its packages a standby must not hand over. Undefined if the process is of no use. */
  #validityOf({ loading, look }: Standby): Pick<Release, 'changedFiles' | 'dropsPackages'> | undefined {
    this.#proof = undefined;
    if (loading === undefined) return {};
    const isLate = look === undefined || this.#context.clock.now() - look.at > maxLookAgeMs;
    const { isReinstalled, changed: changedFiles } = isLate ? loading.files.look() : look;
    // Node has read the manifests of the packages, and does not read them again.
    if (isReinstalled) {
      this.#packages.reset();
      return undefined;
    }
    if (!loading.hasSameImports) {
      return loading.isIncurable ? undefined : { dropsPackages: 'import lines have changed' };
    }
    if (!isLate) this.#proof = () => hasSame(loading.files.look(), changedFiles);
    if (changedFiles.length === 0) return {};
    return loading.isIncurable || loading.hasLinked(changedFiles) ? undefined : { changedFiles };
  }

  /** Prepares standbys for runs like this one, once it has settled. The returned function takes what the run reports. */
  launched(options: ChildOptions, child: Child, listener: EventListener): (facts: LoadFacts) => void {
    if (this.#isClosed) return () => {};
    const startedAt = this.#context.clock.now();
    if (this.#run !== undefined && startedAt - this.#run.startedAt < quickGapMs) this.#beginQuickPeriod();
    const run = { options, pid: child.pid, tree: child.tree, startedAt, startedAtEpochMs: Date.now(), listener };
    this.#run = run;
    this.#prove(run, this.#proof);
    this.#awaitSettled();
    return (facts) => {
      if (run !== this.#run || options.prewarm === false) return;
      this.#packages.onFacts(facts, run);
      const { adopted = 0, handedOver = [], cold = [] } = facts;
      const packages = [...new Set(handedOver.map(packageOf))];
      const { excluded } = this.#packages;
      if (facts.entries.length > 0) listener.onEvent({ type: 'packages', adopted, packages, cold, excluded });
    };
  }

  /** Starts the run again if files of its packages have changed between the early look and its release. */
  #prove(run: Run, proof: (() => boolean) | undefined): void {
    this.#cancelProof();
    this.#proof = undefined;
    if (proof === undefined) return;
    this.#cancelProof = this.#context.clock.after(proofDelayMs, () => {
      if (run === this.#run && !proof()) run.listener.onEvent({ type: 'misfit' });
    });
  }

  /** A program asks for a package that was loaded ahead of time and is not valid for it: its process is of no use. */
  onMisfit(misfit: Misfit): void {
    this.#packages.onMisfit(misfit);
    for (const standby of this.#standbys) if (standby.loading !== undefined) this.#discard(standby);
  }

  /** Discards all standbys; new ones are prepared as after a launch. Resolves when the old ones are gone. */
  async discard(): Promise<void> {
    this.#packages.reset();
    for (const standby of this.#standbys) this.#discard(standby);
    if (this.#run !== undefined) this.#awaitSettled();
    await Promise.all(this.#terminations);
  }

  /** Discards all standbys for good. Resolves when none is left. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#run = undefined;
    this.#packages.close();
    this.#cancelCheck();
    this.#cancelCalm?.();
    this.#cancelProof();
    await this.discard();
  }

  #beginQuickPeriod(): void {
    this.#cancelCalm?.();
    this.#cancelCalm = this.#context.clock.after(quickPeriodMs, () => {
      this.#cancelCalm = undefined;
      for (const standby of [...this.#standbys].slice(1)) this.#discard(standby);
    });
  }

  #awaitSettled(): void {
    const { clock, cpuTime = cpuTimeOf } = this.#context;
    const since = clock.now();
    let used: number | undefined;
    const check = (): void => {
      if (this.#run === undefined) return;
      const before = used;
      used = cpuTime(this.#run.pid);
      const hasSettled = used === undefined || (before !== undefined && used - before < settledCpuMs);
      if (hasSettled || clock.now() - since >= maxSettlingMs) {
        this.#prepare(this.#run);
        // A second standby of the run before has waited for its turn.
        this.#loadPackages();
      } else this.#cancelCheck = clock.after(checkIntervalMs, check);
    };
    this.#cancelCheck();
    this.#cancelCheck = clock.after(this.#cancelCalm === undefined ? firstCheckMs : firstQuickCheckMs, check);
  }

  #prepare(run: Run): void {
    const { options } = run;
    const key = keyOf(options);
    for (const standby of this.#standbys) if (standby.key !== key) this.#discard(standby);
    if (this.#standbys.size >= (this.#cancelCalm === undefined ? 1 : 2)) return;
    const files = new BootFiles(options);
    const child = this.#park(options);
    if (child === undefined) return;
    if ('failure' in child) {
      const report = (error: unknown): void =>
        this.#report('standby', `its process cannot be started: ${explainSpawnError(error, options.command.file)}`);
      void child.failure.then(report);
      return;
    }
    this.#add({ child, key, files, isParked: false, loading: undefined }, run);
  }

  /** Starts a process that parks; returns undefined if that is impossible now. */
  #park(options: ChildOptions): StartedChild | undefined {
    const plan = planParking(options.command, options.env);
    if (plan === undefined) return undefined;
    // Node would print that it is missing, while devwatch is being reinstalled.
    if (findPreload() === undefined) return undefined;
    const samples = plan.samples.length === 0 ? [] : samplesOf(plan.samples, options.env);
    const command = { ...options.command, nodeArgs: plan.nodeArgs };
    const start = (): StartedChild => this.#context.start({ ...options, command }, { where: plan.where, samples });
    if (options.stdin !== 'inherit') return start();
    const child = startBesideReader(start);
    if (child === undefined) {
      this.#report(
        'standby',
        'stdin does not block, which cannot be kept',
        'with --stdin ignore, or </dev/null, it can',
      );
    }
    return child;
  }

  #add(standby: Standby, run: Run): void {
    const { child } = standby;
    this.#standbys.add(standby);
    // It may have started others, and its tree must be released.
    child.process.once('exit', (code, signal) => {
      if (!this.#standbys.has(standby)) return;
      this.#discard(standby);
      if (standby.hasBooted || this.#isClosed) return;
      const how = signal ?? `exit ${code}`;
      this.#report(
        'standby',
        `its process has ended before it was ready (${how})`,
        'a cold start shows why: --no-standby',
      );
    });
    child.receive((message) => {
      if (message.type === 'reads-stdin') child.answer('');
      else if (message.type === 'parked') this.#onParked(standby, message, run);
      else standby.loading?.onMessage(message);
    });
    // A standby does not keep devwatch alive.
    child.process.unref();
  }

  #onParked(standby: Standby, { files }: Extract<PreloadMessage, { type: 'parked' }>, run: Run): void {
    const { child, loading } = standby;
    // It may have been discarded since.
    if (!this.#standbys.has(standby)) return;
    if (!standby.files.add(files)) {
      // Do not replace it: a program that rewrites what it loads would respawn standbys for ever.
      this.#discard(standby);
      this.#report('standby', 'a file that its process has loaded was saved while it booted');
      return;
    }
    standby.isParked = true;
    standby.hasBooted = true;
    loading?.close();
    const ready = loading === undefined ? {} : { packages: loading.fileCount };
    run.listener.onEvent({ type: 'standby', pid: child.pid, ...ready });
    this.#loadPackages();
    // The second one is booted when the first one is ready.
    if (run === this.#run && loading === undefined) this.#prepare(run);
    // The restart that it is for begins with a search for what the program has started.
    this.#run?.tree.prepare?.();
  }

  /** Loads packages in one of the standbys, once there is something to load. */
  #loadPackages(): void {
    const run = this.#run;
    if (run === undefined) return;
    const orders = this.#packages.ordersFor(run.options);
    for (const standby of this.#standbys) {
      if (standby.loading?.isCurrent(orders) === false) this.#discard(standby);
    }
    if (this.#standbys.size === 0) this.#prepare(run);
    if ([...this.#standbys].some(({ loading }) => loading !== undefined)) return;
    const key = keyOf(run.options);
    const standby = [...this.#standbys].find((one) => one.isParked && one.key === key);
    if (standby === undefined) return;
    standby.loading = this.#packages.load(standby.child, run.options);
    if (standby.loading !== undefined) standby.isParked = false;
  }

  #report(feature: Feature, reason: string, remedy?: string): void {
    this.#run?.listener.onEvent({
      type: 'limitation',
      features: [feature],
      reason,
      ...(remedy !== undefined && { remedy }),
    });
  }

  #discard(standby: Standby): void {
    this.#standbys.delete(standby);
    standby.loading?.close();
    this.#discardChild(standby.child);
  }

  #discardChild({ tree, process }: Child): void {
    for (const standby of this.#standbys) if (standby.child.process === process) this.#standbys.delete(standby);
    const { gone, scanNow } = terminateTree(tree, { signal: 'SIGKILL', graceMs: 0, clock: this.#context.clock });
    process.once('exit', scanNow);
    this.#terminations.add(gone);
    void gone.then(() => this.#terminations.delete(gone));
  }
}

/** Whether nothing has changed beside these files. */
const hasSame = ({ isReinstalled, changed }: PackageChanges, before: readonly string[]): boolean =>
  !isReinstalled && changed.length === before.length;

/** Returns the paths of the samples; none if there is no place for them. */
function samplesOf(names: readonly string[], env: NodeJS.ProcessEnv): string[] {
  const folder = openCache('samples', env);
  return folder === undefined ? [] : names.map((name) => path.join(folder, name));
}

/** Decides whether a standby fits a run: by everything that can no longer be changed in a started process. */
const keyOf = ({ command: { file, nodeArgs, args }, ...rest }: ChildOptions): string =>
  JSON.stringify([file, nodeArgs, args, rest]);
