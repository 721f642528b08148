import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Change } from '../../../src/shared/events.ts';
import { adaptiveWindow, QuietWindow } from '../../../src/watch/debounce.ts';
import { createClock } from '../../support/clock.ts';

interface Setup {
  readonly delay?: number;
  readonly busy?: () => 'assumed' | 'known' | undefined;
  readonly restOfSave?: (path: string) => number;
  readonly cpuQueue?: () => number;
  readonly minWindow?: () => number;
}

function open({
  delay,
  busy = () => undefined,
  restOfSave = () => 0,
  cpuQueue = () => 1,
  minWindow = () => 0,
}: Setup = {}) {
  const clock = createClock();
  /** Each burst with the time since the start at which it was delivered. */
  const bursts: { at: number; changes: readonly Change[] }[] = [];
  const start = clock.now();
  const quiet = new QuietWindow({
    clock,
    delay: () => delay,
    minWindow,
    busy,
    restOfSave,
    cpuQueue,
    onQuiet: (changes) => bursts.push({ at: clock.now() - start, changes }),
  });
  const push = (path: string, kind: Change['kind'] = 'change') => quiet.push({ kind, path });
  const times = () => bursts.map((burst) => burst.at);
  const paths = () => bursts.map((burst) => burst.changes.map((change) => change.path));
  return { clock, quiet, push, bursts, times, paths };
}

const several = (count: number) => Array.from({ length: count }, (_, index) => `/${index}`);

test('of a large burst few files are looked at, so that a checkout does not block devwatch', () => {
  let looks = 0;
  const restOfSave = (): number => {
    looks += 1;
    return 25;
  };
  const { clock, push, bursts } = open({ restOfSave });
  for (const path of several(20_000)) push(path);
  clock.advance(1000);
  expect(bursts.map(({ changes }) => changes.length)).toEqual([20_000]);
  expect(looks).toBeLessThan(5000);
});

