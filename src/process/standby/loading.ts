/** A parked process that loads packages: answers its questions, and collects what it reports. */

import type { EntryReport, LoadFacts, PackageOrders, PreloadMessage } from '../../preload/protocol.ts';
import type { CancelTimer, Clock } from '../../shared/clock.ts';
import type { Child } from '../launch/child.ts';
import { PackageFiles } from './package-files.ts';

export interface LoadingOptions {
  readonly child: Child;
  readonly orders: PackageOrders;
  /** Whether the program loads files as in the run that has asked for these packages; undefined for an audit. */
  readonly hasSameImports?: (() => boolean) | undefined;
  readonly clock: Clock;
  /** Variables that the packages have read in the audit. */
  readonly reads?: readonly string[];
  /** How long each entry took in the audit, in ms. */
  readonly expectedMs: readonly number[];
  /** Whether a part of each entry could not be loaded a second time, in the audit; by default unknown, which is no. */
  readonly incurable?: readonly boolean[];
  /** Whether the program needs the CPU now. */
  readonly isBusy: () => boolean;
  /** CPU time that the process has used so far, in ms; undefined where that is unknown. */
  readonly cpuTime?: () => number | undefined;
  /** An entry has made the process hang or end; `file` is empty if that were ES modules, which it was to link. */
  readonly onFailure: (file: string, why: string) => void;
}

/** A program that needs the CPU is waited for this long, in all. */
const maxWaitMs = 5000;
const waitStepMs = 100;
/**
 * An entry hangs that takes longer than this, and than ten times as long as before. On a busy machine a process of the lowest
 * priority hardly gets on: so that is CPU time, unless it uses none.
 */
const minHangMs = 5000;
const maxHangMs = 30_000;
/** The kernel counts CPU time in steps of 10 ms. */
const minProgressMs = 10;
/** An entry that takes this many times as long as before is not waited for by a run. */
const slowFactor = 3;
const minSlowMs = 1000;

const isInstalled = (file: string): boolean => /[\\/]node_modules[\\/]/.test(file);

export class Loading {
  readonly reports: Map<number, EntryReport> = new Map();
  readonly files: PackageFiles = new PackageFiles();
  /** The entries that need a file which cannot be handed over; set at the end of an audit. */
  tainted: readonly string[] | undefined;
  readonly #options: LoadingOptions;
  readonly #linked = new Set<string>();
  /** The entry that is being loaded. */
  #current: { readonly index: number; readonly startedAt: number; readonly epochMs: number } | undefined;
  #waitedMs = 0;
  #isClosed = false;
  #cancel: CancelTimer = () => {};

