/** Ways to ask the first process of a program to end, other than a signal. */

import { platform } from '../platform.ts';
import type { TerminationOptions } from '../tree/terminate.ts';
import type { Child, StopSignal } from './child.ts';

/**
 * Returns how the root process is asked to end; undefined if it is sent the signal.
 *
 * @param isAsked it sends itself the signal
 */
export function askingOf(child: Child, signal: StopSignal, isAsked: boolean): TerminationOptions['askRoot'] {
  const { pid, process: root } = child;
  if (isAsked) return { pid, ask: () => true };
  if (signal !== 'message')
    return platform.programs.hasSignals ? undefined : { pid, ask: () => child.send({ signal }) };
  if (!root.connected) return undefined;
  const ask = (): true => {
    root.send('shutdown');
    return true;
  };
  return { pid, ask };
}

/** Passes a signal by a message to the preload, on systems without signals. Returns whether this is one. */
export function passSignal({ send }: Pick<Child, 'send'>, signal: NodeJS.Signals): boolean {
  if (platform.programs.hasSignals) return false;
  send({ signal });
  return true;
}
