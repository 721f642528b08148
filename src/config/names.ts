/** What programs may be called. */

/** In the place of a name: every program. */
export const everything = 'all';

/** Why this cannot be the name of a program, in words; undefined when it can. */
export function flawOfName(name: string): string | undefined {
  if (name === everything) return 'it means every program';
  // It is a folder's name, and stands in commands and before lines.
  return /^(?!\.)[A-Za-z0-9._-]{1,64}$/.test(name) ? undefined : '1 to 64 of A-Z a-z 0-9 . _ -, not beginning with .';
}
