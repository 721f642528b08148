/** Runs a program plainly, and with its packages loaded ahead of time, and returns what it prints both times. */

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { EntryReport, LoadFacts, PackageEntry, PackageOrders, Release } from '../../../src/preload/protocol.ts';
import { type AuditEnd, type AuditedEntry, auditFrom } from '../../../src/process/standby/audits.ts';
import { findConfigured } from '../../../src/process/standby/configured.ts';
import { ImportLines } from '../../../src/process/standby/import-lines.ts';
import { selectEntries } from '../../../src/process/standby/late-entries.ts';
import { preloadCode } from '../preload-code.ts';

/** A program in a folder, with its packages. */
export interface Place {
  readonly folder: string;
  /** Names of files relative to the folder: the script, and files for what is exchanged. */
  readonly script: string;
  readonly args?: readonly string[];
  /** Flags of Node behind which the process waits, and those that come later. */
  readonly loaders?: readonly string[] | undefined;
  readonly flags?: readonly string[] | undefined;
  readonly scratch?: string;
  readonly node?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Variation {
  /** Files that are saved while the process waits: the program that is compared. */
  readonly edits?: Readonly<Record<string, string>>;
  readonly release?: Pick<Release, 'changedFiles' | 'dropsPackages'>;
  readonly learned?: readonly string[];
  /** devwatch compares import lines, and the places of code between them; else packages are handed over in any case. */
  readonly guarded?: boolean;
  /** Report what the program takes over; it could see the listener for that. */
  readonly reportsAdoption?: boolean;
  /** The program asks when it counts as settled. */
  readonly hasSettled?: boolean;
}

export interface Ending {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Comparison {
  readonly plain: Ending;
  readonly preloaded: Ending;
  /** The packages that the program has taken over. */
  readonly adoption: unknown;
  /** The reports of the audit, in the order in which the program has asked for the packages. */
  readonly reports: readonly EntryReport[];
  /** ES modules that are linked ahead of time. */
  readonly modules: readonly string[];
  /** Entries that the program loads itself. */
  readonly excluded: readonly string[];
  /** Why the order of the program's code leaves some of them to it. */
  readonly reasons: readonly string[];
}

/** The time for one run, in ms. */
const timeoutMs = 60_000;
/** How devwatch lists what a program has loaded. */
let listing: string | undefined;

const helper = (name: string): string => path.join(import.meta.dirname, name);

export async function compareIn(
  place: Place,
  {
    edits = {},
    release = {},
    learned = [],
    guarded = false,
    reportsAdoption = false,
    hasSettled = false,
  }: Variation = {},
): Promise<Comparison> {
  const { folder, scratch = '', env = {}, loaders = [], flags = [] } = place;
  const at = (name: string): string => path.join(folder, name);
  const script = at(place.script);
  const into = at(`${scratch}into.json`);
  const ordersFile = at(`${scratch}orders.json`);
  const read = (): unknown => JSON.parse(fs.readFileSync(into, 'utf8'));
  const run = (helperFile: string | undefined, variables: Readonly<Record<string, string>> = {}): Promise<Ending> => {
    // ES modules are loaded behind it, as by park.mjs.
    const isModule = /\.m?ts$|\.mjs$/.test(script);
    const flag = (name: string): string[] =>
      isModule ? ['--import', `${pathToFileURL(helper('import.mjs'))}?${name}`] : ['--require', helper(name)];
    const own = helperFile === undefined ? [] : flag(helperFile);
    return endingOf(place, [...loaders, ...own, ...flags, script, ...(place.args ?? [])], { ...env, ...variables });
  };
  const parkWith = (orders: PackageOrders, released: Variation['release'] = release): Promise<Ending> => {
    const saved = Object.fromEntries(Object.entries(edits).map(([name, text]) => [at(name), text]));
    const changedFiles = released.changedFiles?.map(at);
    const text = JSON.stringify({ ...orders, into, edits: saved, release: { ...released, changedFiles } });
    fs.writeFileSync(ordersFile, text);
    return run('park.cjs', { PARK_ORDERS: ordersFile });
  };
  const code = at(`${scratch}loaded-files.cjs`);
  listing ??= preloadCode('loaded-files.cts');
  fs.writeFileSync(code, listing);
  await run('gather.cjs', { GATHER_INTO: into, GATHER_WITH: code });
  const gathered = read() as LoadFacts;
  // Loaders have packages of their own, which are there when a process parks.
  const isAsked = ({ file }: PackageEntry): boolean => loaders.length === 0 || file.startsWith(folder);
  const facts = { ...gathered, entries: gathered.entries.filter(isAsked) };
  const { entries: asked, late = [], isCommonJs, variables } = facts;
  const entries = [...asked, ...late];
  const common = { script, isCommonJs, variables, learned, reportsAdoption, hasSettled };
  const audit = await parkWith({ ...common, entries, modules: [], isAudit: true });
  if (audit.code !== 0) throw new Error(`the audit has failed: ${JSON.stringify(audit)}`);
  const { reports, ...end } = read() as AuditEnd & { readonly reports: EntryReport[] };
  const { entries: audited } = auditFrom('', entries, new Map(reports.entries()), end);
  // The files have just been written.
  const imports = new ImportLines([...facts.own.map(({ file }) => file), script], Date.now() + 1000);
  const isKept = ({ why }: AuditedEntry): boolean => why === undefined;
  const modulePackages = flags.length > 0 ? undefined : end.modulePackages;
  const regular = audited.filter(({ isLate }) => isLate !== true);
  const configured = findConfigured({ facts, entries: regular, imports, script, modulePackages, isKept });
  const { left, ordered, linkedFirst } = configured;
  const isSelected = selectEntries(audited, (entry) => isKept(entry) && !left.has(entry.file));
  const isExcluded = (entry: AuditedEntry): boolean => !isSelected(entry);
  const selected = audited
    .filter((entry) => !isExcluded(entry))
    .map((entry) => ({ ...entry, mustBeLinkedFirst: linkedFirst.has(entry.file) }));
  const { modules = [] } = end;
  const orders = { ...common, entries: selected, modules: flags.length > 0 ? [] : modules, isAudit: false };
  const moved = guarded && !isUnchangedAfter(edits, at, () => imports.areUnchanged(ordered));
  const preloaded = await parkWith(orders, moved ? { dropsPackages: 'import lines have changed' } : release);
  const adoption = reportsAdoption ? read() : undefined;
  // The edits have been saved by now.
  const plain = await run(undefined);
  const excluded = audited.filter(isExcluded).map(({ file }) => file);
  return { plain, preloaded, adoption, reports, modules, excluded, reasons: [...left.values()] };
}

/** Whether something holds as soon as files have been edited. They are put back. */
function isUnchangedAfter(
  edits: Readonly<Record<string, string>>,
  at: (name: string) => string,
  isUnchanged: () => boolean,
): boolean {
  const before = Object.keys(edits).map((name) => [name, fs.readFileSync(at(name))] as const);
  for (const [name, text] of Object.entries(edits)) fs.writeFileSync(at(name), text);
  const result = isUnchanged();
  for (const [name, text] of before) fs.writeFileSync(at(name), text);
  return result;
}

function endingOf(
  { folder, node = process.execPath }: Place,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Ending> {
  const { PATH = '', HOME = '' } = process.env;
  const options = { cwd: folder, env: { PATH, HOME, ...env }, timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 };
  return new Promise((resolve) => {
    const child = execFile(node, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : (error.code ?? error.signal ?? null);
      // Warnings show the process id.
      resolve({ code, stdout, stderr: stderr.replaceAll(/\(node:\d+\)/g, '(node)') });
    });
    child.stdin?.end();
  });
}
