/** The output of several programs on one terminal: whole lines, each behind the name of its program. */

import type { CancelTimer, Clock } from '../shared/clock.ts';
import { incompleteSequence, type Paint, paintAfter, reset, setting, unpainted } from './paint.ts';

/** Where all of it goes: process.stdout, process.stderr. */
export interface Sink {
  readonly isTTY?: boolean;
  /** False when no more should come before `drain`. */
  write(bytes: Uint8Array): boolean;
  on(event: 'drain' | 'error' | 'close', listener: () => void): unknown;
}

export interface MultiplexerOptions {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Both lead to one place, such as a terminal: a line that has begun is in the way of both. */
  readonly isOnePlace: boolean;
  readonly clock: Clock;
}

/** Where one program's output goes. What a call returns settles when more is welcome. */
export interface OutputChannel {
  stdout(chunk: Buffer): Promise<void> | undefined;
  stderr(chunk: Buffer): Promise<void> | undefined;
  /** Nothing more comes of this run's stream: a line that it has begun is over. */
  ended(name: 'stdout' | 'stderr'): void;
  /** What stands before each of its lines from now on. */
  label(prefix: string): void;
}

export interface Multiplexer {
  /** @param prefix stands before each line of this program */
  open(prefix: string): OutputChannel;
  /** For devwatch's own lines, on stderr: they begin where no other line goes on. */
  readonly messages: { readonly isTTY: boolean; write(text: string): void; on(): void };
  /** Writes what has begun, and waits until all is written, for at most a second. */
  close(): Promise<void>;
}

/** The beginning of a line is shown when its end has not come for so long, in ms: a prompt, or dots or a bar of progress. */
const partialDelay = 100;
/** The same where that breaks off a line of another program: two bars of progress would do so to each other all the time. */
const contestedDelay = 1000;
/** A line is shown in pieces of this size, in bytes. */
const longestPiece = 64 * 1024;
const closeDeadline = 1000;
const newline = 10;
const carriageReturn = 13;
const escapeByte = 27;

export function createMultiplexer({ stdout, stderr, isOnePlace, clock }: MultiplexerOptions): Multiplexer {
  const out = createScreen(stdout);
  const err = isOnePlace ? out : createScreen(stderr);
  const sources: Source[] = [];
  const open = (screen: Screen, prefix: string): Source => {
    const source = createSource(screen, Buffer.from(prefix), clock);
    sources.push(source);
    return source;
  };
  const own = open(err, '');
  return {
    open(prefix) {
      const both = { stdout: open(out, prefix), stderr: open(err, prefix) };
      return {
        stdout: (chunk) => both.stdout.write(chunk),
        stderr: (chunk) => both.stderr.write(chunk),
        ended: (name) => both[name].end(),
        label(text) {
          for (const source of Object.values(both)) source.label(Buffer.from(text));
        },
      };
    },
    messages: {
      isTTY: stderr.isTTY === true,
      write(text) {
        // What is no line (a bell, a notification) moves nothing on the screen.
        if (text.endsWith('\n')) own.write(Buffer.from(text));
        else err.writeRaw(Buffer.from(text));
      },
      on() {},
    },
    async close() {
      for (const source of sources) source.end();
      let cancel: CancelTimer = () => {};
      const late = new Promise<void>((resolve) => {
        cancel = clock.after(closeDeadline, resolve);
      });
      await Promise.race([late, Promise.all([out.idle(), err.idle()])]);
      cancel();
    },
  };
}

/** Whoever prints, as a screen sees it. */
interface Owner {
  /** Stands before each of its lines. */
  prefix: Buffer;
  /** The colours that it has set, and has not reset. */
  paint: Paint;
}

interface Screen {
  /** Writes pieces of lines of one source: no piece goes on after a newline or a carriage return of its own. */
  write(owner: Owner, lines: readonly Buffer[]): void;
  writeRaw(bytes: Buffer): void;
  /** Ends the line if this source has begun it. */
  endLine(owner: Owner): void;
  /** Another source's line has begun. */
  isTakenFrom(owner: Owner): boolean;
  /** Settles when it takes more; undefined when it does now. */
  idle(): Promise<void> | undefined;
}

