import { expect, test } from 'vitest';
import { parseMountCommand } from '../../../../src/process/platform/mount.ts';
import { Filter } from '../../../../src/watch/filter.ts';
import { findSharedMount, pseudoMounts } from '../../../../src/watch/shared-mounts.ts';
import { chooseBackend } from '../../../../src/watch/watcher.ts';

/** As macOS 12 prints it (libyal/libfsapfs#47), and drives of other kinds in the same form. */
const output = `/dev/disk1s5s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
/dev/disk1s1 on /System/Volumes/Data (apfs, local, journaled, nobrowse)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
fsapfsmount@macfuse0 on /Volumes/Test (macfuse, synchronous)
//anna@nas/code on /Volumes/work on it (smbfs, nodev, nosuid, mounted by anna)
nas:/export on /Volumes/nfs (nfs)
http://nas/dav/ on /Volumes/dav (webdav, nodev, noexec, nosuid, mounted by anna)
nonsense
`;

test('the file systems that `mount` of macOS names are read, with any characters in the mount points', () => {
  expect(parseMountCommand(output).map(({ point, type }) => `${point} ${type}`)).toEqual([
    '/ apfs',
    '/dev devfs',
    '/System/Volumes/Data apfs',
    '/System/Volumes/Data/home autofs',
    '/Volumes/Test macfuse',
    '/Volumes/work on it smbfs',
    '/Volumes/nfs nfs',
    '/Volumes/dav webdav',
  ]);
});

test.each([
  ['/Volumes/Test/a', '/Volumes/Test'],
  ['/Volumes/work on it/app', '/Volumes/work on it'],
  ['/Volumes/nfs', '/Volumes/nfs'],
  ['/Volumes/dav/x', '/Volumes/dav'],
  ['/Users/anna/app', undefined],
])('of the folders of a Mac, %s is on the shared file system %s', (root, point) => {
  expect(findSharedMount([root], () => true, parseMountCommand(output))?.point).toBe(point);
});

test('devwatch polls on a network drive of a Mac, and enters no device folder', () => {
  const mounts = parseMountCommand(output);
  const patterns = { patterns: ['.'], base: '/Volumes/work on it' };
  const filter = new Filter({ watch: patterns, ignore: { patterns: [], base: '/' }, extensions: ['js'] });
  expect(chooseBackend(filter, { watcher: 'auto', poll: false, events: 'FSEvents', mounts })).toEqual({
    backend: 'polling',
    reason: expect.stringMatching(
      /^\/Volumes\/work on it \(smbfs\) reports no changes that are made elsewhere: polling/,
    ),
  });
  expect(pseudoMounts(mounts)).toEqual(['/dev']);
});
