import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Filter } from '../../../src/watch/filter.ts';
import { findSharedMount, type Mount, parseMounts, pseudoMounts } from '../../../src/watch/shared-mounts.ts';
import { chooseBackend } from '../../../src/watch/watcher.ts';

const everything = (): boolean => true;

const mounts = (...lines: readonly string[]): Mount[] =>
  lines.map((line) => {
    const [point = '', type = ''] = line.split(' ');
    return { point, type };
  });

describe('the mount table', () => {
  test('is read with its optional fields', () => {
    const table = [
      '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard',
      '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:7 - nfs4 server:/export rw',
      '',
    ].join('\n');
    expect(parseMounts(table)).toEqual(mounts('/ ext4', '/mnt2 nfs4'));
  });

  test('is read with escaped characters in mount points', () => {
    expect(parseMounts(String.raw`1 2 0:5 / /my\040files\011\134x rw - cifs //nas/x rw`)).toEqual([
      { point: '/my files\t\\x', type: 'cifs' },
    ]);
  });

  test.runIf(process.platform === 'linux')('contains / on this machine', () => {
    expect(parseMounts(fs.readFileSync('/proc/self/mountinfo', 'utf8')).map(({ point }) => point)).toContain('/');
  });
});

test('pseudoMounts returns the file systems of the kernel, and /dev of a container', () => {
  const table = mounts('/ ext4', '/proc proc', '/sys sysfs', '/sys/fs/cgroup cgroup2', '/dev tmpfs', '/dev/shm tmpfs');
  expect(pseudoMounts(table)).toEqual(['/proc', '/sys', '/sys/fs/cgroup', '/dev']);
  expect(pseudoMounts(mounts('/ overlay', '/dev devtmpfs', '/run tmpfs', '/tmp tmpfs'))).toEqual(['/dev']);
});

describe('findSharedMount finds', () => {
  test.each([
    ['NFS', '/srv/code', ['/ ext4', '/srv nfs4'], '/srv'],
    ['SMB', '/media/nas/x', ['/ ext4', '/media/nas cifs'], '/media/nas'],
    ['a Windows drive in WSL 2', '/mnt/c/code', ['/ ext4', '/mnt/c 9p'], '/mnt/c'],
    ['a shared folder of VirtualBox', '/vagrant', ['/ ext4', '/vagrant vboxsf'], '/vagrant'],
    ['a folder of the host in Docker Desktop', '/app', ['/ overlay', '/app virtiofs'], '/app'],
    ['sshfs', '/home/u/remote/x', ['/ ext4', '/home/u/remote fuse.sshfs'], '/home/u/remote'],
    ['an unknown FUSE file system', '/data', ['/ ext4', '/data fuse.own'], '/data'],
    ['the inner one of nested mounts', '/a/b/c', ['/ ext4', '/a ext4', '/a/b nfs'], '/a/b'],
    ['the later one of two at the same point', '/a/x', ['/ ext4', '/a ext4', '/a nfs'], '/a'],
    ['a mount inside the root', '/app', ['/ ext4', '/app/shared nfs'], '/app/shared'],
  ])('%s', (_, root, table, point) => {
    expect(findSharedMount([root], everything, mounts(...table))?.point).toBe(point);
  });
});

describe('findSharedMount does not find', () => {
  test.each([
    ['a local disk', '/home/u/code', ['/ ext4', '/home btrfs']],
    ['the layers of a container', '/app', ['/ overlay', '/app ext4']],
    ['a disk mounted into a network mount', '/srv/disk/x', ['/ ext4', '/srv nfs', '/srv/disk ext4']],
    ['a network mount beside the root', '/srv', ['/ ext4', '/srv2 nfs']],
    ['NTFS through FUSE', '/media/disk', ['/ ext4', '/media/disk fuseblk']],
    ['a local FUSE file system', '/x', ['/ ext4', '/x fuse.gocryptfs']],
    ['an older mount that another one hides', '/a/x', ['/ ext4', '/a nfs', '/a ext4']],
    ['a machine without a mount table', '/x', []],
  ])('%s', (_, root, table) => {
    expect(findSharedMount([root], everything, mounts(...table))).toBeUndefined();
  });

  test('a network mount in an ignored folder', () => {
    const table = mounts('/ ext4', '/app/node_modules nfs');
    expect(findSharedMount(['/app'], (folder) => folder !== '/app/node_modules', table)).toBeUndefined();
  });
});

test('a backend that the settings name is used on every file system', () => {
  const filter = new Filter({
    watch: { patterns: ['.'], base: '/' },
    ignore: { patterns: [], base: '/' },
    extensions: null,
  });
  expect(chooseBackend(filter, { watcher: 'native', poll: false, events: 'inotify' })).toEqual({ backend: 'inotify' });
  expect(chooseBackend(filter, { watcher: 'chokidar', poll: false, events: 'inotify' })).toEqual({
    backend: 'chokidar',
  });
  expect(chooseBackend(filter, { watcher: 'native', poll: true, events: 'inotify' })).toEqual({ backend: 'polling' });
});
