import { expect, test } from 'vitest';
import { LoopDetector } from '../../../src/watch/loop-detector.ts';

/** Returns what a detector finds in each of several starts, all followed by a change of these files after `delay` ms. */
function loop(rounds: number, files: readonly string[], delay = 100) {
  const detector = new LoopDetector();
  return Array.from({ length: rounds }, (_, round) => {
    detector.started(round * 10_000);
    return detector.changed(files, round * 10_000 + delay);
  });
}

test('the loop detector names once a file that changes right after five starts in a row', () => {
  expect(loop(8, ['/db.json', '/log.json'])).toEqual([
    ...Array(4).fill(undefined),
    '/db.json',
    '/log.json',
    undefined,
    undefined,
  ]);
});

test('the loop detector ignores changes that come later than a second after a start', () => {
  expect(loop(8, ['/server.js'], 1001)).toEqual(Array(8).fill(undefined));
});

test('the loop detector ignores a file that does not change after every start', () => {
  const detector = new LoopDetector();
  for (let round = 0; round < 20; round += 1) {
    detector.started(round * 1000);
    expect(detector.changed([round % 4 === 3 ? '/other.js' : '/db.json'], round * 1000 + 1)).toBeUndefined();
  }
});
