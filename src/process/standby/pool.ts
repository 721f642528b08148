/**
 * Processes that are prepared for the next run: Node has booted and the loaders are there, but
 * nothing of the program has been read. A restart that takes one is several times faster than a
 * cold start (Node 20: 4 ms instead of 115 ms to the first line; 10 instead of 365 with tsx).
 *
 * One is parked when a run has settled, so that it does not compete with the program's own start;
 * two while restarts come quickly. It waits in the preload, reading from its channel, so it ends
 * by itself when devwatch does.
 */

import fs from 'node:fs';
import path from 'node:path';
import type { PackageFile, ParkOrders } from '../../preload/orders.ts';
import type { CancelTimer, Clock } from '../../shared/clock.ts';
import { stampOf } from '../../shared/file-stamp.ts';
import { cacheFolder } from '../../shared/user-folders.ts';
import type { Child, ChildOptions, startChild } from '../launch/child.ts';
import type { ProgramListener } from '../launch/program-events.ts';
import { stdinIsTerminal } from '../launch/tty.ts';
import { cpuTimeOf, readProc } from '../tree/proc.ts';
import { terminateTree } from '../tree/terminate.ts';
import { planParking } from './parking.ts';

/** What decides whether a parked process fits a run: all that cannot be changed any more. */
type StandbyOptions = ChildOptions;

export interface Standbys {
  /** One that fits, released with the run's own variables; undefined when a cold start is needed. */
  take(options: StandbyOptions, variables: Readonly<Record<string, string>>): Child | undefined;
  /**
   * A run has been started; once it has settled, others like it are prepared, and told of when they
   * are ready. Returns what is to be told of the packages that the run loads.
   */
  launched(options: StandbyOptions, child: Child, listener: StandbyListener): (item: PackageFile) => void;
  /** Gives up those that there are; new ones are prepared as after a launch. Resolves when the old ones are gone. */
  discard(): Promise<void>;
  /** Gives up all for ever; resolves when none is left. */
  close(): Promise<void>;
}

type StandbyListener = Pick<ProgramListener, 'onEvent'>;

export interface StandbyContext {
  readonly start: (options: ChildOptions, park: ParkOrders) => ReturnType<typeof startChild>;
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
  readonly listener: StandbyListener;
  /** What it has loaded, in that order. */
  readonly packages: PackageFile[];
}

interface Parked {
  readonly child: Child;
  readonly key: string;
  readonly packages: readonly PackageFile[];
  /** Files that it has read, or looked for, as they were then. */
  readonly read: Map<string, string>;
  /** Its working folder, and what tells that from another one that has the path by now. */
  readonly folder: string;
  readonly place: string;
  isReady: boolean;
}

