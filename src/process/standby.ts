/**
 * Processes that are prepared for the next run: Node has booted and the loaders are there, but
 * nothing of the program has been read. A restart that takes one is several times faster than a
 * cold start (Node 20: 4 ms instead of 115 ms to the first line; 10 instead of 365 with tsx).
 *
 * One is parked when a run has settled, so that it does not compete with the program's own start;
 * two while restarts come quickly. It waits in the preload, reading from its channel, so it ends
 * by itself when devwatch does.
 */

import type { CancelTimer, Clock } from '../clock.ts';
import { answer, type Child, type ChildOptions, type startChild } from './child.ts';
import { planParking } from './parking.ts';
import { cpuTimeOf } from './proc.ts';
import { endTree } from './stop.ts';

/** What decides whether a parked process fits a run: all that cannot be changed any more. */
type StandbyOptions = ChildOptions;

export interface Standbys {
  /** One that fits, released with the run's own variables; undefined when a cold start is needed. */
  take(options: StandbyOptions, variables: Readonly<Record<string, string>>): Child | undefined;
  /** A run has been started; once it has settled, others like it are prepared, and told of when they are ready. */
  launched(options: StandbyOptions, child: Child, onParked: (pid: number) => void): void;
  /** Gives up those that there are; new ones are prepared as after a launch. */
  discard(): void;
  /** Gives up all for ever; resolves when none is left. */
  close(): Promise<void>;
}

export interface StandbyContext {
  readonly start: (options: ChildOptions, duty: string) => ReturnType<typeof startChild>;
  readonly clock: Clock;
  /** CPU time of a process so far in ms; undefined when it is gone or cannot be known. */
  readonly cpuTime?: (pid: number) => number | undefined;
}

/** After a launch nothing is prepared for this long, in ms; while restarts come quickly, for the shorter time. */
const firstLook = { calm: 1000, quick: 100 } as const;
/** Between two looks at whether the program has settled, in ms. */
const lookPause = 100;
/** A program that uses less CPU than this between two looks, in ms, has settled. The kernel counts in steps of 10. */
const settledCpu = 10;
/** A program that never settles gets a standby all the same after this long, in ms. */
const longestSettling = 3000;
/** Two launches closer than this, in ms, are quick ones, … */
const quickGap = 2000;
/** … and a second process is kept prepared for so long after the last of them, in ms. */
const quickPeriod = 3000;

interface Launched {
  readonly options: StandbyOptions;
  readonly pid: number;
  readonly at: number;
  readonly onParked: (pid: number) => void;
}

interface Parked {
  readonly child: Child;
  readonly key: string;
}

export function createStandbys({ start, clock, cpuTime = cpuTimeOf }: StandbyContext): Standbys {
  let parked: Parked[] = [];
  const endings = new Set<Promise<void>>();
  let latest: Launched | undefined;
  let quickUntil = Number.NEGATIVE_INFINITY;
  let cancelLook: CancelTimer | undefined;
  let cancelCalm: CancelTimer | undefined;
  let closed = false;

  const isQuick = (): boolean => clock.now() < quickUntil;

  function scheduleLook(): void {
    cancelLook?.();
    const since = clock.now();
    let used: number | undefined;
    const look = (): void => {
      if (latest === undefined) return;
      const before = used;
      used = cpuTime(latest.pid);
      const hasSettled = used === undefined || (before !== undefined && used - before < settledCpu);
      if (hasSettled || clock.now() - since >= longestSettling) prepare(latest);
      else cancelLook = clock.after(lookPause, look);
    };
    cancelLook = clock.after(isQuick() ? firstLook.quick : firstLook.calm, look);
  }

  function prepare(run: Launched): void {
    const { options } = run;
    const key = keyOf(options);
    for (const other of parked.filter((one) => one.key !== key)) giveUp(other);
    if (parked.length >= (isQuick() ? 2 : 1)) return;
    const plan = planParking(options.command, options.env);
    if (plan === undefined) return;
    const child = start({ ...options, command: { ...options.command, nodeArgs: plan.nodeArgs } }, plan.duty);
    if ('failure' in child) return;
    const one: Parked = { child, key };
    parked.push(one);
    child.process.once('exit', () => {
      parked = parked.filter((other) => other !== one);
    });
    // One after the other: the next is booted when this one is ready.
    child.listen({
      onParked() {
        run.onParked(child.pid);
        if (run === latest) prepare(run);
      },
    });
    // It keeps neither devwatch nor its own end waiting.
    child.process.unref();
  }

  function giveUp(one: Parked): void {
    parked = parked.filter((other) => other !== one);
    const { tree, process } = one.child;
    const ending = new Promise<void>((resolve) => {
      const { push, rootExited } = endTree({ tree, signal: 'SIGKILL', clock, onGone: () => resolve() });
      process.once('exit', rootExited);
      push('killed');
    });
    endings.add(ending);
    void ending.then(() => endings.delete(ending));
  }

  function giveUpAll(): void {
    for (const one of parked) giveUp(one);
  }

  return {
    take(options, variables) {
      const key = keyOf(options);
      const [first, ...others] = parked.filter((one) => one.key === key);
      if (first === undefined) return undefined;
      parked = others;
      answer(first.child, { variables });
      first.child.process.ref();
      return first.child;
    },
    launched(options, { pid }, onParked) {
      if (closed) return;
      const now = clock.now();
      if (latest !== undefined && now - latest.at < quickGap) {
        quickUntil = now + quickPeriod;
        cancelCalm?.();
        cancelCalm = clock.after(quickPeriod, () => {
          for (const one of parked.slice(1)) giveUp(one);
        });
      }
      latest = { options, pid, at: now, onParked };
      scheduleLook();
    },
    discard() {
      giveUpAll();
      if (!closed && latest !== undefined) scheduleLook();
    },
    async close() {
      closed = true;
      latest = undefined;
      cancelLook?.();
      cancelCalm?.();
      giveUpAll();
      await Promise.all(endings);
    },
  };
}

const keyOf = ({ command: { file, nodeArgs, args }, ...rest }: StandbyOptions): string =>
  JSON.stringify([file, nodeArgs, args, rest]);
