/** Says what an old run waits for that does not end for some time. */

import type { Settings } from '../config/settings-types.ts';
import type { RunningProgram } from '../process/launch/program-interface.ts';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import type { Emit } from '../shared/events.ts';

export interface StopNoticeOptions {
  readonly clock: Clock;
  readonly settings: () => Pick<Settings, 'killTimeout' | 'signal'>;
  readonly emit: Emit;
}

/** After this long without a restart, the user learns what devwatch waits for. */
const slowStopNoticeMs = 1500;

export class StopNotice {
  readonly #options: StopNoticeOptions;
  #cancel: CancelTimer = () => {};
  /** The run whose end is awaited. */
  #run: number | undefined;

  constructor(options: StopNoticeOptions) {
    this.#options = options;
  }

  /** A run has been asked to end. */
  begin(run: number, program: Pick<RunningProgram, 'remainder'> | undefined): void {
    this.end();
    const { clock, settings } = this.#options;
    const { killTimeout } = settings();
    if (program === undefined || killTimeout <= slowStopNoticeMs) return;
    this.#run = run;
    this.#cancel = clock.after(slowStopNoticeMs, () => {
      // After a busy time, such as 100,000 changes, the end of the run may be among the events that wait to be handled.
      this.#cancel = clock.soon(() => void this.#tell(run, program));
    });
  }

  async #tell(run: number, program: Pick<RunningProgram, 'remainder'>): Promise<void> {
    const waitsFor = await program.remainder();
    if (this.#run !== run) return;
    const { killTimeout, signal } = this.#options.settings();
    this.#options.emit({ type: 'slowStop', run, signal, killIn: killTimeout - slowStopNoticeMs, waitsFor });
  }

  /** The run has ended, or is being killed. */
  end(): void {
    this.#cancel();
    this.#run = undefined;
  }
}
