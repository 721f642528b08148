import { describe, expect, test } from 'vitest';
import type { StreamName } from '../../../src/background/log-lines.ts';
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
    const queue = new LogQueue('none');
    add(queue, 'one\ntw');
    expect(drain(queue)).toBe('one\n');
    expect(queue.bytes).toBe(2);
    add(queue, 'o\nth');
    expect(drain(queue)).toBe('two\n');
    queue.releasePartial();
    expect(drain(queue)).toBe('th');
  });

  test('returns the beginning of a line that fills half of the queue', () => {
    const queue = new LogQueue('none');
    add(queue, `${half}x`);
    expect(queue.isHalfFull).toBe(true);
    expect(drain(queue)).toBe(`${half}x`);
  });

  test('returns what was not written again, before newer output', () => {
    const queue = new LogQueue('none');
    add(queue, 'one\n');
    expect(String(queue.next())).toBe('one\n');
    queue.written(2);
    add(queue, 'two\nthree');
    queue.releasePartial();
    expect(String(queue.next())).toBe('e\n');
    expect(drain(queue)).toBe('e\ntwo\nthree');
  });

  test('ends the unfinished line of an earlier process', () => {
    const queue = new LogQueue('time');
    queue.continueLog({ isMidLine: true, begun: [] });
    add(queue, 'one\n');
    expect(drain(queue)).toMatch(/^\n\d{4}-\S+Z one\n$/);
  });

  test('gives each line one timestamp', () => {
    const queue = new LogQueue('time');
    for (const byte of 'one\ntwo\n') add(queue, byte);
    expect(drain(queue)).toMatch(/^\d{4}-\S+Z one\n\d{4}-\S+Z two\n$/);
  });

  test('counts what does not fit, and mentions it where it is missing', () => {
    const queue = new LogQueue('none');
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

  test.each(['none', 'time', 'tag'] as const)('holds a chunk of line feeds alone (%s)', (lineStart) => {
    const queue = new LogQueue(lineStart);
    expect(add(queue, '\n'.repeat(64 * 1024))).toBe(0);
    expect(drain(queue).split('\n')).toHaveLength(64 * 1024 + 1);
  });

  describe('with tags', () => {
    const untimed = (text: string): string => text.replaceAll(/\d{4}-\S+Z /g, '');
    const addTo = (queue: LogQueue, stream: StreamName, text: string): number =>
      queue.add(Buffer.from(text), 'the disk is too slow', stream);

    test('keeps the order of both streams, and joins the pieces of a line that come soon', () => {
      const queue = new LogQueue('tag');
      addTo(queue, 'stdout', 'one\ntw');
      addTo(queue, 'stderr', 'oops\n');
      addTo(queue, 'stdout', 'o\n');
      expect(untimed(drain(queue))).toBe('stdout F one\nstderr F oops\nstdout F two\n');
    });

    test('marks the beginning of a line that goes on later', () => {
      const queue = new LogQueue('tag');
      addTo(queue, 'stdout', 'name? ');
      expect(drain(queue)).toBe('');
      queue.releasePartial();
      expect(untimed(drain(queue))).toBe('stdout P name? \n');
      addTo(queue, 'stderr', 'oops\n');
      addTo(queue, 'stdout', 'thanks\n');
      expect(untimed(drain(queue))).toBe('stderr F oops\nstdout F thanks\n');
    });

    test('ends what has begun: at its end, before a note of a loss, and after an earlier process', () => {
      const queue = new LogQueue('tag');
      queue.continueLog({ isMidLine: true, begun: ['stderr'] });
      expect(untimed(drain(queue))).toBe('\nstderr F \n');
      addTo(queue, 'stdout', 'begun');
      for (let times = 0; times < 9; times += 1) expect(addTo(queue, 'stderr', `${half}\n`)).toBe(0);
      expect(addTo(queue, 'stderr', `${half}\n`)).toBe(half.length + 1);
      expect(
        untimed(drain(queue))
          .split('\n')
          .map((line) => line.slice(0, 40)),
      ).toEqual([
        ...Array(9).fill(`stderr F ${'x'.repeat(31)}`),
        'stdout F begun',
        'stderr F [devwatch] 524289 bytes were lo',
        '',
      ]);
      addTo(queue, 'stdout', 'last');
      queue.end();
      expect(untimed(drain(queue))).toBe('stdout F last\n');
    });
  });
});
