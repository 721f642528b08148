/** Output that waits for the disk: in whole lines, with what stands before each, and with a count of what was lost. Pure. */

import { printable } from '../shared/printable.ts';
import { type Mark, type StreamName, tagOf } from './log-lines.ts';

/** Bytes that wait for the disk at most, if they are stored as they are. */
export const maxQueueBytes: number = 1024 * 1024;
/** The same with what stands before each line: a chunk of 64 kB, read from a pipe, may consist of line feeds alone. */
const maxTaggedBytes = 5 * maxQueueBytes;
const newline = 10;

/** The beginning of each line of a log: nothing, its time, or its time and its stream (see log-lines.ts). */
export type LineStart = 'none' | 'time' | 'tag';

/** The end of a log: whether its last line has no line feed, and the streams of which the last line goes on. */
export interface LogEnd {
  readonly isMidLine: boolean;
  readonly begun: readonly StreamName[];
}

const streams = ['stdout', 'stderr'] as const;

export class LogQueue {
  readonly #lineStart: LineStart;
  readonly #maxBytes: number;
  /** Output that is being written. */
  #flight: Buffer = Buffer.alloc(0);
  /** Output that waits: the first `#used` bytes. */
  #pending: Buffer = Buffer.alloc(0);
  #used = 0;
  /** Whether the output that waits ends in the middle of a line. */
  #isMidLine = false;
  /** Beginnings of lines, of both streams, if each line has a tag. */
  readonly #held: Record<StreamName, Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  /** The streams of which the last line in the log goes on. */
  readonly #begun = new Set<StreamName>();
  #isPartialReleased = false;
  #lostBytes = 0;
  #lossReason = '';

  constructor(lineStart: LineStart) {
    this.#lineStart = lineStart;
    this.#maxBytes = lineStart === 'none' ? maxQueueBytes : maxTaggedBytes;
  }

  /** Bytes that are being written or wait. */
  get bytes(): number {
    return this.#flight.length + this.#used + this.#held.stdout.length + this.#held.stderr.length;
  }

  get isHalfFull(): boolean {
    return this.bytes > this.#maxBytes / 2;
  }

  /** Bytes that are not in the log, including those that were lost and that it does not mention yet. */
  get unwrittenBytes(): number {
    return this.bytes + this.#lostBytes;
  }

