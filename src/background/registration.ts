/**
 * The entry of a running program: its lock, its record, the variables with which it is started again. It is made anew when
 * somebody removes the state folder: else nobody could list or stop the program, and another one could get its name.
 */

import type fs from 'node:fs';
import path from 'node:path';
import { messageOf } from '../shared/errors.ts';
import { watchFolder } from '../shared/watch-folder.ts';
import type { NameLock } from './name-lock.ts';
import { type BackgroundRecord, endRecord, hasRecord, writeEnvironment, writeRecord } from './records.ts';

export interface RegistrationOptions {
  readonly lock: NameLock;
  readonly record: BackgroundRecord;
  /** The variables of `devwatch start`. */
  readonly variables: NodeJS.ProcessEnv;
  /** Called when the entry has been made anew: the logs and the socket may be gone as well. */
  readonly onRestored: () => void;
  readonly onProblem: (message: string) => void;
  /** Interval of checks. Default: 10,000. */
  readonly checkIntervalMs?: number;
}

/** A folder is removed file by file: what is made anew too early would be removed as well. */
const settlingMs = 100;

export class Registration {
  readonly #options: RegistrationOptions;
  readonly #check: NodeJS.Timeout;
  #subscription: fs.FSWatcher | undefined;
  #settling: NodeJS.Timeout | undefined;
  #problem: string | undefined;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#write();
    // Only a removal causes events in the folder of the lock. What is above may be removed or renamed without any.
    this.#check = setInterval(() => this.#restore(), options.checkIntervalMs ?? 10_000).unref();
  }

  /** Notes how the program has ended, and frees the name when `closed` has settled. */
  async end(end: 'stopped' | 'ended', closed: () => Promise<unknown>): Promise<void> {
    const { lock, onProblem } = this.#options;
    clearInterval(this.#check);
    clearTimeout(this.#settling);
    this.#subscription?.close();
    try {
      endRecord(lock, end);
    } catch (error) {
      onProblem(messageOf(error));
    }
    await closed();
    lock.release();
  }

  #write(): void {
    const { lock, record, variables } = this.#options;
    writeEnvironment(lock, variables);
    writeRecord(lock, record);
    this.#subscribe();
  }

  #subscribe(): void {
    this.#subscription?.close();
    try {
      const subscription = watchFolder(path.join(this.#options.lock.folder, 'lock'), { persistent: false });
      this.#subscription = subscription
        .on('error', () => {})
        .on('change', () => {
          clearTimeout(this.#settling);
          this.#settling = setTimeout(() => this.#restore(), settlingMs).unref();
        });
    } catch {
      // No watches are left: only the checks remain.
    }
  }

  #restore(): void {
    const { lock, record, onRestored, onProblem } = this.#options;
    try {
      if (!lock.restore(record.folder) && hasRecord(lock.name)) return;
      this.#write();
      this.#problem = undefined;
      onRestored();
    } catch (error) {
      const message = `cannot be listed or stopped by its name: ${messageOf(error)}`;
      if (message !== this.#problem) onProblem(message);
      this.#problem = message;
    }
  }
}