function createScreen(sink: Sink): Screen {
  /** Whose line has begun and not ended. */
  let owner: Owner | undefined;
  /** It goes on from its beginning (a bar of progress): over the name, if that is not written anew. */
  let isReturned = false;
  /** Colours are set: whatever is not the owner's would have them, too. */
  let isPainted = false;
  let isBroken = false;
  let draining: Promise<void> | undefined;
  let drained = (): void => {};
  const release = (): void => {
    draining = undefined;
    drained();
  };
  const breakDown = (): void => {
    isBroken = true;
    release();
  };
  sink.on('drain', release);
  // Whoever read it has gone (`devwatch | head`): the programs go on all the same.
  sink.on('error', breakDown);
  sink.on('close', breakDown);

  function writeRaw(bytes: Uint8Array): void {
    if (isBroken || sink.write(bytes) || draining !== undefined) return;
    draining = new Promise((resolve) => {
      drained = resolve;
    });
  }

  /** The end of a line or of a piece of one, and the colours with it. */
  function ending(bytes: Buffer): readonly Buffer[] {
    const wasPainted = isPainted;
    isPainted = false;
    return wasPainted ? [Buffer.from(reset), bytes] : [bytes];
  }

  return {
    writeRaw,
    write(source, lines) {
      const parts: Buffer[] = [];
      for (const line of lines) {
        const length = lengthWithoutEnd(line);
        if (owner !== source && owner !== undefined) parts.push(...ending(Buffer.of(newline)));
        if (owner !== source || (isReturned && line[0] !== newline)) {
          parts.push(source.prefix);
          if (length > 0) parts.push(Buffer.from(setting(source.paint)));
        }
        parts.push(line.subarray(0, length));
        if (length > 0) {
          if (line.includes(escapeByte)) source.paint = paintAfter(source.paint, line.toString('latin1'));
          isPainted = source.paint.size > 0;
        }
        if (length < line.length) parts.push(...ending(line.subarray(length)));
        owner = line.at(-1) === newline ? undefined : source;
        isReturned = line.at(-1) === carriageReturn;
      }
      writeRaw(Buffer.concat(parts));
    },
    endLine(source) {
      if (owner !== source) return;
      owner = undefined;
      writeRaw(Buffer.concat(ending(Buffer.of(newline))));
    },
    isTakenFrom: (source) => owner !== undefined && owner !== source,
    idle: () => draining,
  };
}

interface Source {
  write(chunk: Buffer): Promise<void> | undefined;
  end(): void;
  label(prefix: Buffer): void;
}

function createSource(screen: Screen, prefix: Buffer, clock: Clock): Source {
  const self: Owner = { prefix, paint: unpainted };
  let begun: Buffer = Buffer.alloc(0);
  /** Runs from the first byte that waits: what comes little by little is shown so, too. */
  let timer: CancelTimer | undefined;
  const cancel = (): void => {
    timer?.();
    timer = undefined;
  };
  const show = (length: number): void => {
    if (length > 0) screen.write(self, piecesOf(withoutClearing(begun.subarray(0, length))));
    begun = begun.subarray(length);
  };
  const showBegun = (): void => {
    cancel();
    show(begun.length - incompletePart(begun));
  };
  const showWhenFree = (): void => {
    if (screen.isTakenFrom(self)) timer = clock.after(contestedDelay - partialDelay, showBegun);
    else showBegun();
  };
  return {
    write(chunk) {
      const all = begun.length === 0 ? chunk : Buffer.concat([begun, chunk]);
      const whole = all.lastIndexOf(newline) + 1;
      begun = all.subarray(whole);
      if (whole > 0) {
        cancel();
        screen.write(self, piecesOf(withoutClearing(all.subarray(0, whole))));
      }
      if (begun.length > longestPiece) showBegun();
      else if (begun.length > 0) timer ??= clock.after(partialDelay, showWhenFree);
      return screen.idle();
    },
    end() {
      cancel();
      show(begun.length);
      screen.endLine(self);
      // The next run has set none.
      self.paint = unpainted;
    },
    label(next) {
      self.prefix = next;
    },
  };
}

/** How many bytes of a piece stand before the newline, or the carriage returns, at its end. */
function lengthWithoutEnd(piece: Buffer): number {
  let length = piece.length;
  while (length > 0 && (piece[length - 1] === newline || piece[length - 1] === carriageReturn)) length -= 1;
  return length;
}

/** How many bytes at the end are the beginning of something that cannot be shown in parts. */
const incompletePart = (bytes: Buffer): number =>
  incompleteCharacter(bytes) || incompleteSequence(bytes.subarray(-80).toString('latin1'));

/** How many bytes at the end are the beginning of a character in UTF-8. */
function incompleteCharacter(bytes: Buffer): number {
  for (let length = 1; length <= Math.min(3, bytes.length); length += 1) {
    const byte = bytes.at(-length) ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return length < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? length : 0;
  }
  return 0;
}

/** Clears the screen, its history, or all (as `tsc -w` does, also into a pipe), or goes to the top. */
const clearing = new RegExp(`${String.fromCharCode(escapeByte)}(?:c|\\[[0-3]?J|\\[(?:1;1)?H)`, 'g');

/** What others have printed is not one program's to clear. */
function withoutClearing(bytes: Buffer): Buffer {
  return bytes.includes(escapeByte) ? Buffer.from(bytes.toString('latin1').replaceAll(clearing, ''), 'latin1') : bytes;
}

/** Each with its newline, or with the carriage return after which its line begins anew; the last may have none. */
function piecesOf(bytes: Buffer): Buffer[] {
  let from = 0;
  const pieces = bytes.toString('latin1').match(/[^\r\n]*(?:\r*\n|\r+)|[^\r\n]+$/g) ?? [];
  return pieces.map(({ length }) => {
    from += length;
    return bytes.subarray(from - length, from);
  });
}
