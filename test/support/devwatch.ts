/** Runs the built command line and reads its events, which it prints as JSON. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import readline from 'node:readline';
import type { EventOf, EventType } from '../../src/shared/events.ts';
import { within } from './deadline.ts';
import { printOnFailure } from './failure.ts';

/** The built command; with DEVWATCH_TEST_AS, as if it ran on that system. */
export const cli = path.resolve(
  process.env.DEVWATCH_TEST_AS === undefined ? 'dist/cli.cjs' : 'test/support/as-platform/cli.cjs',
);

const maxReportedChars = 10_000;

/** An event as it is printed; `app` is the program that it is about, where there are several. */
export type Stated = { [Name in EventType]: { event: Name; app?: string } & EventOf<Name> }[EventType];

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Devwatch extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly pid: number;
  /** All events so far. */
  readonly events: readonly Stated[];
  /** All other lines of stderr so far. */
  readonly otherLines: readonly string[];
  /** The stdout of devwatch and the program so far. */
  readonly stdout: () => string;
  /** The next event of this name that no earlier call has returned and that matches. */
  event<Name extends EventType>(
    name: Name,
    matches?: (event: EventOf<Name> & { app?: string }) => boolean,
  ): Promise<EventOf<Name>>;
  /** Resolves when the process and everything that held its output have ended. */
  readonly exited: Promise<Exit>;
  /** Sends a signal, SIGTERM by default, and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<Exit>;
  /** All events and lines so far, for the message of a failure. */
  report(): readonly string[];
}

export interface DevwatchOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A command line in front of devwatch's own. */
  readonly via?: readonly string[];
  /** Another Node, and another devwatch. */
  readonly node?: string;
  readonly cli?: string;
}

export function startDevwatch(args: readonly string[], options: DevwatchOptions): Devwatch {
  const { cwd, env, via = [], node = process.execPath, cli: file = cli } = options;
  const [command = '', ...words] = [...via, node, file, '--log-format', 'json', ...args];
  const child = spawn(command, words, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const events: Stated[] = [];
  const otherLines: string[] = [];
  let stdout = '';
  const taken = new Map<EventType, number>();
  let wake: () => void = () => {};
  let changed = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const signalChange = (): void => {
    wake();
    changed = new Promise((resolve) => {
      wake = resolve;
    });
  };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
  });
  readline.createInterface({ input: child.stderr }).on('line', (line) => {
    if (line.startsWith('{"event":')) events.push(JSON.parse(line) as Stated);
    else otherLines.push(line);
    signalChange();
  });
  const exited = once(child, 'close').then(([code, signal]): Exit => {
    signalChange();
    return { code, signal };
  });
  let over: Exit | undefined;
  void exited.then((exit) => {
    over = exit;
    signalChange();
  });
  const report = (): readonly string[] => [
    `devwatch ${args.join(' ')}`,
    ...events.map((event) => JSON.stringify(event)),
    ...otherLines,
    `stdout: ${stdout.length > maxReportedChars ? `… ${stdout.slice(-maxReportedChars)}` : stdout}`,
  ];
  printOnFailure(report);

  async function nextEvent<Name extends EventType>(
    name: Name,
    matches: (event: EventOf<Name> & { app?: string }) => boolean = () => true,
  ): Promise<EventOf<Name>> {
    for (;;) {
      for (let index = taken.get(name) ?? 0; index < events.length; index += 1) {
        const stated = events[index];
        if (stated?.event !== name || !matches(stated as unknown as EventOf<Name> & { app?: string })) continue;
        taken.set(name, index + 1);
        return stated as unknown as EventOf<Name>;
      }
      if (over !== undefined) throw new Error(`devwatch ended (${JSON.stringify(over)}) before it stated "${name}"`);
      await changed;
    }
  }

  const devwatch: Devwatch = {
    process: child,
    pid: child.pid ?? 0,
    events,
    otherLines,
    stdout: () => stdout,
    event: (name, matches) =>
      within(`event "${name}"${matches === undefined ? '' : ` with ${matches}`}`, nextEvent(name, matches), report),
    exited,
    async end(signal = 'SIGTERM') {
      if (over === undefined) child.kill(signal);
      return within('the end of devwatch', exited, report);
    },
    report,
    async [Symbol.asyncDispose]() {
      await devwatch.end();
    },
  };
  return devwatch;
}

/** Runs a command that ends by itself to its end. */
export async function runDevwatch(
  args: readonly string[],
  { cwd, env }: DevwatchOptions,
): Promise<Exit & { stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  const [code, signal] = await once(child, 'close');
  return { code, signal, stdout, stderr };
}
