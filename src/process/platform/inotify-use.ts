/** How much of inotify's limits is in use, from Linux's /proc. */

import fs from 'node:fs';
import { attempt } from '../../shared/errors.ts';
import { listPids, readProc } from '../tree/proc.ts';

/** Counts the watches and the instances of this user, as far as /proc shows them. */
export function inotifyUse(): { readonly watches: number; readonly instances: number } {
  const uid = process.getuid?.();
  const own = listPids().filter((pid) => attempt(() => fs.statSync(`/proc/${pid}`).uid) === uid);
  const infos = own.flatMap((pid) =>
    (attempt(() => fs.readdirSync(`/proc/${pid}/fd`)) ?? []).flatMap((descriptor) => {
      const link = attempt(() => fs.readlinkSync(`/proc/${pid}/fd/${descriptor}`));
      return link === 'anon_inode:inotify' ? [readProc(`/proc/${pid}/fdinfo/${descriptor}`) ?? ''] : [];
    }),
  );
  const watches = infos.reduce(
    (sum, text) => sum + text.split('\n').filter((line) => line.startsWith('inotify')).length,
    0,
  );
  return { watches, instances: infos.length };
}
