import os from 'node:os';
import path from 'node:path';

/** Where devwatch keeps what may be lost. */
export const cacheFolder = ({ XDG_CACHE_HOME }: NodeJS.ProcessEnv): string =>
  path.join(XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'devwatch');
