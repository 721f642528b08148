/**
 * Runs inside the user's program, before it: `node --require preload.cjs server.js`. Tells devwatch
 * what only the program can know, and leaves no trace that a program would come across.
 *
 * Dependency-free and small: every start pays for it. What it says goes down one pipe, a JSON
 * object a line (read by process/channel.ts).
 */

const { readSync, writeSync } = require('node:fs') as typeof import('node:fs');
const { isMainThread } = require('node:worker_threads') as typeof import('node:worker_threads');

const channel = process.env.DEVWATCH_CHANNEL;

// Worker threads load it, too, but share the process's arguments and environment at most by copy.
if (isMainThread && channel !== undefined) {
  delete process.env.DEVWATCH_CHANNEL;
  const at = process.execArgv.indexOf(__filename);
  if (at > 0) process.execArgv.splice(at - 1, 2);
  delete require.cache[__filename];

  const say = (message: object): void => {
    try {
      writeSync(Number(channel), `${JSON.stringify(message)}\n`);
    } catch {
      // devwatch is gone; the guardian sees to the rest.
    }
  };

  /** Waits for devwatch's answer, a JSON value on a line: it no longer reads itself, and this was typed before. */
  const readAnswer = (): string => {
    try {
      const bytes: number[] = [];
      const byte = Buffer.alloc(1);
      while (readSync(Number(channel), byte) === 1 && byte[0] !== 0x0a) bytes.push(byte[0] ?? 0);
      return JSON.parse(Buffer.from(bytes).toString());
    } catch {
      return '';
    }
  };

  // The first access makes the stream, the first read of it claims the terminal's lines.
  const stdin = Object.getOwnPropertyDescriptor(process, 'stdin');
  if (stdin?.get !== undefined && stdin.configurable === true) {
    const get = stdin.get;
    Object.defineProperty(process, 'stdin', {
      ...stdin,
      get() {
        const stream = get.call(process) as NodeJS.ReadStream;
        Object.defineProperty(process, 'stdin', stdin);
        const read = stream._read;
        stream._read = function (size) {
          stream._read = read;
          say({ type: 'reads-stdin' });
          const typed = readAnswer();
          if (typed !== '') this.push(Buffer.from(typed));
          read.call(this, size);
        };
        return stream;
      },
    });
  }

  process.on(
    'uncaughtExceptionMonitor',
    (error: Partial<NodeJS.ErrnoException & { port: number; address: string }>) => {
      if (error?.code === 'EADDRINUSE') say({ type: 'address-in-use', address: error.address, port: error.port });
    },
  );
}
