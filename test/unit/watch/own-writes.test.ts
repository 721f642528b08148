/** The judgement who wrote a file, in worlds where the program and a person write. */

import { describe, expect, test } from 'vitest';
import type { Change } from '../../../src/shared/events.ts';
import { OwnWrites, patternOf } from '../../../src/watch/own-writes.ts';
import { createClock } from '../../support/clock.ts';

const pageBytes = 4096;

function open({ isCounted = true } = {}) {
  const clock = createClock();
  let bytes = 0;
  let reads = 0;
  const written = (): number | undefined => {
    reads += 1;
    return isCounted ? bytes : undefined;
  };
  const own = new OwnWrites({ clock, written, sizeOf: () => 100 });
  const notices: string[] = [];
  const burst = (kind: Change['kind'], ...paths: string[]): string => {
    for (const path of paths) own.notice(path);
    clock.advance(5);
    const { judgement, notices: found } = own.judge(paths.map((path) => ({ kind, path })));
    notices.push(...found.map(({ files, isFinal }) => `${isFinal ? 'final ' : ''}${files}`));
    return judgement.kind;
  };
  return {
    clock,
    own,
    notices,
    /** How often the bytes have been counted. */
    reads: () => reads,
    /** The program writes a file that nobody watches. */
    writeElsewhere() {
      bytes += pageBytes;
    },
    /** A run starts and lasts for some ms. */
    run(ms: number) {
      own.started();
      clock.advance(ms);
    },
    /** Return the judgement of a write. */
    programWrites(file: string, kind: Change['kind'] = 'change', ...others: string[]) {
      bytes += pageBytes;
      return burst(kind, file, ...others);
    },
    personSaves: (file: string) => burst('change', file),
  };
}

const looped = ['save', 'save', 'save', 'postponed', 'postponed', 'postponed', 'own', 'own'];

describe('a file that the program writes', () => {
  test.each<[string, (round: number) => string, Change['kind'], string]>([
    ['the same one', () => '/db.json', 'change', '/db.json'],
    ['one whose name holds its pid', (round) => `/report-${4000 + round}.json`, 'change', '/report-*.json'],
    ['a new one', (round) => `/sessions/${'abcdefgh'.repeat(round + 1)}.json`, 'add', '/sessions'],
  ])('in every run, %s, restarts it at first, then after pauses, then no more', (_, fileOf, kind, named) => {
    const world = open();
    const judgements = looped.map((_, round) => {
      world.run(300);
      return world.programWrites(fileOf(round), kind);
    });
    expect(judgements).toEqual(looped);
    expect(world.notices).toEqual([named, `final ${named}`]);
  });

  test('restarts it as before where the bytes are not counted', () => {
    const world = open({ isCounted: false });
    for (const _ of looped) {
      world.run(300);
      expect(world.programWrites('/db.json')).toBe('save');
    }
    expect(world.notices).toEqual([]);
  });

  test('no longer restarts it between a person\u2019s saves of other files, however late in a run', () => {
    const world = open();
    for (const _ of looped) {
      world.run(300);
      world.programWrites('/db.json');
    }
    world.run(5000);
    expect(world.personSaves('/server.js')).toBe('save');
    world.run(300);
    expect(world.programWrites('/db.json')).toBe('own');
    world.clock.advance(120_000);
    expect(world.programWrites('/db.json')).toBe('own');
  });
});

describe('a save of a person', () => {
  test.each([300, 1000, 5000])('of the same file in every run, %i ms after its start, is one', (ms) => {
    const world = open();
    for (const _ of Array(30)) {
      world.run(ms);
      expect(world.personSaves('/server.js')).toBe('save');
    }
    expect(world.notices).toEqual([]);
  });

  test('of the same file in every run costs one look at the bytes of a program that writes nothing', () => {
    const world = open();
    for (const _ of Array(30)) {
      world.run(5000);
      world.personSaves('/server.js');
    }
    expect(world.reads()).toBe(29);
  });

  test('of a file that the program has written in every run so far is one', () => {
    const world = open();
    for (const _ of looped) {
      world.run(300);
      world.programWrites('/db.json');
    }
    world.run(300);
    expect(world.personSaves('/db.json')).toBe('save');
    // And the program has to show again that it is the writer.
    world.run(300);
    expect(world.programWrites('/db.json')).toBe('postponed');
  });

  test('is one while the program writes other files all the time', () => {
    const world = open();
    for (const _ of Array(30)) {
      world.own.started();
      for (let ms = 0; ms < 500; ms += 10) {
        world.writeElsewhere();
        world.clock.advance(10);
      }
      world.writeElsewhere();
      expect(world.personSaves('/server.js')).toBe('save');
    }
  });

  test('is one when the run has just begun, and is being built', () => {
    const world = open();
    for (const _ of Array(30)) {
      world.run(60);
      for (const _ of Array(4)) world.writeElsewhere();
      expect(world.personSaves('/server.js')).toBe('save');
    }
  });

  test('is one in the same burst as a write of the program', () => {
    const world = open();
    for (const _ of looped) {
      world.run(300);
      world.programWrites('/db.json');
    }
    for (const _ of looped) {
      world.run(300);
      expect(world.programWrites('/db.json', 'change', '/server.js')).toBe('save');
    }
    expect(world.notices).toEqual(['/db.json', 'final /db.json']);
  });

  test('is one when the program has written other files while it started', () => {
    const world = open();
    for (const _ of Array(30)) {
      world.own.started();
      world.clock.advance(40);
      world.writeElsewhere();
      world.clock.advance(300);
      expect(world.personSaves('/server.js')).toBe('save');
    }
  });
});

test.each<[string, Change['kind'], string]>([
  ['/a/db.json', 'change', '/a/db.json'],
  ['/a/r-4711.json', 'change', '/a/r-*.json'],
  ['/a/2026-01-31T12.json', 'change', '/a/*-*-*.json'],
  ['/a/k3j9x8.json', 'change', '/a/*.json'],
  ['/a/anything.json', 'add', '/a/*.json'],
])('%s, after %s, belongs to the pattern %s', (file, kind, pattern) => {
  expect(patternOf(file, kind)).toBe(pattern);
});
