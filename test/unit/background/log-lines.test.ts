import { expect, test } from 'vitest';
import { begunStreams, LineJoiner, maxLineBytes, mergeLines, tagOf } from '../../../src/background/log-lines.ts';

test('mergeLines orders by time, keeps the order of a log, and leaves lines without a time behind the one before them', () => {
  const log = (name: string, ...times: (number | undefined)[]) =>
    times.map((time, index) => ({ time, id: name + index }));
  const merged = mergeLines([log('a', 1, undefined, 5, 4), log('b', undefined, 2, 4, 5)]);
  expect(merged.map(({ id }) => id).join(' ')).toBe('b0 a0 a1 b1 b2 a2 a3 b3');
});

test('begunStreams finds the streams of which the last line goes on', () => {
  const entries = [tagOf('stdout', 'P'), tagOf('stderr', 'P'), tagOf('stdout', 'F'), 'torn'];
  expect(begunStreams(entries.map((tag) => Buffer.from(tag)))).toEqual(['stderr']);
});

test('a line of any length is passed on in pieces', () => {
  const joiner = new LineJoiner(true);
  const piece = Buffer.concat([Buffer.from(tagOf('stdout', 'P')), Buffer.alloc(maxLineBytes / 2, 'x')]);
  expect([1, 2, 3].map(() => joiner.add(piece)?.text.length)).toEqual([undefined, undefined, 1.5 * maxLineBytes]);
  expect(joiner.begun).toEqual([]);
});
