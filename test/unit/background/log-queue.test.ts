import { describe, expect, test } from 'vitest';
import { LogQueue, maxQueueBytes } from '../../../src/background/log-queue.ts';

const add = (queue: LogQueue, text: string): number => queue.add(Buffer.from(text), 'the disk is too slow');

/** Writes everything that is due; returns it. */
function drain(queue: LogQueue): string {
  let text = '';
  for (let bytes = queue.next(); bytes.length > 0; bytes = queue.next()) {
    text += String(bytes);
    queue.written(bytes.length);
  }
  return text;
}

const half = 'x'.repeat(maxQueueBytes / 2);

describe('LogQueue', () => {
  test('returns whole lines, and the beginning of a line only when it is released', () => {
    const queue = new LogQueue(false);
    add(queue, 'one\ntw');
    expect(drain(queue)).toBe('one\n');
    expect(queue.bytes).toBe(2);
    add(queue, 'o\nth');
    expect(drain(queue)).toBe('two\n');
    queue.releasePartial();
    expect(drain(queue)).toBe('th');
  });

  test('returns the beginning of a line that fills half of the queue', () => {
    const queue = new LogQueue(false);
    add(queue, `${half}x`);
    expect(queue.isHalfFull).toBe(true);
    expect(drain(queue)).toBe(`${half}x`);
  });

  test('returns what was not written again, before newer output', () => {
    const queue = new LogQueue(false);
    add(queue, 'one\n');
    expect(String(queue.next())).toBe('one\n');
    queue.written(2);
    add(queue, 'two\nthree');
    queue.releasePartial();
    expect(String(queue.next())).toBe('e\n');
    expect(drain(queue)).toBe('e\ntwo\nthree');
  });

  test('ends the unfinished line of an earlier process', () => {
    const queue = new LogQueue(true);
    queue.endLine();
    add(queue, 'one\n');
    expect(drain(queue)).toMatch(/^\n\d{4}-\S+Z one\n$/);
  });

  test('gives each line one timestamp', () => {
    const queue = new LogQueue(true);
    for (const byte of 'one\ntwo\n') add(queue, byte);
    expect(drain(queue)).toMatch(/^\d{4}-\S+Z one\n\d{4}-\S+Z two\n$/);
  });

  test('counts what does not fit, and mentions it where it is missing', () => {
    const queue = new LogQueue(false);
    expect(add(queue, `${half}\n`)).toBe(0);
    expect(add(queue, 'begun')).toBe(0);
    expect(add(queue, `${half}\n`)).toBe(half.length + 1);
    // The queue accepts no output before it is half empty.
    expect(add(queue, 'small\n')).toBe(6);
    expect(queue.unwrittenBytes - queue.bytes).toBe(half.length + 7);
    queue.explainLoss('no space left on device');
    const notice = `[devwatch] ${half.length + 7} bytes were lost: no space left on device`;
    expect(drain(queue) === `${half}\nbegun\n${notice}\n`).toBe(true);
    expect([queue.unwrittenBytes, queue.bytes]).toEqual([0, 0]);
    add(queue, 'after\n');
    expect(drain(queue)).toBe('after\n');
  });
});
