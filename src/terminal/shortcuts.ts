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

/** The shortcuts as one line; of several programs one can be named. */
export function shortcutHelp(isOneOfSeveral: boolean): string {
  const all = shortcuts.map(({ lines, description }) => `${lines.join(' or ')} ${description}`);
  if (isOneOfSeveral) all.splice(1, 0, 'r <name> restart one');
  return `${all.join(' · ')} (then Enter)`;
}

/** What a typed line asks for. */
export interface Order {
  readonly action: Action;
  /** Of the program that is meant; undefined for all. */
  readonly name: string | undefined;
}

/**
 * What a typed line asks for, or undefined when it is none of ours.
 *
 * @param isOneOfSeveral a restart may name one program
 */
export function orderOf(line: string, isOneOfSeveral: boolean): Order | undefined {
  const [word = '', name, ...more] = line.trim().split(/\s+/);
  const action = shortcuts.find(({ lines }) => lines.includes(word))?.action;
  if (action === undefined || more.length > 0) return undefined;
  return name === undefined || (isOneOfSeveral && action === 'restart') ? { action, name } : undefined;
}

export interface TypedLines {
  /** A restart may name one program. */
  readonly isOneOfSeveral: boolean;
  onOrder(order: Order): void;
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
export function readLines(
  input: NodeJS.ReadStream,
  { isOneOfSeveral, onOrder, onOther, onEnd }: TypedLines,
): LineReader {
  let pending = '';
  let listening = false;
  const onData = (chunk: Buffer): void => {
    const lines = (pending + chunk.toString('utf8')).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) {
      const order = orderOf(line, isOneOfSeveral);
      if (order === undefined) onOther(`${line}\n`);
      else onOrder(order);
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
