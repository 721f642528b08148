/** Errors of starting a process. */

import { codeOf, messageOf } from '../shared/errors.ts';

/** The resource that is short when a process cannot be started, by the code of the error. */
const shortages: Readonly<Record<string, string>> = {
  EAGAIN: 'no further process is allowed',
  ENOMEM: 'there is not enough memory',
  EMFILE: 'devwatch may open no further file',
  ENFILE: 'too many files are open on this machine',
};

/** Returns whether the same start may succeed later: something is short, or the file is being written. */
export const isTransient = (error: unknown): boolean => {
  const code = codeOf(error) ?? '';
  return code in shortages || code === 'ETXTBSY';
};

/** Explains why a process could not be started. The message of the error would name a wrapper of the file, if there is one. */
export function explainSpawnError(error: unknown, file: string): string {
  const code = codeOf(error);
  if (code === undefined) return messageOf(error);
  if (code === 'ETXTBSY') return `${file} is being written (${code})`;
  if (code === 'E2BIG') return `its arguments and variables are too long (${code})`;
  return `${shortages[code] ?? file} (${code})`;
}
