/** Merges the output of several programs into one terminal: whole lines, each behind the name of its program. */

import type { Output } from '../process/launch/output.ts';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import { withDeadline } from '../shared/deadline.ts';
import { createDeferred, type Deferred } from '../shared/deferred.ts';
import { flushed } from '../shared/flush-stream.ts';
import { incompleteSequence, paintAfter, reset } from './paint.ts';

/** Destination of the merged output: process.stdout or process.stderr. */
export interface Sink {
  readonly isTTY?: boolean;
  readonly columns?: number;
  /** Returns false if no more should be written before `drain`. Calls `done` when the bytes have left the process. */
  write(bytes: Uint8Array, done?: () => void): boolean;
  on(event: 'drain' | 'error' | 'close', listener: () => void): unknown;
}

export interface MultiplexerOptions {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Both lead to the same terminal, pipe or file: a line begun on one is in the way of the other. */
  readonly isOnePlace: boolean;
  readonly clock: Clock;
}

/** The output of one program. */
export interface OutputChannel extends Required<Output> {
  /** Replaces the prefix of the lines to come. */
  label(prefix: string): void;
}

export interface Multiplexer {
  /** @param prefix stands before each line of this program */
  open(prefix: string): OutputChannel;
  /** For devwatch's own lines, on stderr. They never continue a line of a program. */
  readonly messages: {
    readonly isTTY: boolean;
    readonly columns: number | undefined;
    write(text: string): void;
    on(): void;
  };
  /** Writes the lines that have begun, and waits up to a second until all is written. */
  close(): Promise<void>;
}

/** An incomplete line is shown after this time: it may be a prompt, dots or a progress bar. */
const partialLineMs = 100;
/** The same if that interrupts another program's line: two progress bars would interrupt each other all the time. */
const contestedLineMs = 1000;
/** An incomplete line that is longer than this is shown at once. */
const maxPendingBytes = 64 * 1024;
const closeTimeoutMs = 1000;
const newline = 10;
const carriageReturn = 13;
const escapeByte = 27;

export function createMultiplexer({ stdout, stderr, isOnePlace, clock }: MultiplexerOptions): Multiplexer {
  const out = new Screen(stdout);
  const err = isOnePlace ? out : new Screen(stderr);
  const own = new Source(err, '', clock);
  const sources = [own];
  return {
    open(prefix) {
      const both = { stdout: new Source(out, prefix, clock), stderr: new Source(err, prefix, clock) };
      sources.push(both.stdout, both.stderr);
      return {
        stdout: (chunk) => both.stdout.write(chunk),
        stderr: (chunk) => both.stderr.write(chunk),
        ended: (name) => both[name].end(),
        label(text) {
          for (const source of Object.values(both)) source.prefix = Buffer.from(text);
        },
      };
    },
    messages: {
      isTTY: stderr.isTTY === true,
      get columns() {
        return stderr.columns;
      },
      write(text) {
        // A bell or a notification does not move the cursor.
        if (text.endsWith('\n')) own.write(Buffer.from(text));
        else err.writeRaw(Buffer.from(text));
      },
      on() {},
    },
    async close() {
      for (const source of sources) source.end();
      await withDeadline(clock, closeTimeoutMs, Promise.all([flushed(stdout), flushed(stderr)]));
    },
  };
}

/** A sink that several sources write to, line by line. */
class Screen {
  readonly #sink: Sink;
  /** The source whose line has begun and not ended. */
  #owner: Source | undefined;
  /** The cursor is at the start of that line, after a carriage return: what follows overwrites the prefix. */
  #isReturned = false;
  /** The owner has set colours, which would apply to other programs' output as well. */
  #isPainted = false;
  #isBroken = false;
  #draining: Deferred<void> | undefined;

