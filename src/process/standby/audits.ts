/**
 * Audits: what has been found out about the packages of a program, and whether they may be loaded ahead of time. Kept in
 * memory, and in devwatch's cache folder for the next launch.
 */

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { EntryReport, LoadFacts, ModulePackages, PackageEntry, PreloadMessage } from '../../preload/protocol.ts';
import { attempt } from '../../shared/errors.ts';
import { readTrusted } from '../../shared/file-ownership.ts';
import { exactStampOf } from '../../shared/file-stamp.ts';
import type { LeftPackage } from '../../shared/package-reasons.ts';
import { openCache } from '../../shared/user-folders.ts';

/** An entry of the program, and what speaks against loading it ahead of time. */
export interface AuditedEntry extends PackageEntry {
  /** Why the program loads it itself: a predicate, such as `prints`. */
  readonly why?: string | undefined;
  /** The file that is at fault, if that is another one. */
  readonly culprit?: string | undefined;
  readonly ms: number;
  readonly fileCount: number;
  /** It cannot be loaded a second time in the same process. */
  readonly isIncurable: boolean;
  readonly effects: readonly string[];
  readonly variables: readonly string[];
  /** The files that were loaded for it. */
  readonly files: readonly string[];
  /** Folders of packages, loaded before, whose functions it calls while it is loaded. */
  readonly calls: readonly string[];
  /** It may call functions of the program while it is loaded. */
  readonly asksProgram: boolean;
  /** Other entries whose files it needs. */
  readonly needs: readonly string[];
  /** Names of exports that run code when they are read; `*` for all. */
  readonly accessors: readonly string[];
}

export interface Audit {
  /** Identifies the list of entries. */
  readonly signature: string;
  readonly entries: readonly AuditedEntry[];
  /** Identifies the values of the variables that the packages have read. */
  readonly conditions: string;
  /** All files that were loaded, with their stamps. */
  readonly stamps: Readonly<Record<string, string>>;
  /** Files of packages that are ES modules, in the order in which they can be linked; undefined if they are not known. */
  readonly modules?: readonly string[] | undefined;
  /** Undefined if they are not known, or the program has none. */
  readonly modulePackages?: ModulePackages | undefined;
  /** Properties that the program itself changes before it asks for packages. */
  readonly learned?: readonly string[];
  /** Entries that the last run had to load itself because of the order of its code, and why. */
  readonly left?: Readonly<Record<string, string>>;
}

/** An audit in the cache folder. `script` is absolute. */
export interface StoredAudit {
  readonly script: string;
  readonly nodeVersion: string;
  readonly audit: Audit;
}

/** The findings on all entries together. */
export type AuditEnd = Omit<Extract<PreloadMessage, { type: 'audited' }>, 'type'>;

/** Increased when what is stored gets another meaning. */
const format = 11;
const maxBytes = 4 * 1024 * 1024;
/** Audits of other programs that are kept. */
const maxAudits = 30;

/** It may call functions of the program. */
const asksProgram = 'asks for what the program exports';
/** Behind it, packages are found or loaded in another way. */
const hooksLoader = 'hooks the module loader';

/** Identifies what a run has asked for, in its order. `imports`: the lines by which its ES modules import others. */
export const signatureOf = ({ entries, isCommonJs }: LoadFacts, imports = ''): string =>
  hash([isCommonJs, isCommonJs ? '' : imports, entries.map(({ file, parent, kind }) => [file, parent, kind])]);

const hash = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 24);

/**
 * Makes an audit of the reports of a process that has loaded the entries.
 *
 * @param end what the process has found when it had loaded all
 * @param variables those of that process
 * @param failed why it was not to load some of the files
 */
