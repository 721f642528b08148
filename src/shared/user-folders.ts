import os from 'node:os';
import path from 'node:path';

/** devwatch's cache folder, whose content may be lost; undefined for a user without a home folder. */
export const cacheFolder = ({ XDG_CACHE_HOME }: NodeJS.ProcessEnv): string | undefined =>
  ownFolder(XDG_CACHE_HOME, '.cache');

/** devwatch's state folder: records of background programs and of orphans; undefined as for the cache. */
export const stateFolder = ({ XDG_STATE_HOME }: NodeJS.ProcessEnv): string | undefined =>
  ownFolder(XDG_STATE_HOME, path.join('.local', 'state'));

/**
 * devwatch's folder inside a base folder of the XDG specification, which must be absolute.
 *
 * @param base value of the XDG variable; ignored unless absolute
 * @param fallback path of the base folder below the user's home folder
 * @returns undefined for a user without a home folder, such as a bare user id in a container
 */
function ownFolder(base: string | undefined, fallback: string): string | undefined {
  if (base !== undefined && path.isAbsolute(base)) return path.join(base, 'devwatch');
  try {
    return path.join(os.homedir(), fallback, 'devwatch');
  } catch {
    return undefined;
  }
}
