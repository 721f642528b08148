import { describe, expect, test } from 'vitest';
import { AttachBuffer } from '../../../src/background/attach-buffer.ts';

const add = (buffer: AttachBuffer, ...texts: readonly string[]): void => {
  for (const text of texts) buffer.add(Buffer.from(text));
};

describe('AttachBuffer', () => {
  test('returns the last lines, however they were split', () => {
    const buffer = new AttachBuffer();
    expect(buffer.tail(5)).toEqual([]);
    add(buffer, 'one\ntw', 'o\nthree\n');
    expect(buffer.tail(2)).toEqual(['two', 'three']);
    expect(buffer.tail(5)).toEqual(['one', 'two', 'three']);
  });

  test('keeps no more than 8 KB', () => {
    const buffer = new AttachBuffer();
    add(buffer, `${'x'.repeat(10_000)}\nlast\n`);
    expect(buffer.tail(9).join('\n').length).toBe(8191);
  });

  test('passes what is added from now on to each client, until it leaves', async () => {
    const buffer = new AttachBuffer();
    add(buffer, 'before');
    const leaving = new AbortController();
    const seen: string[] = [];
    const client = (async () => {
      for await (const { data } of buffer.stream(leaving.signal)) {
        seen.push(Buffer.from(data, 'base64').toString());
        if (seen.length === 3) leaving.abort();
      }
    })();
    add(buffer, 'one', 'two');
    await Promise.resolve();
    add(buffer, 'three');
    await client;
    expect(seen).toEqual(['one', 'two', 'three']);
  });

  test('drops output that a client does not read', async () => {
    const buffer = new AttachBuffer();
    const leaving = new AbortController();
    const client = buffer.stream(leaving.signal);
    const first = client.next();
    for (let count = 0; count < 1500; count += 1) add(buffer, String(count));
    let received = (await first).done === true ? 0 : 1;
    leaving.abort();
    for await (const _ of client) received += 1;
    expect(received).toBe(1000);
  });
});
