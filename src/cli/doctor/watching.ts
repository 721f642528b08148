/** How the files of a program are watched, and whether that will go on. */

import fs from 'node:fs';
import path from 'node:path';
import { platform } from '../../process/platform.ts';
import { warnOfRoots } from '../../run/broad-roots.ts';
import { ownFiles, type RunPlan } from '../../run/command-plan.ts';
import { planWatch, remarksOn } from '../../run/watch-plan.ts';
import { attempt } from '../../shared/errors.ts';
import { formatCount, formatPath } from '../../terminal/format.ts';
import { entriesOf } from '../../watch/disk.ts';
import type { Filter } from '../../watch/filter.ts';
import { type Mount, mountOf } from '../../watch/shared-mounts.ts';
import { chooseBackend, inotifyLimit } from '../../watch/watcher.ts';
import { broken, type Finding, note, noteOf, ok } from './finding.ts';

/** Folders that hold fewer folders than this are not worth a line. */
const manyFolders = 200;
const maxListed = 10;

const topic = 'watching';

/** Returns findings on the watched files. Reads all folders that are watched. `mounts`: those of the system by default. */
export async function watchFindings(plan: RunPlan, mounts?: readonly Mount[]): Promise<readonly Finding[]> {
  const { loaded, command } = plan;
  if (loaded.settings.watch.length === 0) return [note(topic, 'nothing: "watch" is empty')];
  const watch = await planWatch(loaded, command);
  const { filter } = watch;
  const { folders, files } = survey(filter);
  const { backend, reason } = chooseBackend(filter, watch, mounts);
  const shown = (place: string): string => (place === loaded.folder ? '.' : formatPath(place, loaded.folder));
  // The settings files and the like are watched as well.
  const named = filter.roots.filter((root) => !ownFiles(loaded, command).includes(root));
  const roots = named.map(
    (root) => `${shown(root)} (${mountOf(root, mounts ?? watch.mounts)?.type ?? 'unknown file system'})`,
  );
  const facts = `${roots.join(', ')} · ${backend} · ${formatCount(folders.length, 'folder')}, ${formatCount(files.length, 'file')}`;
  const remarks = [...warnOfRoots(filter), ...remarksOn(filter, plan, files)];
  return [
    ok(topic, facts),
    ...(reason === undefined ? [] : [noteOf(topic, reason)]),
    ...remarks.map((remark) => noteOf(topic, remark)),
    ...(backend === 'inotify' ? limitFindings(folders.length) : []),
    ...largestFinding(folders, filter, shown),
  ];
}

/** Returns the folders and the files that are watched now. */
function survey(filter: Filter): { readonly folders: readonly string[]; readonly files: readonly string[] } {
  const folders: string[] = [];
  const files: string[] = [];
  const queue = [...filter.roots];
  for (let folder = queue.pop(); folder !== undefined; folder = queue.pop()) {
    if (attempt(() => fs.statSync(folder ?? '').isDirectory()) !== true) continue;
    folders.push(folder);
    for (const entry of entriesOf(folder)) {
      const full = path.join(folder, entry.name);
      if (entry.isDirectory() && filter.mayContain(full)) queue.push(full);
      else if (entry.isFile() && filter.accepts(full)) files.push(full);
    }
  }
  return { folders, files };
}

function limitFindings(needed: number): readonly Finding[] {
  const watches = inotifyLimit('watches');
  const instances = inotifyLimit('instances');
  const used = platform.watching.inotifyUse();
  const remedy = ({ name }: { readonly name: string }, value: number): string => `sudo sysctl ${name}=${value}`;
  const findings: Finding[] = [];
  if (used.watches + needed > watches.value) {
    const text = `${needed} watches are needed, ${used.watches} of ${watches.value} are in use: devwatch polls`;
    findings.push(broken('limits', text, remedy(watches, Math.max(524_288, 4 * needed))));
  }
  if (used.instances >= instances.value) {
    const text = `all ${instances.value} inotify instances are in use: devwatch polls`;
    findings.push(broken('limits', text, remedy(instances, Math.max(1024, 2 * instances.value))));
  }
  if (findings.length > 0 || !Number.isFinite(watches.value)) return findings;
  return [ok('limits', `${needed} of ${watches.value} watches needed, ${used.watches} in use`)];
}

/** Names the folders directly below a root that hold the most folders. */
function largestFinding(
  folders: readonly string[],
  filter: Filter,
  shown: (place: string) => string,
): readonly Finding[] {
  if (folders.length < manyFolders) return [];
  const counts = new Map<string, number>();
  for (const folder of folders) {
    const root = filter.roots.find((place) => folder.startsWith(place + path.sep));
    if (root === undefined) continue;
    const top = path.join(root, path.relative(root, folder).split(path.sep)[0] ?? '');
    counts.set(top, (counts.get(top) ?? 0) + 1);
  }
  const largest = [...counts].sort(([, one], [, other]) => other - one).slice(0, maxListed);
  const list = largest.map(([folder, count]) => `${shown(folder)} ${count}`).join(', ');
  return [note('large folders', `${folders.length} folders: ${list}`, 'what need not be watched: --ignore <folder>')];
}