  /** Sends the orders to a process that waits for an answer. */
  constructor(options: LoadingOptions) {
    this.#options = options;
    options.child.answer({ packages: options.orders });
    // Before the standby is given up for its end.
    options.child.process.prependOnceListener('exit', () => {
      this.#cancel();
      if (!this.#isClosed) this.#fail('ends the process');
    });
  }

  onMessage(message: PreloadMessage): void {
    if (message.type === 'loading') this.#onQuestion(message.index);
    else if (message.type === 'linked') this.#onLinked(message.files);
    else if (message.type === 'audited') this.tainted = message.tainted;
    else if (message.type === 'loaded') {
      this.#cancel();
      this.reports.set(message.index, message.report);
      this.files.add(message.report.files, this.#current?.epochMs ?? 0);
      const { isRuinous, blames } = message.report;
      if (isRuinous && !this.#options.orders.isAudit) this.#fail(blames[0]?.why ?? '');
      this.#current = undefined;
    }
  }

  /** The entry under way takes much longer than it should. */
  get isStuck(): boolean {
    if (this.#current === undefined) return false;
    const { index, startedAt } = this.#current;
    const limit = Math.max(minSlowMs, slowFactor * (this.#options.expectedMs[index] ?? 0));
    return this.#options.clock.now() - startedAt > limit;
  }

  /** Whether the program loads files as in the run that has asked for these packages: only then they are handed over. */
  get hasSameImports(): boolean {
    return this.#options.hasSameImports?.() === true;
  }

  /** Whether these orders would be given again: the same files, and the same values of variables that they have read. */
  isCurrent(orders: PackageOrders | undefined): boolean {
    const filesOf = (all: PackageOrders | undefined): string | undefined =>
      all && [...all.entries.map(({ file }) => file), ...all.modules].join();
    if (orders === undefined || filesOf(orders) !== filesOf(this.#options.orders)) return false;
    const {
      reads = [],
      orders: { variables },
    } = this.#options;
    return reads.every((name) => orders.variables[name] === variables[name]);
  }

  get orders(): PackageOrders {
    return this.#options.orders;
  }

  /** Number of files that are ready. */
  get fileCount(): number {
    return [...this.reports.values()].reduce((sum, { files }) => sum + files.length, this.#linked.size);
  }

  /** Whether a part of what has been loaded, or is being loaded, cannot be loaded a second time in the same process. */
  get isIncurable(): boolean {
    const isNext = this.#current !== undefined && this.#options.incurable?.[this.#current.index] === true;
    return isNext || [...this.reports.values()].some((report) => report.isIncurable);
  }

  /** Whether one of the files was read to be linked: Node does not read it again. */
  hasLinked(files: readonly string[]): boolean {
    return files.some((file) => this.#linked.has(file));
  }

  /** The end of the process says nothing about packages any more: it has loaded all, was released, or is being ended. */
  close(): void {
    this.#isClosed = true;
    this.#cancel();
    this.#current = undefined;
  }

  #onQuestion(index: number): void {
    const { child, clock, isBusy, expectedMs } = this.#options;
    if (this.#waitedMs < maxWaitMs && isBusy()) {
      this.#waitedMs += waitStepMs;
      this.#cancel = clock.after(waitStepMs, () => this.#onQuestion(index));
      return;
    }
    this.#current = { index, startedAt: clock.now(), epochMs: Date.now() };
    const { entries, modules } = this.#options.orders;
    // A run may begin before this step has ended.
    if (index === entries.length) this.#addLinked(modules);
    this.#endHang(Math.min(maxHangMs, Math.max(minHangMs, 10 * (expectedMs[index] ?? 0))));
    child.answer({ next: true });
  }

  /** Fails when the entry has used the CPU for so long, in ms, or has not used it at all for so long. */
  #endHang(limitMs: number): void {
    const { clock, cpuTime = (): undefined => undefined } = this.#options;
    const atBegin = cpuTime();
    const look = (before: number | undefined): void => {
      this.#cancel = clock.after(limitMs, () => {
        const now = cpuTime();
        const isKnown = now !== undefined && before !== undefined && atBegin !== undefined;
        if (isKnown && now - before >= minProgressMs && now - atBegin < limitMs) look(now);
        else this.#fail(`has not been loaded after ${limitMs / 1000} s`);
      });
    };
    look(atBegin);
  }

  #addLinked(files: readonly string[]): void {
    for (const file of files) this.#linked.add(file);
    this.files.add(files, this.#current?.epochMs ?? 0);
  }

  #onLinked(files: readonly string[]): void {
    this.#cancel();
    this.#addLinked(files);
    if (files.every(isInstalled)) this.#current = undefined;
    else this.#fail('links a file of the program');
  }

  #fail(why: string): void {
    const file = this.#options.orders.entries[this.#current?.index ?? -1]?.file ?? '';
    this.close();
    this.#options.onFailure(file, why);
  }
}

/** The reports by the index in the facts, where failed entries are left out of the orders. */
export function reportsFor({ entries }: Pick<LoadFacts, 'entries'>, { orders, reports }: Loading): Loading['reports'] {
  const byFile = new Map(orders.entries.map(({ file }, index) => [file, reports.get(index)]));
  return new Map(
    entries.flatMap(({ file }, index) => {
      const report = byFile.get(file);
      return report === undefined ? [] : [[index, report]];
    }),
  );
}
