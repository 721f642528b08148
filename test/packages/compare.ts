/**
 * `npm run compare:packages [-- --node <file>] [--import] [--pinned] [--fresh] [--write] [names...]`: asks for each package
 * of test/packages/package.json once plainly and once as a standby has it ready, and compares all that a program can see.
 * `--import`: by an ES module, those packages that are ES modules or have one. The packages are installed into devwatch's cache
 * folder, and the results are kept there: an interrupted run goes on.
 */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { realHost } from '../../src/process/launch/host.ts';
import { isModule } from '../../src/process/launch/packages.ts';
import { cacheFolder } from '../../src/shared/user-folders.ts';
import { type Comparison, compareIn } from '../support/preloading/compare.ts';
import { classes, type Kind, type Result, Results, writePage } from './results.ts';

const here = import.meta.dirname;

/** Packages for each class and each kind of effect, for every day. */
const pinned =
  'express koa fastify mongoose sequelize pg redis axios undici winston pino lodash moment dayjs uuid zod joi ajv dotenv debug chalk graphql socket.io ws typeorm reflect-metadata graceful-fs bluebird handlebars got execa config'.split(
    ' ',
  );

/** Calls of these are noted until the program has settled, whatever the packages are. */
const always = /^ground [mM]odule\.register/;
/** Differences that docs/restarts.md names: earlier times and random numbers, error stacks, streams that are open already. */
const documented = [
  /timestamp|startTime|\bstack\b|Date\b/i,
  /random|uuid|seed|guid|async_id_symbol/i,
  /^resources/,
  // Depends on which of Node's modules were loaded before it.
  /^ground constants/,
  // Node replaces it when it loads worker_threads.
  /^ground process\.chdir/,
  // Properties of streams that are open, and of the environment that a package keeps.
  /^exports\S*\b(?:stdout|stderr|_stream|_writeTo)\b/,
  /^exports\.env\b/,
  /^listeners SIGWINCH/,
];
/** Names that stay in place, because they cannot be removed. */
const stays = /Symbol\([\w.@:/ -]+\) ?|__\w+__ ?/g;

/** test/support/preloading/park.cjs ends with it where devwatch would start the program once more. */
const misfitCode = 97;

/** Installs the packages, unless that has been done. */
function install(): string {
  const folder = path.join(cacheFolder(process.env) ?? os.tmpdir(), 'compared-packages');
  fs.mkdirSync(folder, { recursive: true });
  const manifest = fs.readFileSync(path.join(here, 'package.json'), 'utf8');
  const copy = path.join(folder, 'package.json');
  fs.copyFileSync(path.join(here, 'probe.cjs'), path.join(folder, 'probe.cjs'));
  if (fs.existsSync(copy) && fs.readFileSync(copy, 'utf8') === manifest) return folder;
  console.error(`installing into ${folder} …`);
  fs.writeFileSync(copy, manifest);
  const args = ['install', '--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund', '--loglevel', 'error'];
  const { status } = spawnSync('npm', args, { cwd: folder, stdio: ['ignore', 2, 2] });
  if (status !== 0) {
    fs.rmSync(copy);
    throw new Error('the packages cannot be installed');
  }
  return folder;
}

/** Returns those of the packages of which an import gets an ES module. */
function withModules(names: readonly string[], folder: string): string[] {
  const code = `for (const name of ${JSON.stringify(names)}) {
    try { console.log(name, import.meta.resolve(name)); } catch {}
  }`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: folder,
    encoding: 'utf8',
  });
  const resolved = stdout.split('\n').flatMap((line) => {
    const [name = '', address = ''] = line.split(' ');
    return address.startsWith('file:') ? [{ name, file: fileURLToPath(address) }] : [];
  });
  return resolved.filter(({ file }) => isModule(file, realHost)).map(({ name }) => name);
}

