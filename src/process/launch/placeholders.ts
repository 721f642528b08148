/** nodemon's placeholders in `exec` and `execMap`: `{{filename}}` is the script, `{{pwd}}` the working folder. */

/** Returns whether a line says itself where the script stands in it. */
export const placesScript = (line: string): boolean => line.includes('{{filename}}');

/** Matches an escaped character, a quote, a placeholder or another character. */
const tokens = /\\[\s\S]|['"]|\{\{(filename|pwd)\}\}|[\s\S]/g;

/**
 * Replaces the placeholders of a shell line, each quoted as its place needs it. Without a script `{{filename}}` stays.
 *
 * @param quoting the rules of sh, or those of cmd.exe
 */
export function fillPlaceholders(
  line: string,
  { script, folder }: { readonly script: string | undefined; readonly folder: string },
  quoting: 'sh' | 'cmd',
): string {
  let open = '';
  let filled = '';
  for (const [token, name] of line.matchAll(tokens)) {
    const value = name === 'pwd' ? folder : name === 'filename' ? script : undefined;
    if (value !== undefined) filled += quoting === 'sh' ? quoteFor(value, open) : quoteForCmd(value, open);
    else filled += token;
    if (token === open) open = '';
    else if (open === '' && (token === '"' || (token === "'" && quoting === 'sh'))) open = token;
  }
  return filled;
}

/** @param open the quote in which the text stands, if any */
function quoteFor(text: string, open: string): string {
  if (open === '"') return text.replaceAll(/[\\"$`]/g, '\\$&');
  if (open === "'") return text.replaceAll("'", `'\\''`);
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

const quoteForCmd = (text: string, open: string): string => (open === '' && /\s/.test(text) ? `"${text}"` : text);