describe('the adaptive window', () => {
  test.each([
    [1, 1, {}, 5],
    [1, 8, {}, 5],
    [1, 9, {}, 60],
    [2, 2, {}, 60],
    [100, 100, {}, 60],
    [1, 101, {}, 120],
    [101, 101, {}, 120],
    [1, 1, { isBusy: true }, 120],
    [2, 2, { isBusy: true }, 120],
    [1, 1, { hasResumed: true }, 60],
    [101, 101, { hasResumed: true }, 120],
    [1, 1, { cpuQueue: 2 }, 20],
    [1, 1, { cpuQueue: 30 }, 240],
    [2, 2, { cpuQueue: 3 }, 60],
    [2, 2, { cpuQueue: 4 }, 80],
    [1, 1, { cpuQueue: 4, hasResumed: true }, 80],
    [101, 101, { cpuQueue: 7 }, 140],
    [1, 1, { cpuQueue: 30, isBusy: true }, 240],
  ])('for %i files in %i events with %j is %i ms', (files, events, state, window) => {
    expect(adaptiveWindow(files, events, state)).toBe(window);
  });

  test('grows with the threads that share a CPU at the first change', () => {
    const queues = [2, 9, 1];
    const { clock, push, times } = open({ cpuQueue: () => queues.shift() ?? 0 });
    push('/a');
    clock.advance(19);
    push('/a');
    clock.advance(19);
    expect(times()).toEqual([]);
    clock.advance(1);
    expect(times()).toEqual([39]);
    expect(queues).toEqual([9, 1]);
  });

  test('takes a later change for the rest of a burst where threads share a CPU', () => {
    const { clock, push, times } = open({ cpuQueue: () => 10 });
    push('/a');
    clock.advance(100 + 399);
    push('/a');
    clock.advance(1000);
    expect(times()).toEqual([100, 499 + 200]);
  });

  test('waits as long as the rest of a save may take, or until the save is complete', () => {
    let half = true;
    const { clock, push, times } = open({ restOfSave: () => (half ? 25 : 0) });
    push('/a');
    clock.advance(24);
    expect(times()).toEqual([]);
    clock.advance(1);
    expect(times()).toEqual([25]);
    clock.advance(1000);
    push('/a');
    clock.advance(15);
    half = false;
    push('/a');
    clock.advance(100);
    expect(times()).toEqual([25, 1045]);
  });

  test('does not wait for the rest of a save when one of several files is complete', () => {
    const { clock, push, times } = open({ restOfSave: (path) => (path === '/half' ? 100 : 0) });
    push('/half');
    push('/complete');
    clock.advance(1000);
    expect(times()).toEqual([60]);
  });

  test('is 60 ms for a change less than 100 ms after the end of a burst', () => {
    const { clock, push, times } = open();
    push('/a');
    clock.advance(5 + 99);
    push('/a');
    clock.advance(1000);
    expect(times()).toEqual([5, 104 + 60]);
  });

  test('counts from the last event, not from the first', () => {
    const { clock, push, times } = open();
    push('/a');
    clock.advance(4);
    push('/a');
    clock.advance(100);
    expect(times()).toEqual([9]);
  });

  test('waits 60 ms from the second file on', () => {
    const { clock, push, times } = open();
    push('/a');
    clock.advance(4);
    push('/b');
    clock.advance(59);
    expect(times()).toEqual([]);
    clock.advance(1);
    expect(times()).toEqual([64]);
  });

  test.each([
    [5, 'a single event', ['/a']],
    [60, 'nine events of one file', Array<string>(9).fill('/a')],
    [120, '101 events', several(101)],
  ])('lasts %i ms after %s', (ms, _, files) => {
    const { clock, push, times } = open();
    for (const file of files) push(file);
    clock.advance(ms - 1);
    expect(times()).toEqual([]);
    clock.advance(1);
    expect(times()).toEqual([ms]);
  });

  test('is chosen again after each burst', () => {
    const { clock, push, times, paths } = open();
    for (const file of several(101)) push(file);
    clock.advance(120 + 100);
    push('/0');
    clock.advance(5);
    expect(times()).toEqual([120, 225]);
    expect(paths()[1]).toEqual(['/0']);
  });

  test('takes new files that come one by one for the output of one generator', () => {
    const { clock, push, paths } = open();
    for (const file of several(5)) {
      push(file);
      clock.advance(300);
    }
    clock.advance(1000);
    expect(paths()).toEqual([['/0'], ['/1', '/2', '/3', '/4']]);
    // The same files again are saves of a person, as far as anybody can know.
    push('/1');
    clock.advance(300);
    push('/2');
    clock.advance(5);
    expect(paths().slice(2)).toEqual([['/1'], ['/2']]);
  });

  test('is at least as long as its owner demands', () => {
    const { clock, push, times } = open({ minWindow: () => 300 });
    push('/a');
    clock.advance(200);
    push('/b');
    clock.advance(1000);
    expect(times()).toEqual([500]);
  });

  test('ends after 2 s when a program writes without pause', () => {
    const { clock, push, times } = open();
    for (let ms = 0; ms < 5000; ms += 10) {
      push('/log');
      clock.advance(10);
    }
    expect(times()).toEqual([5, 2010, 4010]);
  });
});

describe('a fixed delay', () => {
  test('replaces the adaptive window', () => {
    const { clock, push, times } = open({ delay: 300 });
    for (const file of several(200)) push(file);
    clock.advance(299);
    expect(times()).toEqual([]);
    clock.advance(1);
    expect(times()).toEqual([300]);
  });

  test('of zero ends in the next turn', () => {
    const { clock, push, times } = open({ delay: 0 });
    push('/a');
    expect(times()).toEqual([]);
    clock.advance(0);
    expect(times()).toEqual([0]);
  });

  test('waits for git as well', () => {
    let isBusy = true;
    const { clock, push, times } = open({ delay: 50, busy: () => (isBusy ? 'known' : undefined) });
    push('/a');
    clock.advance(5000);
    expect(times()).toEqual([]);
    isBusy = false;
    clock.advance(120);
    expect(times()).toHaveLength(1);
  });

  test('ends after 2 s when a program writes without pause', () => {
    const { clock, push, times } = open({ delay: 500 });
    for (let ms = 0; ms < 3000; ms += 100) {
      push('/log');
      clock.advance(100);
    }
    expect(times()).toEqual([2000]);
  });

  test('may be longer than 2 s', () => {
    const { clock, push, times } = open({ delay: 5000 });
    push('/a');
    clock.advance(10_000);
    expect(times()).toEqual([5000]);
  });
});

