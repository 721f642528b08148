/**
 * File names that are not UTF-8, such as those from archives of other systems. Node replaces what it cannot decode, and
 * then finds no file under such a name. Here each byte that cannot be decoded becomes a lone surrogate, as in Python
 * (PEP 383), and can be turned back.
 */

import { Buffer } from 'node:buffer';

const replacement = '\ufffd';
const surrogateBase = 0xdc00;

/** Might Node have replaced a part of this name? */
export const isDoubtful = (name: string): boolean => name.includes(replacement);

/** Returns a name as text. */
export function decodeName(bytes: Buffer): string {
  const name = bytes.toString();
  if (!isDoubtful(name)) return name;
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes[at] ?? 0);
    const sequence = bytes.subarray(at, at + length);
    const decoded = sequence.toString();
    const isValid = sequence.length === length && Buffer.from(decoded).equals(sequence);
    text += isValid ? decoded : String.fromCharCode(surrogateBase + (bytes[at] ?? 0));
    at += isValid ? length : 1;
  }
  return text;
}

/** Returns the length that the first byte of a sequence announces. */
const sequenceLength = (first: number): number => (first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4);

/** Returns a path as the functions of `node:fs` take it. */
export function rawPath(file: string): string | Buffer {
  if (file.isWellFormed()) return file;
  const parts = [...file].map((character) => {
    const code = character.codePointAt(0) ?? 0;
    const isByte = code >= surrogateBase + 0x80 && code <= surrogateBase + 0xff;
    return isByte ? Buffer.of(code - surrogateBase) : Buffer.from(character);
  });
  return Buffer.concat(parts);
}
