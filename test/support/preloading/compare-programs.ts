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
import { preloadCode } from '../preload-code.ts';

/** A program `main.js` and its packages. */
export interface BatchProgram {
  readonly files: Readonly<Record<string, string>>;
  /** Files that are saved while the process waits. */
  readonly edits?: Readonly<Record<string, string>>;
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
  readonly orders?: Omit<PackageOrders, 'script'>;
  readonly count?: number;
  readonly edits: Readonly<Record<string, string>>;
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
  const first = await run(folders.map((folder) => ({ folder, edits: {} })));
  const facts = first.map(({ facts: found, failure }) => found ?? fail(failure));
  const audits = await run(folders.map((folder, index) => auditTask(folder, facts[index])));
  const tasks = folders.map((folder, index) => preloadedTask(programs[index], folder, facts[index], audits[index]));
  const preloaded = await run(tasks);
  const plain = await run(folders.map((folder) => ({ folder, edits: {}, lazies: true })));
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

const visible = ({ output, printed, facts }: Outcome = {}): unknown => ({ output, printed, facts });

function fail(why: string | undefined): never {
  throw new Error(why ?? 'no result');
}

function auditTask(folder: string, facts: LoadFacts | undefined): Task {
  const { entries: asked = [], late = [], variables = {} } = facts ?? {};
  const entries = [...asked, ...late];
  return {
    folder,
    edits: {},
    orders: { isCommonJs: true, entries, variables, learned: [], modules: [], isAudit: true },
  };
}

/** Plans what devwatch would do: process/standby/packages.ts and pool.ts. */
function preloadedTask(
  program: BatchProgram | undefined,
  folder: string,
  facts: LoadFacts | undefined,
  outcome: Outcome | undefined,
): Task {
  if (program === undefined || facts === undefined || outcome === undefined) return fail('no result');
  const { reports = [], tainted = [], needs = {}, failure } = outcome;
  if (failure !== undefined) fail(failure);
  const byIndex = new Map(reports.map((report, index) => [index, report]));
  const all = [...facts.entries, ...(facts.late ?? [])];
  const { entries: audited } = auditFrom(signatureOf(facts), all, byIndex, { tainted, needs });
  const { edits = {}, count = facts.entries.length, learned = [] } = program;
  const own = [...facts.own.map(({ file }) => file), path.join(folder, 'main.js')];
  // The files have just been written.
  const imports = new ImportLines(own, Date.now() + 1000);
  const isKept = ({ why }: { readonly why?: string | undefined }): boolean => why === undefined;
  const regular = audited.filter(({ isLate }) => isLate !== true);
  const sources = { facts, entries: regular, imports, script: own.at(-1) ?? '', modulePackages: undefined, isKept };
  const { left, ordered } = findConfigured(sources);
  const entries = ordersOf(
    audited,
    selectEntries(audited, (one) => isKept(one) && !left.has(one.file)),
  );
  const loaded = new Set(entries.slice(0, count).flatMap(({ file }) => filesFor(file, reports)));
  const isIncurable = reports.some(({ file, isIncurable: one }) => one && entries.some((entry) => entry.file === file));
  const changedFiles = Object.keys(edits)
    .map((name) => path.join(folder, name))
    .filter((file) => loaded.has(file));
  // devwatch compares the lines when the files have been saved.
  const saved = new Map(Object.entries(edits).map(([name, text]) => [path.join(folder, name), text]));
  const hasSameImports = withFiles(saved, () => imports.areUnchanged(ordered));
  const isOfNoUse = isIncurable && (!hasSameImports || changedFiles.length > 0);
  const { variables } = facts;
  return {
    folder,
    edits,
    lazies: true,
    count,
    orders: {
      ...{ isCommonJs: true, variables, isAudit: false, learned, modules: [] },
      entries: isOfNoUse ? [] : entries,
    },
    release: hasSameImports ? { changedFiles } : { dropsPackages: 'import lines have changed' },
  };
}

const filesFor = (entry: string, reports: readonly EntryReport[]): readonly string[] =>
  reports.find(({ file }) => file === entry)?.files ?? [];

/** Calls a function while the files have another text. */
function withFiles<Value>(texts: ReadonlyMap<string, string>, call: () => Value): Value {
  const before = [...texts.keys()].map(
    (file) => [file, fs.existsSync(file) ? fs.readFileSync(file) : undefined] as const,
  );
  for (const [file, text] of texts) fs.writeFileSync(file, text);
  try {
    return call();
  } finally {
    for (const [file, text] of before) {
      if (text === undefined) fs.rmSync(file);
      else fs.writeFileSync(file, text);
    }
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
