/**
 * Finds file systems on which the kernel does not report all changes. It reports only its own writes, not those of
 * another machine (NFS, SMB), the host of a virtual machine (9p, vboxsf) or a FUSE daemon.
 */

import fs from 'node:fs';
import path from 'node:path';
import { attempt } from '../shared/errors.ts';
import { realPathOf, upwards } from './disk.ts';
import { isAtOrBelow, isBelow } from './paths.ts';

/** A mounted file system. */
export interface Mount {
  /** Absolute path of the mount point. */
  readonly point: string;
  /** As the system names it: `ext4`, `nfs4`, `fuse.sshfs`; `apfs`, `smbfs`. */
  readonly type: string;
}

/** File systems to which other machines write, on Linux and macOS. */
const network = /^(?:afpfs|afs|beegfs|ceph|cifs|coda|davfs|ftp|glusterfs|gpfs|lustre|ncpfs|nfs4?|smb3|smbfs|webdav)$/;
/** File systems of a host: QEMU and WSL 2 (9p: /mnt/c), Parallels, VirtualBox, Docker Desktop and Lima (virtiofs), VMware. */
const ofHost = /^(?:9p|drvfs|prl_fs|vboxsf|virtiofs|vmhgfs)$/;
const fuse = /^(?:fuse(?:\.|$)|fusefs|macfuse|osxfuse)/;
/** FUSE file systems whose contents only this machine can change. */
const localFuse = /^fuse\.(?:encfs|fuse-overlayfs|gocryptfs|ntfs)$/;

/** File systems that consist of no files on a disk: the kernel invents them, and reports no changes. */
const pseudo =
  /^(?:binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|fusectl|hugetlbfs|mqueue|nsfs|proc|pstore|rpc_pipefs|securityfs|selinuxfs|sysfs|tracefs)$/;
/** In a container this is a tmpfs. */
const deviceFolder = '/dev';

const isShared = ({ type }: Mount): boolean =>
  network.test(type) || ofHost.test(type) || (fuse.test(type) && !localFuse.test(type));

/**
 * Returns a shared file system that holds one of the roots, or lies in one; undefined when there is none.
 *
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
      const isInside = isShared(mount) && isBelow(mount.point, place);
      if (isInside && mayContain(root + mount.point.slice(place.length))) return mount;
    }
    if (home !== undefined && isShared(home)) return home;
  }
  return undefined;
}

/** Returns the mount points of file systems such as /proc, /sys and /dev, in which nothing is to be watched. */
export const pseudoMounts = (mounts: readonly Mount[] = readMounts()): readonly string[] =>
  mounts.filter(({ point, type }) => pseudo.test(type) || point === deviceFolder).map(({ point }) => point);

/** Returns the mounted file system that holds a place (absolute); undefined where that is unknown. */
export function mountOf(place: string, mounts: readonly Mount[] = readMounts()): Mount | undefined {
  const real = placeOf(place);
  const holding = mounts.filter(({ point }) => isAtOrBelow(real, point));
  // The innermost one; if several have the same point, the last one.
  return holding.reduce<Mount | undefined>(
    (home, mount) => (mount.point.length >= (home?.point.length ?? 0) ? mount : home),
    undefined,
  );
}

/** Is one of these real paths on a file system that may be unmounted while devwatch runs? */
export const isAnyOnMount = (places: readonly string[], mounts: readonly Mount[] = readMounts()): boolean =>
  mounts.some(({ point }) => point !== '/' && places.some((place) => isAtOrBelow(place, point)));

/** Returns the mounts that this process sees; none where there is no /proc. */
const readMounts = (): Mount[] => parseMounts(attempt(() => fs.readFileSync('/proc/self/mountinfo', 'utf8')) ?? '');

/** Parses /proc/PID/mountinfo (proc(5)). */
export function parseMounts(table: string): Mount[] {
  return table.split('\n').flatMap((line) => {
    // Optional fields end with a dash; the type follows.
    const [before = '', after = ''] = line.split(' - ');
    const point = before.split(' ')[4];
    const [type] = after.split(' ');
    if (point === undefined || type === undefined) return [];
    const unescaped = point.replaceAll(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
    return [{ point: unescaped, type }];
  });
}

/** Returns the real path of a root; of a missing root, the real path of its nearest folder and the rest as written. */
function placeOf(root: string): string {
  for (const folder of upwards(root)) {
    const real = realPathOf(folder);
    if (real !== undefined) return path.join(real, path.relative(folder, root));
  }
  return root;
}
