// The tools of a scenario: a project in a temporary folder, the devwatch that runs in it, and the programs that have
// called. Plain JavaScript without packages, so that it runs from an unpacked archive, and with Node for Windows in Wine.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';

const here = import.meta.dirname;
export const isWindows = process.platform === 'win32';

/** The folder of the package under test. */
export const packageFolder = process.env.DEVWATCH_PACKAGE ?? path.resolve(here, '../..');
export const cli = path.join(packageFolder, 'dist', 'cli.cjs');
const dial = path.resolve(here, '../support/dial.cjs');

/** A wait ends with a failure that says what has happened; it is no assertion about time. */
const deadlineMs = Number(process.env.DEADLINE_MS ?? 60_000);

/** A program that calls, and stays. `crash`, `exit` and `exit 3` can be sent to it. */
export const caller = (says = {}) => `require(process.env.TEST_DIAL)(${JSON.stringify(says)});\n`;

/** A program that answers on a free port with this text; `listens` tells which. */
export const server = (text) => `
const dialled = require(process.env.TEST_DIAL);
const server = require('node:http').createServer((_, response) => response.end(${JSON.stringify(text)}));
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => dialled({ text: ${JSON.stringify(text)}, port: server.address().port }));
`;

export async function createRig(title) {
  const scratch = fs.realpathSync.native(fs.mkdtempSync(path.join(os.tmpdir(), 'devwatch scenario ')));
  const project = path.join(scratch, 'my project');
  fs.mkdirSync(project);
  const started = [];
  const happened = [];
  const home = await openHome((call) => happened.push(`called ${JSON.stringify(call.says)}`));
  const rig = {
    title,
    scratch,
    project,
    at: (...names) => path.join(project, ...names),
    write(name, text) {
      const file = path.resolve(project, name);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, text);
      return file;
    },
    calls: home.calls,
    /** The next call that no earlier wait has returned and that matches. */
    async call(matches) {
      const call = await within('a call of a program', home.next(matches), () => happened);
      return {
        ...call,
        get gone() {
          return within(`the end of process ${call.pid}`, call.gone, () => happened);
        },
      };
    },
    env: { TEST_HOME: String(home.port), TEST_DIAL: dial },
    /** Runs devwatch in the project. `console`: it can be interrupted by Ctrl-C. */
    async start(args, options = {}) {
      const app = await startDevwatch(
        args,
        { cwd: project, ...options, env: { ...rig.env, ...options.env } },
        happened,
      );
      started.push(app);
      return app;
    },
    /** Runs devwatch to its end; returns its code, and what it has printed. */
    async run(args, options = {}) {
      const app = await rig.start(args, { plain: true, ...options });
      return { code: await app.exited(), text: app.text() };
    },
    until: (label, condition) => until(label, condition, () => happened),
    async close() {
      for (const app of started) app.kill();
      for (const app of started) await app.dead;
      for (const { pid, isAlive } of home.calls) if (isAlive()) end(pid);
      // In Wine a process that is killed while it waits for a pipe may stay until Wine itself ends.
      if (!process.env.DEVWATCH_WINE_8) await Promise.all(home.calls.map(({ gone }) => gone));
      await home.close();
      // Windows removes no folder in which a process works, and the last ones are about to end.
      await fs.promises.rm(scratch, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }).catch(() => {});
    },
  };
  return rig;
}

