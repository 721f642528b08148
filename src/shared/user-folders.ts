import os from 'node:os';
import path from 'node:path';
import { attempt } from './errors.ts';

/** devwatch's cache folder, whose content may be lost; undefined for a user without a home folder. */
export const cacheFolder = ({ XDG_CACHE_HOME }: NodeJS.ProcessEnv): string | undefined =>
  ownFolder(XDG_CACHE_HOME, '.cache');

/** devwatch's state folder: records of background programs and of orphans; undefined as for the cache. */
export const stateFolder = ({ XDG_STATE_HOME }: NodeJS.ProcessEnv): string | undefined =>
  ownFolder(XDG_STATE_HOME, path.join('.local', 'state'));

/**
 * Returns devwatch's folder in a base folder of the XDG specification, which is ignored unless absolute, or else in
 * `fallback` below the home folder; undefined for a user without one, such as a bare user id in a container.
 */
function ownFolder(base: string | undefined, fallback: string): string | undefined {
  if (base !== undefined && path.isAbsolute(base)) return path.join(base, 'devwatch');
  return attempt(() => path.join(os.homedir(), fallback, 'devwatch'));
}
