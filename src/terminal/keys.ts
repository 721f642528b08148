/** Shortcuts: lines typed into the terminal. */

export type Action = 'restart' | 'quit' | 'clear' | 'help';

interface Shortcut {
  readonly lines: readonly string[];
  readonly description: string;
  readonly action: Action;
}

const shortcuts: readonly Shortcut[] = [
  { lines: ['rs', 'r'], description: 'restart', action: 'restart' },
  { lines: ['q'], description: 'quit', action: 'quit' },
  { lines: ['c'], description: 'clear the screen', action: 'clear' },
  { lines: ['h'], description: 'this help', action: 'help' },
];

/** The shortcuts as one line. */
export const shortcutHelp: string = `${shortcuts.map(({ lines, description }) => `${lines.join(' or ')} ${description}`).join(' · ')} (then Enter)`;

/** What a typed line asks for, or undefined when it is none of ours. */
export function actionOf(line: string): Action | undefined {
  const word = line.trim();
  return shortcuts.find(({ lines }) => lines.includes(word))?.action;
}

export interface TypedLines {
  onAction(action: Action): void;
  /** Any other line, with its end. */
  onOther(line: string): void;
  /** Ctrl-D. */
  onEnd(): void;
}

export interface LineReader {
  /** Leaves what is typed to others. */
  pause(): void;
  resume(): void;
}

/** Reads lines from the terminal; begins paused. */
export function readLines(input: NodeJS.ReadStream, { onAction, onOther, onEnd }: TypedLines): LineReader {
  let pending = '';
  let listening = false;
  const onData = (chunk: Buffer): void => {
    const lines = (pending + chunk.toString('utf8')).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) {
      const action = actionOf(line);
      if (action === undefined) onOther(`${line}\n`);
      else onAction(action);
    }
  };
  return {
    pause: () => void input.pause(),
    resume() {
      if (!listening) {
        listening = true;
        input.on('data', onData);
        input.on('end', onEnd);
        // A terminal that goes away ends the input with EIO; SIGHUP says the rest.
        input.on('error', () => {});
      }
      input.resume();
    },
  };
}
