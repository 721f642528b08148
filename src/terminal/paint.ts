/** Which colours and other attributes of text are set on a terminal, by the sequences that set them (SGR: `ESC [ … m`). */

/** What sets each attribute, such as `31` or `38;5;208`, by what it is about. */
export type Paint = ReadonlyMap<string, string>;

export const unpainted: Paint = new Map();

const escapeCharacter = String.fromCharCode(27);

export const reset: string = `${escapeCharacter}[0m`;

/** Longer ones are noise. */
const sequence = new RegExp(`${escapeCharacter}\\[([\\d;:]{0,64})m`, 'g');

/** Amid a sequence, perhaps of this kind. */
const incomplete = new RegExp(`${escapeCharacter}(?:\\[[\\d;:]{0,64})?$`);

/** How many characters at the end are the beginning of a sequence. */
export const incompleteSequence = (text: string): number => incomplete.exec(text)?.[0].length ?? 0;

/** What sets all of it again, where nothing is set. */
export const setting = (paint: Paint): string =>
  paint.size === 0 ? '' : `${escapeCharacter}[${[...paint.values()].join(';')}m`;

/** What is set after the text, where `before` was set before it. */
export function paintAfter(before: Paint, text: string): Paint {
  let paint: Map<string, string> | undefined;
  for (const [, parameters = ''] of text.matchAll(sequence)) {
    paint ??= new Map(before);
    for (const parameter of split(parameters)) apply(paint, parameter);
  }
  return paint ?? before;
}

/** A colour by its number in the palette (5) or its parts (2) takes more than one. */
const split = (parameters: string): readonly string[] =>
  parameters.match(/(?:38|48|58);(?:5;\d*|2;\d*;\d*;\d*)|[^;]+|(?<=^|;)(?=;|$)/g) ?? [];

function apply(paint: Map<string, string>, parameter: string): void {
  const code = Number.parseInt(parameter, 10) || 0;
  if (code === 0) paint.clear();
  // Without what belongs to it, it would take what follows for that.
  else if (['38', '48', '58'].includes(parameter)) return;
  // Bold and faint may both be set, and end together.
  else if (code === 22) for (const weight of ['1', '2']) paint.delete(weight);
  else if (isEnd(code) || parameter === '4:0') paint.delete(endOf(code));
  else if (isBeginning(code)) paint.set(code <= 2 ? String(code) : endOf(code), parameter);
}

const isEnd = (code: number): boolean => (code >= 23 && code <= 29) || [39, 49, 54, 55, 59].includes(code);

const isBeginning = (code: number): boolean =>
  code <= 9 ||
  code === 21 ||
  (code >= 30 && code <= 48) ||
  (code >= 51 && code <= 53) ||
  code === 58 ||
  (code >= 90 && code <= 107);

/** What takes an attribute back; itself, if it does that. */
function endOf(code: number): string {
  if (code === 21) return '24';
  if (code === 6) return '25';
  if (code >= 3 && code <= 9) return String(20 + code);
  if ((code >= 30 && code <= 38) || (code >= 90 && code <= 97)) return '39';
  if ((code >= 40 && code <= 48) || code >= 100) return '49';
  if (code === 51 || code === 52) return '54';
  if (code === 53) return '55';
  if (code === 58) return '59';
  return String(code);
}
