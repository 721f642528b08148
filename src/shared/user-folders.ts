import os from 'node:os';
import path from 'node:path';

/** Where devwatch keeps what may be lost; undefined for a user without a home. */
export const cacheFolder = ({ XDG_CACHE_HOME }: NodeJS.ProcessEnv): string | undefined =>
  ownFolder(XDG_CACHE_HOME, '.cache');

/**
 * devwatch's folder in one of those of the XDG specification, which knows no relative ones.
 *
 * @param usual where that is in the user's home
 * @returns undefined where there is none: in a container, a user may be a mere number
 */
export function ownFolder(given: string | undefined, usual: string): string | undefined {
  if (given !== undefined && path.isAbsolute(given)) return path.join(given, 'devwatch');
  try {
    return path.join(os.homedir(), usual, 'devwatch');
  } catch {
    return undefined;
  }
}