export function auditFrom(
  signature: string,
  entries: readonly PackageEntry[],
  reports: ReadonlyMap<number, EntryReport>,
  { tainted, imported = [], needs = {}, modules, modulePackages }: AuditEnd,
  variables: Variables = {},
  failed: ReadonlyMap<string, string> = new Map(),
): Audit {
  const blames = [...reports.values()].flatMap((report) => report.blames);
  const stamps: Record<string, string> = {};
  for (const { files } of reports.values()) for (const file of files) stamps[file] = exactStampOf(file);
  for (const file of modules ?? []) stamps[file] = exactStampOf(file);
  let barrier: string | undefined;
  /** Folders of the packages that have been loaded so far. */
  const folders = new Set<string>();
  const audited = entries.map((entry, index): AuditedEntry => {
    const { file, parent, kind } = entry;
    const report = reports.get(index);
    const own = report?.blames.find((one) => one.file === file) ?? report?.blames[0];
    const adds = report?.isExtension === true ? 'adds to a package that is loaded before' : undefined;
    const isTainted = adds === undefined && tainted.includes(file);
    const inherited = isTainted ? (blames[0] ?? { file, why: 'needs an addition to a package' }) : undefined;
    const blame =
      report === undefined ? { file, why: failed.get(file) ?? 'was not loaded by the audit' } : (own ?? inherited);
    const why =
      barrier ??
      blame?.why ??
      (imported.includes(file) ? 'needs an ES module that the program imports' : undefined) ??
      adds ??
      (entry.isLate === true ? reasonAgainstLate(report, folders) : undefined);
    for (const one of report?.files ?? []) folders.add(folderOf(one) ?? one);
    if (report?.blames.some((one) => one.why === hooksLoader))
      barrier ??= 'is loaded behind hooks of the module loader';
    return {
      ...{ file, parent, kind, why, culprit: blame?.file === file ? undefined : blame?.file },
      ...(entry.isLate === true && { isLate: true }),
      ms: report?.ms ?? 0,
      fileCount: report?.files.length ?? 0,
      hasEffects: report?.hasEffects ?? false,
      touches: report?.touches ?? [],
      readsFolder: report?.readsFolder ?? true,
      isIncurable: report?.isIncurable ?? false,
      effects: report?.effects ?? [],
      variables: report?.variables ?? [],
      files: report?.files ?? [],
      calls: report?.calls ?? [],
      asksProgram: report?.blames.some((one) => one.why === asksProgram) === true,
      needs: needs[file] ?? [],
      accessors: report?.accessors ?? ['*'],
    };
  });
  return { signature, entries: audited, stamps, modules, modulePackages, conditions: conditionsOf(audited, variables) };
}

/** Why a file must not be loaded ahead of time that a package loads later: anything may have happened by then. */
function reasonAgainstLate(report: EntryReport | undefined, folders: ReadonlySet<string>): string | undefined {
  const { changesOnlyExports = false, isIncurable = true, calls = [], files = [] } = report ?? {};
  if (!changesOnlyExports || isIncurable) return 'is loaded later by a package, and cannot be loaded again';
  if (calls.some((folder) => folders.has(folder))) return 'is loaded later by a package, and calls others';
  return files.length === 0 ? 'is not loaded later' : undefined;
}

/**
 * Returns the entries to load ahead of time. One behind an entry that is left out may do what that does: both load the same
 * file.
 */
export function ordersOf(audited: readonly AuditedEntry[], isKept: (entry: AuditedEntry) => boolean): PackageEntry[] {
  let mayHaveEffects = false;
  let mayReadFolder = false;
  return audited.flatMap((entry) => {
    const { file, parent, kind, touches = [], calls, isLate } = entry;
    const hasEffects = mayHaveEffects || entry.hasEffects === true;
    const readsFolder = mayReadFolder || entry.readsFolder !== false;
    if (isKept(entry)) return [{ file, parent, kind, hasEffects, touches, calls, readsFolder, isLate }];
    mayHaveEffects = hasEffects;
    mayReadFolder = readsFolder;
    return [];
  });
}

/** Returns the folder of the package that a file belongs to; undefined for files of the program. */
export const folderOf = (file: string): string | undefined =>
  /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(file)?.[0];

/** Returns the name of the package that a file belongs to. */
export const packageOf = (file: string): string =>
  /^.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(file)?.[1]?.replaceAll('\\', '/') ?? file;

/** Returns the packages that the program loads itself, and why. */
export const leftIn = ({ entries, left = {} }: Audit): readonly LeftPackage[] =>
  entries.flatMap(({ file, isLate, why = left[file] }) =>
    why === undefined || isLate === true ? [] : [{ package: packageOf(file), why }],
  );

type Variables = Readonly<Record<string, string | null | undefined>>;

const conditionsOf = (entries: readonly AuditedEntry[], variables: Variables): string =>
  hash([...new Set(entries.flatMap((entry) => entry.variables))].map((name) => variables[name] ?? null));

/** Whether packages find the variables that they have read in the audit: with others, they may do other things. */
export const hasSameConditions = ({ entries, conditions }: Audit, variables: Variables): boolean =>
  conditionsOf(entries, variables) === conditions;

/** Whether all files are as they were. */
export const isCurrent = ({ stamps }: Audit): boolean =>
  Object.entries(stamps).every(([file, stamp]) => exactStampOf(file) === stamp);

/** Returns the latest audit of a program that is stored; undefined if there is none, or it cannot be trusted. */
export function readAudit(script: string, env: NodeJS.ProcessEnv): Audit | undefined {
  const file = fileFor(script, env);
  return file === undefined ? undefined : readStored(file)?.audit;
}

