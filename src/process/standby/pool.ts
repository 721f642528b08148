/**
 * Standbys: processes prepared for the next run. Node has booted and the loaders are loaded, but nothing of the program
 * has been read. A restart from a standby is several times faster than a cold start (Node 20, to the first line: 4 ms
 * instead of 115 ms; 10 ms instead of 365 ms with tsx).
 *
 * A standby is started when a run has settled, so that it does not compete with the program's own start; two while
 * restarts follow each other quickly. It waits in the preload for data on its channel, and so exits with devwatch.
 */

import fs from 'node:fs';
import path from 'node:path';
import type { HeldSocket, PackageFile, ParkOrders, Release } from '../../preload/protocol.ts';
import type { CancelTimer, Clock } from '../../shared/clock.ts';
import { openCache } from '../../shared/user-folders.ts';
import type { Child, ChildOptions, StartedChild } from '../launch/child.ts';
import { findPreload } from '../launch/preload-files.ts';
import type { ProgramListener } from '../launch/program-interface.ts';
import { stdinIsTerminal } from '../launch/tty.ts';
import { cpuTimeOf, readProc } from '../tree/proc.ts';
import { terminateTree } from '../tree/terminate.ts';
import { BootFiles } from './boot-files.ts';
import { planParking } from './parking-plan.ts';

export interface StandbyContext {
  readonly start: (options: ChildOptions, park: ParkOrders) => StartedChild;
  readonly clock: Clock;
  /** Returns the sockets of the latest run, for the next one. */
  readonly held: () => readonly HeldSocket[];
  /** CPU time used by a process so far, in ms; undefined when the process is gone or the time is unknown. */
  readonly cpuTime?: (pid: number) => number | undefined;
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

type EventListener = Pick<ProgramListener, 'onEvent'>;

interface Run {
  readonly options: ChildOptions;
  readonly pid: number;
  readonly startedAt: number;
  readonly listener: EventListener;
  /** The packages that it has loaded, in this order. */
  readonly packages: PackageFile[];
}

interface Standby {
  readonly child: Child;
  readonly key: string;
  /** The packages that it loads ahead of time. */
  readonly packages: readonly PackageFile[];
  readonly files: BootFiles;
  isReady: boolean;
}

export class StandbyPool {
  readonly #context: StandbyContext;
  readonly #standbys = new Set<Standby>();
  readonly #terminations = new Set<Promise<unknown>>();
  #run: Run | undefined;
  /** The standby that became a run last. The run does not report the packages that it has loaded ahead of time. */
  #taken: Standby | undefined;
  #cancelCheck: CancelTimer = () => {};
  /** Set while restarts follow each other quickly. */
  #cancelCalm: CancelTimer | undefined;
  #isClosed = false;
  /** A package could not be loaded ahead of time, and no file read at boot has changed since. */
  #prewarmFails = false;

  constructor(context: StandbyContext) {
    this.#context = context;
  }