function judge(name: string, { plain, preloaded, reports, excluded }: Comparison): Result {
  const why = reports.flatMap(({ blames }) => blames.map((blame) => blame.why));
  const [before, after] = [plain, preloaded].map(({ stdout, stderr, code }) => [
    ...stdout.replaceAll(stays, '').split('\n'),
    ...stderr.split('\n').map((line) => `stderr ${line}`),
    `code ${code}`,
  ]) as [string[], string[]];
  const missing = before.filter((line) => !after.includes(line)).map((line) => `- ${line}`);
  const added = after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`);
  const differences = [...missing, ...added].filter((line) => !always.test(line.slice(2)));
  const unexpected = differences.filter((line) => !documented.some((pattern) => pattern.test(line.slice(2))));
  const hasEffects = reports.some((report) => report.hasEffects);
  if (reports.length === 0) {
    const details = before.filter((line) => /^throws |^stderr .*Error/.test(line));
    if (details.length === 0)
      return { name, class: 'excluded', details: ['is an ES module: only read and compiled in advance'] };
    return { name, class: 'not testable', details };
  }
  if (preloaded.code === misfitCode) return { name, class: 'restarted', details: [preloaded.stderr.trim()] };
  if (unexpected.length > 0) return { name, class: 'different', details: unexpected };
  if (excluded.length > 0) return { name, class: 'excluded', details: why };
  if (differences.length > 0) return { name, class: 'residue', details: differences };
  return { name, class: hasEffects ? 'replayed' : 'clean', details: reports.flatMap(({ effects }) => effects) };
}

/** Makes the ES module that imports a package; Node links it before anything runs. */
function writeModule(name: string, file: string): void {
  const lines = ["import { end } from './probe.cjs';", `import * as exported from '${name}';`, 'end(exported);', ''];
  fs.writeFileSync(file, lines.join('\n'));
}

async function comparePackage(name: string, kind: Kind, folder: string, node: string): Promise<Result> {
  const scratch = `${name.replaceAll('/', '-')}.${kind}.`;
  const script = kind === 'require' ? 'probe.cjs' : `${scratch}mjs`;
  if (kind === 'import') writeModule(name, path.join(folder, script));
  try {
    return judge(name, await compareIn({ folder, script, args: [name], scratch, node }));
  } catch (error) {
    return { name, class: 'not testable', details: [String(error).slice(0, 200)] };
  } finally {
    for (const file of ['into.json', 'orders.json', 'loaded-files.cjs', 'mjs'])
      fs.rmSync(path.join(folder, scratch + file), { force: true });
  }
}

/** Compares those that have no result yet, one after the other: somebody works on this machine. */
async function compareAll(names: readonly string[], kind: Kind, results: Results, isFresh: boolean): Promise<void> {
  for (const name of names) {
    if (!isFresh && results.has(name)) continue;
    const result = await comparePackage(name, kind, folder, values.node);
    results.add(result);
    const shown = values.verbose || result.class === 'different' ? result.details.slice(0, 20) : [];
    console.log([`${result.class.padEnd(12)} ${name}`, ...shown.map((line) => `    ${line.slice(0, 200)}`)].join('\n'));
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    node: { type: 'string', default: process.execPath },
    import: { type: 'boolean', default: false },
    pinned: { type: 'boolean', default: false },
    fresh: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});
const manifest = createRequire(import.meta.url)('./package.json') as { readonly dependencies: object };
const folder = install();
const kind: Kind = values.import ? 'import' : 'require';
const version = spawnSync(values.node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout.trim();
const results = new Results(folder, version.split('.')[0] ?? '', kind, version);
const all = Object.keys(manifest.dependencies);
const some = values.pinned ? pinned : values.import ? withModules(all, folder) : all;
const named = positionals.length > 0 ? positionals : some;
await compareAll(named, kind, results, values.fresh || positionals.length > 0);
for (const one of classes) {
  const names = results.all.filter((result) => result.class === one).map(({ name }) => name);
  if (names.length > 0) console.log(`\n${one}: ${names.length}\n${names.join(' ')}`);
}
if (values.write) {
  const kinds = ['require', 'import'] as const;
  const columns = [20, 22, 24, 26].flatMap((major) =>
    kinds.map((one) => ({ kind: one, results: new Results(folder, String(major), one) })),
  );
  writePage(columns.filter(({ results: { all } }) => all.length > 0));
}
process.exitCode = results.count('different') > 0 ? 1 : 0;