export function createStandbys({ start, clock, cpuTime = cpuTimeOf }: StandbyContext): Standbys {
  let parked: Parked[] = [];
  const endings = new Set<Promise<unknown>>();
  let latest: Launched | undefined;
  /** The packages of the process that was taken last: it does not load them again, and so does not report them. */
  let taken: Parked | undefined;
  let quickUntil = Number.NEGATIVE_INFINITY;
  let cancelLook: CancelTimer | undefined;
  let cancelCalm: CancelTimer | undefined;
  let closed = false;
  /** A package that cannot be loaded ahead of time; until something that is read at boot changes. */
  let prewarmFails = false;

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
    if (plan === undefined || (options.stdin === 'inherit' && stdinIsBeingRead())) return;
    const packages = prewarmFails ? [] : run.packages.filter(({ file }) => isSelected(file, options.prewarm));
    const { nodeArgs, where, samples } = plan;
    const command = { ...options.command, nodeArgs };
    const loaded = packages.flatMap(({ file }) => [file, ...manifestOf(file)]);
    const read = new Map([...bootFiles(options), ...loaded].map((file) => [file, stampOf(file)]));
    const place = placeOf(options.folder);
    const startedAt = Date.now();
    const child = start({ ...options, command }, { where, packages, samples: samplesOf(samples, options.env) });
    if ('failure' in child) return;
    const one: Parked = { child, key, packages, read, folder: options.folder, place, isReady: false };
    parked.push(one);
    child.process.once('exit', () => {
      parked = parked.filter((other) => other !== one);
    });
    // One after the other: the next is booted when this one is ready.
    child.listen((message) => {
      if (message.type === 'parked') {
        const { files } = message;
        for (const file of files) if (!read.has(file)) read.set(file, stampOf(file));
        // What has been saved meanwhile may have been read before.
        // None takes its place: one that always writes what it loads would be booted again and again.
        if (files.some((file) => isChangedSince(file, startedAt))) return giveUp(one);
        one.isReady = true;
        run.listener.onEvent({ type: 'standby', pid: child.pid });
        if (run === latest) prepare(run);
      } else if (message.type === 'prewarm-failed') {
        prewarmFails = true;
        run.listener.onEvent({ type: 'prewarmFailed', file: message.file, message: message.message });
        giveUp(one);
        if (run === latest) prepare(run);
      } else if (message.type === 'reads-stdin') {
        child.answer('');
      }
    });
    // It keeps neither devwatch nor its own end waiting.
    child.process.unref();
  }

  function giveUp(one: Parked): void {
    parked = parked.filter((other) => other !== one);
    const { tree, process } = one.child;
    const { gone, rootExited } = terminateTree(tree, { signal: 'SIGKILL', graceMs: 0, clock });
    process.once('exit', rootExited);
    endings.add(gone);
    void gone.then(() => endings.delete(gone));
  }

  function giveUpAll(): void {
    for (const one of parked) giveUp(one);
  }

  return {
    take(options, variables) {
      const key = keyOf(options);
      // One that is still loading packages may never come to an end of it, or fail.
      for (const one of parked) if (!isFresh(one) || (!one.isReady && one.packages.length > 0)) giveUp(one);
      const [first, ...others] = parked.filter((one) => one.key === key);
      if (first === undefined) return undefined;
      parked = others;
      taken = first;
      first.child.answer({ variables });
      first.child.process.ref();
      return first.child;
    },
    launched(options, child, listener) {
      const packages = taken?.child === child ? [...taken.packages] : [];
      const onPackage = (item: PackageFile): void => {
        if (!packages.some(({ file, kind }) => file === item.file && kind === item.kind)) packages.push(item);
      };
      if (closed) return onPackage;
      const now = clock.now();
      if (latest !== undefined && now - latest.at < quickGap) {
        quickUntil = now + quickPeriod;
        cancelCalm?.();
        cancelCalm = clock.after(quickPeriod, () => {
          for (const one of parked.slice(1)) giveUp(one);
        });
      }
      latest = { options, pid: child.pid, at: now, listener, packages };
      scheduleLook();
      return onPackage;
    },
    async discard() {
      prewarmFails = false;
      giveUpAll();
      if (!closed && latest !== undefined) scheduleLook();
      await Promise.all(endings);
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

/** Where the samples are written; none for a user without a home. */
function samplesOf(names: readonly string[], env: NodeJS.ProcessEnv): string[] {
  const folder = cacheFolder(env);
  return folder === undefined ? [] : names.map((name) => path.join(folder, 'samples', name));
}

/** Is this file part of a package that is to be loaded ahead of time? */
function isSelected(file: string, prewarm: StandbyOptions['prewarm']): boolean {
  if (typeof prewarm === 'boolean') return prewarm;
  return prewarm.some((name) => file.includes(`/node_modules/${name}/`));
}

const isFresh = ({ read, folder, place }: Parked): boolean =>
  place === placeOf(folder) && [...read].every(([file, stamp]) => stampOf(file) === stamp);

/** Tells a folder from another one that has its path later. */
function placeOf(folder: string): string {
  try {
    const { dev, ino } = fs.statSync(folder);
    return `${dev} ${ino}`;
  } catch {
    return '';
  }
}

function isChangedSince(file: string, time: number): boolean {
  try {
    // The kernel's clock, which stamps files, goes by ticks of up to 10 ms.
    return fs.statSync(file).ctimeMs >= time - 10;
  } catch {
    return false; // Loaders also call modules by what is no file.
  }
}

/** What Node reads of a package to find its files. */
function manifestOf(file: string): string[] {
  const [folder] = /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(file) ?? [];
  return folder === undefined ? [] : [path.join(folder, 'package.json')];
}

/**
 * libuv makes descriptors 0 to 2 of a new process blocking, and with them those of everybody who has
 * them in common: a program that reads its stdin, a pipe, without blocking would hang in it.
 */
function stdinIsBeingRead(): boolean {
  if (stdinIsTerminal()) return false;
  const flags = /^flags:\s*(\d+)$/m.exec(readProc('/proc/self/fdinfo/0') ?? '')?.[1] ?? '0';
  return (Number.parseInt(flags, 8) & fs.constants.O_NONBLOCK) !== 0;
}

/** Files that Node or a loader reads at its start, by variables that name them. */
const fileVariables = ['NODE_EXTRA_CA_CERTS', 'OPENSSL_CONF', 'SSL_CERT_FILE', 'TSX_TSCONFIG_PATH', 'TS_NODE_PROJECT'];
const environmentFiles = ['.env', '.env.local', '.env.development', '.env.development.local'];

/** What Node, loaders and packages such as dotenv read at their start, whether it is watched or not. */
function bootFiles({ command, folder, env }: StandbyOptions): string[] {
  const files = environmentFiles.map((name) => path.join(folder, name));
  for (const start of new Set([folder, path.dirname(command.script ?? folder)])) {
    for (const place of foldersAbove(start))
      files.push(...['package.json', 'tsconfig.json', 'jsconfig.json'].map((name) => path.join(place, name)));
  }
  for (const name of fileVariables) if (env[name]) files.push(path.resolve(folder, env[name]));
  // What they extend is appended as it is found, and is looked into in its turn.
  const configs = new Set(files.filter((file) => /[tj]sconfig[^\\/]*$/.test(file)));
  for (const config of configs) for (const base of basesOf(config)) configs.add(base);
  return [...files, ...configs];
}

/** The files that a tsconfig extends: https://www.typescriptlang.org/tsconfig/#extends. */
function basesOf(file: string): string[] {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  const value = /"extends"\s*:\s*(?:"[^"]*"|\[[^\]]*\])/.exec(text)?.[0] ?? '';
  const names = [...value.slice('"extends"'.length).matchAll(/"([^"]+)"/g)].map(([, name = '']) => name);
  return names.flatMap((name) => {
    const paths = /^\.{0,2}\//.test(name)
      ? [path.resolve(path.dirname(file), name)]
      : foldersAbove(path.dirname(file)).map((folder) => path.join(folder, 'node_modules', name));
    return paths
      .flatMap((base) => [base, `${base}.json`, path.join(base, 'tsconfig.json')])
      .filter((base) => stampOf(base) !== '');
  });
}

function foldersAbove(folder: string): string[] {
  const above = path.dirname(folder);
  return above === folder ? [folder] : [folder, ...foldersAbove(above)];
}
