/** Names of programs. */

/** Stands for every program, where a name is expected. */
export const everything = 'all';

/** Returns why this cannot be the name of a program; undefined if it can. */
export function flawOfName(name: string): string | undefined {
  if (name === everything) return 'it means every program';
  // The name is used as a folder's name, in commands and as a prefix of lines.
  return /^(?!\.)[A-Za-z0-9._-]{1,64}$/.test(name) ? undefined : '1 to 64 of A-Z a-z 0-9 . _ -, not beginning with .';
}
