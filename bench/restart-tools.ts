/** The tools that `npm run bench` compares, and the programs that they run. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { peers, repository, versionOf } from './support.ts';

export interface Workload {
  readonly id: string;
  readonly name: string;
  /** The file that is saved, relative to bench/. */
  readonly template: string;
  /** File name in the project. */
  readonly file: string;
  /** `type` in the project's package.json. */
  readonly type: 'commonjs' | 'module';
  /** Flags for Node. */
  readonly nodeArgs: readonly string[];
  readonly needsPackages: boolean;
  /** The folder in bench/ whose packages it needs; by default `peers`. */
  readonly packages?: 'real';
  /** Files in the folder of the template that the project has as well. */
  readonly beside?: readonly string[];
  /** A program as people write them: measured without the tools that nobody uses for such programs. */
  readonly isReal?: true;
  /** A standby loads packages ahead of time. */
  readonly loadsPackages?: true;
  /** It needs what the compiler says about types at run time, which tsx leaves out. */
  readonly needsTypeMetadata?: true;
}

export interface Tool {
  readonly name: string;
  /** Returns undefined if the tool is not installed or does not run on this machine. */
  readonly version: () => string | undefined;
  /** Returns undefined for a program that the tool cannot run. */
  readonly command: (workload: Workload) => readonly string[] | undefined;
  /** Text for stdin, which is /dev/null without it. */
  readonly input?: (workload: Workload) => string;
  /** The package of bench/peers that it needs. */
  readonly peer?: string;
  /** Reports on stderr when a standby process is ready. */
  readonly prepares?: true;
  /** Does not watch: it is started for each measurement. */
  readonly isCold?: true;
  /** Program and tool are one process. */
  readonly isProgram?: true;
}

const server = { file: 'server.js', nodeArgs: [], needsPackages: false };
const real = { needsPackages: true, packages: 'real', isReal: true, loadsPackages: true } as const;
const commonjs = { ...real, file: 'server.js', type: 'commonjs', nodeArgs: [] } as const;

export const workloads: readonly Workload[] = [
  { ...commonjs, id: 'express-1800', name: 'Express, 1,800 modules', template: 'real/express-1800.cjs' },
  { ...commonjs, id: 'express-660', name: 'Express, 660 modules', template: 'real/express-660.cjs' },
  {
    ...{ ...real, id: 'fastify', name: 'Fastify, TypeScript by tsx, ES modules', template: 'real/fastify/server.ts' },
    ...{ file: 'server.ts', type: 'module', nodeArgs: ['--import', 'tsx'], beside: ['plugins.ts', 'users.ts'] },
  },
  {
    ...{ ...real, id: 'nest', name: 'NestJS, TypeScript by swc-node', template: 'real/nest/main.ts' },
    ...{ file: 'main.ts', type: 'commonjs', nodeArgs: ['--require', '@swc-node/register'], needsTypeMetadata: true },
    beside: ['tsconfig.json', 'app.module.ts', 'users.controller.ts', 'users.service.ts'],
  },
  { ...commonjs, id: 'koa', name: 'Koa, 1,000 modules', template: 'real/koa.cjs' },
  { id: 'commonjs', name: 'CommonJS', ...server, template: 'workloads/server.cjs', type: 'commonjs' },
  { id: 'esm', name: 'ES module', ...server, template: 'workloads/server.mjs', type: 'module' },
  {
    ...{ id: 'typescript', name: 'TypeScript, tsx', template: 'workloads/server.ts', file: 'server.ts' },
    ...{ type: 'module', nodeArgs: ['--import', 'tsx'], needsPackages: true },
  },
];

const node = process.execPath;
const peer = (file: string): string => path.join(peers, 'node_modules', file);
const peerVersion = (name: string) => (): string => versionOf(name, peers);
const nodeVersion = (): string => process.versions.node;

const cliOf = (checkout: string): string => path.join(checkout, 'dist/cli.cjs');
export const cli: string = cliOf(repository);
const versionIn = (checkout: string): string =>
  (JSON.parse(fs.readFileSync(path.join(checkout, 'package.json'), 'utf8')) as { version: string }).version;

