/** Runs several programs in one terminal: a prefix before each line, colours, and stdin. */

import fs from 'node:fs';
import type { NamedProgram } from '../cli/select-programs.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { Settings } from '../config/settings-types.ts';
import type { RunRequest } from '../run/command-plan.ts';
import { systemClock } from '../shared/clock.ts';
import { attempt } from '../shared/errors.ts';
import { createMultiplexer, type Multiplexer, type OutputChannel } from './multiplexer.ts';
import { type AppLabel, paintName, wantsColor } from './reporter.ts';

const { stdout, stderr } = process;

export class SharedTerminal {
  readonly #multiplexer = createMultiplexer({ stdout, stderr, isOnePlace: isOnePlace(), clock: systemClock });
  /** For devwatch's own lines. */
  readonly messages: Multiplexer['messages'] = this.#multiplexer.messages;
  readonly #width: number;
  readonly #members = new Map<string, { readonly label: AppLabel; readonly channel: OutputChannel }>();

  /** @param names of the programs at the start; others may be added later */
  constructor(names: readonly string[]) {
    this.#width = Math.max(...names.map((name) => name.length));
  }

  /** Returns the program with its output channel, and with the settings that sharing requires. */
  member(program: NamedProgram): RunRequest {
    const { app = '', loaded } = program;
    return { ...program, loaded: withOwnStdin(loaded), defaultEnv: colorVariables, output: this.#member(app).channel };
  }

  /** Applies a program's settings to the prefix of its lines. */
  label(app: string, { prefix, color }: Settings): void {
    const { label, channel } = this.#member(app);
    const paint = (): string => paintName(label, color && wantsColor(stdout, process.env));
    channel.label(prefix ? `${paint()}${''.padEnd(this.#width - app.length)} | ` : '');
  }

  labelOf(app: string): AppLabel {
    return this.#member(app).label;
  }

  /** Resolves when all output is written, or after a second. */
  close(): Promise<void> {
    return this.#multiplexer.close();
  }

  #member(name: string): { readonly label: AppLabel; readonly channel: OutputChannel } {
    const { size: index } = this.#members;
    const member = this.#members.get(name) ?? { label: { name, index }, channel: this.#multiplexer.open('') };
    this.#members.set(name, member);
    return member;
  }
}

/** Returns whether stdout and stderr are the same terminal, pipe or file (`2>&1`). */
function isOnePlace(): boolean {
  if (stdout.isTTY && stderr.isTTY) return true;
  // Windows cannot tell about every stream.
  const [out, err] = [attempt(() => fs.fstatSync(1)), attempt(() => fs.fstatSync(2))];
  if (out === undefined || err === undefined) return false;
  // Pipes have no inode numbers there.
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
  if (!stdout.isTTY || !color || !wantsColor(stdout, process.env)) return {};
  const depth = stdout.getColorDepth();
  return { FORCE_COLOR: depth >= 24 ? '3' : depth >= 8 ? '2' : '1' };
}
