import os from 'node:os';
import path from 'node:path';
import { UsageError } from '../errors.ts';

/**
 * Where devwatch keeps what may be lost.
 *
 * @throws UsageError where the user has no home
 */
export const cacheFolder = ({ XDG_CACHE_HOME = '' }: NodeJS.ProcessEnv): string =>
  path.join(path.isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : path.join(homeFolder(), '.cache'), 'devwatch');

/** @throws UsageError where there is none: in a container, a user may be a mere number */
export function homeFolder(): string {
  try {
    return os.homedir();
  } catch {
    throw new UsageError('this user has no home folder · set HOME');
  }
}
