/**
 * Runs inside the user's process, before the program: `node --require preload.cjs server.js`. Reports what only the
 * process can know, and leaves no trace that a program would notice. Dependency-free and small, because every start
 * waits for it. Its messages go through one pipe, as a JSON object per line (see process/launch/channel.ts).
 */

import type { watchChildren } from './children.cts';
import type { reportEnd } from './debugger.cts';
import type { reportFactsLater } from './facts.cts';
import type { HeldPorts } from './held-ports.cts';
import type { reportLoads } from './loads.cts';
import type { PackagePreloading } from './packages/packages.cts';
import type { Parking } from './parking.cts';
import type { LaunchOrders, PreloadMessage, Release } from './protocol.ts' with { 'resolution-mode': 'import' };
import type { claimTerminal } from './tty.cts';
import type { describe, judge } from './uncaught.cts';
import type { warmUp as WarmUp } from './warm-up.cts';

const { readFileSync, readSync, writeFileSync, writeSync } = require('node:fs') as typeof import('node:fs');

/** The folder, with a separator at its end. */
const own = __filename.slice(0, -'preload.cjs'.length);
/** Where worker threads find the orders to report what they load (load-children.cts). */
const loadsKey = 'devwatch.loads';
/** Long enough for the modules that a program loads at its start. */
const startUpMs = 1500;
/** The export of `node:module`, which `require` would load five more modules for (0.5 ms). */
const Module = module.constructor as unknown as { readonly _pathCache?: Record<string, string> };

/** Node's compile cache (since 22.8). `Module` has it only after `node:module` has been loaded. */
interface CompileCache {
  readonly enableCompileCache?: (folder: string) => void;
  readonly flushCompileCache?: () => void;
}

delete require.cache[__filename];

// Only the main thread finds the variables: they are deleted before there can be another thread.
const { DEVWATCH_CHANNEL: text, DEVWATCH_CGROUP_PROCS: cgroupProcsFile } = process.env;
delete process.env.DEVWATCH_CHANNEL;
delete process.env.DEVWATCH_CGROUP_PROCS;
// Node sets them for the pipe of held ports (process/launch/child.ts).
if (process.env.NODE_CHANNEL_FD === '') {
  delete process.env.NODE_CHANNEL_FD;
  delete process.env.NODE_CHANNEL_SERIALIZATION_MODE;
}
const orders: Partial<LaunchOrders> = text === undefined ? {} : JSON.parse(text);
const { channel = -1, nodeOptions } = orders;
if (nodeOptions !== undefined) process.env.NODE_OPTIONS = nodeOptions;
// Worker threads load the preload as well, each with its own arguments.
removeOwnWords(process.execArgv);
/** Bytes that have been received behind the latest answer. */
let rest = Buffer.alloc(0);

if (channel >= 0) {
  const { hold, park, compileCache } = orders;
  if (cgroupProcsFile !== undefined) joinCgroup(cgroupProcsFile);
  // devwatch was killed before it could make sure that this process ends with it.
  if (process.ppid !== orders.parent || (orders.isHeld === true && receive() === undefined))
    process.kill(process.pid, 'SIGKILL');
  if (orders.sharesTerminal === true) {
    (require('./tty.cjs') as { claimTerminal: typeof claimTerminal }).claimTerminal({ send, request });
  }
  if (orders.reportLoads === true) {
    requireOnce<{ reportLoads: typeof reportLoads }>('./loads.cjs').reportLoads({ channel }, __filename);
  }
  if (orders.namesChildren === true) {
    (require('./children.cjs') as { watchChildren: typeof watchChildren }).watchChildren({ send, request });
  }
  // With it modules load a third faster.
  const { enableCompileCache, flushCompileCache }: CompileCache =
    compileCache === undefined ? {} : require('node:module');
  if (compileCache !== undefined) enableCompileCache?.(compileCache);
  let heldPorts: HeldPorts | undefined;
  if (hold !== undefined) {
    const loaded = require('./held-ports.cjs') as { HeldPorts: typeof HeldPorts };
    heldPorts = new loaded.HeldPorts(hold, { send, request });
  }
  const onBegin = (release?: Release, packages?: PackagePreloading): void => {
    heldPorts?.onBegin(release?.held);
    (require('./debugger.cjs') as { reportEnd: typeof reportEnd }).reportEnd(() => send({ type: 'ended' }));
    if (orders.reportPackages === true) {
      const facts = require('./facts.cjs') as { reportFactsLater: typeof reportFactsLater };
      facts.reportFactsLater({ send }, packages);
    }
    // Node itself would write the cache at a normal exit only, which is rare for a program that each save replaces.
    if (flushCompileCache) setTimeout(flushCompileCache, startUpMs).unref();
    send({ type: 'begins' });
  };
  process.on('uncaughtExceptionMonitor', (error: Partial<NodeJS.ErrnoException & { port: number }> | undefined) => {
    if (error?.code === 'EADDRINUSE' && error.port !== undefined) send({ type: 'address-in-use', port: error.port });
    const uncaught = require('./uncaught.cjs') as { describe: typeof describe; judge: typeof judge };
    send({ type: 'uncaught', ...uncaught.judge(error), thrown: uncaught.describe(error) });
  });
  const warmUp = (): void => {
    heldPorts?.warmUp();
    (require('./warm-up.cjs') as { warmUp: typeof WarmUp }).warmUp();
  };
  if (park === undefined) {
    forgetPaths();
    onBegin();
  } else {
    const exports = requireOnce<{ Parking: typeof Parking }>('./parking.cjs');
    new exports.Parking(park, { send, request, forgetPaths, warmUp, onBegin }).prepare();
  }
} else {
  const { getEnvironmentData } = require('node:worker_threads') as typeof import('node:worker_threads');
  const orders = getEnvironmentData(loadsKey) as { channel: number } | undefined;
  if (orders !== undefined) {
    requireOnce<{ reportLoads: typeof reportLoads }>('./loads.cjs').reportLoads(orders, __filename);
    forgetPaths();
  }
}

