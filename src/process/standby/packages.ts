/**
 * Decides which packages standbys load ahead of time: those that the last run has asked for, once an audit in a process that
 * is thrown away has shown what they do.
 */

import os from 'node:os';
import type { Selection } from '../../config/settings-types.ts';
import type { LoadFacts, Misfit, PackageOrders } from '../../preload/protocol.ts';
import type { Clock } from '../../shared/clock.ts';
import { attempt } from '../../shared/errors.ts';
import type { Child, ChildOptions, StartedChild } from '../launch/child.ts';
import { isLoader, preloadsIn, wordsOfOptions } from '../launch/loaders.ts';
import {
  type Audit,
  type AuditedEntry,
  auditFrom,
  hasSameConditions,
  isCurrent,
  ordersOf,
  packageOf,
  readAudit,
  signatureOf,
  storeAudit,
} from './audits.ts';
import { type Configured, findConfigured } from './configured.ts';
import { ImportLines } from './import-lines.ts';
import { LateEntries, selectEntries } from './late-entries.ts';
import { Loading, reportsFor } from './loading.ts';

export interface PackagesContext {
  /** Starts a process that parks; undefined if that is impossible now. */
  readonly start: (options: ChildOptions) => StartedChild | undefined;
  readonly discard: (child: Child) => void;
  readonly clock: Clock;
  /** CPU time used by a process so far, in ms. */
  readonly cpuTime: (pid: number) => number | undefined;
  /** Returns whether there is memory for a second process like this one. */
  readonly hasMemoryFor: (pid: number) => boolean;
  /** There is something to load now. */
  readonly onReady: () => void;
  /** There is, but too little memory for it. */
  readonly onShortage: () => void;
}

/** The run whose packages are loaded for the next one. */
export interface PackagesRun {
  readonly options: ChildOptions;
  readonly pid: number;
  readonly startedAtEpochMs: number;
}

/** The process that is thrown away. It loads packages once it has parked. */
interface Auditing {
  readonly child: Child;
  loading: Loading | undefined;
}

/** The preload's name for a program that hooks the module loader (preload/packages/packages.cts). */
const hooksLoader = 'module.register';
/** The same, with the package that it asks for next (preload/packages/hidden.cts). */
const hooksLoaderAt = 'module loader at ';
const behindHooks = 'is loaded behind hooks of the module loader';
/** A program that uses more of the CPU than this is busy. */
const busyShare = 0.3;
/** After so many entries that end the process or hang, no package is loaded ahead of time in this session. */
const maxFailures = 3;
/** A program that changes more properties than this before it asks for packages loads them itself. */
const maxLearned = 100;
/** Audits in quick succession: the program asks for other packages each time. */
const maxAudits = 5;

export class StandbyPackages {
  readonly #context: PackagesContext;
  #run: PackagesRun | undefined;
  #facts: LoadFacts | undefined;
  #audit: Audit | undefined;
  #auditing: Auditing | undefined;
  #audits = 0;
  readonly #late = new LateEntries();
  #importLines: ImportLines | undefined;
  #learned: readonly string[] = [];
  /** The first package for which the program asks with hooks of the module loader: an agent, which sees all that follow. */
  #hookedAt: string | undefined;
  readonly #lateVariables = new Set<string>();
  /** Entries that have failed in this session, and those that cannot be handed over after all. */
  readonly #excluded = new Map<string, string>();
  #failures = 0;
  /** The latest result of `#configuredFor`, with what it depends on. */
  #configured:
    | {
        readonly facts: LoadFacts;
        readonly entries: readonly AuditedEntry[];
        readonly key: string;
        readonly result: Configured;
      }
    | undefined;
  #cannotLink = false;
  #lastCpu: { readonly at: number; readonly used: number } | undefined;

  constructor(context: PackagesContext) {
    this.#context = context;
  }