  constructor(sink: Sink) {
    this.#sink = sink;
    sink.on('drain', () => this.#release());
    // The reader of the output may go away (`devwatch | head`); the programs keep running.
    sink.on('error', () => this.#break());
    sink.on('close', () => this.#break());
  }

  /** Resolves when the sink takes more; undefined if it does now. */
  get drained(): Promise<void> | undefined {
    return this.#draining?.promise;
  }

  /** Writes pieces of lines of one source. The last one may have no end. */
  write(source: Source, pieces: readonly Piece[]): void {
    const parts: Buffer[] = [];
    for (const { text, end } of pieces) {
      if (this.isTakenFrom(source)) parts.push(...this.#lineEnd(Buffer.of(newline)));
      const isOverwriting = this.#isReturned && (text.length > 0 || end[0] !== newline);
      const hasPrefix = this.#owner !== source || isOverwriting;
      if (hasPrefix) parts.push(source.prefix);
      if (text.length > 0) {
        if (hasPrefix) parts.push(Buffer.from(source.paint));
        if (text.includes(escapeByte)) source.paint = paintAfter(source.paint, text.toString('latin1'));
        this.#isPainted = source.paint !== '';
        parts.push(text);
      }
      if (end.length > 0) parts.push(...this.#lineEnd(end));
      this.#owner = end.at(-1) === newline ? undefined : source;
      this.#isReturned = end.at(-1) === carriageReturn;
    }
    this.writeRaw(Buffer.concat(parts));
  }

  writeRaw(bytes: Uint8Array): void {
    if (!this.#isBroken && !this.#sink.write(bytes)) this.#draining ??= createDeferred();
  }

  /** Ends the line that this source has begun, if there is one. */
  endLine(source: Source): void {
    if (this.#owner !== source) return;
    this.#owner = undefined;
    this.writeRaw(Buffer.concat(this.#lineEnd(Buffer.of(newline))));
  }

  /** Another source has begun a line. */
  isTakenFrom(source: Source): boolean {
    return this.#owner !== undefined && this.#owner !== source;
  }

  #lineEnd(bytes: Buffer): readonly Buffer[] {
    const wasPainted = this.#isPainted;
    this.#isPainted = false;
    return wasPainted ? [Buffer.from(reset), bytes] : [bytes];
  }

  #release(): void {
    this.#draining?.resolve();
    this.#draining = undefined;
  }

  #break(): void {
    this.#isBroken = true;
    this.#release();
  }
}

/** A stream of a program: buffers an incomplete line for a moment. */
class Source {
  prefix: Buffer;
  /** The sequences that set the colours again with which its last line ended. */
  paint = '';
  readonly #screen: Screen;
  readonly #clock: Clock;
  #pending: Buffer = Buffer.alloc(0);
  /** Runs from the first pending byte, so that output that comes little by little is also shown little by little. */
  #timer: CancelTimer | undefined;

  constructor(screen: Screen, prefix: string, clock: Clock) {
    this.#screen = screen;
    this.prefix = Buffer.from(prefix);
    this.#clock = clock;
  }

  write(chunk: Buffer): Promise<void> | undefined {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const whole = this.#pending.lastIndexOf(newline) + 1;
    if (whole > 0) this.#show(whole);
    if (this.#pending.length > maxPendingBytes) this.#showPending();
    else if (this.#pending.length > 0) this.#timer ??= this.#clock.after(partialLineMs, () => this.#showWhenFree());
    return this.#screen.drained;
  }

  /** Ends the run's last line; the next run starts without its colours. */
  end(): void {
    this.#show(this.#pending.length);
    this.#screen.endLine(this);
    this.paint = '';
  }

  #showWhenFree(): void {
    if (!this.#screen.isTakenFrom(this)) this.#showPending();
    else this.#timer = this.#clock.after(contestedLineMs - partialLineMs, () => this.#showPending());
  }

  #showPending(): void {
    this.#show(this.#pending.length - incompletePart(this.#pending));
  }

  #show(length: number): void {
    this.#timer?.();
    this.#timer = undefined;
    const bytes = this.#pending.subarray(0, length);
    this.#pending = this.#pending.subarray(length);
    if (length > 0) this.#screen.write(this, piecesOf(withoutClearing(bytes)));
  }
}

/** Returns how many bytes at the end may be the beginning of a character or sequence that cannot be shown in parts. */
const incompletePart = (bytes: Buffer): number =>
  incompleteCharacter(bytes) || incompleteSequence(bytes.subarray(-80).toString('latin1'));

/** Returns how many bytes at the end are the beginning of a UTF-8 character. */
function incompleteCharacter(bytes: Buffer): number {
  for (let length = 1; length <= Math.min(3, bytes.length); length += 1) {
    const byte = bytes.at(-length) ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return length < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? length : 0;
  }
  return 0;
}

/** Sequences that clear the screen, its history or both (`tsc -w` writes them even to a pipe), or go to the top. */
const clearing = new RegExp(`${String.fromCharCode(escapeByte)}(?:c|\\[[0-3]?J|\\[(?:1;1)?H)`, 'g');

/** Clearing the screen would erase other programs' output. */
function withoutClearing(bytes: Buffer): Buffer {
  return bytes.includes(escapeByte) ? Buffer.from(bytes.toString('latin1').replaceAll(clearing, ''), 'latin1') : bytes;
}

/** Part of a line, and the newline or the carriage returns that end it. */
interface Piece {
  readonly text: Buffer;
  readonly end: Buffer;
}

/** Splits after each newline, and after each carriage return, where a line is overwritten from its start. */
function piecesOf(bytes: Buffer): Piece[] {
  const pieces = bytes.toString('latin1').matchAll(/([^\r\n]*)(\r*\n|\r+)|[^\r\n]+$/g);
  return Array.from(pieces, ([piece, text = piece, end = '']) => ({
    text: Buffer.from(text, 'latin1'),
    end: Buffer.from(end, 'latin1'),
  }));
}