  /** Releases a standby with the run's own variables; returns undefined if none fits the options. */
  take(options: ChildOptions, variables: Readonly<Record<string, string>>): Child | undefined {
    const key = keyOf(options);
    for (const standby of this.#standbys) {
      // Loading packages may fail, or never end.
      const isLoading = !standby.isReady && standby.packages.length > 0;
      if (isLoading || !standby.files.areUnchanged()) this.#discard(standby);
    }
    const fitting = [...this.#standbys].find((standby) => standby.key === key);
    if (fitting === undefined) return undefined;
    this.#standbys.delete(fitting);
    this.#taken = fitting;
    const release: Release = { variables, held: options.hold ? this.#context.held() : [] };
    fitting.child.answer(release);
    fitting.child.process.ref();
    return fitting.child;
  }

  /** Prepares standbys for runs like this one, once it has settled. The returned function takes the packages it loads. */
  launched(options: ChildOptions, child: Child, listener: EventListener): (item: PackageFile) => void {
    const packages = this.#taken?.child === child ? [...this.#taken.packages] : [];
    const onPackage = (item: PackageFile): void => {
      if (!packages.some(({ file, kind }) => file === item.file && kind === item.kind)) packages.push(item);
    };
    if (this.#isClosed) return onPackage;
    const startedAt = this.#context.clock.now();
    if (this.#run !== undefined && startedAt - this.#run.startedAt < quickGapMs) this.#beginQuickPeriod();
    this.#run = { options, pid: child.pid, startedAt, listener, packages };
    this.#awaitSettled();
    return onPackage;
  }

  /** Discards all standbys; new ones are prepared as after a launch. Resolves when the old ones are gone. */
  async discard(): Promise<void> {
    this.#prewarmFails = false;
    for (const standby of this.#standbys) this.#discard(standby);
    if (this.#run !== undefined) this.#awaitSettled();
    await Promise.all(this.#terminations);
  }

  /** Discards all standbys for good. Resolves when none is left. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#run = undefined;
    this.#cancelCheck();
    this.#cancelCalm?.();
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
      if (hasSettled || clock.now() - since >= maxSettlingMs) this.#prepare(this.#run);
      else this.#cancelCheck = clock.after(checkIntervalMs, check);
    };
    this.#cancelCheck();
    this.#cancelCheck = clock.after(this.#cancelCalm === undefined ? firstCheckMs : firstQuickCheckMs, check);
  }

  #prepare(run: Run): void {
    const { options } = run;
    const key = keyOf(options);
    for (const standby of this.#standbys) if (standby.key !== key) this.#discard(standby);
    if (this.#standbys.size >= (this.#cancelCalm === undefined ? 1 : 2)) return;
    const plan = planParking(options.command, options.env);
    if (plan === undefined || (options.stdin === 'inherit' && isStdinNonBlocking())) return;
    // Node would print that it is missing, while devwatch is being reinstalled.
    if (findPreload() === undefined) return;
    const packages = this.#prewarmFails ? [] : run.packages.filter(({ file }) => isSelected(file, options.prewarm));
    const files = new BootFiles(options, packages);
    const samples = plan.samples.length === 0 ? [] : samplesOf(plan.samples, options.env);
    const command = { ...options.command, nodeArgs: plan.nodeArgs };
    const child = this.#context.start({ ...options, command }, { where: plan.where, packages, samples });
    if (!('failure' in child)) this.#add({ child, key, packages, files, isReady: false }, run);
  }

  #add(standby: Standby, run: Run): void {
    const { child, files } = standby;
    this.#standbys.add(standby);
    child.process.once('exit', () => this.#standbys.delete(standby));
    child.receive((message) => {
      if (message.type === 'reads-stdin') {
        child.answer('');
      } else if (message.type === 'prewarm-failed') {
        this.#prewarmFails = true;
        run.listener.onEvent(message);
        this.#discard(standby);
        if (run === this.#run) this.#prepare(run);
      } else if (message.type === 'parked' && !files.add(message.files)) {
        // Do not replace it: a program that rewrites what it loads would respawn standbys for ever.
        this.#discard(standby);
      } else if (message.type === 'parked') {
        standby.isReady = true;
        run.listener.onEvent({ type: 'standby', pid: child.pid });
        // The second one is booted when the first one is ready.
        if (run === this.#run) this.#prepare(run);
      }
    });
    // A standby does not keep devwatch alive.
    child.process.unref();
  }

  #discard(standby: Standby): void {
    this.#standbys.delete(standby);
    const { tree, process } = standby.child;
    const { gone, scanNow } = terminateTree(tree, { signal: 'SIGKILL', graceMs: 0, clock: this.#context.clock });
    process.once('exit', scanNow);
    this.#terminations.add(gone);
    void gone.then(() => this.#terminations.delete(gone));
  }
}

/** Returns the paths of the samples; none if there is no place for them. */
function samplesOf(names: readonly string[], env: NodeJS.ProcessEnv): string[] {
  const folder = openCache('samples', env);
  return folder === undefined ? [] : names.map((name) => path.join(folder, name));
}

/** Decides whether a standby fits a run: by everything that can no longer be changed in a started process. */
const keyOf = ({ command: { file, nodeArgs, args }, ...rest }: ChildOptions): string =>
  JSON.stringify([file, nodeArgs, args, rest]);

/** Whether a file belongs to a package that is loaded ahead of time. */
const isSelected = (file: string, prewarm: ChildOptions['prewarm']): boolean =>
  typeof prewarm === 'boolean' ? prewarm : prewarm.some((name) => file.includes(`/node_modules/${name}/`));

/**
 * Whether stdin is a non-blocking pipe. libuv makes descriptors 0 to 2 of a new process blocking, and so for
 * every process that shares them: a program that reads the pipe without blocking would hang.
 */
function isStdinNonBlocking(): boolean {
  if (stdinIsTerminal()) return false;
  const flags = /^flags:\s*(\d+)$/m.exec(readProc('/proc/self/fdinfo/0') ?? '')?.[1] ?? '0';
  return (Number.parseInt(flags, 8) & fs.constants.O_NONBLOCK) !== 0;
}
