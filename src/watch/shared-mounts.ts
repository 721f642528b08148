/**
 * Finds file systems on which the kernel does not report all changes. It reports only its own writes, not those of
 * another machine (NFS, SMB), the host of a virtual machine (9p, vboxsf) or a FUSE daemon.
 */

import fs from 'node:fs';
import path from 'node:path';
import { realPathOf } from './disk.ts';
import { isAtOrBelow, isBelow } from './paths.ts';

/** A mounted file system. */
export interface Mount {
  /** Absolute path of the mount point. */
  readonly point: string;
  /** As in /proc/self/mountinfo: `ext4`, `nfs4`, `fuse.sshfs`. */
  readonly type: string;
}

/** File systems to which others write; FUSE (`fuse.*`) as well. */
const shared: ReadonlySet<string> = new Set([
  '9p', // WSL 2: /mnt/c; QEMU
  'afs',
  'beegfs',
  'ceph',
  'cifs',
  'coda',
  'davfs',
  'drvfs',
  'fuse',
  'glusterfs',
  'gpfs',
  'lustre',
  'ncpfs',
  'nfs',
  'nfs4',
  'prl_fs', // Parallels
  'smb3',
  'smbfs',
  'vboxsf', // VirtualBox
  'virtiofs', // Docker Desktop, Lima
  'vmhgfs', // VMware
]);

/** FUSE file systems whose contents only this machine can change. */
const localFuse: ReadonlySet<string> = new Set(['fuse.encfs', 'fuse.fuse-overlayfs', 'fuse.gocryptfs', 'fuse.ntfs']);

const isShared = ({ type }: Mount): boolean => shared.has(type) || (type.startsWith('fuse.') && !localFuse.has(type));

/**
 * Returns a shared file system that holds one of the roots, or lies in one; undefined when there is none.
 *
 * @param roots absolute
 * @param mayContain can anything below this folder be relevant?
 * @param mounts in the order in which they were mounted
 */
export function findSharedMount(
  roots: readonly string[],
  mayContain: (folder: string) => boolean,
  mounts: readonly Mount[] = readMounts(),
): Mount | undefined {
  for (const root of roots) {
    const place = placeOf(root);
    let home: Mount | undefined;
    for (const mount of mounts) {
      // The innermost mount holds the root; if several have the same point, the last one.
      if (isAtOrBelow(place, mount.point) && mount.point.length >= (home?.point.length ?? 0)) home = mount;
      if (isShared(mount) && isBelow(mount.point, place) && mayContain(root + mount.point.slice(place.length)))
        return mount;
    }
    if (home !== undefined && isShared(home)) return home;
  }
  return undefined;
}

/** Returns the mounts that this process sees; none where there is no /proc. */
function readMounts(): Mount[] {
  let table: string;
  try {
    table = fs.readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return [];
  }
  return parseMounts(table);
}

/** Parses /proc/PID/mountinfo (proc(5)). */
export function parseMounts(table: string): Mount[] {
  return table.split('\n').flatMap((line) => {
    // Optional fields end with a dash; the type follows.
    const [before = '', after = ''] = line.split(' - ');
    const point = before.split(' ')[4];
    const [type] = after.split(' ');
    if (point === undefined || type === undefined) return [];
    return [
      { point: point.replaceAll(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))), type },
    ];
  });
}

/** Returns the real path of a root; of a missing root, the real path of its nearest folder and the rest as written. */
function placeOf(root: string): string {
  for (let folder = root; ; folder = path.dirname(folder)) {
    const real = realPathOf(folder);
    if (real !== undefined) return path.join(real, path.relative(folder, root));
    if (folder === path.dirname(folder)) return root;
  }
}
