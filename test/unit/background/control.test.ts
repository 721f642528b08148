import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ControlTarget, request, stream } from '../../../src/background/control-client.ts';
import { defaultTimeoutMs } from '../../../src/background/control-protocol.ts';
import { type ControlHandler, type ControlOptions, ControlServer } from '../../../src/background/control-server.ts';
import { newToken } from '../../../src/background/records.ts';
import { createDeferred } from '../../../src/shared/deferred.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import { buildScript, createStateFolder, type StateFolder, startWorker } from '../../support/background.ts';
import { createClock } from '../../support/clock.ts';
import { until } from '../../support/facts.ts';

const token = newToken();
let state: StateFolder;
let target: ControlTarget;
let server: ControlServer | undefined;

beforeEach(() => {
  state = createStateFolder();
  const folder = path.join(state.path, 'sockets');
  fs.mkdirSync(folder, { mode: 0o700 });
  target = { name: 'web', pid: 123, token, socket: path.join(folder, 'web.sock') };
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  state[Symbol.dispose]();
});

const never = new Promise<object>(() => {});

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
  server = await ControlServer.open({ path: target.socket, token, handlers, ...options });
}

/** Sends a text; returns the answer when the server has closed the connection. */
async function send(text: string | Buffer, end = false): Promise<string> {
  const socket = net.connect(target.socket);
  // The server may close the connection before everything is sent.
  socket.on('error', () => {});
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    answer += chunk;
  });
  if (end) socket.end(text);
  else socket.write(text);
  // `once` would reject if the socket failed.
  await new Promise((resolve) => socket.once('close', resolve));
  return answer;
}

const line = (fields: object): string => `${JSON.stringify({ token, verb: 'echo', ...fields })}\n`;

const all = async (items: AsyncIterable<object>): Promise<object[]> => {
  const found: object[] = [];
  for await (const item of items) found.push(item);
  return found;
};

test('a request is answered', async () => {
  await open();
  const params = { text: 'ä\n"', list: [1, { deep: null }] };
  expect(await request(target, 'echo', { params })).toEqual({ verb: 'echo', params });
  expect(await request(target, 'echo')).toEqual({ verb: 'echo', params: {} });
  expect(await all(stream(target, 'echo'))).toEqual([{ verb: 'echo', params: {} }]);
});

test('a request may have many answers', async () => {
  await open();
  const numbers = await all(stream(target, 'count', { params: { to: 50_000 } }));
  expect(numbers).toHaveLength(50_000);
  expect(numbers.at(-1)).toEqual({ number: 50_000 });
  expect(await all(stream(target, 'count', { params: { to: 0 } }))).toEqual([]);
});

test('the message of an error that a handler throws is sent', async () => {
  await open();
  await expect(request(target, 'fail')).rejects.toThrow(new UsageError('web: it is too late'));
  const items = stream(target, 'break');
  expect(await items.next()).toEqual({ value: { number: 1 }, done: false });
  await expect(items.next()).rejects.toThrow(new UsageError('web: the disk is gone'));
});

test('a stream ends when its client leaves, and its handler is ended', async () => {
  const over = createDeferred<string>();
  await open({
    handlers: {
      async *tail({ signal }) {
        try {
          yield { line: 1 };
          await once(signal, 'abort');
        } finally {
          over.resolve('ended');
        }
      },
    },
  });
  const leaving = new AbortController();
  const seen: object[] = [];
  for await (const item of stream(target, 'tail', { signal: leaving.signal })) {
    seen.push(item);
    leaving.abort();
  }
  expect(seen).toEqual([{ line: 1 }]);
  expect(await over.promise).toBe('ended');
});

test('a stream waits for a client that does not read', async () => {
  let given = 0;
  const over = createDeferred<string>();
  await open({
    handlers: {
      ...handlers,
      async *flood() {
        try {
          for (; ; given += 1) yield { text: 'x'.repeat(10_000) };
        } finally {
          over.resolve('ended');
        }
      },
    },
  });
  const socket = net.connect(target.socket);
  socket.write(line({ verb: 'flood' }));
  await until(() => given > 0);
  // Each answer takes several turns of the event loop, in which the flood would continue.
  for (let turn = 0; turn < 20; turn += 1) await request(target, 'echo');
  const held = given;
  for (let turn = 0; turn < 20; turn += 1) await request(target, 'echo');
  expect(given).toBe(held);
  socket.destroy();
  expect(await over.promise).toBe('ended');
});

