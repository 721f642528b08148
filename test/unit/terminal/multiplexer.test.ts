/** The output of several programs in one terminal. */

import { EventEmitter } from 'node:events';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createMultiplexer, type Multiplexer, type Sink } from '../../../src/terminal/multiplexer.ts';
import { createClock, type VirtualClock } from '../../support/clock.ts';

class FakeSink extends EventEmitter implements Sink {
  text = '';
  isFull = false;
  isStuck = false;
  write(bytes: Uint8Array, done = (): void => {}): boolean {
    this.text += Buffer.from(bytes).toString();
    if (!this.isStuck) done();
    return !this.isFull;
  }
}

interface Fixture {
  readonly clock: VirtualClock;
  readonly stdout: FakeSink;
  readonly stderr: FakeSink;
  readonly multiplexer: Multiplexer;
}

function open(isOnePlace = false): Fixture {
  const clock = createClock();
  const [stdout, stderr] = [new FakeSink(), new FakeSink()];
  return { clock, stdout, stderr, multiplexer: createMultiplexer({ stdout, stderr, isOnePlace, clock }) };
}

const bytes = (text: string): Buffer => Buffer.from(text);

/** `web:one` is written by web; a number is a pause in ms, and `-web` is the end of its run. */
type Step = string | number;

/** Returns what stands on stdout after the steps. */
function outputAfter(steps: readonly Step[]): string {
  const { clock, stdout, multiplexer } = open(true);
  const channels = { web: multiplexer.open('web | '), api: multiplexer.open('api | ') };
  for (const step of steps) {
    if (typeof step === 'number') clock.advance(step);
    else if (step.startsWith('web:')) channels.web.stdout(bytes(step.slice(4)));
    else if (step.startsWith('api:')) channels.api.stdout(bytes(step.slice(4)));
    else if (step === '-web') channels.web.ended('stdout');
    else multiplexer.messages.write(step);
  }
  return stdout.text;
}

test('the multiplexer puts the program’s name before each line and keeps the streams apart', () => {
  const { stdout, stderr, multiplexer } = open();
  const [web, api] = [multiplexer.open('web | '), multiplexer.open('api | ')];
  web.stdout(bytes('one\ntwo\n'));
  api.stdout(bytes('three\n'));
  api.stderr(bytes('oh\n'));
  expect(stdout.text).toBe('web | one\nweb | two\napi | three\n');
  expect(stderr.text).toBe('api | oh\n');
});

test('a changed label applies to the lines that follow', () => {
  const { stdout, multiplexer } = open();
  const web = multiplexer.open('web | ');
  web.stdout(bytes('one\n'));
  web.label('');
  web.stdout(bytes('two\n'));
  expect(stdout.text).toBe('web | one\ntwo\n');
});

describe('an incomplete line', () => {
  test.each<[string, Step[], string]>([
    ['waits for its end', ['web:name', 99], ''],
    ['is shown after 100 ms', ['web:name', 100], 'web | name'],
    ['continues where it was shown', ['web:name', 100, 'web:? yes\n', 'web:done\n'], 'web | name? yes\nweb | done\n'],
    ['that grows little by little is shown so', ['web:.', 40, 'web:.', 40, 'web:.', 40, 'web:.', 40], 'web | ...'],
    [
      'is not continued by another program',
      ['web:..', 100, 'api:hello\n', 'web:.\n'],
      'web | ..\napi | hello\nweb | .\n',
    ],
    [
      'is not continued by devwatch',
      ['web:..', 100, '[devwatch] hello\n', 'web:oh\n'],
      'web | ..\n[devwatch] hello\nweb | oh\n',
    ],
    [
      'interrupts the incomplete line of another program after a second only',
      ['web:.', 100, 'api:+', 999, 'web:.', 1],
      'web | .\napi | +',
    ],
    [
      'ends with its run',
      ['web:half', '-web', 'web:half', 100, '-web', 'web:next\n'],
      'web | half\nweb | half\nweb | next\n',
    ],
    ['is not begun by a bell of devwatch', ['\u0007', 'web:a\n'], '\u0007web | a\n'],
  ])('%s', (_, steps, expected) => {
    expect(outputAfter(steps)).toBe(expected);
  });

  test('of any length is shown in pieces and not kept', () => {
    const { stdout, multiplexer } = open();
    const web = multiplexer.open('web | ');
    for (let index = 0; index < 100; index += 1) web.stdout(Buffer.alloc(10_000, 'x'));
    expect(stdout.text.length).toBeGreaterThan(900_000);
    expect(stdout.text.startsWith('web | xxx')).toBe(true);
    expect(stdout.text).not.toContain('\n');
  });
});

