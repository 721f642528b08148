/** Orders reach the one they are for, and nothing else that is sent to it does any harm. */

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ask,
  type Control,
  type ControlHandler,
  type ControlOptions,
  type ControlTarget,
  openControl,
  stream,
} from '../../../src/background/control.ts';
import { newToken } from '../../../src/background/records.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import { buildScript, createStateFolder, type StateFolder, startWorker } from '../../support/background.ts';
import { until } from '../../support/facts.ts';

const token = newToken();
let state: StateFolder;
let target: ControlTarget;
let control: Control | undefined;

beforeEach(() => {
  state = createStateFolder();
  const folder = path.join(state.path, 'sockets');
  fs.mkdirSync(folder, { mode: 0o700 });
  target = { name: 'web', pid: 123, token, socket: path.join(folder, 'web.sock') };
});
afterEach(async () => {
  await control?.close();
  control = undefined;
  state[Symbol.dispose]();
});

const never = new Promise<object>(() => {});

interface Deferred<Value> {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value) => void;
}

function deferred<Value>(): Deferred<Value> {
  let resolve: (value: Value) => void = () => {};
  const promise = new Promise<Value>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

const handlers: Record<string, ControlHandler> = {
  echo: async ({ verb, params }) => ({ verb, params }),
  fail: async () => {
    throw new UsageError('it is too late');
  },
  hang: () => never,
  async *count({ params }) {
    for (let number = 1; number <= Number(params.to); number += 1) yield { number };
  },
  async *break() {
    yield { number: 1 };
    throw new Error('the disk is gone');
  },
};

async function open(options: Partial<ControlOptions> = {}): Promise<void> {
  control = await openControl({ path: target.socket, token, handlers, ...options });
}

/** Sends what it is given, and returns what comes until the other side closes. */
async function send(text: string | Buffer, end = false): Promise<string> {
  const socket = net.connect(target.socket);
  // It may be closed before all has been sent.
  socket.on('error', () => {});
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    answer += chunk;
  });
  if (end) socket.end(text);
  else socket.write(text);
  // Not by `once`, which fails when the socket does.
  await new Promise((resolve) => socket.once('close', resolve));
  return answer;
}

const request = (fields: object): string => `${JSON.stringify({ token, verb: 'echo', ...fields })}\n`;

const all = async (items: AsyncIterable<object>): Promise<object[]> => {
  const found: object[] = [];
  for await (const item of items) found.push(item);
  return found;
};

test('an order is answered', async () => {
  await open();
  const params = { text: 'ä\n"', list: [1, { deep: null }] };
  expect(await ask(target, 'echo', params)).toEqual({ verb: 'echo', params });
  expect(await ask(target, 'echo')).toEqual({ verb: 'echo', params: {} });
  expect(await all(stream(target, 'echo'))).toEqual([{ verb: 'echo', params: {} }]);
});

test('an order may have many answers, all of which arrive', async () => {
  await open();
  const numbers = await all(stream(target, 'count', { to: 50_000 }));
  expect(numbers).toHaveLength(50_000);
  expect(numbers.at(-1)).toEqual({ number: 50_000 });
  expect(await all(stream(target, 'count', { to: 0 }))).toEqual([]);
});

test('what a handler throws is told', async () => {
  await open();
  await expect(ask(target, 'fail')).rejects.toThrow(new UsageError('web: it is too late'));
  const items = stream(target, 'break');
  expect(await items.next()).toEqual({ value: { number: 1 }, done: false });
  await expect(items.next()).rejects.toThrow(new UsageError('web: the disk is gone'));
});

test('a stream ends with its reader, and lets go of what it reads', async () => {
  const over = deferred<string>();
  await open({
    handlers: {
      async *tail({ signal }) {
        try {
          yield { line: 1 };
          await once(signal, 'abort');
        } finally {
          over.resolve('let go');
        }
      },
    },
  });
  const leaving = new AbortController();
  const seen: object[] = [];
  for await (const item of stream(target, 'tail', {}, leaving.signal)) {
    seen.push(item);
    leaving.abort();
  }
  expect(seen).toEqual([{ line: 1 }]);
  expect(await over.promise).toBe('let go');
});

test('a reader that stops reading holds a stream up, and not the memory', async () => {
  let given = 0;
  const over = deferred<string>();
  await open({
    handlers: {
      ...handlers,
      async *flood() {
        try {
          for (; ; given += 1) yield { text: 'x'.repeat(10_000) };
        } finally {
          over.resolve('let go');
        }
      },
    },
  });
  const socket = net.connect(target.socket);
  socket.write(request({ verb: 'flood' }));
  await until(() => given > 0);
  // Each answer takes several turns of the loop that the flood would use.
  for (let turn = 0; turn < 20; turn += 1) await ask(target, 'echo');
  const held = given;
  for (let turn = 0; turn < 20; turn += 1) await ask(target, 'echo');
  expect(given).toBe(held);
  socket.destroy();
  expect(await over.promise).toBe('let go');
});

