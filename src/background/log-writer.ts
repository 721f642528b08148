/**
 * Log of a background program. The program writes to a pipe that devwatch reads, so that files can be rotated without
 * its help. Applies back-pressure to the program while the disk is slow, and drops output on a dead disk.
 */

import type { CancelTimer, Clock } from '../shared/clock.ts';
import { withDeadline } from '../shared/deadline.ts';
import { createDeferred, type Deferred } from '../shared/deferred.ts';
import type { StreamName } from './log-lines.ts';
import { type LineStart, LogQueue } from './log-queue.ts';
import { describeError, RotatingLogFile, type RotatingLogFileOptions } from './rotating-log-file.ts';

export interface LogOptions extends RotatingLogFileOptions {
  readonly lineStart: LineStart;
  readonly clock: Clock;
  /** Called once per outage, if the log cannot be written. */
  readonly onProblem: (message: string) => void;
}

/** The program waits for room in the queue no longer than this if the disk takes nothing. */
const maxHoldMs = 1000;
/** The beginning of a line waits this long for its end. */
const partialDelayMs = 200;
/** From a failure to the next attempt. */
const retryDelayMs = 1000;
/** An outage is over after this time without a failure. */
const calmMs = 2 * retryDelayMs;
const closeTimeoutMs = 1000;
const tooSlow = 'the disk is too slow';

export class Log {
  readonly #options: LogOptions;
  readonly #queue: LogQueue;
  readonly #file: RotatingLogFile;
  #pumping: Promise<void> | undefined;
  #cancelPartial: CancelTimer | undefined;
  #cancelRetry: CancelTimer | undefined;
  #closing: Promise<void> | undefined;
  /** Why the last attempt to write failed. */
  #failure: string | undefined;
  #failedAt = Number.NEGATIVE_INFINITY;
  /** Settles when the queue has room again. */
  #room: Deferred<void> | undefined;
  #cancelHold: CancelTimer = () => {};
  /** Waiting was of no use, and is of none until the disk takes something. */
  #isDiskHanging = false;

  private constructor(options: LogOptions, file: RotatingLogFile) {
    this.#options = options;
    this.#file = file;
    this.#queue = new LogQueue(options.lineStart);
  }

  /** @throws UsageError as RotatingLogFile does */
  static async open(options: LogOptions): Promise<Log> {
    const file = await RotatingLogFile.open(options);
    const log = new Log(options, file);
    log.#queue.continueLog(await file.end());
    return log;
  }

  /**
   * Queues the bytes; those that do not fit are dropped, and the log mentions it. Never throws. If the queue is half
   * full, returns a promise that resolves when there is room again or waiting is of no use.
   */
  write(chunk: Buffer, stream: StreamName = 'stdout'): Promise<void> | undefined {
    if (this.#closing !== undefined) return undefined;
    const reason = this.#failure ?? tooSlow;
    if (this.#queue.add(chunk, reason, stream) > 0) this.#report(reason);
    this.#start();
    return this.#waitForRoom();
  }

  /** Opens the file again after it was moved. */
  reopen(): void {
    if (this.#closing !== undefined) return;
    this.#file.isMoved = true;
    this.#stopRetry();
    this.#start();
  }

  /** Writes what is queued, for at most a second. Later output is ignored. */
  close(): Promise<void> {
    this.#closing ??= Promise.resolve().then(() => this.#finish());
    return this.#closing;
  }

  #start(): void {
    if (this.#pumping !== undefined || this.#cancelRetry !== undefined) return;
    this.#pumping = this.#pump().finally(() => {
      this.#pumping = undefined;
    });
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        if (this.#file.isMoved) await this.#file.settle();
        const bytes = this.#queue.next();
        if (bytes.length === 0) break;
        this.#stopPartial();
        this.#queue.written(await this.#file.write(bytes));
        this.#failure = undefined;
        this.#isDiskHanging = false;
        if (!this.#queue.isHalfFull) this.#giveRoom();
      }
      if (this.#queue.bytes > 0) {
        this.#cancelPartial ??= this.#options.clock.after(partialDelayMs, () => {
          this.#cancelPartial = undefined;
          this.#queue.releasePartial();
          this.#start();
        });
      }
    } catch (error) {
      this.#onFailure(describeError(error));
    }
  }

  #onFailure(reason: string): void {
    this.#failure = reason;
    this.#giveRoom();
    this.#queue.explainLoss(reason);
    this.#report(reason);
    if (this.#closing !== undefined) return;
    this.#cancelRetry = this.#options.clock.after(retryDelayMs, () => {
      this.#cancelRetry = undefined;
      this.#start();
    });
  }

  #report(reason: string): void {
    const { clock, file, onProblem } = this.#options;
    const now = clock.now();
    if (now - this.#failedAt > calmMs) onProblem(`cannot write the log ${file}: ${reason}`);
    this.#failedAt = now;
  }

  #waitForRoom(): Promise<void> | undefined {
    if (!this.#queue.isHalfFull || this.#failure !== undefined || this.#isDiskHanging) return undefined;
    if (this.#room === undefined) {
      this.#room = createDeferred();
      this.#cancelHold = this.#options.clock.after(maxHoldMs, () => {
        this.#isDiskHanging = true;
        this.#giveRoom();
      });
    }
    return this.#room.promise;
  }

  #giveRoom(): void {
    this.#cancelHold();
    this.#room?.resolve();
    this.#room = undefined;
  }

  #stopPartial(): void {
    this.#cancelPartial?.();
    this.#cancelPartial = undefined;
  }

  #stopRetry(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
  }

  async #finish(): Promise<void> {
    const { clock, file, onProblem } = this.#options;
    this.#giveRoom();
    this.#stopPartial();
    this.#stopRetry();
    const written = this.#flush();
    await withDeadline(clock, closeTimeoutMs, written);
    const left = this.#queue.unwrittenBytes;
    if (left > 0) onProblem(`the last ${left} bytes of the log ${file} are lost: ${this.#failure ?? tooSlow}`);
    // A file handle is closed when its pending write has ended.
    const closed = this.#file.close().catch(() => {});
    if (left === 0) await closed;
  }

  async #flush(): Promise<void> {
    this.#queue.end();
    await this.#pumping;
    // If that has just failed, try once more: the last output of a program is worth it.
    this.#queue.end();
    this.#start();
    await this.#pumping;
  }
}
