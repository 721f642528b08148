/** What several programs share of one terminal. */

import fs from 'node:fs';
import { systemClock } from './clock.ts';
import type { LoadedSettings } from './config/load.ts';
import type { MemberRequest } from './group.ts';
import type { NamedProgram } from './programs.ts';
import { createMultiplexer, type Port } from './terminal/multiplexer.ts';
import { type AppLabel, paintName, wantsColor } from './terminal/reporter.ts';

export interface SideBySide {
  /** A program with its place in the output. */
  member(program: NamedProgram): MemberRequest;
  labelOf(app: string): AppLabel;
  /** For devwatch's own lines. */
  readonly messages: ReturnType<typeof createMultiplexer>['messages'];
  /** Resolves when all that was printed is written, or after a second. */
  close(): Promise<void>;
}

/** @param names of the programs as they are now; others may come later */
export function openSideBySide(names: readonly string[]): SideBySide {
  const { stdout, stderr } = process;
  const multiplexer = createMultiplexer({ stdout, stderr, isOnePlace: isOnePlace(), clock: systemClock });
  const width = Math.max(...names.map((name) => name.length));
  const labels = new Map<string, AppLabel>();
  const ports = new Map<string, Port>();

  function labelOf(name: string): AppLabel {
    const label = labels.get(name) ?? { name, index: labels.size };
    labels.set(name, label);
    return label;
  }

  function portOf(name: string, { prefix, color }: LoadedSettings['settings']): Port {
    const painted = paintName(labelOf(name), color && wantsColor(process.stdout, process.env));
    const port = ports.get(name) ?? multiplexer.open(prefix ? `${painted}${''.padEnd(width - name.length)} | ` : '');
    ports.set(name, port);
    return port;
  }

  return {
    member(program) {
      const { app = '', loaded } = program;
      return { ...program, loaded: besideOthers(loaded), output: portOf(app, loaded.settings) };
    },
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
 * many tools end with theirs. And each sees a pipe where the terminal would be, but its colours are welcome.
 */
function besideOthers(loaded: LoadedSettings): LoadedSettings {
  const { stdin, env, color } = loaded.settings;
  const { FORCE_COLOR } = process.env;
  const isShown = FORCE_COLOR === undefined && color && wantsColor(process.stdout, process.env);
  const depth = isShown ? process.stdout.getColorDepth() : 1;
  const colors = isShown ? { FORCE_COLOR: depth >= 24 ? '3' : depth >= 8 ? '2' : '1' } : {};
  return {
    ...loaded,
    settings: { ...loaded.settings, stdin: stdin === 'ignore' ? 'ignore' : 'pipe', env: { ...colors, ...env } },
  };
}