describe('refused', () => {
  test.each<[string, string | Buffer, string]>([
    ['a wrong token', request({ token: newToken() }), 'the token is wrong'],
    ['half a token', request({ token: token.slice(0, 32) }), 'the token is wrong'],
    ['no token', request({ token: undefined }), 'the token is wrong'],
    ['a token that is no text', request({ token: [token] }), 'the token is wrong'],
    ['no JSON', 'GET / HTTP/1.1\r\n\r\n', 'a request is JSON'],
    ['half JSON', '{"token": "\n', 'a request is JSON'],
    ['nothing', '\n', 'a request is JSON'],
    ['bytes', Buffer.from([255, 0, 254, 10]), 'a request is JSON'],
    ['null', 'null\n', 'the token is wrong'],
    ['an array', '[]\n', 'the token is wrong'],
    ['a deep one', `${'['.repeat(65_000)}\n`, 'a request is JSON'],
    ['an unknown verb', request({ verb: 'format' }), 'there is no "format"'],
    ['a verb of every object', request({ verb: 'constructor' }), 'there is no "constructor"'],
    ['__proto__', request({ verb: '__proto__' }), 'there is no "__proto__"'],
    ['no verb', request({ verb: 7 }), 'a request has a "verb", and "params" if any'],
    ['odd parameters', request({ params: 7 }), 'a request has a "verb", and "params" if any'],
    ['a long line', `${'x'.repeat(65_536)}\n`, 'a request has 65536 bytes at most'],
    ['a line without an end', 'x'.repeat(65_537), 'a request has 65536 bytes at most'],
  ])('%s', async (_, text, error) => {
    await open();
    expect(await send(text)).toBe(`${JSON.stringify({ error })}\n`);
    expect(await ask(target, 'echo')).toMatchObject({ verb: 'echo' });
  });

  test('megabytes', async () => {
    await open();
    await send(Buffer.alloc(20_000_000, 'x'));
    expect(await ask(target, 'echo')).toMatchObject({ verb: 'echo' });
  });

  test('half a line, and nothing more to come', async () => {
    await open();
    expect(await send('{"token"', true)).toBe('{"error":"a request is a line"}\n');
    expect(await send('', true)).toBe('{"error":"a request is a line"}\n');
  });

  test.each(['', '{"token"'])('%j, and nothing for too long', async (text) => {
    await open({ patience: 50 });
    expect(await send(text)).toBe('{"error":"no request came in time"}\n');
    expect(await ask(target, 'echo')).toMatchObject({ verb: 'echo' });
  });

  test('the thirty-third at once', async () => {
    await open();
    const sockets = Array.from({ length: 32 }, () => net.connect(target.socket));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    await expect(ask(target, 'echo')).rejects.toThrow('web: too many connections');
    const [first, ...others] = sockets;
    first?.end();
    first?.resume();
    if (first !== undefined) await once(first, 'close');
    expect(await ask(target, 'echo')).toMatchObject({ verb: 'echo' });
    for (const socket of others) socket.destroy();
  });
});

test('what comes behind a request does not count', async () => {
  await open();
  expect(await send(request({}) + request({ verb: 'fail' }))).toBe('{"result":{"verb":"echo","params":{}}}\n');
});

test('who has gone is not kept, however long the answer takes', async () => {
  const asked = deferred<AbortSignal>();
  await open({
    handlers: {
      wait: ({ signal }) => {
        asked.resolve(signal);
        return never;
      },
    },
  });
  const answer = send(request({ verb: 'wait' }), true);
  const signal = await asked.promise;
  expect(await answer).toBe('');
  await until(() => signal.aborted);
});

test('a request may come in pieces, and a client that resets harms nothing', async () => {
  await open();
  const socket = net.connect(target.socket);
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    answer += chunk;
  });
  const text = Buffer.from(request({ params: { text: 'ä€' } }));
  for (const byte of text) socket.write(Buffer.from([byte]));
  await once(socket, 'close');
  expect(JSON.parse(answer)).toEqual({ result: { verb: 'echo', params: { text: 'ä€' } } });
  net
    .connect(target.socket)
    .on('error', () => {})
    .destroy();
  const left = net.connect(target.socket);
  left.write(request({ verb: 'hang' }), () => left.destroy());
  await once(left, 'close');
  expect(await ask(target, 'echo')).toMatchObject({ verb: 'echo' });
});

