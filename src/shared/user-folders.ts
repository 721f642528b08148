/** The folders of the XDG specification in which devwatch keeps its files. */

import os from 'node:os';
import path from 'node:path';
import { attempt } from './errors.ts';
import { flawOnWay, makeTrustedFolder } from './file-ownership.ts';

/**
 * Returns devwatch's cache folder, whose content may be lost. As it is executed, the first place counts which no other user
 * can replace; undefined if there is none, as for a bare user id in a container.
 */
export const cacheFolder = ({ XDG_CACHE_HOME }: NodeJS.ProcessEnv): string | undefined =>
  (isAbsolute(XDG_CACHE_HOME) ? trustedIn(XDG_CACHE_HOME) : undefined) ?? belowHome('.cache');

/**
 * Returns a folder in devwatch's cache for files that are executed; makes it if it is missing. Undefined if there can be
 * none: without it, everything is only slower.
 */
export function openCache(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const cache = cacheFolder(env);
  const folder = cache && path.join(cache, name);
  return folder && attempt(() => makeTrustedFolder(folder));
}

/**
 * Returns devwatch's state folder: records of background programs and of orphans. Whoever makes it checks it, and can say
 * why the place that the user names cannot be trusted. Undefined without a home folder.
 */
export function stateFolder({ XDG_STATE_HOME }: NodeJS.ProcessEnv): string | undefined {
  if (isAbsolute(XDG_STATE_HOME)) return path.join(XDG_STATE_HOME, 'devwatch');
  const name = path.join('.local', 'state');
  const home = homeFolder();
  return belowHome(name) ?? (home && path.join(home, name, 'devwatch'));
}

/** Relative folders, and that of an empty variable, would be in the project. */
const isAbsolute = (folder: string | undefined): folder is string => folder !== undefined && path.isAbsolute(folder);

/** Folders by their bases; undefined if another user could replace them. A folder that only this user can replace stays one. */
const known = new Map<string, string | undefined>();

function trustedIn(base: string): string | undefined {
  if (!known.has(base)) {
    const folder = path.join(base, 'devwatch');
    known.set(base, attempt(() => flawOnWay(folder) === undefined) === true ? folder : undefined);
  }
  return known.get(base);
}

/** HOME may be that of another user: after `sudo -E`, or as root in a container whose image sets it. */
function belowHome(name: string): string | undefined {
  const home = homeFolder();
  const found = home && trustedIn(path.join(home, name));
  if (found !== undefined) return found;
  const own = homeOfUser();
  return own && trustedIn(path.join(own, name));
}

/** Returns the home folder; HOME may be empty. */
export function homeFolder(): string | undefined {
  const { HOME } = process.env;
  // As os.homedir() does, but loading node:os takes 1 ms of a launch.
  const home = process.geteuid !== undefined && isAbsolute(HOME) ? HOME : attempt(() => os.homedir());
  return isAbsolute(home) ? home : homeOfUser();
}

/** Asks the system, which takes longer. */
function homeOfUser(): string | undefined {
  const home = attempt(() => os.userInfo().homedir);
  return isAbsolute(home) ? home : undefined;
}
