import { expect, test } from 'vitest';
import { createLoopDetector } from '../../../src/watch/restart-loop.ts';

/** So many starts, each followed by a change of these files after `delay` ms; what is found out. */
function loop(rounds: number, files: readonly string[], delay = 100) {
  const detector = createLoopDetector();
  return Array.from({ length: rounds }, (_, round) => {
    detector.started(round * 10_000);
    return detector.changed(files, round * 10_000 + delay);
  });
}

test('a file that changes right after five starts in a row is named, once', () => {
  expect(loop(8, ['/db.json', '/log.json'])).toEqual([
    ...Array(4).fill(undefined),
    '/db.json',
    '/log.json',
    undefined,
    undefined,
  ]);
});

test('changes that come later are a person’s', () => {
  expect(loop(8, ['/server.js'], 1001)).toEqual(Array(8).fill(undefined));
});

test('another file in between is no loop', () => {
  const detector = createLoopDetector();
  for (let round = 0; round < 20; round += 1) {
    detector.started(round * 1000);
    expect(detector.changed([round % 4 === 3 ? '/other.js' : '/db.json'], round * 1000 + 1)).toBeUndefined();
  }
});