test('a progress bar keeps the program’s name before it', () => {
  const bar = ['web:\r1 %\r2 %\r', 100, 'web:3 %', 100, 'api:a\r\nb\n', 'web:\r100 %\r\r', 100, 'web:\n'];
  expect(outputAfter(bar)).toBe(
    'web | \rweb | 1 %\rweb | 2 %\rweb | 3 %\napi | a\r\napi | b\nweb | \rweb | 100 %\r\r\n',
  );
});

test('a program cannot clear the output of others', () => {
  expect(outputAfter(['web:\x1bc\x1b[2J\x1b[3J\x1b[H\x1b[32mgood\x1b[39m ß\n', 'web:\x1bc', 100])).toBe(
    'web | \x1b[32mgood\x1b[39m ß\n',
  );
});

describe('colours', () => {
  test.each<[string, Step[], string[]]>([
    [
      'end with the line and return on the program’s next one',
      ['web:\x1b[41malarm\n', 'api:calm\n', '[devwatch] calm\n', 'web:\n\x1b[1mmore\r\n', 'web:\x1b[0mover\n'],
      [
        'web | \x1b[41malarm\x1b[0m',
        'api | calm',
        '[devwatch] calm',
        'web | ',
        'web | \x1b[41m\x1b[1mmore\x1b[0m\r',
        'web | \x1b[41m\x1b[1m\x1b[0mover',
      ],
    ],
    [
      'end where another program interrupts the line',
      ['web:\x1b[41mstill', 100, 'api:calm\n', 'web:going\n'],
      ['web | \x1b[41mstill\x1b[0m', 'api | calm', 'web | \x1b[41mgoing\x1b[0m'],
    ],
    [
      'return after a carriage return, but not on the name',
      ['web:\x1b[32m1 %\r2 %\r', 100, 'web:\n'],
      ['web | \x1b[32m1 %\x1b[0m\rweb | \x1b[32m2 %\x1b[0m\r'],
    ],
    [
      'do not return when the program has cleared one of them',
      ['web:\x1b[1;31mbad\x1b[39m news\n', 'web:next\n'],
      ['web | \x1b[1;31mbad\x1b[39m news', 'web | next'],
    ],
    [
      'that are set after a clear in the same sequence return',
      ['web:\x1b[0;31mbad\n', 'web:news\n'],
      ['web | \x1b[0;31mbad\x1b[0m', 'web | \x1b[0;31mnews\x1b[0m'],
    ],
    ['end with the run', ['web:\x1b[31mhalf', '-web', 'web:next\n'], ['web | \x1b[31mhalf\x1b[0m', 'web | next']],
  ])('%s', (_, steps, expected) => {
    expect(outputAfter(steps).split('\n').slice(0, -1)).toEqual(expected);
  });
});

test('a program that sets colours without end does not grow the text before its lines', () => {
  const steps = Array.from({ length: 100 }, (_, index) => `web:\x1b[38;5;${index}mx\n`);
  const last = outputAfter(steps).split('\n').at(-2) ?? '';
  expect(last.endsWith('x\x1b[0m')).toBe(true);
  expect(last.length).toBeLessThan(300);
});

test('a full sink holds the programs up until it drains', async () => {
  const { stdout, multiplexer } = open();
  const [web, api] = [multiplexer.open('web | '), multiplexer.open('api | ')];
  stdout.isFull = true;
  const waiting = [web.stdout(bytes('a\n')), api.stdout(bytes('b\n'))];
  expect(waiting).toEqual([expect.any(Promise), expect.any(Promise)]);
  expect(web.stderr(bytes('c\n'))).toBeUndefined();
  stdout.isFull = false;
  stdout.emit('drain');
  await Promise.all(waiting);
  expect(web.stdout(bytes('d\n'))).toBeUndefined();
});

test.each(['error', 'close'])('a sink that is gone (%s) holds no program up', async (event) => {
  const { stdout, multiplexer } = open();
  const web = multiplexer.open('web | ');
  stdout.isFull = true;
  const waiting = web.stdout(bytes('a\n'));
  stdout.emit(event);
  await waiting;
  expect(web.stdout(bytes('b\n'))).toBeUndefined();
  expect(stdout.text).toBe('web | a\n');
});

test('closing writes incomplete lines and waits for the sink for at most a second', async () => {
  const { clock, stdout, multiplexer } = open();
  multiplexer.open('web | ').stdout(bytes('half'));
  // The sink takes more, but does not pass it on.
  stdout.isStuck = true;
  let isClosed = false;
  const closed = multiplexer.close().then(() => {
    isClosed = true;
  });
  expect(stdout.text).toBe('web | half\n');
  clock.advance(999);
  await Promise.resolve();
  expect(isClosed).toBe(false);
  clock.advance(1);
  await closed;
  expect(clock.pending).toBe(0);
});

