import os from 'node:os';
import path from 'node:path';

/** Where devwatch keeps what may be lost. */
export const cacheFolder = ({ XDG_CACHE_HOME = '' }: NodeJS.ProcessEnv): string =>
  path.join(path.isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : path.join(os.homedir(), '.cache'), 'devwatch');
