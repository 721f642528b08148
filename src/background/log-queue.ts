/** Output that waits for the disk: in whole lines, with timestamps, and with a count of what was lost. Pure. */

/** Bytes that wait for the disk at most. */
export const maxQueueBytes: number = 1024 * 1024;
const newline = 10;

export class LogQueue {
  readonly #timestamps: boolean;
  /** Output that is being written. */
  #flight: Buffer = Buffer.alloc(0);
  /** Output that waits: the first `#used` bytes. */
  #pending: Buffer = Buffer.alloc(0);
  #used = 0;
  /** Whether the output that waits ends in the middle of a line. */
  #isMidLine = false;
  #isPartialReleased = false;
  #lostBytes = 0;
  #lossReason = '';

  constructor(timestamps: boolean) {
    this.#timestamps = timestamps;
  }

  /** Bytes that are being written or wait. */
  get bytes(): number {
    return this.#flight.length + this.#used;
  }

  get isHalfFull(): boolean {
    return this.bytes > maxQueueBytes / 2;
  }

  /** Bytes that are not in the log, including those that were lost and that it does not mention yet. */
  get unwrittenBytes(): number {
    return this.bytes + this.#lostBytes;
  }

  /** Adds the lines that fit; returns the number of bytes that are lost, for the reason that the log mentions. */
  add(chunk: Buffer, lossReason: string): number {
    let added = 0;
    // Once it was full, the queue has to empty halfway first, or the log would consist of gaps.
    if (this.#lostBytes === 0 || !this.isHalfFull) {
      if (this.#lostBytes > 0) this.#noteLoss();
      added = this.#addLines(chunk);
    }
    const lost = chunk.length - added;
    if (lost > 0 && this.#lostBytes === 0) this.#lossReason = lossReason;
    this.#lostBytes += lost;
    return lost;
  }

  /** Adds a line feed, which the last line of the file lacks. */
  endLine(): void {
    this.#append(Buffer.of(newline));
  }

  /** Replaces the reason of the current loss, once it is known better. */
  explainLoss(reason: string): void {
    if (this.#lostBytes > 0) this.#lossReason = reason;
  }

  /** Returns the lines to be written next; half a line only if it is long or released, because lines are kept in one file. */
  next(): Buffer {
    if (this.#flight.length > 0) return this.#flight;
    if (this.#lostBytes > 0) this.#noteLoss();
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

  /** Removes bytes that were written from what `next` returns. */
  written(bytes: number): void {
    this.#flight = this.#flight.subarray(bytes);
  }

  /** Returns how many bytes of the chunk fit. */
  #addLines(chunk: Buffer): number {
    const time = this.#timestamp();
    let from = 0;
    while (from < chunk.length) {
      const end = chunk.indexOf(newline, from) + 1 || chunk.length;
      const prefixLength = this.#isMidLine ? 0 : time.length;
      if (this.bytes + prefixLength + end - from > maxQueueBytes) break;
      if (prefixLength > 0) this.#append(time);
      this.#append(chunk.subarray(from, end));
      from = end;
    }
    return from;
  }

  /** Adds a line that stands where the lost bytes would. */
  #noteLoss(): void {
    if (this.#isMidLine) this.endLine();
    const bytes = this.#lostBytes === 1 ? '1 byte was' : `${this.#lostBytes} bytes were`;
    this.#append(this.#timestamp());
    this.#append(Buffer.from(`[devwatch] ${bytes} lost: ${this.#lossReason}\n`));
    this.#lostBytes = 0;
  }

  #timestamp(): Buffer {
    return Buffer.from(this.#timestamps ? `${new Date().toISOString()} ` : '');
  }

  #append(bytes: Buffer): void {
    const length = this.#used + bytes.length;
    if (length > this.#pending.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, Math.min(maxQueueBytes, 2 * this.#pending.length)));
      this.#pending.copy(larger, 0, 0, this.#used);
      this.#pending = larger;
    }
    this.#pending.set(bytes, this.#used);
    this.#used = length;
    if (bytes.length > 0) this.#isMidLine = bytes.at(-1) !== newline;
  }
}
