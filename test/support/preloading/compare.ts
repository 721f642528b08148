/** Runs a program plainly, and with its packages loaded ahead of time, and returns what it prints both times. */

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { EntryReport, LoadFacts, PackageOrders, Release } from '../../../src/preload/protocol.ts';
import { createProject } from '../project.ts';

export interface PreloadedProgram {
  readonly files: Readonly<Record<string, string>>;
  /** By default `main.js`. */
  readonly script?: string;
  readonly env?: Readonly<Record<string, string>>;
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
  /** The reports of the audit, by the name of their package. */
  readonly reports: Readonly<Record<string, EntryReport>>;
  readonly tainted: readonly string[];
}

const helper = (name: string): string => path.join(import.meta.dirname, name);

export async function compare(program: PreloadedProgram, node: string = process.execPath): Promise<Comparison> {
  const { files, script = 'main.js', env = {}, edits = {}, release = {}, learned = [] } = program;
  await using project = createProject(files);
  const main = project.at(script);
  const run = (helperFile: string | undefined, variables: Readonly<Record<string, string>> = {}): Promise<Ending> => {
    const flags = helperFile === undefined ? [] : ['--require', helper(helperFile)];
    return ending(node, [...flags, main], project.path, { ...env, ...variables });
  };
  const into = project.at('into.json');
  const ordersFile = project.at('orders.json');
  const read = (): unknown => JSON.parse(fs.readFileSync(into, 'utf8'));
  const parkWith = (orders: PackageOrders): Promise<Ending> => {
    const files = Object.fromEntries(Object.entries(edits).map(([name, text]) => [project.at(name), text]));
    const changedFiles = release.changedFiles?.map((name) => project.at(name));
    fs.writeFileSync(
      ordersFile,
      JSON.stringify({ ...orders, into, edits: files, release: { ...release, changedFiles } }),
    );
    return run('park.cjs', { PARK_ORDERS: ordersFile });
  };
  await run('gather.cjs', { GATHER_INTO: into });
  const facts = read() as LoadFacts;
  const { isCommonJs, variables } = facts;
  const common = { script: main, isCommonJs, variables, learned };
  const audit = await parkWith({ ...common, entries: facts.entries, isAudit: true });
  if (audit.code !== 0) throw new Error(`the audit has failed: ${JSON.stringify(audit)}`);
  const { reports, tainted } = read() as { reports: EntryReport[]; tainted: string[] };
  const entries = reports.flatMap(({ file, hasEffects, touches, blames }, index) => {
    const entry = facts.entries[index];
    const isExcluded = tainted.includes(file) || blames.some((blame) => blame.file === file);
    return entry === undefined || isExcluded ? [] : [{ ...entry, hasEffects, touches }];
  });
  const preloaded = await parkWith({ ...common, entries, isAudit: false });
  // The edits have been saved by now.
  const plain = await run(undefined);
  const named = reports.map((report) => [
    /node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(report.file)?.[1],
    report,
  ]);
  return {
    plain,
    preloaded,
    reports: Object.fromEntries(named),
    tainted: tainted.map((file) => path.relative(project.path, file)),
  };
}

function ending(
  node: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<Ending> {
  const { PATH = '', HOME = '' } = process.env;
  return new Promise((resolve) => {
    execFile(node, args, { cwd, env: { PATH, HOME, ...env } }, (error, stdout, stderr) => {
      const code = error === null ? 0 : (error.code ?? error.signal ?? null);
      // Warnings show the process id.
      resolve({ code, stdout, stderr: stderr.replaceAll(/\(node:\d+\)/g, '(node)') });
    });
  });
}
