/**
 * Runs inside the user's program, before it: `node --require preload.cjs server.js`. Tells devwatch
 * what only the program can know, and leaves no trace that a program would come across.
 *
 * Dependency-free and small: every start pays for it. What it says goes down one pipe, a JSON
 * object a line (read by process/channel.ts).
 */

const { readFileSync, readSync, writeFileSync, writeSync } = require('node:fs') as typeof import('node:fs');

type LaunchOrders = import('./orders.ts', { with: { 'resolution-mode': 'import' }}).LaunchOrders;
type HoldOrders = import('./orders.ts', { with: { 'resolution-mode': 'import' }}).HoldOrders;

interface Holding {
  holdPorts(orders: HoldOrders, links: object): { onBegin(): void };
}

interface Terminal {
  claimTerminal(desk: { claim(): string; giveBack(): void }): void;
}

const own = `${__dirname}/`;

/** What `require('node:module')` returns, and loads five more of Node's modules for (0.5 ms). */
const Module = module.constructor as unknown as {
  readonly _pathCache?: Record<string, string>;
  readonly enableCompileCache?: (folder: string) => void;
  readonly flushCompileCache?: () => void;
};

// Worker threads load it, too, each with arguments of its own.
for (let at = process.execArgv.length - 1; at > 0; at -= 1) {
  const word = process.execArgv[at] ?? '';
  if (word.startsWith(own) || word.startsWith(`file://${own}`)) process.execArgv.splice(at - 1, 2);
}
delete require.cache[__filename];

// Only the main thread finds it: it is gone before there can be another one.
const { DEVWATCH_CHANNEL: text, DEVWATCH_CGROUP_PROCS: cgroupProcsFile } = process.env;
delete process.env.DEVWATCH_CHANNEL;
delete process.env.DEVWATCH_CGROUP_PROCS;
// Node's own, for the pipe that is ours (process/child.ts).
if (process.env.NODE_CHANNEL_FD === '') {
  delete process.env.NODE_CHANNEL_FD;
  delete process.env.NODE_CHANNEL_SERIALIZATION_MODE;
}
const orders: Partial<LaunchOrders> = text === undefined ? {} : JSON.parse(text);
const { channel = -1 } = orders;

if (channel >= 0) {
  if (cgroupProcsFile !== undefined) joinCgroup(cgroupProcsFile);
  // devwatch was killed before it had made anything that would see to this process.
  if (process.ppid !== orders.parent) process.kill(process.pid, 'SIGKILL');
  if (orders.sharesTerminal === true) {
    // devwatch answers, with what was typed before, once it no longer reads itself.
    (require('./tty.cjs') as Terminal).claimTerminal({
      claim() {
        say({ type: 'reads-stdin' });
        return readAnswer<string>() ?? '';
      },
      giveBack: () => say({ type: 'leaves-stdin' }),
    });
  }
  if (orders.reportLoads === true || orders.reportPackages === true) {
    requireOnce<{ reportLoads(orders: Partial<LaunchOrders>): void }>('./loads.cjs').reportLoads(orders);
  }
  const keep = orders.compileCache === undefined ? () => {} : keepCompiled(orders.compileCache);
  const { hold } = orders;
  const holding =
    hold === undefined
      ? undefined
      : (require('./held-ports.cjs') as Holding).holdPorts(hold, {
          say,
          ask(message: object) {
            say(message);
            return readAnswer();
          },
        });
  const onBegin = (): void => {
    holding?.onBegin();
    keep();
    say({ type: 'begins' });
  };
  process.on(
    'uncaughtExceptionMonitor',
    (error: Partial<NodeJS.ErrnoException & { port: number; address: string }> | undefined) => {
      if (error?.code === 'EADDRINUSE') say({ type: 'address-in-use', port: error.port });
    },
  );
  if (orders.park === undefined) {
    forgetPaths();
    onBegin();
  } else {
    const { prepare } = requireOnce<{ prepare(park: object, links: object): void }>('./parking.cjs');
    prepare(orders.park, { say, readAnswer, forgetPaths, onBegin });
  }
}

/** devwatch puts this process into its cgroup while Node boots; nothing may begin before that is done. */
function joinCgroup(procs: string): void {
  const folder = procs.split('/').slice(-3, -1).join('/');
  if (!readFileSync('/proc/self/cgroup', 'utf8').trimEnd().endsWith(`/${folder}`)) writeFileSync(procs, '0');
}

/** Node remembers the files that it has looked up, ours among them. */
function forgetPaths(): void {
  const { _pathCache } = Module;
  for (const [key, file] of Object.entries(_pathCache ?? {})) {
    if (file.startsWith(own)) delete _pathCache?.[key];
  }
}

/** A file of our own, of which the program finds no trace. */
function requireOnce<Exports>(name: string): Exports {
  const exports = require(name) as Exports;
  delete require.cache[require.resolve(name)];
  return exports;
}

function say(message: object): void {
  try {
    writeSync(channel, `${JSON.stringify(message)}\n`);
  } catch {
    // devwatch is gone; the guardian sees to the rest.
  }
}

/** Waits for devwatch's next word, a JSON value on a line; undefined when devwatch is gone. */
function readAnswer<Answer>(): Answer | undefined {
  let bytes = Buffer.allocUnsafe(4096);
  let end = 0;
  try {
    for (;;) {
      const length = readSync(channel, bytes, end, bytes.length - end, null);
      if (length === 0) return undefined;
      end += length;
      // Nothing comes behind it: devwatch only answers.
      if (bytes[end - 1] === 0x0a) return JSON.parse(bytes.toString('utf8', 0, end));
      if (end === bytes.length) bytes = Buffer.concat([bytes, Buffer.allocUnsafe(end)]);
    }
  } catch {
    // The same: nobody is there.
  }
  return undefined;
}

/**
 * Node (from 22.8 on) keeps what it compiles, and loads it a third faster the next time. It would
 * write that at a normal end only, which a program that is replaced at a save seldom comes to.
 *
 * @returns to be called when the program begins
 */
function keepCompiled(folder: string): () => void {
  const { enableCompileCache, flushCompileCache } = Module;
  enableCompileCache?.(folder);
  // Long enough for what is loaded at the start, in ms.
  return () => {
    if (flushCompileCache !== undefined) setTimeout(flushCompileCache, 1500).unref();
  };
}