  /** Adds the lines that fit; returns the number of bytes that are lost, for the reason that the log mentions. */
  add(chunk: Buffer, lossReason: string, stream: StreamName = 'stdout'): number {
    let added = 0;
    // Once it was full, the queue has to empty halfway first, or the log would consist of gaps.
    if (this.#lostBytes === 0 || !this.isHalfFull) {
      if (this.#lostBytes > 0) this.#noteLoss();
      added = this.#addLines(chunk, stream);
    }
    const lost = chunk.length - added;
    if (lost > 0 && this.#lostBytes === 0) this.#lossReason = lossReason;
    this.#lostBytes += lost;
    return lost;
  }

  /** Ends the lines that an earlier process has begun: the one at the end of the file, and those of these streams. */
  continueLog({ isMidLine, begun }: LogEnd): void {
    if (isMidLine) this.#append(Buffer.of(newline));
    if (this.#lineStart !== 'tag') return;
    for (const stream of begun) this.#begun.add(stream);
    this.#endBegun();
  }

  /** Replaces the reason of the current loss, once it is known better. */
  explainLoss(reason: string): void {
    if (this.#lostBytes > 0) this.#lossReason = reason;
  }

  /** Returns the lines to be written next; half a line only if it is long or released, because lines are kept in one file. */
  next(): Buffer {
    if (this.#flight.length > 0) return this.#flight;
    if (this.#lostBytes > 0) this.#noteLoss();
    if (this.#isPartialReleased || this.isHalfFull) this.#releaseHeld();
    const waiting = this.#pending.subarray(0, this.#used);
    const end = this.#isPartialReleased || this.isHalfFull ? this.#used : waiting.lastIndexOf(newline) + 1;
    this.#isPartialReleased = false;
    if (end > 0) {
      this.#flight = waiting.subarray(0, end);
      this.#pending = Buffer.from(waiting.subarray(end));
      this.#used = this.#pending.length;
    }
    return this.#flight;
  }

  /** Lets the next output end with the beginning of a line. */
  releasePartial(): void {
    this.#isPartialReleased = true;
  }

  /** Ends the lines that have begun: nothing is added any more. */
  end(): void {
    if (this.#lineStart === 'tag') this.#endBegun();
    else this.releasePartial();
  }

  /** Removes bytes that were written from what `next` returns. */
  written(bytes: number): void {
    this.#flight = this.#flight.subarray(bytes);
  }

  /** Returns how many bytes of the chunk fit. */
  #addLines(chunk: Buffer, stream: StreamName): number {
    const start = this.#lineStartNow(stream, 'F');
    let from = 0;
    while (from < chunk.length) {
      const end = chunk.indexOf(newline, from) + 1 || chunk.length;
      const isHeld = this.#lineStart === 'tag' && chunk[end - 1] !== newline;
      const hasStart = !isHeld && (this.#lineStart === 'tag' || !this.#isMidLine);
      if (this.bytes + (hasStart ? start.length : 0) + end - from > this.#maxBytes) break;
      if (isHeld) this.#held[stream] = Buffer.concat([this.#held[stream], chunk.subarray(from, end)]);
      else {
        if (hasStart) this.#append(start);
        if (this.#lineStart === 'tag') this.#append(this.#takeHeld(stream));
        this.#append(chunk, from, end);
      }
      from = end;
    }
    return from;
  }

  /** Adds a line that stands where the lost bytes would. */
  #noteLoss(): void {
    if (this.#lineStart === 'tag') this.#endBegun();
    else if (this.#isMidLine) this.#append(Buffer.of(newline));
    const bytes = this.#lostBytes === 1 ? '1 byte was' : `${this.#lostBytes} bytes were`;
    const notice = `[devwatch] ${bytes} lost: ${printable(this.#lossReason)}\n`;
    this.#appendLine([this.#lineStartNow('stderr', 'F'), Buffer.from(notice)]);
    this.#lostBytes = 0;
  }

  #lineStartNow(stream: StreamName, mark: Mark): Buffer {
    if (this.#lineStart === 'none') return Buffer.alloc(0);
    return Buffer.from(this.#lineStart === 'tag' ? tagOf(stream, mark) : `${new Date().toISOString()} `);
  }

  /** Adds the beginnings of lines that are held: the lines go on. */
  #releaseHeld(): void {
    for (const stream of streams) {
      if (this.#held[stream].length === 0) continue;
      this.#appendLine([this.#lineStartNow(stream, 'P'), this.#takeHeld(stream), Buffer.of(newline)]);
      this.#begun.add(stream);
    }
  }

  /** Ends all lines that have begun. */
  #endBegun(): void {
    for (const stream of streams) {
      if (this.#held[stream].length === 0 && !this.#begun.has(stream)) continue;
      this.#appendLine([this.#lineStartNow(stream, 'F'), this.#takeHeld(stream), Buffer.of(newline)]);
    }
  }

  #takeHeld(stream: StreamName): Buffer {
    const held = this.#held[stream];
    if (held.length > 0) this.#held[stream] = Buffer.alloc(0);
    this.#begun.delete(stream);
    return held;
  }

  #appendLine(parts: readonly Buffer[]): void {
    for (const part of parts) this.#append(part);
  }

  #append(bytes: Buffer, from = 0, to: number = bytes.length): void {
    const length = this.#used + to - from;
    if (length > this.#pending.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, Math.min(this.#maxBytes, 2 * this.#pending.length)));
      this.#pending.copy(larger, 0, 0, this.#used);
      this.#pending = larger;
    }
    bytes.copy(this.#pending, this.#used, from, to);
    this.#used = length;
    if (to > from) this.#isMidLine = bytes[to - 1] !== newline;
  }
}
