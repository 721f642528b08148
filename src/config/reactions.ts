/** Reads signals, and what a change does to a program (`onChange`). */

import os from 'node:os';
import { didYouMean } from '../shared/did-you-mean.ts';
import { readText, show, ValueError } from './read-values.ts';

/**
 * The answer to a change: a restart, a signal to the program's first process or to all of its processes (`tree`), or
 * nothing.
 */
export type Reaction = 'restart' | 'nothing' | `signal:${NodeJS.Signals}` | `signal:${NodeJS.Signals}:tree`;

/** A signal to a program. */
export interface SignalReaction {
  readonly signal: NodeJS.Signals;
  readonly to: 'root' | 'tree';
}

/** No program can react to these by itself. */
const unhandled: readonly string[] = ['SIGKILL', 'SIGSTOP'];

/** Returns the signal that a reaction sends; undefined if it sends none. */
export function signalOf(reaction: Reaction): SignalReaction | undefined {
  const [, name, tree] = /^signal:(\w+)(:tree)?$/.exec(reaction) ?? [];
  return name === undefined ? undefined : { signal: name as NodeJS.Signals, to: tree === undefined ? 'root' : 'tree' };
}

/** Reads a reaction, in which the signal has any of its forms: `signal:hup`. @throws ValueError */
export function readReaction(raw: unknown): Reaction {
  const text = readText(raw);
  if (text === 'restart' || text === 'nothing') return text;
  const [, name, tree = ''] = /^signal:([^:]+)(:tree)?$/.exec(text) ?? [];
  if (name === undefined || name === 'message') {
    const hint = didYouMean(text, ['restart', 'nothing']);
    throw new ValueError(`takes restart, nothing, signal:SIGHUP or signal:SIGHUP:tree, not ${show(raw)}${hint}`);
  }
  const signal = readSignal(name);
  if (unhandled.includes(signal)) throw new ValueError(`takes a signal that programs can handle, not ${signal}`);
  return `signal:${signal}${tree}` as Reaction;
}

/** Settings are shared with people on other systems: Windows has names for some of these only. */
const signalsElsewhere: readonly string[] =
  'SIGQUIT SIGUSR1 SIGUSR2 SIGPIPE SIGALRM SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGWINCH SIGIO'.split(
    ' ',
  );

/** Reads a signal by its name, with or without `SIG`, or the IPC message that ends a program. @throws ValueError */
export function readSignal(
  raw: unknown,
  signals: Readonly<Record<string, number>> = os.constants.signals,
): NodeJS.Signals | 'message' {
  if (raw === 'message') return raw;
  const name = typeof raw === 'string' ? `SIG${raw.toUpperCase().replace(/^SIG/, '')}` : '';
  if (Object.hasOwn(signals, name) || signalsElsewhere.includes(name)) return name as NodeJS.Signals;
  const names = Object.keys(signals).map((known) => known.slice(3));
  const hint = name === '' ? '' : didYouMean(name.slice(3), names, (guess) => `SIG${guess}`);
  throw new ValueError(`takes a signal such as SIGTERM or INT, not ${show(raw)}${hint}`);
}