/** The checkout that `--against` names. */
let before: string | undefined;

/**
 * Checks that devwatch is built, here and in the checkout to compare with, which becomes the tool `before`.
 *
 * @throws Error if one is not built
 */
export function useBuilds(against: string | undefined): void {
  before = against === undefined ? undefined : path.resolve(against);
  for (const checkout of [repository, ...(before === undefined ? [] : [before])]) {
    if (!fs.existsSync(cliOf(checkout))) throw new Error(`${cliOf(checkout)} is missing: npm run build`);
  }
}

const bunFile = peer('@oven/bun-linux-x64/bin/bun');
/** Returns undefined on a platform that the package is not for. */
function bunVersion(): string | undefined {
  const { status, stdout } = spawnSync(bunFile, ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

const entrVersion = (): string | undefined =>
  /release: (\S+)/.exec(spawnSync('entr', { encoding: 'utf8' }).stderr ?? '')?.[1];

const devwatchIn = (checkout: string): Pick<Tool, 'command' | 'prepares'> => ({
  // devwatch finds the project's tsx by itself.
  command: ({ file }) => [node, cliOf(checkout), '--log-format', 'json', file],
  prepares: true,
});

export const tools = {
  devwatch: {
    name: 'devwatch',
    version: () => versionIn(repository),
    ...devwatchIn(repository),
  },
  before: {
    name: 'devwatch before',
    version: () => (before === undefined ? undefined : versionIn(before)),
    command: (workload) => devwatchIn(before ?? '').command(workload),
    prepares: true,
  },
  noStandby: {
    name: 'devwatch --no-standby',
    version: () => versionIn(repository),
    command: ({ file }) => [node, cliOf(repository), '--log-format', 'json', '--no-standby', file],
  },
  noHold: {
    name: 'devwatch --no-hold',
    version: () => versionIn(repository),
    command: (workload) => devwatchIn(repository).command(workload)?.toSpliced(-1, 0, '--no-hold'),
    prepares: true,
  },
  bun: {
    name: 'bun --watch',
    version: bunVersion,
    peer: '@oven/bun-linux-x64',
    command: ({ file }) => [bunFile, '--watch', file],
    isProgram: true,
  },
  entr: {
    name: 'entr -r',
    version: entrVersion,
    command: ({ nodeArgs, file }) => ['entr', '-n', '-r', node, ...nodeArgs, file],
    input: ({ file }) => `${file}\n`,
  },
  nodeDev: {
    name: 'node-dev',
    version: peerVersion('node-dev'),
    peer: 'node-dev',
    // node-dev does not notice ES modules since Node 20 (its pull request 303), and needs ts-node for TypeScript.
    command: ({ type, file }) =>
      type === 'module' || file.endsWith('.ts')
        ? undefined
        : [node, peer('node-dev/bin/node-dev'), '--notify=false', file],
  },
  nodemon: {
    name: 'nodemon',
    version: peerVersion('nodemon'),
    peer: 'nodemon',
    command: ({ nodeArgs, file }) => {
      const exec = nodeArgs.length > 0 ? ['--exec', `node ${nodeArgs.join(' ')}`] : [];
      return [node, peer('nodemon/bin/nodemon.js'), ...exec, file];
    },
  },
  nodeWatch: {
    name: 'node --watch',
    version: nodeVersion,
    command: ({ nodeArgs, file }) => [node, '--watch', ...nodeArgs, file],
  },
  tsx: {
    name: 'tsx watch',
    version: peerVersion('tsx'),
    peer: 'tsx',
    command: ({ file, needsTypeMetadata }) =>
      needsTypeMetadata ? undefined : [node, peer('tsx/dist/cli.mjs'), 'watch', file],
  },
  least: {
    name: 'least reloader',
    version: nodeVersion,
    command: ({ nodeArgs, file }) => [node, path.join(import.meta.dirname, 'least.cjs'), ...nodeArgs, file],
  },
  cold: {
    name: 'cold start',
    version: nodeVersion,
    command: ({ nodeArgs, file }) => [node, ...nodeArgs, file],
    isCold: true,
  },
} as const satisfies Readonly<Record<string, Tool>>;
