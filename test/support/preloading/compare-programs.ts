/** Compares many small programs in a few processes: plainly, and with their packages loaded ahead of time as devwatch would do it. */

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { EntryReport, LoadFacts, PackageOrders, Release } from '../../../src/preload/protocol.ts';
import { type AuditEnd, auditFrom, ordersOf, signatureOf } from '../../../src/process/standby/audits.ts';
import { findConfigured } from '../../../src/process/standby/configured.ts';
import { ImportLines } from '../../../src/process/standby/import-lines.ts';
import { selectEntries } from '../../../src/process/standby/late-entries.ts';
import { PackageFiles } from '../../../src/process/standby/package-files.ts';
import { preloadCode } from '../preload-code.ts';

/** A program and its packages. */
export interface BatchProgram {
  readonly files: Readonly<Record<string, string>>;
  /** By default `main.js`; `main.mjs` is an ES module. */
  readonly script?: string;
  /** Files that are saved while the process waits; null stands for files and folders that are removed. */
  readonly edits?: Readonly<Record<string, string | null>>;
  /** How many entries are loaded before the release; by default all. */
  readonly count?: number;
  /** Names of properties that the program is known to change. */
  readonly learned?: readonly string[];
}

export interface BatchResult {
  readonly plain: unknown;
  readonly preloaded: unknown;
  /** Files that the program has got from the standby. */
  readonly adopted: number;
  /** The program has asked for something that cannot be loaded again: devwatch starts it once more. */
  readonly isMisfit: boolean;
  readonly folder: string;
  readonly why: readonly string[];
}

interface Task {
  readonly folder: string;
  readonly script: string;
  readonly orders?: Omit<PackageOrders, 'script'>;
  readonly count?: number;
  readonly edits: NonNullable<BatchProgram['edits']>;
  readonly release?: Pick<Release, 'changedFiles' | 'dropsPackages'>;
  readonly lazies?: boolean;
}

interface Outcome {
  readonly failure?: string;
  readonly output?: unknown;
  readonly printed?: string;
  readonly facts?: LoadFacts;
  readonly adoption?: { readonly files: number; readonly cold: readonly string[] };
  readonly misfit?: string;
  readonly reports?: readonly EntryReport[];
  readonly tainted?: readonly string[];
  readonly needs?: AuditEnd['needs'];
  readonly modules?: AuditEnd['modules'];
  readonly imported?: AuditEnd['imported'];
  readonly modulePackages?: AuditEnd['modulePackages'];
}

/** Whether a program can tell. One that asks for something that cannot be loaded again is started once more. */
export const differs = ({ isMisfit, plain, preloaded }: BatchResult): boolean =>
  !isMisfit && !isDeepStrictEqual(plain, preloaded) && !JSON.stringify(plain).includes(endless);

/** How deep an endless recursion gets is not determined. */
const endless = 'Maximum call stack size';

/** The time for all programs of one process, in ms. */
const timeoutMs = 120_000;

/** @param place an empty folder */
export async function comparePrograms(
  programs: readonly BatchProgram[],
  place: string,
  node: string = process.execPath,
): Promise<BatchResult[]> {
  const folders = programs.map(({ files }, index) => {
    const folder = path.join(place, `program-${index}`);
    for (const [name, text] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      fs.writeFileSync(path.join(folder, name), text);
    }
    return folder;
  });
  const run = (tasks: readonly Task[]): Promise<Outcome[]> => runBatch(tasks, place, node);
  const scripts = programs.map(({ script = 'main.js' }, index) => path.join(folders[index] ?? '', script));
  const plainTask = (folder: string, index: number): Task => ({ folder, script: scripts[index] ?? '', edits: {} });
  const first = await run(folders.map(plainTask));
  const facts = first.map(({ facts: found, failure }) => found ?? fail(failure));
  const audits = await run(folders.map((folder, index) => auditTask(plainTask(folder, index), facts[index])));
  const tasks = folders.map((folder, index) =>
    preloadedTask(programs[index], plainTask(folder, index), facts[index], audits[index]),
  );
  const preloaded = await run(tasks);
  const plain = await run(folders.map((folder, index) => ({ ...plainTask(folder, index), lazies: true })));
  return folders.map((folder, index): BatchResult => {
    const { adoption, misfit, failure } = preloaded[index] ?? {};
    if (failure !== undefined || plain[index]?.failure !== undefined) fail(failure ?? plain[index]?.failure);
    return {
      plain: visible(plain[index]),
      preloaded: visible(preloaded[index]),
      adopted: adoption?.files ?? 0,
      isMisfit: misfit !== undefined,
      folder,
      why: adoption?.cold ?? [],
    };
  });
}

/** Node links what ES modules import in an order that is not determined; facts follow it where nothing else tells the order. */
const visible = ({ output, printed, facts }: Outcome = {}): unknown => {
  const nameOf = ({ file }: { readonly file: string }): string => file;
  const lists = facts && { entries: facts.entries.map(nameOf), own: facts.own.map(nameOf) };
  const sorted = lists && { entries: lists.entries.sort(), own: lists.own.sort() };
  return { output, printed, facts: facts?.isCommonJs === true ? facts : sorted };
};