/** Removes the preload's files, and behind the preload the words that devwatch has moved there from NODE_OPTIONS. */
function removeOwnWords(words: string[]): void {
  let moved = -1;
  for (let at = words.length - 1; at > 0; at -= 1) {
    const word = words[at] ?? '';
    if (!isOwn(word)) continue;
    words.splice(at - 1, 2);
    moved = at - 1;
  }
  const options = process.env.NODE_OPTIONS ?? '';
  if (moved < 0 || options === '') return;
  const quoted = /"((?:\\.|[^"\\])*)"/g;
  const unquote = (word: string): string => word.replace(quoted, (_, text: string) => text.replace(/\\(.)/g, '$1'));
  const all = (options.match(/(?:"(?:\\.|[^"\\])*"|[^\s"])+/g) ?? []).map(unquote);
  const isPreload = (word = ''): boolean => /^(?:-r|--require|--import)(?:=|$)/.test(word);
  const isValue = (index: number): boolean => isPreload(all[index - 1]) && !all[index - 1]?.includes('=');
  for (const word of all.filter((one, index) => isPreload(one) || isValue(index))) {
    if (words[moved] === word) words.splice(moved, 1);
  }
}

/** Whether a word is a file of the preload: a path, or a URL, in which a drive of Windows follows a slash. */
function isOwn(word: string): boolean {
  if (!word.startsWith('file:')) return word.startsWith(own);
  const folder = encodeURI(own.replaceAll('\\', '/'));
  return word.startsWith(`file://${folder.startsWith('/') ? '' : '/'}${folder}`);
}

/** devwatch moves this process into its cgroup while Node boots. The program must not begin before. */
function joinCgroup(procs: string): void {
  const folder = procs.split('/').slice(-3, -1).join('/');
  if (!readFileSync('/proc/self/cgroup', 'utf8').trimEnd().endsWith(`/${folder}`)) writeFileSync(procs, '0');
}

/** Removes the preload's files from the list of files that Node has looked up. */
function forgetPaths(): void {
  const { _pathCache = {} } = Module;
  for (const [key, file] of Object.entries(_pathCache)) if (file.startsWith(own)) delete _pathCache[key];
}

/** Loads a file of the preload so that the program finds no trace of it. */
function requireOnce<Exports>(name: string): Exports {
  const exports = require(name) as Exports;
  delete require.cache[require.resolve(name)];
  return exports;
}

function send(message: PreloadMessage): void {
  try {
    writeSync(channel, `${JSON.stringify(message)}\n`);
  } catch {
    // devwatch is gone; the guardian ends this process.
  }
}

/** Sends a message, and waits for the answer, a JSON value on a line. Returns undefined if devwatch is gone. */
function request<Answer>(message: PreloadMessage): Answer | undefined {
  send(message);
  return receive();
}

/** Waits for a JSON value on a line. Returns undefined if devwatch is gone. */
function receive<Answer>(): Answer | undefined {
  let bytes = Buffer.allocUnsafe(Math.max(4096, 2 * rest.length));
  let end = rest.copy(bytes);
  try {
    for (;;) {
      const line = bytes.subarray(0, end).indexOf(0x0a);
      if (line >= 0) {
        // devwatch may release a parked process before that has read the answer to its latest question.
        rest = Buffer.from(bytes.subarray(line + 1, end));
        return JSON.parse(bytes.toString('utf8', 0, line));
      }
      if (end === bytes.length) bytes = Buffer.concat([bytes, Buffer.allocUnsafe(end)]);
      const length = readSync(channel, bytes, end, bytes.length - end, null);
      if (length === 0) return undefined;
      end += length;
    }
  } catch {
    return undefined;
  }
}