  /** A run reports what it has loaded. */
  onFacts(reported: LoadFacts, run: PackagesRun): void {
    const { options } = run;
    const facts = this.#withoutLateVariables(reported);
    this.#facts = undefined;
    if (options.prewarm === false || options.command.script === undefined) return;
    this.#run = run;
    this.#facts = facts;
    this.#importLines = new ImportLines(
      [...facts.own.map(({ file }) => file), options.command.script],
      run.startedAtEpochMs,
      this.#importLines,
    );
    if ((facts.entries.length === 0 && facts.isCommonJs) || this.#failures >= maxFailures) return;
    const signature = signatureOf(facts, this.#importLines.text);
    if (this.#audit?.signature !== signature) {
      const stored = readAudit(options.command.script, options.env);
      this.#audit = stored?.signature === signature ? stored : undefined;
      this.#learned = [...new Set([...this.#learned, ...(stored?.learned ?? [])])];
      this.#hookedAt = undefined;
    }
    this.#learn(facts.learned ?? []);
    const audit = this.#audit;
    const isValid =
      audit !== undefined &&
      this.#late.areKnown(audit, facts) &&
      (facts.isCommonJs || audit.modules !== undefined) &&
      isCurrent(audit) &&
      hasSameConditions(audit, variablesOf(options, facts));
    if (isValid) {
      this.#storeLeft(options, false);
      this.#context.onReady();
    } else this.#startAudit(run, facts, signature);
  }

  /** Leaves out the variables that the program sets later than it asks for packages which read them. */
  #withoutLateVariables(facts: LoadFacts): LoadFacts {
    for (const name of facts.differed ?? []) {
      // It is set earlier than before.
      if (this.#lateVariables.delete(name)) continue;
      if (name in facts.variables) this.#lateVariables.add(name);
    }
    const variables = Object.entries(facts.variables).filter(([name]) => !this.#lateVariables.has(name));
    return { ...facts, variables: Object.fromEntries(variables) };
  }

  /** Returns the packages to load; undefined as long as they are not known. */
  ordersFor(options: ChildOptions): PackageOrders | undefined {
    const facts = this.#facts;
    const { script } = options.command;
    if (facts === undefined || script === undefined || this.#audit === undefined) return undefined;
    if (this.#failures >= maxFailures || !hasSameConditions(this.#audit, variablesOf(options, facts))) return undefined;
    const { left, linkedFirst } = this.#configuredFor(options);
    const { isCommonJs, variables } = facts;
    const isKept = (one: AuditedEntry): boolean => this.#isKept(one, options) && !left.has(one.file);
    const kept = ordersOf(this.#audit.entries, selectEntries(this.#audit.entries, isKept));
    const entries = kept.map((one) => (linkedFirst.has(one.file) ? { ...one, mustBeLinkedFirst: true } : one));
    const modules = this.#linksModules(options) ? (this.#audit.modules ?? []) : [];
    return { script, isCommonJs, entries, modules, variables, learned: this.#learned, isAudit: false };
  }

  /** Whether ES modules of packages may be linked ahead of time: nothing may change what the module loader does with them. */
  #linksModules({ command, prewarm }: ChildOptions): boolean {
    if (this.#cannotLink || this.#learned.includes(hooksLoader) || this.#hookedAt !== undefined) return false;
    return !Array.isArray(prewarm) && !hasOwnPreloads(command.nodeArgs);
  }

  /** Starts to load packages in a process that is parked. Returns undefined if there is nothing to load. */
  load(child: Child, options: ChildOptions): Loading | undefined {
    const run = this.#run;
    const orders = this.ordersFor(options);
    const imports = this.#importLines;
    if (run === undefined || orders === undefined || orders.entries.length + orders.modules.length === 0) {
      return undefined;
    }
    // The next facts tell the packages of the program as it is now.
    const { ordered } = this.#configuredFor(options);
    if (imports?.areUnchanged(ordered) !== true) return undefined;
    if (options.prewarm === 'auto' && !this.#context.hasMemoryFor(run.pid)) {
      this.#context.onShortage();
      return undefined;
    }
    const { clock } = this.#context;
    const audited = new Map(this.#audit?.entries.map((entry) => [entry.file, entry]));
    return new Loading({
      ...{ child, orders, clock },
      reads: this.#audit?.entries.flatMap(({ variables }) => variables) ?? [],
      hasSameImports: () => imports.areUnchanged(ordered),
      expectedMs: orders.entries.map(({ file }) => audited.get(file)?.ms ?? 0),
      incurable: orders.entries.map(({ file }) => audited.get(file)?.isIncurable === true),
      isBusy: () => this.#isBusy(run.pid),
      cpuTime: () => this.#context.cpuTime(child.pid),
      onFailure: (file, why) => {
        if (file === '') this.#cannotLink = true;
        else this.exclude(file, why);
        this.#context.discard(child);
      },
    });
  }

  /** The packages that the program loads itself, and why. */
  get excluded(): { readonly package: string; readonly why: string }[] {
    return (this.#audit?.entries ?? []).flatMap((entry) => {
      if (entry.isLate === true) return [];
      const why = entry.why ?? this.#whyLeft(entry) ?? this.#configured?.result.left.get(entry.file);
      return why === undefined ? [] : [{ package: packageOf(entry.file), why }];
    });
  }

  #isKept(entry: AuditedEntry, { prewarm }: ChildOptions): boolean {
    return entry.why === undefined && this.#whyLeft(entry) === undefined && isSelected(entry.file, prewarm);
  }

  /** Why an entry that the audit found good is left to the program, as this session has shown. */
  #whyLeft({ file }: AuditedEntry): string | undefined {
    const why = this.#excluded.get(file);
    if (why !== undefined || this.#hookedAt === undefined) return why;
    const files = this.#audit?.entries.map((entry) => entry.file) ?? [];
    return files.indexOf(file) >= files.indexOf(this.#hookedAt) ? behindHooks : undefined;
  }

  /** Which entries the order of the last run leaves to the program. */
  #configuredFor(options: ChildOptions): Configured {
    const [facts, audit, imports] = [this.#facts, this.#audit, this.#importLines];
    if (facts === undefined || audit === undefined || imports === undefined) return nothingConfigured;
    const { entries: all } = audit;
    const key = JSON.stringify([options.prewarm, [...this.#excluded.keys()], this.#hookedAt]);
    const known = this.#configured;
    if (known?.facts === facts && known.entries === all && known.key === key) return known.result;
    const { script = '', nodeArgs } = options.command;
    // Those that packages load later call no others.
    const entries = all.filter(({ isLate }) => isLate !== true);
    const result = findConfigured({
      ...{ facts, entries, imports, script, isKept: (one) => this.#isKept(one, options) },
      // The code of preloads runs before all.
      modulePackages: hasOwnPreloads([...nodeArgs, ...wordsOfOptions(options.env.NODE_OPTIONS)])
        ? undefined
        : audit.modulePackages,
    });
    this.#configured = { facts, entries: all, key, result };
    return result;
  }

  /** Stores what the last run leaves to the program, for `explain` and `doctor`. */
  #storeLeft(options: ChildOptions, isNew: boolean): void {
    const { script } = options.command;
    if (this.#audit === undefined || script === undefined) return;
    const left = Object.fromEntries(this.#configuredFor(options).left);
    if (!isNew && JSON.stringify(left) === JSON.stringify(this.#audit.left ?? {})) return;
    this.#audit = { ...this.#audit, left };
    storeAudit(script, options.env, this.#audit);
  }

  /** An entry is not loaded ahead of time any more. */
  exclude(file: string, why: string): void {
    this.#failures += 1;
    this.#excluded.set(file, why);
  }

  /**
   * A package of a standby has not fitted its run. If that has changed properties which are not known yet, their names are
   * enough; else the package is not loaded ahead of time in this session.
   */
  onMisfit({ file, learned }: Misfit): void {
    if (!this.#learn(learned)) this.#excluded.set(file, 'does not fit this program when it is loaded ahead of time');
  }

  /** Remembers names of properties that the program changes; returns whether they are new. */
  #learn(found: readonly string[]): boolean {
    const at = found.find((name) => name.startsWith(hooksLoaderAt))?.slice(hooksLoaderAt.length);
    const isHooked = at !== undefined && at !== this.#hookedAt;
    if (isHooked) this.#hookedAt = at;
    const all = new Set([...this.#learned, ...found.filter((name) => !name.startsWith(hooksLoaderAt))]);
    if (all.size === this.#learned.length) return isHooked;
    this.#learned = [...all].slice(0, maxLearned);
    const { script } = this.#run?.options.command ?? {};
    if (this.#audit !== undefined && this.#run !== undefined && script !== undefined) {
      this.#audit = { ...this.#audit, learned: this.#learned };
      storeAudit(script, this.#run.options.env, this.#audit);
    }
    return true;
  }

  /** Packages have been installed, or settings have changed. */
  reset(): void {
    this.#endAudit();
    this.#audit = undefined;
    this.#audits = 0;
    this.#late.reset();
    this.#failures = 0;
    this.#cannotLink = false;
    this.#excluded.clear();
  }

  close(): void {
    this.#run = undefined;
    this.#facts = undefined;
    this.#endAudit();
  }

  #startAudit(run: PackagesRun, facts: LoadFacts, signature: string): void {
    const { script } = run.options.command;
    if (this.#auditing !== undefined || script === undefined || this.#audits >= maxAudits) return;
    const child = this.#context.start(run.options);
    if (child === undefined || 'failure' in child) return;
    this.#audits += 1;
    const auditing: Auditing = { child, loading: undefined };
    this.#auditing = auditing;
    // This process is never released, so that it need not get its priority back.
    attempt(() => os.setPriority(child.pid, os.constants.priority.PRIORITY_LOW));
    child.process.once('exit', () => {
      if (this.#auditing === auditing) this.#endAudit();
    });
    const late = this.#late.toAudit(facts, this.#audit?.signature === signature ? this.#audit : undefined);
    let asked = facts;
    child.receive((message) => {
      if (message.type === 'reads-stdin') child.answer('');
      else if (message.type !== 'parked') auditing.loading?.onMessage(message);
      else if (auditing.loading === undefined) {
        // The rest belongs to loaders: each process has it before the program begins.
        const all = [...facts.entries, ...late];
        asked = { ...facts, entries: all.filter(({ file }) => !message.files.includes(file)) };
        auditing.loading = this.#beginAudit(child, script, run, asked, facts);
      } else this.#endAudit();
      const { loading } = auditing;
      if (message.type !== 'audited' || loading === undefined) return;
      const reports = reportsFor(asked, loading);
      const audit = auditFrom(
        signature,
        asked.entries,
        reports,
        message,
        variablesOf(run.options, facts),
        this.#excluded,
      );
      this.#audit = { ...audit, learned: this.#learned };
      this.#endAudit();
      this.#storeLeft(run.options, true);
      this.#context.onReady();
    });
    child.process.unref();
  }

  #beginAudit(child: Child, script: string, run: PackagesRun, asked: LoadFacts, facts: LoadFacts): Loading {
    const { clock } = this.#context;
    const { isCommonJs, variables } = facts;
    const entries = asked.entries.filter(({ file }) => !this.#excluded.has(file));
    const orders = { script, isCommonJs, entries, modules: [], variables, learned: [], isAudit: true };
    const onFailure = (file: string, why: string): void => {
      this.exclude(file, why);
      this.#endAudit();
      if (run === this.#run && this.#failures < maxFailures)
        this.#startAudit(run, facts, signatureOf(facts, this.#importLines?.text));
    };
    const cpuTime = (): number | undefined => this.#context.cpuTime(child.pid);
    return new Loading({ child, orders, clock, expectedMs: [], isBusy: () => false, cpuTime, onFailure });
  }

  #endAudit(): void {
    const { child, loading } = this.#auditing ?? {};
    this.#auditing = undefined;
    loading?.close();
    if (child !== undefined) this.#context.discard(child);
  }

  #isBusy(pid: number): boolean {
    const used = this.#context.cpuTime(pid);
    if (used === undefined) return false;
    const before = this.#lastCpu;
    const at = this.#context.clock.now();
    this.#lastCpu = { at, used };
    return before !== undefined && at > before.at && (used - before.used) / (at - before.at) > busyShare;
  }
}

const nothingConfigured: Configured = { left: new Map(), ordered: new Set(), linkedFirst: new Set() };

/** Whether flags of Node name modules of the program, which come before its script. */
const hasOwnPreloads = (nodeArgs: readonly string[]): boolean =>
  !preloadsIn(nodeArgs).every(({ name }) => isLoader(name));

/** The variables of a program when its packages are loaded. */
const variablesOf = (
  { env }: ChildOptions,
  { variables }: LoadFacts,
): Readonly<Record<string, string | null | undefined>> => {
  return { ...env, ...variables };
};

/** Whether the settings let an entry be loaded ahead of time. */
function isSelected(file: string, prewarm: Selection): boolean {
  if (typeof prewarm === 'boolean') return prewarm;
  if (prewarm === 'auto') return true;
  const path = file.replaceAll('\\', '/');
  const isNamed = (name: string): boolean => path.includes(`/node_modules/${name}/`);
  return 'except' in prewarm ? !prewarm.except.some(isNamed) : prewarm.some(isNamed);
}
