/**
 * Runs inside the user's program, before it: `node --require preload.cjs server.js`. Tells devwatch
 * what only the program can know, and leaves no trace that a program would come across.
 *
 * Dependency-free and small: every start pays for it. What it says goes down one pipe, a JSON
 * object a line (read by process/channel.ts).
 */

const { readSync, writeSync } = require('node:fs') as typeof import('node:fs');

const own = `${__dirname}/`;
/** What most programs load of Node itself; loading them has no effect that could be seen. */
const builtins = ['node:http', 'node:https', 'node:crypto', 'node:zlib', 'node:child_process'];
const parking = Symbol.for('devwatch.park');

// Worker threads load it, too, each with arguments of its own.
for (let at = process.execArgv.length - 1; at > 0; at -= 1) {
  const word = process.execArgv[at] ?? '';
  if (word.startsWith(own) || word.startsWith(`file://${own}`)) process.execArgv.splice(at - 1, 2);
}
delete require.cache[__filename];

// The descriptor of the pipe, and what is to be done. Only the main thread finds it: it is gone
// before there can be another one.
const [channel, ...duties] = (process.env.DEVWATCH_CHANNEL ?? '').split(' ');
delete process.env.DEVWATCH_CHANNEL;

if (channel) {
  // stdin is the terminal that devwatch has, too.
  if (duties.includes('tty')) {
    claimTerminalOnRead();
    claimTerminalOnSpawn();
  }
  if (duties.includes('loads')) {
    const loads = require('./loads.cjs') as { reportLoads(channel: number): void };
    loads.reportLoads(Number(channel));
    delete require.cache[require.resolve('./loads.cjs')];
  }
  process.on(
    'uncaughtExceptionMonitor',
    (error: Partial<NodeJS.ErrnoException & { port: number; address: string }> | undefined) => {
      if (error?.code === 'EADDRINUSE') say({ type: 'address-in-use', port: error.port });
    },
  );
  if (duties.includes('park')) park();
  // After the loaders: park.cjs or park.mjs comes behind them and calls this.
  else if (duties.includes('park-later'))
    Object.defineProperty(globalThis, parking, { value: park, configurable: true });
}

function say(message: object): void {
  try {
    writeSync(Number(channel), `${JSON.stringify(message)}\n`);
  } catch {
    // devwatch is gone; the guardian sees to the rest.
  }
}

/**
 * From here on what is typed is the program's. devwatch answers, with a JSON value on a line, once
 * it no longer reads itself: with what was typed before.
 */
function claimTerminal(): string {
  say({ type: 'reads-stdin' });
  return readAnswer<string>() ?? '';
}

/** Waits for devwatch's next word, a JSON value on a line; undefined when devwatch is gone. */
function readAnswer<Answer>(): Answer | undefined {
  const bytes: number[] = [];
  const byte = Buffer.alloc(1);
  try {
    while (readSync(Number(channel), byte) === 1) {
      if (byte[0] === 0x0a) return JSON.parse(Buffer.from(bytes).toString());
      bytes.push(byte[0] ?? 0);
    }
  } catch {
    // The same: nobody is there.
  }
  return undefined;
}

/** The first access to process.stdin makes the stream; the first read of that claims the terminal. */
function claimTerminalOnRead(): void {
  const stdin = Object.getOwnPropertyDescriptor(process, 'stdin');
  const get = stdin?.get;
  if (stdin?.configurable !== true || get === undefined) return;
  Object.defineProperty(process, 'stdin', {
    ...stdin,
    get() {
      const stream = get.call(process) as NodeJS.ReadStream;
      Object.defineProperty(process, 'stdin', stdin);
      const read = stream._read;
      stream._read = function (size) {
        stream._read = read;
        const typed = claimTerminal();
        if (typed !== '') this.push(Buffer.from(typed));
        read.call(this, size);
      };
      return stream;
    },
  });
}

/**
 * A child that inherits the terminal may read it, and has no other way to tell. Loading child_process
 * takes 1 ms, which nobody pays who has no terminal.
 */
function claimTerminalOnSpawn(): void {
  const { ChildProcess } = require('node:child_process') as unknown as {
    ChildProcess: { prototype: { spawn(options: { stdio?: unknown }): unknown } };
  };
  const { spawn } = ChildProcess.prototype;
  ChildProcess.prototype.spawn = function (options) {
    const stdin = Array.isArray(options.stdio) ? options.stdio[0] : options.stdio;
    if (stdin === 'inherit' || stdin === 0 || (stdin as { fd?: unknown } | undefined)?.fd === 0) claimTerminal();
    return spawn.call(this, options);
  };
}

/**
 * Waits, booted and ready, until devwatch releases this process to become the next run. Nothing of
 * the program has been read yet. Ends when devwatch ends or has no use for it any more.
 */
function park(): void {
  for (const name of builtins) require(name);
  const parkedAt = process.uptime();
  say({ type: 'parked' });
  const release = readAnswer<{ variables: Record<string, string> }>();
  if (release === undefined) process.exit(0);
  Object.assign(process.env, release.variables);
  // Programs report it; a parked process would be as old as the save before the last.
  const parked = process.uptime() - parkedAt;
  const { uptime } = process;
  process.uptime = () => uptime() - parked;
}