/**
 * Returns the stored audits of a project, the latest first: that of its script, or of all scripts below the folder where it
 * has none. A command line may name a script that the settings do not know.
 */
export function auditsOf(folder: string, script: string | undefined, env: NodeJS.ProcessEnv): readonly StoredAudit[] {
  const audits = openCache('packages', env);
  const names = attempt(() => (audits === undefined ? [] : fs.readdirSync(audits))) ?? [];
  const files = byAge(names.map((name) => path.join(audits ?? '', name)));
  const all = files.flatMap((file) => readStored(file) ?? []).filter((one) => one.nodeVersion === process.version);
  const own = all.filter((one) => one.script === script);
  return own.length > 0 ? own : all.filter((one) => one.script.startsWith(folder + path.sep));
}

// The name of a flaw is no JSON.
const readStored = (file: string): StoredAudit | undefined =>
  attempt(() => parse(String(readTrusted(file, { forbidden: 0o022 }))));

/** Returns the files that are still there, the latest first. */
function byAge(files: readonly string[]): string[] {
  const dated = files.flatMap((file) => {
    const at = attempt(() => fs.statSync(file).mtimeMs);
    return at === undefined ? [] : [{ file, at }];
  });
  return dated.sort((one, other) => other.at - one.at).map(({ file }) => file);
}

/** Stores an audit, and removes the oldest ones. */
export function storeAudit(script: string, env: NodeJS.ProcessEnv, audit: Audit): void {
  const file = fileFor(script, env);
  if (file === undefined) return;
  const text = JSON.stringify({ format, script, nodeVersion: process.version, ...audit });
  if (text.length > maxBytes) return;
  attempt(() => {
    const folder = path.dirname(file);
    const next = `${file}.${process.pid}`;
    fs.rmSync(next, { force: true });
    fs.writeFileSync(next, text, { flag: 'wx', mode: 0o600 });
    fs.renameSync(next, file);
    const all = byAge(fs.readdirSync(folder).map((name) => path.join(folder, name)));
    for (const one of all.slice(maxAudits)) fs.rmSync(one, { force: true });
  });
}

/** Each program has one file, for each version of Node that it runs with. */
function fileFor(script: string, env: NodeJS.ProcessEnv): string | undefined {
  const folder = openCache('packages', env);
  return folder && path.join(folder, `${hash([script, process.version, process.arch])}.json`);
}

function parse(text: string): StoredAudit | undefined {
  type Stored = Partial<Audit> & Partial<StoredAudit> & { readonly format?: number };
  const value = JSON.parse(text) as Stored | null;
  const { script, nodeVersion, signature, entries, stamps, conditions, modules, learned = [], left = {} } = value ?? {};
  const { modulePackages } = value ?? {};
  if (value?.format !== format || typeof signature !== 'string' || !Array.isArray(entries)) return undefined;
  if (typeof stamps !== 'object' || stamps === null || !entries.every(isEntry)) return undefined;
  const lists = [learned, modules ?? [], ...listsOf(modulePackages)];
  if (!lists.every((list) => Array.isArray(list) && list.every((name) => typeof name === 'string'))) return undefined;
  if (typeof script !== 'string' || typeof nodeVersion !== 'string' || typeof conditions !== 'string') return undefined;
  if (typeof left !== 'object' || left === null || !Object.values(left).every((why) => typeof why === 'string'))
    return undefined;
  const known = { signature, entries, stamps, conditions, modules, modulePackages, learned, left };
  return { script, nodeVersion, audit: known };
}

const listsOf = (packages: Partial<ModulePackages> | undefined): readonly unknown[] =>
  packages === undefined ? [] : [packages?.own, packages?.asked, packages?.names, packages?.acting, packages?.needed];

function isEntry(value: unknown): value is AuditedEntry {
  const { file, kind, parent, why, ms, readsFolder, asksProgram, ...rest } = (value ?? {}) as Partial<AuditedEntry>;
  const { effects, variables, touches, files, calls, needs, accessors } = rest;
  const isText = (one: unknown): boolean => typeof one === 'string';
  return (
    isText(file) &&
    (kind === 'require' || kind === 'import') &&
    (parent === undefined || isText(parent)) &&
    (why === undefined || isText(why)) &&
    typeof ms === 'number' &&
    [readsFolder, asksProgram].every((one) => typeof one === 'boolean') &&
    [effects, variables, touches, files, calls, needs, accessors].every(
      (list) => Array.isArray(list) && list.every(isText),
    )
  );
}