describe('it does not answer', () => {
  test('when there is nobody', async () => {
    await expect(ask(target, 'echo')).rejects.toThrow(new UsageError('web does not answer (pid 123): ENOENT'));
    await expect(stream(target, 'count').next()).rejects.toThrow(
      new UsageError('web does not answer (pid 123): ENOENT'),
    );
  });

  test('when it is busy', async () => {
    await open();
    await expect(ask(target, 'hang', {}, { timeout: 20 })).rejects.toThrow(
      new UsageError('web does not answer (pid 123) within 0.02 s'),
    );
  });

  test('when it hangs up', async () => {
    const server = net.createServer((socket) => socket.resume().end('{"streaming":true}\n'));
    await once(server.listen(target.socket), 'listening');
    await expect(all(stream(target, 'count'))).rejects.toThrow('web has ended, or hung up (pid 123)');
    server.close();
  });

  test('when it talks nonsense', async () => {
    const server = net.createServer((socket) => socket.resume().end('hello\n'));
    await once(server.listen(target.socket), 'listening');
    await expect(ask(target, 'echo')).rejects.toThrow(/^web does not answer \(pid 123\): Unexpected token/);
    server.close();
  });

  test('and is told no token, when others may have put a socket there', async () => {
    await open();
    fs.chmodSync(path.dirname(target.socket), 0o777);
    await expect(ask(target, 'echo')).rejects.toThrow(/web does not answer \(pid 123\): .* is open to other users/);
  });
});

describe('the socket', () => {
  test('is for its user alone', async () => {
    const umask = process.umask(0);
    await open();
    expect(process.umask(umask)).toBe(0);
    expect(fs.statSync(target.socket).mode & 0o777).toBe(0o600);
  });

  test.runIf(process.getuid?.() === 0)('refuses other users, even where its folder is open', async () => {
    await open();
    const script = buildScript(
      state.path,
      'connect',
      `import net from 'node:net';
       net.connect(process.argv[2]).on('error', (error) => console.log(error.code)).on('connect', () => process.exit(1));`,
    );
    const connect = () => spawnSync(process.execPath, [script, target.socket], { uid: 65534, gid: 65534 });
    expect(String(connect().stdout)).toBe('EACCES\n');
    fs.chmodSync(path.dirname(target.socket), 0o755);
    expect(String(connect().stdout)).toBe('EACCES\n');
  });

  test('of a dead process is replaced, that of a live one is not', async () => {
    const script = buildScript(
      state.path,
      'listen',
      `import net from 'node:net';
       net.createServer().listen(process.argv[2], () => console.log('true'));`,
    );
    await using other = startWorker(process.execPath, [script, target.socket]);
    await other.ask('');
    await expect(open()).rejects.toThrow(new UsageError(`${target.socket}: somebody already listens there`));
    await other.kill();
    expect(fs.existsSync(target.socket)).toBe(true);
    await open();
    expect(await ask(target, 'echo')).toMatchObject({ verb: 'echo' });
  });

  test('is refused where something else is, where others may enter, and where the path is too long', async () => {
    fs.writeFileSync(target.socket, 'mine');
    await expect(open()).rejects.toThrow(/is there and no socket/);
    expect(fs.readFileSync(target.socket, 'utf8')).toBe('mine');
    await expect(open({ path: path.join(state.path, 'web.sock') })).rejects.toThrow(/is open to other users/);
    await expect(open({ path: `/${'x'.repeat(107)}` })).rejects.toThrow(/is too long for a socket \(107 bytes/);
  });

  test('comes back when it is removed, with its folder or without', async () => {
    await open({ checkEvery: 5 });
    fs.rmSync(target.socket);
    await until(() => fs.existsSync(target.socket));
    expect(await ask(target, 'echo')).toMatchObject({ verb: 'echo' });
    fs.rmSync(path.dirname(target.socket), { recursive: true });
    await until(() => fs.existsSync(target.socket));
    expect(fs.statSync(path.dirname(target.socket)).mode & 0o777).toBe(0o700);
    expect(await ask(target, 'echo')).toMatchObject({ verb: 'echo' });
  });

  test('is gone after the end; answers under way are given, streams end, others are sent away', async () => {
    const answer = deferred<object>();
    const asked = deferred<void>();
    await open({
      handlers: {
        stop: () => {
          asked.resolve();
          return answer.promise;
        },
        async *tail({ signal }) {
          yield { line: 1 };
          await once(signal, 'abort');
        },
      },
    });
    const stopping = ask(target, 'stop');
    await asked.promise;
    const tail = stream(target, 'tail');
    await tail.next();
    const silent = net.connect(target.socket);
    await once(silent, 'connect');
    const closed = once(silent.resume(), 'close');
    const closing = control?.close();
    expect(fs.existsSync(target.socket)).toBe(false);
    answer.resolve({ done: true });
    expect(await stopping).toEqual({ done: true });
    expect(await tail.next()).toEqual({ value: undefined, done: true });
    await Promise.all([closing, closed]);
  });
});
