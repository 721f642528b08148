/** Lets worker threads and child processes that run Node report the files that they load (`--deps`), and theirs. */

import type { LaunchOrders } from './protocol.ts' with { 'resolution-mode': 'import' };

const { ChildProcess } = require('node:child_process') as { ChildProcess: { prototype: { spawn: Spawn } } };
const { syncBuiltinESMExports } = require('node:module') as typeof import('node:module');
const path = require('node:path') as typeof import('node:path');
const threads = require('node:worker_threads') as typeof import('node:worker_threads');

/** What `spawn`, `fork` and the others pass on, `cluster` as well. */
interface SpawnOptions {
  readonly file?: string;
  envPairs?: string[];
  stdio?: string | unknown[];
}

type Spawn = (this: object, options: SpawnOptions) => unknown;

/** Orders for a worker thread or a child process. `parent` is the pid of the process that has started it. */
type LoadOrders = Pick<LaunchOrders, 'channel' | 'parent' | 'nodeOptions'>;

/** Where worker threads find their orders. Programs that use the same store have names of their own. */
const key = 'devwatch.loads';

/** The preload of child processes; worker threads inherit the flags of their process. */
const childPreload = path.join(__dirname, 'load-child.cjs');

delete require.cache[__filename];

/** Returns the orders of this worker thread, if there are any. */
function ordersOfWorker(): LoadOrders | undefined {
  return threads.isMainThread ? undefined : (threads.getEnvironmentData(key) as LoadOrders | undefined);
}

/**
 * @param preload the preload of this process, for worker threads with flags of their own
 * @param onWorker is given the main module of each worker thread, which is loaded without hooks: a path or a URL
 */
function followChildren(channel: number, preload: string, onWorker: (file: string) => void): void {
  const orders: LoadOrders = { channel, parent: process.pid };
  threads.setEnvironmentData(key, { ...orders });
  threads.Worker = new Proxy(threads.Worker, {
    construct(Worker, [file, options = {}]: ConstructorParameters<typeof threads.Worker>, target) {
      const { execArgv } = options;
      if (options.eval !== true) onWorker(String(file));
      const flags = Array.isArray(execArgv) && { execArgv: ['--require', preload, ...execArgv] };
      return Reflect.construct(Worker, [file, { ...options, ...flags }], target);
    },
  });
  syncBuiltinESMExports();
  const { prototype } = ChildProcess;
  prototype.spawn = new Proxy(prototype.spawn, {
    apply(spawn, self, [options]: [SpawnOptions]) {
      if (isNode(options.file)) addOrders(options, orders);
      return Reflect.apply(spawn, self, [options]);
    },
  });
}

const isNode = (file = ''): boolean => file === process.execPath || /^node(?:\.exe)?$/.test(path.basename(file));

/** Passes on the channel, and lets Node load the preload of child processes first. */
function addOrders(options: SpawnOptions, orders: LoadOrders): void {
  const { envPairs, stdio = 'pipe' } = options;
  if (!Array.isArray(envPairs)) return;
  const streams = Array.isArray(stdio) ? [...stdio] : [stdio, stdio, stdio];
  while (streams.length < 3) streams.push('pipe');
  const nodeOptions = envPairs.find((pair) => pair.startsWith('NODE_OPTIONS='))?.slice('NODE_OPTIONS='.length);
  const own: LoadOrders = { ...orders, channel: streams.length, nodeOptions };
  const flag = `--require ${JSON.stringify(childPreload)}`;
  options.stdio = [...streams, orders.channel];
  options.envPairs = [
    ...envPairs.filter((pair) => !pair.startsWith('NODE_OPTIONS=')),
    `NODE_OPTIONS=${nodeOptions === undefined ? flag : `${flag} ${nodeOptions}`}`,
    `DEVWATCH_LOADS=${JSON.stringify(own)}`,
  ];
}

export type { followChildren, LoadOrders, ordersOfWorker };

module.exports = { followChildren, ordersOfWorker };