function fail(why: string | undefined): never {
  throw new Error(why ?? 'no result');
}

function auditTask(task: Task, facts: LoadFacts | undefined): Task {
  const { entries: asked = [], late = [], variables = {}, isCommonJs = true } = facts ?? {};
  const entries = [...asked, ...late];
  return { ...task, orders: { isCommonJs, entries, variables, learned: [], modules: [], isAudit: true } };
}

/** Plans what devwatch would do: process/standby/packages.ts and pool.ts. */
function preloadedTask(
  program: BatchProgram | undefined,
  task: Task,
  facts: LoadFacts | undefined,
  outcome: Outcome | undefined,
): Task {
  if (program === undefined || facts === undefined || outcome === undefined) return fail('no result');
  const { reports = [], tainted = [], needs = {}, modules = [], imported = [], modulePackages, failure } = outcome;
  if (failure !== undefined) fail(failure);
  const byIndex = new Map(reports.map((report, index) => [index, report]));
  const end = { tainted, needs, modules, imported };
  const all = [...facts.entries, ...(facts.late ?? [])];
  const { entries: audited } = auditFrom(signatureOf(facts), all, byIndex, end);
  const { edits = {}, count = all.length, learned = [] } = program;
  const own = [...facts.own.map(({ file }) => file), task.script];
  // The files have just been written.
  const imports = new ImportLines(own, Date.now() + 1000);
  const isKept = ({ why }: { readonly why?: string | undefined }): boolean => why === undefined;
  const regular = audited.filter(({ isLate }) => isLate !== true);
  const sources = { facts, entries: regular, imports, script: task.script, modulePackages, isKept };
  const { left, ordered, linkedFirst } = findConfigured(sources);
  const isSelected = selectEntries(audited, (one) => isKept(one) && !left.has(one.file));
  const entries = ordersOf(audited, isSelected).map((one) => {
    return { ...one, mustBeLinkedFirst: linkedFirst.has(one.file) };
  });
  const linked = count < entries.length ? [] : modules;
  const loaded = entries.slice(0, count).flatMap((one) => reports.filter(({ file }) => file === one.file));
  const files = new PackageFiles();
  files.add([...loaded.flatMap((report) => report.files), ...linked], Date.now() + 1000);
  // devwatch looks when the files have been saved.
  const saved = new Map(Object.entries(edits).map(([name, text]) => [path.join(task.folder, name), text]));
  const [hasSameImports, { isReinstalled, changed: changedFiles }] = withFiles(
    saved,
    () => [imports.areUnchanged(ordered), files.look()] as const,
  );
  const isIncurable = loaded.some((report) => report.isIncurable);
  const isOfNoUse =
    isReinstalled ||
    (isIncurable && (!hasSameImports || changedFiles.length > 0)) ||
    changedFiles.some((file) => linked.includes(file));
  const { variables, isCommonJs } = facts;
  const orders = {
    ...{ isCommonJs, variables, isAudit: false, learned },
    ...{ entries: isOfNoUse ? [] : entries, modules: isOfNoUse ? [] : linked },
  };
  const release = hasSameImports ? { changedFiles } : { dropsPackages: 'import lines have changed' };
  return { ...task, edits, lazies: true, count, orders, release };
}

/** Calls a function while the files have another text; null stands for no file or folder. */
function withFiles<Value>(texts: ReadonlyMap<string, string | null>, call: () => Value): Value {
  const restores = [...texts].map(([file, text]): (() => void) => {
    const aside = fs.existsSync(file) ? `${file}~` : undefined;
    if (aside !== undefined) fs.renameSync(file, aside);
    if (text !== null) {
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, text);
    }
    return () => {
      fs.rmSync(file, { recursive: true, force: true });
      if (aside !== undefined) fs.renameSync(aside, file);
    };
  });
  try {
    return call();
  } finally {
    for (const restore of restores.reverse()) restore();
  }
}

async function runBatch(tasks: readonly Task[], place: string, node: string): Promise<Outcome[]> {
  const [tasksFile, into, listing] = ['tasks.json', 'results.json', 'listing.cjs'].map((name) =>
    path.join(place, name),
  ) as [string, string, string];
  fs.rmSync(into, { force: true });
  fs.writeFileSync(listing, preloadCode('loaded-files.cts'));
  fs.writeFileSync(tasksFile, JSON.stringify({ tasks, into, listing }));
  const { PATH = '', HOME = '' } = process.env;
  const env = { PATH, HOME, V0: 'start' };
  const printed = await new Promise<string>((resolve, reject) => {
    const options = { env, timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 };
    execFile(node, [path.join(import.meta.dirname, 'batch.cjs'), tasksFile], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${error.message}\n${stderr}`));
    });
  });
  const sections = printed.split(/~~~\d+\n/).slice(1);
  const outcomes = JSON.parse(fs.readFileSync(into, 'utf8')) as Outcome[];
  return outcomes.map((outcome, index) => ({ ...outcome, printed: sections[index] ?? '' }));
}
