/** Shortcuts: lines typed into the terminal. */

export type Action = 'restart' | 'quit' | 'clear' | 'help';

interface Shortcut {
  readonly lines: readonly string[];
  readonly description: string;
  readonly action: Action;
}

export const shortcuts: readonly Shortcut[] = [
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

/** Calls `onAction` for every shortcut typed into `input`. Returns what ends it. */
export function readShortcuts(input: NodeJS.ReadStream, onAction: (action: Action) => void): () => void {
  let pending = '';
  const onData = (chunk: Buffer): void => {
    const lines = (pending + chunk.toString('utf8')).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) {
      const action = actionOf(line);
      if (action !== undefined) onAction(action);
    }
  };
  // A terminal that goes away ends the input with EIO; SIGHUP says the rest.
  const onError = (): void => {};
  input.on('data', onData);
  input.on('error', onError);
  return () => {
    input.off('data', onData);
    input.pause();
    input.unref();
  };
}