function end(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

/** Programs connect to it, and say who they are; the connection is closed when they have died. */
async function openHome(onCall) {
  const calls = [];
  const taken = new Set();
  const sockets = new Set();
  let isClosing = false;
  let wake = () => {};
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const gone = once(socket, 'close').then(() => sockets.delete(socket));
    readline.createInterface({ input: socket }).once('line', (line) => {
      const says = JSON.parse(line);
      if (isClosing) {
        end(says.pid);
        socket.destroy();
      }
      const call = {
        pid: says.pid,
        says,
        gone,
        isAlive: () => sockets.has(socket),
        send: (text) => socket.write(`${text}\n`),
      };
      calls.push(call);
      onCall(call);
      wake();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: server.address().port,
    calls,
    async next(matches = () => true) {
      for (;;) {
        const call = calls.find((one) => !taken.has(one) && matches(one.says));
        if (call !== undefined) {
          taken.add(call);
          return call;
        }
        await new Promise((resolve) => {
          const others = wake;
          wake = () => {
            others();
            resolve();
          };
        });
      }
    },
    async close() {
      isClosing = true;
      for (const socket of sockets) socket.destroy();
      const closed = once(server, 'close');
      server.close();
      server.unref();
      await closed;
    },
  };
}

async function startDevwatch(
  args,
  { cwd, env, console: onConsole = false, plain = false, input, script = cli },
  happened,
) {
  const words = [script, ...(plain || script !== cli ? [] : ['--log-format', 'json']), ...args];
  const variables = { ...process.env, ...env };
  const child = onConsole ? await spawnOnConsole(words, cwd, variables) : spawnWithPipes(words, cwd, variables, input);
  const events = [];
  const taken = new Map();
  let text = '';
  let code;
  let wake = () => {};
  const onLine = (line) => {
    // A console adds its own sequences.
    const json = line.indexOf('{"event":');
    happened.push(line);
    if (json < 0) text += `${line}\n`;
    else events.push(JSON.parse(line.slice(json)));
    wake();
  };
  for (const stream of child.outputs) readline.createInterface({ input: stream }).on('line', onLine);
  const ended = child.ended.then((value) => {
    code = value;
    happened.push(`devwatch ended with ${value}`);
    wake();
    return value;
  });
  async function next(name, matches) {
    for (;;) {
      const index = events.findIndex(
        (event, at) => at >= (taken.get(name) ?? 0) && event.event === name && matches(event),
      );
      if (index >= 0) {
        taken.set(name, index + 1);
        return events[index];
      }
      if (code !== undefined)
        throw new Error(`devwatch ended with ${code} before its event "${name}":\n${happened.join('\n')}`);
      await new Promise((resolve) => {
        const others = wake;
        wake = () => {
          others();
          resolve();
        };
      });
    }
  }
  return {
    pid: child.pid,
    events,
    /** Returns its output without its events. */
    text: () => text,
    event: (name, matches = () => true) => within(`the event "${name}"`, next(name, matches), () => happened),
    watches: () =>
      within(
        'the event "watching"',
        next('watching', () => true),
        () => happened,
      ),
    write: (line) => child.write(line),
    interrupt: () => child.interrupt(),
    kill: () => child.kill(),
    /** Resolves when the process is dead. In Wine its output may not end after it was killed. */
    dead: child.dead ?? ended,
    exited: () => within('the end of devwatch', ended, () => happened),
  };
}

function spawnWithPipes(words, cwd, env, input = 'ignore', windowsHide = true) {
  const child = spawn(process.execPath, words, { cwd, env, stdio: [input, 'pipe', 'pipe'], windowsHide });
  return {
    pid: child.pid,
    outputs: [child.stdout, child.stderr],
    dead: once(child, 'exit'),
    ended: once(child, 'close').then(([code, signal]) => code ?? signal),
    write: (line) => child.stdin.write(line),
    kill: () => child.kill('SIGKILL'),
  };
}

/** On a console of its own, or, where that is not possible, on ours: then Ctrl-C reaches us as well. */
async function spawnOnConsole(words, cwd, env) {
  const command = process.env.DEVWATCH_CTRL_C;
  if (command !== undefined) {
    // Hidden, it would have a console of its own.
    const child = spawnWithPipes(words, cwd, env, 'ignore', false);
    const ignore = () => {};
    process.on('SIGINT', ignore);
    void child.ended.then(() => process.off('SIGINT', ignore));
    return { ...child, interrupt: () => spawn(command, { stdio: 'ignore' }) };
  }
  const { spawn: open } = await import('@lydell/node-pty');
  const { PassThrough } = await import('node:stream');
  const output = new PassThrough();
  const terminal = open(process.execPath, words, { cwd, env, cols: 2000, rows: 50 });
  terminal.onData((data) => output.write(data));
  return {
    pid: terminal.pid,
    outputs: [output],
    ended: new Promise((resolve) =>
      terminal.onExit(({ exitCode, signal }) => resolve(signal ? 128 + signal : exitCode)),
    ),
    write: (line) => terminal.write(line),
    interrupt: () => terminal.write('\x03'),
    kill: () => end(terminal.pid),
  };
}

async function within(label, promise, report) {
  let timer;
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${label}:\n${report().join('\n')}`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

function until(label, condition, report) {
  let timer;
  const holds = new Promise((resolve, reject) => {
    timer = setInterval(async () => {
      try {
        if (await condition()) resolve();
      } catch (error) {
        reject(error);
      }
    }, 50);
  });
  return within(label, holds, report).finally(() => clearInterval(timer));
}

/** Returns whether a process lives. */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
