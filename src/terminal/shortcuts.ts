/** Shortcuts: lines typed into the terminal that control devwatch. */

import { splitLines } from '../shared/lines.ts';

type Action = 'restart' | 'pause' | 'quit' | 'clear' | 'help';

const shortcuts: readonly { lines: readonly string[]; description: string; action: Action }[] = [
  { lines: ['rs', 'r'], description: 'restart', action: 'restart' },
  { lines: ['p'], description: 'pause, resume', action: 'pause' },
  { lines: ['q'], description: 'quit', action: 'quit' },
  { lines: ['c'], description: 'clear the screen', action: 'clear' },
  { lines: ['h'], description: 'this help', action: 'help' },
];

/** Returns the shortcuts as one line. `isSeveral`: devwatch runs several programs, and `r` can name one. */
export function shortcutHelp(isSeveral: boolean): string {
  const all = shortcuts.map(({ lines, description }) => `${lines.join(' or ')} ${description}`);
  if (isSeveral) all.splice(1, 0, 'r <name> restart one');
  return `${all.join(' · ')} (then Enter)`;
}

/** A shortcut as it was typed. */
export interface TypedShortcut {
  readonly action: Action;
  /** The program to restart; undefined for all. */
  readonly name: string | undefined;
}

/** Parses a typed line; returns undefined if it is not a shortcut. `isSeveral` as in `shortcutHelp`. */
export function parseShortcut(line: string, isSeveral: boolean): TypedShortcut | undefined {
  const [word = '', name, ...more] = line.trim().split(/\s+/);
  const action = shortcuts.find(({ lines }) => lines.includes(word))?.action;
  if (action === undefined || more.length > 0) return undefined;
  return name === undefined || (isSeveral && action === 'restart') ? { action, name } : undefined;
}

export interface LineListener {
  readonly isSeveral: boolean;
  onShortcut(shortcut: TypedShortcut): void;
  /** @param line any other line, with its line feed */
  onOther(line: string): void;
  /** Called at Ctrl-D. */
  onEnd(): void;
}

/** Reads lines from the terminal; starts paused. While it is paused, other processes read what is typed. */
export function readLines(
  input: NodeJS.ReadStream,
  { isSeveral, onShortcut, onOther, onEnd }: LineListener,
): Record<'pause' | 'resume', () => void> {
  let isListening = false;
  const onText = splitLines((line) => {
    const shortcut = parseShortcut(line, isSeveral);
    if (shortcut === undefined) onOther(`${line}\n`);
    else onShortcut(shortcut);
  });
  return {
    pause: () => void input.pause(),
    resume() {
      if (!isListening) {
        isListening = true;
        input.setEncoding('utf8').on('data', onText).on('end', onEnd);
        // A terminal that is closed ends the input with EIO; devwatch then ends by SIGHUP.
        input.on('error', () => {});
      }
      input.resume();
    },
  };
}
