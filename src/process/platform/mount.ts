/** The mounted file systems as `mount` of macOS prints them. */

import { spawnSync } from 'node:child_process';
import type { Mount } from '../../watch/shared-mounts.ts';

/** Returns the mounted file systems in their order; none if `mount` cannot be run. It takes 3 ms. */
export const readMounts = (): readonly Mount[] =>
  parseMountCommand(
    spawnSync('/sbin/mount', [], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 2000 }).stdout ?? '',
  );

/** Parses lines such as `//anna@nas/code on /Volumes/code (smbfs, nodev, nosuid, mounted by anna)`. */
export const parseMountCommand = (output: string): Mount[] =>
  output.split('\n').flatMap((line) => {
    // Both names may contain ` on `: a mount point is absolute.
    const [, point, type] = /^.*? on (\/.*) \(([^,()]+)(?:, [^()]*)?\)$/.exec(line) ?? [];
    return point === undefined || type === undefined ? [] : [{ point, type }];
  });
