/** Runs a program plainly, and with its packages loaded ahead of time, and returns what it prints both times. */

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { EntryReport, LoadFacts, PackageOrders, Release } from '../../../src/preload/protocol.ts';
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
}

export interface Ending {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Comparison {
  readonly plain: Ending;
  readonly preloaded: Ending;
  /** The reports of the audit, in the order in which the program has asked for the packages. */
  readonly reports: readonly EntryReport[];
  /** Entries that the program loads itself. */
  readonly excluded: readonly string[];
}

/** The time for one run, in ms. */
const timeoutMs = 60_000;
/** How devwatch lists what a program has loaded. */
let listing: string | undefined;

const helper = (name: string): string => path.join(import.meta.dirname, name);

export async function compareIn(
  place: Place,
  { edits = {}, release = {}, learned = [] }: Variation = {},
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
  const parkWith = (orders: PackageOrders): Promise<Ending> => {
    const saved = Object.fromEntries(Object.entries(edits).map(([name, text]) => [at(name), text]));
    const changedFiles = release.changedFiles?.map(at);
    const text = JSON.stringify({ ...orders, into, edits: saved, release: { ...release, changedFiles } });
    fs.writeFileSync(ordersFile, text);
    return run('park.cjs', { PARK_ORDERS: ordersFile });
  };
  const code = at(`${scratch}loaded-files.cjs`);
  listing ??= preloadCode('loaded-files.cts');
  fs.writeFileSync(code, listing);
  await run('gather.cjs', { GATHER_INTO: into, GATHER_WITH: code });
  const { entries, isCommonJs, variables } = read() as LoadFacts;
  const common = { script, isCommonJs, variables, learned };
  const audit = await parkWith({ ...common, entries, isAudit: true });
  if (audit.code !== 0) throw new Error(`the audit has failed: ${JSON.stringify(audit)}`);
  const { reports, tainted } = read() as { reports: EntryReport[]; tainted: string[] };
  const isExcluded = ({ file, blames, isExtension }: EntryReport): boolean =>
    isExtension === true || tainted.includes(file) || blames.some((blame) => blame.file === file);
  const selected = reports.flatMap((report, index) => {
    const entry = entries[index];
    const { hasEffects, touches } = report;
    return entry === undefined || isExcluded(report) ? [] : [{ ...entry, hasEffects, touches }];
  });
  const preloaded = await parkWith({ ...common, entries: selected, isAudit: false });
  // The edits have been saved by now.
  const plain = await run(undefined);
  return { plain, preloaded, reports, excluded: reports.filter(isExcluded).map(({ file }) => file) };
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
