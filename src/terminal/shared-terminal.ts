/** Runs several programs in one terminal: a prefix before each line, colours, and stdin. */

import fs from 'node:fs';
import type { NamedProgram } from '../cli/select-programs.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { Settings } from '../config/settings-types.ts';
import type { RunRequest } from '../run/command-plan.ts';
import { systemClock } from '../shared/clock.ts';
import { createMultiplexer, type Multiplexer, type OutputChannel } from './multiplexer.ts';
import { type AppLabel, paintName, wantsColor } from './reporter.ts';

export interface SharedTerminal {
  /** Returns the program with its output channel, and with the settings that sharing requires. */
  member(program: NamedProgram): RunRequest;
  /** Applies a program's settings to the prefix of its lines. */
  label(app: string, settings: Settings): void;
  labelOf(app: string): AppLabel;
  /** For devwatch's own lines. */
  readonly messages: Multiplexer['messages'];
  /** Resolves when all output is written, or after a second. */
  close(): Promise<void>;
}

/** @param names of the programs at the start; others may be added later */
export function openSharedTerminal(names: readonly string[]): SharedTerminal {
  const { stdout, stderr } = process;
  const multiplexer = createMultiplexer({ stdout, stderr, isOnePlace: isOnePlace(), clock: systemClock });
  const width = Math.max(...names.map((name) => name.length));
  const labels = new Map<string, AppLabel>();
  const channels = new Map<string, OutputChannel>();

  function labelOf(name: string): AppLabel {
    const label = labels.get(name) ?? { name, index: labels.size };
    labels.set(name, label);
    return label;
  }

  function prefixOf(name: string, { prefix, color }: Settings): string {
    if (!prefix) return '';
    const painted = paintName(labelOf(name), color && wantsColor(stdout, process.env));
    return `${painted}${''.padEnd(width - name.length)} | `;
  }

  function channelOf(name: string): OutputChannel {
    const channel = channels.get(name) ?? multiplexer.open('');
    channels.set(name, channel);
    return channel;
  }

  return {
    member(program) {
      const { app = '', loaded } = program;
      return { ...program, loaded: withOwnStdin(loaded), defaultEnv: colorVariables, output: channelOf(app) };
    },
    label: (app, settings) => channelOf(app).label(prefixOf(app, settings)),
    labelOf,
    messages: multiplexer.messages,
    close: () => multiplexer.close(),
  };
}

/** Returns whether stdout and stderr are the same terminal, pipe or file (`2>&1`). */
function isOnePlace(): boolean {
  if (process.stdout.isTTY && process.stderr.isTTY) return true;
  const [out, err] = [fs.fstatSync(1), fs.fstatSync(2)];
  // Pipes have no inode numbers on Windows.
  return out.ino !== 0 && out.ino === err.ino && out.dev === err.dev;
}

/**
 * Gives the program a stdin of its own. It cannot have the terminal's, which is for shortcuts; and it stays open,
 * because many tools end when theirs is closed.
 */
function withOwnStdin(loaded: LoadedSettings): LoadedSettings {
  const { settings } = loaded;
  return { ...loaded, settings: { ...settings, stdin: settings.stdin === 'ignore' ? 'ignore' : 'pipe' } };
}

/** Returns variables that make a program use the terminal's colours although its stdout is a pipe. */
function colorVariables({ color }: Settings): Readonly<Record<string, string>> {
  // A user who forces colours has set the variable already.
  if (!process.stdout.isTTY || !color || !wantsColor(process.stdout, process.env)) return {};
  const depth = process.stdout.getColorDepth();
  return { FORCE_COLOR: depth >= 24 ? '3' : depth >= 8 ? '2' : '1' };
}
