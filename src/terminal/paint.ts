/** Text attributes, such as colours, that a program has set on the terminal by SGR sequences (`ESC [ … m`). Pure. */

const escapeCharacter = String.fromCharCode(27);

export const reset: string = `${escapeCharacter}[0m`;

/** Longer sequences are not SGR but noise. */
const sequence = new RegExp(`${escapeCharacter}\\[([\\d;:]{0,64})m`, 'g');

const incomplete = new RegExp(`${escapeCharacter}(?:\\[[\\d;:]{0,64})?$`);

/** Parameters that begin by clearing something: all attributes (0 or no parameter), or those of one kind. */
const clearing = /^(?:0|2[2-9]|[345]9)?(?=;|$)/;

/** Enough for every attribute at once. */
const maxPaintLength = 256;

/** Returns how many characters at the end of the text may be the beginning of an SGR sequence. */
export const incompleteSequence = (text: string): number => incomplete.exec(text)?.[0].length ?? 0;

/**
 * Returns the sequences that set the attributes after the text again, given those that were set before it. Clearing
 * one attribute counts as clearing all: programs clear what they have set together, and a wrong guess costs a colour
 * in the lines that follow, but cannot colour too much.
 */
export function paintAfter(before: string, text: string): string {
  let paint = before;
  for (const [whole, parameters = ''] of text.matchAll(sequence)) {
    if (clearing.test(parameters)) paint = parameters.includes(';') ? whole : '';
    else paint = paint.length + whole.length > maxPaintLength ? whole : paint + whole;
  }
  return paint;
}
