import { describe, expect, test } from 'vitest';
import type { Settings } from '../../../src/config/settings-types.ts';
import { type InputSink, ProgramInput } from '../../../src/run/program-input.ts';

/** A program that keeps what it is given until the test lets it read, or end. */
function createSink() {
  const written: (string | null)[] = [];
  const done: ((isLost: boolean) => void)[] = [];
  const sink: InputSink = {
    write(chunk, callback = () => {}) {
      written.push(chunk === null ? null : chunk.toString());
      done.push(callback);
    },
  };
  const settle = (isLost: boolean): void => {
    for (const callback of done.splice(0)) callback(isLost);
  };
  return { sink, written, read: () => settle(false), lose: () => settle(true) };
}

function open(stdin: Settings['stdin']) {
  const owners: string[] = [];
  const input = new ProgramInput(
    () => stdin,
    ({ owner }) => void owners.push(owner),
  );
  return { input, owners };
}

describe('piped input', () => {
  test('is written to the program, and reported as taken once it has been read', () => {
    const { input, owners } = open('pipe');
    const { sink, written, read } = createSink();
    let taken = 0;
    input.begin(sink, true);
    input.start();
    input.write('a', () => {
      taken += 1;
    });
    expect([written, taken]).toEqual([['a'], 0]);
    read();
    expect([taken, owners]).toEqual([1, []]);
  });

  test('waits for the first run, and for the next one while none runs', () => {
    const { input } = open('pipe');
    const [first, second] = [createSink(), createSink()];
    input.write('early');
    input.begin(first.sink, true);
    input.start();
    expect(first.written).toEqual(['early']);
    first.read();
    input.end(true);
    input.write('between');
    input.begin(undefined, true);
    input.begin(second.sink, true);
    expect([first.written, second.written]).toEqual([['early'], ['between']]);
  });

  test.each([
    ['before', true],
    ['after', false],
  ])('that a program has not read is for the next run (lost %s that begins)', (_, isEarly) => {
    const { input } = open('pipe');
    const [first, second] = [createSink(), createSink()];
    let taken = 0;
    input.begin(first.sink, true);
    input.start();
    input.write('a', () => {
      taken += 1;
    });
    input.end(true);
    if (isEarly) first.lose();
    input.begin(second.sink, true);
    if (!isEarly) first.lose();
    expect([second.written, taken]).toEqual([['a'], 0]);
    second.read();
    expect(taken).toBe(1);
  });

  test('ends for every later run as well', () => {
    const { input } = open('pipe');
    const [first, second] = [createSink(), createSink()];
    input.begin(first.sink, true);
    input.start();
    input.write('a');
    input.write(null);
    input.end(true);
    input.begin(second.sink, true);
    expect([first.written, second.written]).toEqual([['a', null], [null]]);
  });
});

describe('a terminal', () => {
  test('belongs to a Node program from its first read to its end, and the program gets the text typed before', () => {
    const { input, owners } = open('inherit');
    const { sink, written } = createSink();
    input.begin(sink, true);
    input.start();
    input.write('typed\n');
    expect(owners).toEqual([]);
    expect(input.readsInput()).toBe('typed\n');
    input.leavesInput();
    expect(input.readsInput()).toBe('typed\n');
    input.end(true);
    expect(owners).toEqual(['program', 'devwatch', 'program', 'devwatch']);
    expect(written).toEqual([]);
  });

  test('belongs to another program all the time, even after its end', () => {
    const { input, owners } = open('inherit');
    input.begin(createSink().sink, false);
    input.start();
    input.end(false);
    expect(owners).toEqual(['program']);
    input.leavesInput();
    expect(owners).toEqual(['program', 'devwatch']);
  });

  test('keeps no more typed text than its own queue would', () => {
    const { input } = open('inherit');
    input.begin(createSink().sink, true);
    input.start();
    for (let line = 0; line < 10_000; line += 1) input.write('a line\n');
    expect(input.readsInput().length).toBeLessThan(4200);
  });

  test('gives a run only the text typed since its start, with that typed before the first one', () => {
    const { input } = open('inherit');
    input.write('early\n');
    input.begin(createSink().sink, true);
    input.start();
    expect(input.readsInput()).toBe('early\n');
    input.end(true);
    input.write('lost\n');
    input.begin(createSink().sink, true);
    expect(input.readsInput()).toBe('');
  });
});