describe('the server refuses', () => {
  test.each<[string, string | Buffer, string]>([
    ['a wrong token', line({ token: newToken() }), 'the token is wrong'],
    ['half a token', line({ token: token.slice(0, 32) }), 'the token is wrong'],
    ['no token', line({ token: undefined }), 'the token is wrong'],
    ['a token that is no text', line({ token: [token] }), 'the token is wrong'],
    ['text that is not JSON', 'GET / HTTP/1.1\r\n\r\n', 'expected one line of JSON'],
    ['truncated JSON', '{"token": "\n', 'expected one line of JSON'],
    ['an empty line', '\n', 'expected one line of JSON'],
    ['bytes that are not text', Buffer.from([255, 0, 254, 10]), 'expected one line of JSON'],
    ['null', 'null\n', 'the token is wrong'],
    ['an array', '[]\n', 'the token is wrong'],
    ['deeply nested JSON', `${'['.repeat(65_000)}\n`, 'expected one line of JSON'],
    ['an unknown verb', line({ verb: 'format' }), 'unknown verb "format"'],
    ['a verb that every object inherits', line({ verb: 'constructor' }), 'unknown verb "constructor"'],
    ['__proto__', line({ verb: '__proto__' }), 'unknown verb "__proto__"'],
    ['a request without a verb', line({ verb: 7 }), 'a request needs a "verb", and "params" must be an object'],
    ['params that are not an object', line({ params: 7 }), 'a request needs a "verb", and "params" must be an object'],
    ['a line that is too long', `${'x'.repeat(65_536)}\n`, 'a request has 65536 bytes at most'],
    ['a line that does not end', 'x'.repeat(65_537), 'a request has 65536 bytes at most'],
  ])('%s', async (_, text, error) => {
    await open();
    expect(await send(text)).toBe(`${JSON.stringify({ error })}\n`);
    expect(await request(target, 'echo')).toMatchObject({ verb: 'echo' });
  });

  test('20 MB without a line feed', async () => {
    await open();
    await send(Buffer.alloc(20_000_000, 'x'));
    expect(await request(target, 'echo')).toMatchObject({ verb: 'echo' });
  });

  test('an incomplete line', async () => {
    await open();
    expect(await send('{"token"', true)).toBe('{"error":"expected one line of JSON"}\n');
    expect(await send('', true)).toBe('{"error":"expected one line of JSON"}\n');
  });

  test.each(['', '{"token"'])('a client that sends %j and then waits', async (text) => {
    const clock = createClock();
    await open({ clock });
    const answer = send(text);
    await until(() => clock.pending > 0);
    clock.advance(defaultTimeoutMs);
    expect(await answer).toBe('{"error":"no request arrived in time"}\n');
    expect(await request(target, 'echo')).toMatchObject({ verb: 'echo' });
  });

  test('a 33rd connection', async () => {
    await open();
    const sockets = Array.from({ length: 32 }, () => net.connect(target.socket));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    await expect(request(target, 'echo')).rejects.toThrow('web: too many connections');
    const [first, ...others] = sockets;
    first?.end();
    first?.resume();
    if (first !== undefined) await once(first, 'close');
    expect(await request(target, 'echo')).toMatchObject({ verb: 'echo' });
    for (const socket of others) socket.destroy();
  });

  test('a client that goes on to send, which learns why', async () => {
    await open();
    const sockets = Array.from({ length: 32 }, () => net.connect(target.socket));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    const late = net.connect(target.socket);
    const [answer] = (await once(late, 'data')) as [Buffer];
    expect(answer.toString()).toBe('{"error":"too many connections"}\n');
    // The socket fails if nobody reads this.
    await new Promise((resolve, reject) => {
      late.once('error', reject);
      late.write(line({}), resolve);
    });
    late.end();
    for (const socket of sockets) socket.destroy();
  });
});

test('the server ignores what follows a request', async () => {
  await open();
  expect(await send(line({}) + line({ verb: 'fail' }))).toBe('{"result":{"verb":"echo","params":{}}}\n');
});

test('the server drops a client that has left before the answer', async () => {
  const asked = createDeferred<AbortSignal>();
  await open({
    handlers: {
      wait: ({ signal }) => {
        asked.resolve(signal);
        return never;
      },
    },
  });
  const answer = send(line({ verb: 'wait' }), true);
  const signal = await asked.promise;
  expect(await answer).toBe('');
  await until(() => signal.aborted);
});

