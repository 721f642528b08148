/** Calls at the times of a schedule. */

import { nextTime } from '../config/schedule.ts';
import type { CancelTimer, Clock } from '../shared/clock.ts';

export interface RestartScheduleOptions {
  readonly clock: Clock;
  /** Returns the time of day, in epoch ms. */
  readonly now: () => number;
  readonly onDue: () => void;
}

/** The time of day is read again after this time: timers stand still while the machine sleeps, and clocks are set. */
const maxWaitMs = 60_000;

export class RestartSchedule {
  readonly #options: RestartScheduleOptions;
  #schedule: string | undefined;
  #cancel: CancelTimer = () => {};

  constructor(options: RestartScheduleOptions) {
    this.#options = options;
  }

  /** Follows a schedule, or none, from now on. A time that has passed while the machine slept is made up for once. */
  follow(schedule: string | undefined): void {
    if (schedule === this.#schedule) return;
    this.#cancel();
    this.#schedule = schedule;
    if (schedule !== undefined) this.#await(nextTime(schedule, this.#options.now()));
  }

  /** Calls no more. */
  close(): void {
    this.follow(undefined);
  }

  #await(due: number | undefined): void {
    if (due === undefined || this.#schedule === undefined) return;
    const { clock, now, onDue } = this.#options;
    const wait = Math.max(0, due - now());
    this.#cancel = clock.after(Math.min(wait, maxWaitMs), () => {
      const schedule = this.#schedule;
      if (schedule === undefined) return;
      if (now() < due) {
        this.#await(due);
        return;
      }
      this.#await(nextTime(schedule, Math.max(due, now())));
      onDue();
    });
  }
}
