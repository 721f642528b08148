/**
 * Runs inside the user's program, before it: `node --require preload.cjs server.js`. Tells devwatch
 * what only the program can know, and leaves no trace that a program would come across.
 *
 * Dependency-free and small: every start pays for it. What it says goes down one pipe, a JSON
 * object a line (read by process/channel.ts).
 */

const { readSync, writeSync } = require('node:fs') as typeof import('node:fs');

// Worker threads load it, too, each with arguments of its own.
const at = process.execArgv.indexOf(__filename);
if (at > 0) process.execArgv.splice(at - 1, 2);
delete require.cache[__filename];

// The descriptor of the pipe, `tty` when stdin is the terminal that devwatch has, too, and `loads` when
// it wants to know what is loaded. Only the main thread finds it: it is gone before there can be another one.
const [channel, ...duties] = (process.env.DEVWATCH_CHANNEL ?? '').split(' ');
delete process.env.DEVWATCH_CHANNEL;

if (channel) {
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
  try {
    const bytes: number[] = [];
    const byte = Buffer.alloc(1);
    while (readSync(Number(channel), byte) === 1 && byte[0] !== 0x0a) bytes.push(byte[0] ?? 0);
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return '';
  }
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
