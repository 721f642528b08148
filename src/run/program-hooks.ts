/** Runs the user's commands (`on`) at the events of one program, each with variables that describe the event. */

import type { Settings } from '../config/settings-types.ts';
import type { Hooks } from '../process/hooks.ts';
import { runVariables } from '../process/launch/environment.ts';
import type { Change, EventOf } from '../shared/events.ts';

/** Runs the commands, as far as a program needs it. */
export type HookRunner = Pick<Hooks, 'run' | 'close'>;

export class ProgramHooks {
  #hooks: HookRunner | undefined;

  /** Before this is called no command runs. */
  open(hooks: HookRunner): void {
    this.#hooks = hooks;
  }

  onChange(run: number, changes: readonly Change[]): void {
    this.#hooks?.run('change', runVariables(run, 'change', changes));
  }

  /** @param variables those of the run itself */
  onStart(run: number, variables: Readonly<Record<string, string>>): void {
    this.#hooks?.run(run === 1 ? 'start' : 'restart', variables);
  }

  onReady({ run, ms, port }: EventOf<'ready'>): void {
    this.#hooks?.run('ready', {
      DEVWATCH_RUN: String(run),
      DEVWATCH_MS: String(Math.round(ms)),
      DEVWATCH_PORT: String(port ?? ''),
    });
  }

  onOwnEnd({ type, run, outcome }: EventOf<'crash' | 'exit'>): void {
    this.#hooks?.run(type, {
      DEVWATCH_RUN: String(run),
      DEVWATCH_CODE: String(outcome.code ?? ''),
      DEVWATCH_SIGNAL: outcome.signal ?? '',
      DEVWATCH_REASON: outcome.reason ?? outcome.error ?? '',
    });
  }

  /** Terminates commands that still run. */
  async close(): Promise<void> {
    await this.#hooks?.close();
  }
}

/** The commands of `on`, with that of `onReady`. */
export const hookCommandsOf = ({ on, onReady }: Settings): Settings['on'] =>
  onReady === undefined ? on : { ...on, ready: onReady };
