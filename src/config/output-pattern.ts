/** Patterns for the output of a program: `/pattern/flags`. */

export const isPattern = (text: string): boolean => /^\/.+\/[a-z]*$/s.test(text);

/** @throws SyntaxError */
export function patternOf(text: string): RegExp {
  const end = text.lastIndexOf('/');
  return new RegExp(text.slice(1, end), text.slice(end + 1).replace(/[gy]/g, ''));
}