test('a request may arrive in pieces, and a client may reset the connection', async () => {
  await open();
  const socket = net.connect(target.socket);
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    answer += chunk;
  });
  const text = Buffer.from(line({ params: { text: 'ä€' } }));
  for (const byte of text) socket.write(Buffer.from([byte]));
  await once(socket, 'close');
  expect(JSON.parse(answer)).toEqual({ result: { verb: 'echo', params: { text: 'ä€' } } });
  net
    .connect(target.socket)
    .on('error', () => {})
    .destroy();
  const left = net.connect(target.socket);
  left.write(line({ verb: 'hang' }), () => left.destroy());
  await once(left, 'close');
  expect(await request(target, 'echo')).toMatchObject({ verb: 'echo' });
});

describe('a request fails', () => {
  test('if there is no socket', async () => {
    await expect(request(target, 'echo')).rejects.toThrow(new UsageError('web does not answer (pid 123): ENOENT'));
    await expect(stream(target, 'count').next()).rejects.toThrow(
      new UsageError('web does not answer (pid 123): ENOENT'),
    );
  });

  test('if the answer does not come in time', async () => {
    await open();
    await expect(request(target, 'hang', { timeoutMs: 20 })).rejects.toThrow(
      new UsageError('web does not answer (pid 123) within 0.02 s'),
    );
  });

  test('if the connection is closed', async () => {
    const server = net.createServer((socket) => socket.resume().end('{"streaming":true}\n'));
    await once(server.listen(target.socket), 'listening');
    await expect(all(stream(target, 'count'))).rejects.toThrow('web has ended, or closed the connection (pid 123)');
    server.close();
  });

  test('if the answer is not JSON', async () => {
    const server = net.createServer((socket) => socket.resume().end('hello\n'));
    await once(server.listen(target.socket), 'listening');
    await expect(request(target, 'echo')).rejects.toThrow(/^web does not answer \(pid 123\): Unexpected token/);
    server.close();
  });

  test('and sends no token, if others could have made the socket', async () => {
    await open();
    fs.chmodSync(path.dirname(target.socket), 0o777);
    await expect(request(target, 'echo')).rejects.toThrow(/web does not answer \(pid 123\): .* is open to other users/);
  });
});

describe('the socket', () => {
  test('is closed to other users', async () => {
    const umask = process.umask(0);
    await open();
    expect(process.umask(umask)).toBe(0);
    expect(fs.statSync(target.socket).mode & 0o777).toBe(0o600);
  });

  test.runIf(process.getuid?.() === 0)('refuses other users even where its folder is open', async () => {
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

  test('is replaced if its process is dead, and kept if it is alive', async () => {
    const script = buildScript(
      state.path,
      'listen',
      `import net from 'node:net';
       net.createServer().listen(process.argv[2], () => console.log('true'));`,
    );
    await using other = startWorker(process.execPath, [script, target.socket]);
    await other.ask('');
    await expect(open()).rejects.toThrow(new UsageError(`${target.socket}: another process already listens there`));
    await other.kill();
    expect(fs.existsSync(target.socket)).toBe(true);
    await open();
    expect(await request(target, 'echo')).toMatchObject({ verb: 'echo' });
  });

  test('is not made in place of a file, or in an open folder', async () => {
    fs.writeFileSync(target.socket, 'mine');
    await expect(open()).rejects.toThrow(/exists and is not a socket/);
    expect(fs.readFileSync(target.socket, 'utf8')).toBe('mine');
    await expect(open({ path: path.join(state.path, 'web.sock') })).rejects.toThrow(/is open to other users/);
  });

  test('is made again after it was removed, with its folder or without', async () => {
    await open({ checkIntervalMs: 5 });
    fs.rmSync(target.socket);
    await until(() => fs.existsSync(target.socket));
    expect(await request(target, 'echo')).toMatchObject({ verb: 'echo' });
    fs.rmSync(path.dirname(target.socket), { recursive: true });
    await until(() => fs.existsSync(target.socket));
    expect(fs.statSync(path.dirname(target.socket)).mode & 0o777).toBe(0o700);
    expect(await request(target, 'echo')).toMatchObject({ verb: 'echo' });
  });

  test('is removed on close: pending requests are answered, streams end, other clients are refused', async () => {
    const answer = createDeferred<object>();
    const asked = createDeferred<void>();
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
    const stopping = request(target, 'stop');
    await asked.promise;
    const tail = stream(target, 'tail');
    await tail.next();
    const silent = net.connect(target.socket);
    await once(silent, 'connect');
    const closed = once(silent.resume(), 'close');
    const closing = server?.close();
    expect(fs.existsSync(target.socket)).toBe(false);
    answer.resolve({ done: true });
    expect(await stopping).toEqual({ done: true });
    expect(await tail.next()).toEqual({ value: undefined, done: true });
    await Promise.all([closing, closed]);
  });
});
