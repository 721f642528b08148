/** Input of devwatch: shortcuts that are typed, and data for the stdin of the program. */

import { constants } from 'node:os';
import { isatty } from 'node:tty';
import type { Settings } from '../config/settings-types.ts';
import { isForeground, terminalModes } from '../process/launch/tty.ts';
import { platform } from '../process/platform.ts';
import type { ProgramSet } from '../run/program-set.ts';
import type { StopRequests } from '../run/stop-requests.ts';
import type { Reporter } from '../terminal/reporter.ts';
import { readLines, shortcutHelp, type TypedShortcut } from '../terminal/shortcuts.ts';

/** In the background of a terminal, devwatch looks this often whether it is in the foreground again. */
const foregroundPollIntervalMs = 1000;

/** Explains once how to get help in the terminal. */
export class HelpHint {
  /** devwatch reads what is typed, if it is in the foreground of a terminal. */
  isPossible = true;
  #isGiven = false;

  /** Returns the text the first time that the key works. */
  take(): string | undefined {
    if (this.#isGiven || !this.isPossible || !isForeground()) return undefined;
    this.#isGiven = true;
    return 'h + Enter for help';
  }
}

/** Determines which process reads the next line of the terminal. */
type GiveTo = (owner: 'program' | 'devwatch') => void;

interface TerminalInputContext {
  readonly reporter: Reporter;
  readonly requests: StopRequests;
  readonly settings: Pick<Settings, 'stdin'>;
}

/** Starts to read shortcuts, or the input of a program whose stdin is a pipe. */
export function openTerminalInput(group: ProgramSet, context: TerminalInputContext): GiveTo {
  if (!isatty(0)) {
    if (context.settings.stdin === 'pipe') {
      process.stdin.on('data', (chunk: Buffer) => {
        // Back-pressure: read no faster than the program does.
        process.stdin.pause();
        group.single?.program.input.write(chunk, () => process.stdin.resume());
      });
      process.stdin.on('end', () => group.single?.program.input.write(null));
    }
    return () => {};
  }
  const lines = readLines(process.stdin, {
    isSeveral: group.names.length > 0,
    onShortcut: (shortcut) => perform(shortcut, group, context),
    onOther: (line) => group.single?.program.input.write(line),
    onEnd: () => group.single?.program.input.write(null),
  });
  let isOurs = true;
  let poll: NodeJS.Timeout | undefined;
  const take = (): void => {
    clearTimeout(poll);
    // Reading in the background would stop devwatch. `fg` sends no SIGCONT to a job that was running in the
    // background without having been stopped, so poll until devwatch is in the foreground again.
    terminalModes.save('wait');
    const inForeground = isForeground();
    if (isOurs && inForeground) lines.resume();
    else lines.pause();
    if (!inForeground) poll = setTimeout(take, foregroundPollIntervalMs).unref();
  };
  process.on('SIGCONT', take);
  // A program that reads single keys, as readline does, stops only itself at Ctrl-Z.
  if ('SIGCHLD' in constants.signals) {
    process.on('SIGCHLD', () => {
      // A command that answers the question ends as well, and would raise it again.
      const isAnswer = platform.processes.isOwnChildSignal();
      if (!isOurs && !isAnswer && group.single?.isStopped() === true) process.kill(process.pid, 'SIGSTOP');
    });
  }
  setImmediate(take);
  return (owner) => {
    isOurs = owner === 'devwatch';
    take();
  };
}

function perform(
  { action, name }: TypedShortcut,
  group: ProgramSet,
  { reporter, requests }: TerminalInputContext,
): void {
  switch (action) {
    case 'restart':
      if (!group.restart(name)) reporter.print(`no program is named ${name} · there are ${group.names.join(', ')}`);
      break;
    case 'pause':
      group.togglePause();
      break;
    case 'quit':
      requests.take('q');
      break;
    case 'clear':
      process.stderr.write('\u001b[2J\u001b[H');
      break;
    case 'help':
      reporter.print(shortcutHelp(group.names.length > 0));
      break;
  }
}
