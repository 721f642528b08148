/** What several programs share of one terminal. */

import fs from 'node:fs';
import type { NamedProgram } from '../cli/select-programs.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { Settings } from '../config/options.ts';
import type { MemberRequest } from '../run/program-set.ts';
import { systemClock } from '../shared/clock.ts';
import { createMultiplexer, type OutputChannel } from './multiplexer.ts';
import { type AppLabel, paintName, wantsColor } from './reporter.ts';

export interface SharedTerminal {
  /** A program with its place in the output. */
  member(program: NamedProgram): MemberRequest;
  /** Settings are in force: what stands before its lines from now on. */
  label(app: string, settings: Settings): void;
  labelOf(app: string): AppLabel;
  /** For devwatch's own lines. */
  readonly messages: ReturnType<typeof createMultiplexer>['messages'];
  /** Resolves when all that was printed is written, or after a second. */
  close(): Promise<void>;
}

/** @param names of the programs as they are now; others may come later */
export function openSharedTerminal(names: readonly string[]): SharedTerminal {
  const { stdout, stderr } = process;
  const multiplexer = createMultiplexer({ stdout, stderr, isOnePlace: isOnePlace(), clock: systemClock });
  const width = Math.max(...names.map((name) => name.length));
  const labels = new Map<string, AppLabel>();
  const ports = new Map<string, OutputChannel>();

  function labelOf(name: string): AppLabel {
    const label = labels.get(name) ?? { name, index: labels.size };
    labels.set(name, label);
    return label;
  }

  function prefixOf(name: string, { prefix, color }: Settings): string {
    const painted = paintName(labelOf(name), color && wantsColor(process.stdout, process.env));
    return prefix ? `${painted}${''.padEnd(width - name.length)} | ` : '';
  }

  function portOf(name: string): OutputChannel {
    const port = ports.get(name) ?? multiplexer.open('');
    ports.set(name, port);
    return port;
  }

  return {
    member(program) {
      const { app = '', loaded } = program;
      return {
        ...program,
        loaded: besideOthers(loaded),
        defaultEnv: colorsFor,
        output: portOf(app),
      };
    },
    label: (app, settings) => portOf(app).label(prefixOf(app, settings)),
    labelOf,
    messages: multiplexer.messages,
    close: () => multiplexer.close(),
  };
}

/** Are stdout and stderr one terminal, or one pipe or file (`2>&1`)? */
function isOnePlace(): boolean {
  if (process.stdout.isTTY && process.stderr.isTTY) return true;
  const [out, err] = [fs.fstatSync(1), fs.fstatSync(2)];
  // Windows has no numbers for pipes.
  return out.ino !== 0 && out.ino === err.ino && out.dev === err.dev;
}

/**
 * The terminal's input is devwatch's, for no program can be meant: each has a stdin that stays open, for
 * many tools end with theirs.
 */
function besideOthers(loaded: LoadedSettings): LoadedSettings {
  const { settings } = loaded;
  return { ...loaded, settings: { ...settings, stdin: settings.stdin === 'ignore' ? 'ignore' : 'pipe' } };
}

/** Each program sees a pipe where the terminal would be, but its colours are welcome. */
function colorsFor({ color }: Settings): Readonly<Record<string, string>> {
  // What the user forces elsewhere is in the environment already.
  if (!process.stdout.isTTY || !color || !wantsColor(process.stdout, process.env)) return {};
  const depth = process.stdout.getColorDepth();
  return { FORCE_COLOR: depth >= 24 ? '3' : depth >= 8 ? '2' : '1' };
}
