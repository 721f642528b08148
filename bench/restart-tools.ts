/** The tools that `npm run bench` compares, and the programs that they run. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { peers, repository, versionOf } from './support.ts';

export interface Workload {
  readonly id: string;
  readonly name: string;
  /** File name in bench/workloads. */
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
  /** A standby loads packages ahead of time. */
  readonly loadsPackages?: true;
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

export const workloads: readonly Workload[] = [
  { id: 'commonjs', name: 'CommonJS', ...server, template: 'server.cjs', type: 'commonjs' },
  { id: 'esm', name: 'ES module', ...server, template: 'server.mjs', type: 'module' },
  {
    id: 'typescript',
    name: 'TypeScript, tsx',
    template: 'server.ts',
    file: 'server.ts',
    type: 'module',
    nodeArgs: ['--import', 'tsx'],
    needsPackages: true,
  },
  {
    id: 'app',
    name: 'express + zod',
    template: 'app.cjs',
    file: 'app.js',
    type: 'commonjs',
    nodeArgs: [],
    needsPackages: true,
    loadsPackages: true,
  },
  ...[
    { id: 'express-heavy', name: 'Express, 18 packages' },
    { id: 'koa-heavy', name: 'Koa, 16 packages' },
  ].map(
    ({ id, name }): Workload => ({
      ...{ id, name, ...server, template: `${id}.cjs`, type: 'commonjs' },
      ...{ needsPackages: true, packages: 'real', loadsPackages: true },
    }),
  ),
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
      type === 'module' ? undefined : [node, peer('node-dev/bin/node-dev'), '--notify=false', file],
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
    command: ({ file }) => [node, peer('tsx/dist/cli.mjs'), 'watch', file],
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