test('the output of each program comes out whole and in order, whatever chunks it came in', () => {
  const line = fc.string({ unit: fc.constantFrom('a', 'ß', '€', '😀', ' '), maxLength: 6 });
  const cut = fc.record({
    program: fc.nat(2),
    size: fc.integer({ min: 1, max: 9 }),
    pause: fc.constantFrom(0, 0, 150),
  });
  fc.assert(
    fc.property(
      fc.array(fc.array(line, { minLength: 1, maxLength: 5 }), { minLength: 3, maxLength: 3 }),
      fc.array(cut),
      (texts, cuts) => {
        const { clock, stdout, multiplexer } = open();
        const programs = texts.map((lines, index) => ({
          port: multiplexer.open(`${index}> `),
          rest: bytes(lines.map((each) => `${each}\n`).join('')),
        }));
        for (const { program, size, pause } of cuts) {
          const chosen = programs[program] as (typeof programs)[number];
          if (chosen.rest.length > 0) chosen.port.stdout(chosen.rest.subarray(0, size));
          chosen.rest = chosen.rest.subarray(size);
          clock.advance(pause);
        }
        for (const { port, rest } of programs) if (rest.length > 0) port.stdout(rest);
        // A line shown in pieces was interrupted by another program, or continues behind itself.
        for (const [index, lines] of texts.entries()) {
          const own = stdout.text
            .split('\n')
            .filter((shown) => shown.startsWith(`${index}> `))
            .map((shown) => shown.slice(3));
          expect(own.join('')).toBe(lines.join(''));
        }
        expect(stdout.text).toMatch(/^(?:[012]> [^\n>]*\n)*$/);
      },
    ),
  );
});

/** Attributes by the parameters that set them; other parameters clear all. */
const attributes: Readonly<Record<string, readonly [string, string]>> = {
  '1': ['bold', 'on'],
  '2': ['faint', 'on'],
  '4': ['underlined', 'on'],
  '31': ['colour', 'red'],
  '94': ['colour', 'blue'],
  '38;5;208': ['colour', 'orange'],
  '41': ['ground', 'red'],
  '48;2;1;2;3': ['ground', 'dark'],
};

/** The characters as a terminal shows them: each with the attributes that are set there. */
function cellsOf(text: string): string[] {
  const set = new Map<string, string>();
  const cells: string[] = [];
  for (const [, parameters, character = ''] of text.matchAll(/\p{Cc}\[([\d;]*)m|([\s\S])/gu)) {
    for (const parameter of parameters?.match(/38;5;208|48;2;1;2;3|\d+|^$/g) ?? []) {
      const attribute = attributes[parameter];
      if (attribute === undefined) set.clear();
      else set.set(...attribute);
    }
    if (parameters === undefined) cells.push([character, ...[...set].flat().sort()].join(' '));
  }
  return cells;
}

test('every character has the colours that the program set for it, and other output has none', () => {
  const painted = fc
    .constantFrom(...Object.keys(attributes), '0', '', '1;31', '0;4')
    .map((parameters) => `\x1b[${parameters}m`);
  const text = (letter: string): fc.Arbitrary<string> =>
    fc
      .array(fc.oneof(painted, fc.constant(letter), fc.constant('\n')), { maxLength: 20 })
      .map((pieces) => pieces.join(''));
  const step = fc.record({
    program: fc.nat(3),
    size: fc.integer({ min: 1, max: 12 }),
    pause: fc.constantFrom(0, 0, 150, 1100),
  });
  fc.assert(
    fc.property(fc.tuple(text('a'), text('b'), text('c')), fc.array(step), (texts, steps) => {
      const { clock, stdout, stderr, multiplexer } = open(true);
      const write = texts.map((_, index) => {
        const port = multiplexer.open(`${index}> `);
        return (chunk: Buffer) => (index === 1 ? port.stderr(chunk) : port.stdout(chunk));
      });
      const rest = texts.map(bytes);
      const next = (program: number, size: number): void => {
        write[program]?.(rest[program]?.subarray(0, size) as Buffer);
        rest[program] = rest[program]?.subarray(size) as Buffer;
      };
      for (const { program, size, pause } of steps) {
        if (program === texts.length) multiplexer.messages.write('[own] x\n');
        else next(program, size);
        clock.advance(pause);
      }
      for (const program of texts.keys()) next(program, Number.POSITIVE_INFINITY);
      void multiplexer.close();
      const cells = cellsOf(stdout.text + stderr.text);
      for (const [index, letter] of ['a', 'b', 'c'].entries()) {
        const isOwn = (cell: string): boolean => cell.startsWith(letter);
        expect(cells.filter(isOwn)).toEqual(cellsOf(texts[index] ?? '').filter(isOwn));
      }
      expect(cells.filter((cell) => !/^[abc]/.test(cell) && cell.length > 1)).toEqual([]);
    }),
  );
});
