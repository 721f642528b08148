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

test.each([
  ['a second after a start with regular delays', () => 2000, '/db.json'],
  ['a second after a start with other delays each time', (round: number) => 2000 + 150 * (round % 2), undefined],
])('the loop detector takes changes more than %s for %s', (_, delayOf, expected) => {
  const detector = new LoopDetector();
  const found = Array.from({ length: 8 }, (_, round) => {
    detector.started(round * 10_000);
    return detector.changed(['/db.json'], round * 10_000 + delayOf(round));
  });
  expect(found.find((file) => file !== undefined)).toBe(expected);
});

test('the loop detector knows a file whose name holds the pid', () => {
  const detector = new LoopDetector();
  const found = Array.from({ length: 5 }, (_, round) => {
    detector.started(round * 10_000);
    return detector.changed([`/r-${100 + round}.json`], round * 10_000 + 100);
  });
  expect(found.at(-1)).toBe('/r-*.json');
});

test('the loop detector ignores a file that does not change after every start', () => {
  const detector = new LoopDetector();
  for (let round = 0; round < 20; round += 1) {
    detector.started(round * 1000);
    expect(detector.changed([round % 4 === 3 ? '/other.js' : '/db.json'], round * 1000 + 1)).toBeUndefined();
  }
});