describe('another writer', () => {
  test('holds back a burst until it has finished', () => {
    let writer: 'assumed' | undefined = 'assumed';
    const { clock, push, times } = open({ busy: () => writer });
    push('/a');
    clock.advance(500);
    expect(times()).toEqual([]);
    writer = undefined;
    clock.advance(120);
    expect(times()).toEqual([5 + 5 * 120]);
  });

  test('that is known to run holds back a burst for as long as it runs, with pauses and without', () => {
    let writer: 'known' | undefined = 'known';
    const { clock, push, times } = open({ busy: () => writer });
    for (let ms = 0; ms < 40_000; ms += 100) {
      push('/a');
      clock.advance(100);
    }
    clock.advance(40_000);
    expect(times()).toEqual([]);
    writer = undefined;
    clock.advance(120);
    expect(times()).toHaveLength(1);
  });

  test('that is only assumed, and never finishes, counts for 2 s after the last event', () => {
    const { clock, push, times } = open({ busy: () => 'assumed' });
    push('/a');
    clock.advance(1000);
    push('/a');
    clock.advance(1999);
    expect(times()).toEqual([]);
    clock.advance(121);
    expect(times()).toHaveLength(1);
    expect(times()[0]).toBeGreaterThanOrEqual(3000);
  });

  test('that begins after a burst does not hold it back', () => {
    let writer: 'assumed' | undefined;
    const { clock, push, times } = open({ busy: () => writer });
    push('/a');
    clock.advance(5);
    writer = 'assumed';
    clock.advance(1000);
    expect(times()).toEqual([5]);
  });
});

describe('a burst', () => {
  test('holds the latest change of each path, in the order of their first events', () => {
    const { clock, push, bursts } = open();
    push('/a', 'unlink');
    push('/b', 'add');
    push('/a', 'add');
    push('/b', 'unlink');
    push('/c');
    clock.advance(60);
    expect(bursts).toEqual([
      {
        at: 60,
        changes: [
          { kind: 'add', path: '/a' },
          { kind: 'unlink', path: '/b' },
          { kind: 'change', path: '/c' },
        ],
      },
    ]);
  });

  test('leaves no timer behind', () => {
    const { clock, push } = open();
    for (const file of several(10)) push(file);
    expect(clock.pending).toBe(1);
    clock.advance(1000);
    expect(clock.pending).toBe(0);
  });

  test('does not take in changes pushed while it is delivered; the next one does', () => {
    const clock = createClock();
    const bursts: string[][] = [];
    const quiet = new QuietWindow({
      clock,
      delay: () => undefined,
      restOfSave: () => 0,
      onQuiet(changes) {
        bursts.push(changes.map((change) => change.path));
        if (bursts.length === 1) quiet.push({ kind: 'change', path: '/b' });
      },
    });
    quiet.push({ kind: 'change', path: '/a' });
    clock.advance(100);
    expect(bursts).toEqual([['/a'], ['/b']]);
  });
});

test('a closed window forgets all changes, and takes no more', () => {
  const { clock, quiet, push, times } = open();
  push('/a');
  quiet.close();
  push('/b');
  clock.advance(5000);
  expect({ times: times(), pending: clock.pending }).toEqual({ times: [], pending: 0 });
});

test('every pushed change is in exactly one burst, which ends after the last push of its path', () => {
  const pushes = fc.array(
    fc.record({
      path: fc.constantFrom('/a', '/b', '/c', '/d'),
      kind: fc.constantFrom<Change['kind']>('add', 'change', 'unlink'),
      /** Time before the next push: around the windows, and far beyond. */
      pause: fc.oneof(fc.nat(15), fc.nat(130), fc.nat(3000)),
      locks: fc.boolean(),
    }),
    { maxLength: 150 },
  );
  const halfSaved = fc.boolean();
  const delay = fc.option(fc.nat(300), { nil: undefined });
  fc.assert(
    fc.property(pushes, delay, halfSaved, (script, fixed, half) => {
      let locked = false;
      const { clock, quiet, bursts } = open({
        ...(fixed !== undefined && { delay: fixed }),
        busy: () => (locked ? 'assumed' : undefined),
        restOfSave: () => (half ? 100 : 0),
      });
      let pending = new Map<string, Change>();
      let seen = 0;
      const checkBursts = (): void => {
        for (const burst of bursts.slice(seen)) {
          expect(burst.changes).toEqual([...pending.values()]);
          pending = new Map();
        }
        seen = bursts.length;
      };
      for (const { path, kind, pause, locks } of script) {
        locked = locks;
        pending.set(path, { kind, path });
        quiet.push({ kind, path });
        clock.advance(pause);
        checkBursts();
      }
      clock.advance(10_000);
      checkBursts();
      expect(pending.size).toBe(0);
      expect(bursts.every((burst) => burst.changes.length > 0)).toBe(true);
      expect(clock.pending).toBe(0);
    }),
  );
});
