/** The output of several programs side by side. */

import { EventEmitter } from 'node:events';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createMultiplexer, type Multiplexer, type Sink } from '../../../src/terminal/multiplexer.ts';
import { createClock, type VirtualClock } from '../../support/clock.ts';

/** Takes what it is given, and more only when it is told to. */
class FakeSink extends EventEmitter implements Sink {
  text = '';
  isFull = false;
  write(bytes: Uint8Array): boolean {
    this.text += Buffer.from(bytes).toString();
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

test('each line stands behind the name of its program, each stream goes its own way', () => {
  const { stdout, stderr, multiplexer } = open();
  const [web, api] = [multiplexer.open('web | '), multiplexer.open('api | ')];
  web.stdout(bytes('one\ntwo\n'));
  api.stdout(bytes('three\n'));
  api.stderr(bytes('oh\n'));
  expect(stdout.text).toBe('web | one\nweb | two\napi | three\n');
  expect(stderr.text).toBe('api | oh\n');
});

test('another name stands before the lines that begin with it', () => {
  const { stdout, multiplexer } = open();
  const web = multiplexer.open('web | ');
  web.stdout(bytes('one\n'));
  web.label('');
  web.stdout(bytes('two\n'));
  expect(stdout.text).toBe('web | one\ntwo\n');
});

test('the beginning of a line waits for its end, for a moment', () => {
  const { clock, stdout, multiplexer } = open();
  const web = multiplexer.open('web | ');
  web.stdout(bytes('name'));
  clock.advance(99);
  expect(stdout.text).toBe('');
  clock.advance(1);
  expect(stdout.text).toBe('web | name');
  web.stdout(bytes('? yes\n'));
  web.stdout(bytes('done\n'));
  expect(stdout.text).toBe('web | name? yes\nweb | done\n');
});

test('a line that goes on little by little is shown so', () => {
  const { clock, stdout, multiplexer } = open();
  const web = multiplexer.open('web | ');
  for (let dot = 0; dot < 5; dot += 1) {
    web.stdout(bytes('.'));
    clock.advance(40);
  }
  expect(stdout.text).toBe('web | ...');
  web.stdout(bytes(' done\n'));
  expect(stdout.text).toBe('web | ..... done\n');
  expect(clock.pending).toBe(0);
});

test('those that print little by little at the same time take turns', () => {
  const { clock, stdout, multiplexer } = open();
  const [web, api] = [multiplexer.open('web | '), multiplexer.open('api | ')];
  web.stdout(bytes('.'));
  for (let tick = 0; tick < 15; tick += 1) {
    clock.advance(100);
    web.stdout(bytes('.'));
    api.stdout(bytes('+'));
  }
  expect(stdout.text).toMatch(/^web \| \.+\napi \| \++$/);
});

test('a bar of progress leaves the name where it is', () => {
  const { clock, stdout, multiplexer } = open();
  const [web, api] = [multiplexer.open('web | '), multiplexer.open('api | ')];
  web.stdout(bytes('\r1 %\r2 %\r'));
  clock.advance(100);
  expect(stdout.text).toBe('web | \rweb | 1 %\rweb | 2 %\r');
  web.stdout(bytes('3 %'));
  clock.advance(100);
  api.stdout(bytes('a\r\nb\n'));
  web.stdout(bytes('\r100 %\r\r'));
  clock.advance(100);
  web.stdout(bytes('\n'));
  expect(stdout.text).toBe('web | \rweb | 1 %\rweb | 2 %\rweb | 3 %\napi | a\r\napi | b\nweb | \rweb | 100 %\r\r\n');
});

test('no program clears what others have printed, colours are left as they are', () => {
  const { clock, stdout, multiplexer } = open();
  const web = multiplexer.open('web | ');
  web.stdout(bytes('\x1bc\x1b[2J\x1b[3J\x1b[H\x1b[32mgood\x1b[39m ß\n'));
  web.stdout(bytes('\x1bc'));
  clock.advance(100);
  expect(stdout.text).toBe('web | \x1b[32mgood\x1b[39m ß\n');
});

test('colours end with the line of the program that has set them, and go on with its next one', () => {
  const { clock, stdout, multiplexer } = open(true);
  const [web, api] = [multiplexer.open('web | '), multiplexer.open('api | ')];
  web.stdout(bytes('\x1b[41malarm\n'));
  api.stdout(bytes('calm\n'));
  multiplexer.messages.write('[devwatch] calm\n');
  web.stdout(bytes('\n\x1b[1mmore\r\n'));
  web.stdout(bytes('still'));
  clock.advance(100);
  api.stdout(bytes('calm\n'));
  web.stdout(bytes('\x1b[0m over\nplain\n'));
  expect(stdout.text.split('\n')).toEqual([
    'web | \x1b[41malarm\x1b[0m',
    'api | calm',
    '[devwatch] calm',
    'web | ',
    'web | \x1b[41m\x1b[1mmore\x1b[0m\r',
    'web | \x1b[41;1mstill\x1b[0m',
    'api | calm',
    'web | \x1b[41;1m\x1b[0m over',
    'web | plain',
    '',
  ]);
});

test('a bar of progress keeps its colours, and leaves the name its own', () => {
  const { clock, stdout, multiplexer } = open();
  const web = multiplexer.open('web | ');
  web.stdout(bytes('\x1b[32m1 %\r2 %\r'));
  clock.advance(100);
  web.stdout(bytes('\n'));
  expect(stdout.text).toBe('web | \x1b[32m1 %\x1b[0m\rweb | \x1b[32m2 %\x1b[0m\r\n');
});

test('the next run begins without the colours of the one before', () => {
  const { stdout, multiplexer } = open();
  const web = multiplexer.open('web | ');
  web.stdout(bytes('\x1b[31mhalf'));
  web.ended('stdout');
  web.stdout(bytes('next\n'));
  expect(stdout.text).toBe('web | \x1b[31mhalf\x1b[0m\nweb | next\n');
});

test('a line that is shown before its end is not gone on with by another program', () => {
  const { clock, stdout, multiplexer } = open();
  const [web, api] = [multiplexer.open('web | '), multiplexer.open('api | ')];
  web.stdout(bytes('..'));
  clock.advance(100);
  api.stdout(bytes('hello\n'));
  web.stdout(bytes('.\n'));
  expect(stdout.text).toBe('web | ..\napi | hello\nweb | .\n');
});

test('on one terminal stdout, stderr and devwatch’s own lines keep out of each other’s lines', () => {
  const { clock, stdout, stderr, multiplexer } = open(true);
  const web = multiplexer.open('web | ');
  web.stdout(bytes('..'));
  clock.advance(100);
  multiplexer.messages.write('[devwatch] hello\n');
  web.stderr(bytes('oh\n'));
  // All goes to one of them, in its order.
  expect(stdout.text + stderr.text).toBe('web | ..\n[devwatch] hello\nweb | oh\n');
});

test('what is no line of devwatch’s begins none', () => {
  const { stderr, multiplexer } = open();
  multiplexer.messages.write('\u0007');
  multiplexer.open('web | ').stderr(bytes('a\n'));
  expect(stderr.text).toBe('\u0007web | a\n');
});

test('a run that ends in the middle of a line ends that line', () => {
  const { clock, stdout, multiplexer } = open();
  const web = multiplexer.open('web | ');
  web.stdout(bytes('half'));
  web.ended('stdout');
  web.stdout(bytes('half'));
  clock.advance(100);
  web.ended('stdout');
  web.stdout(bytes('next\n'));
  expect(stdout.text).toBe('web | half\nweb | half\nweb | next\n');
  expect(clock.pending).toBe(0);
});

test('a line without end is shown in pieces, and kept in none', () => {
  const { stdout, multiplexer } = open();
  const web = multiplexer.open('web | ');
  for (let index = 0; index < 100; index += 1) web.stdout(Buffer.alloc(10_000, 'x'));
  expect(stdout.text.length).toBeGreaterThan(900_000);
  expect(stdout.text.startsWith('web | xxx')).toBe(true);
  expect(stdout.text).not.toContain('\n');
});

test('whoever does not read holds up those who print, until it does', async () => {
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

test.each(['error', 'close'])('when who read it has gone (%s), nobody waits for them', async (event) => {
  const { stdout, multiplexer } = open();
  const web = multiplexer.open('web | ');
  stdout.isFull = true;
  const waiting = web.stdout(bytes('a\n'));
  stdout.emit(event);
  await waiting;
  expect(web.stdout(bytes('b\n'))).toBeUndefined();
  expect(stdout.text).toBe('web | a\n');
});

test('at the end what has begun is written, and waited for, but not for ever', async () => {
  const { clock, stdout, multiplexer } = open();
  multiplexer.open('web | ').stdout(bytes('half'));
  stdout.isFull = true;
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

test('the output of every program comes out whole, in its order, whatever the pieces in which it came', () => {
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
        // Where a line was shown in pieces, another program's came between, or it went on behind itself.
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

/** What is set by each parameter: the attribute, and its value; none resets. */
const attributes: Readonly<Record<string, readonly [string, string?]>> = {
  '1': ['bold', 'on'],
  '2': ['faint', 'on'],
  '4': ['underlined', 'on'],
  '24': ['underlined'],
  '31': ['colour', 'red'],
  '94': ['colour', 'blue'],
  '38;5;208': ['colour', 'orange'],
  '39': ['colour'],
  '41': ['ground', 'red'],
  '48;2;1;2;3': ['ground', 'dark'],
  '49': ['ground'],
};

/** The characters as a terminal shows them: each with what is set where it stands. */
function cellsOf(text: string): string[] {
  const set = new Map<string, string>();
  const cells: string[] = [];
  for (const [, parameters, character = ''] of text.matchAll(/\p{Cc}\[([\d;]*)m|([\s\S])/gu)) {
    for (const parameter of parameters?.match(/38;5;208|48;2;1;2;3|\d+|^$/g) ?? []) {
      const [name, value] = attributes[parameter] ?? [];
      if (value !== undefined) set.set(String(name), value);
      else if (name !== undefined) set.delete(name);
      else if (parameter === '22') for (const weight of ['bold', 'faint']) set.delete(weight);
      else set.clear();
    }
    if (parameters === undefined) cells.push([character, ...[...set].flat().sort()].join(' '));
  }
  return cells;
}

test('every character has the colours that it would have alone, and nothing else has any', () => {
  const painted = fc
    .constantFrom(...Object.keys(attributes), '22', '0', '', '1;31', '0;4')
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
