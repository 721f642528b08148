import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  flawOnWay,
  makeTrustedFolder,
  type OwnershipRule,
  ownershipFlaw,
  readTrusted,
} from '../../../src/shared/file-ownership.ts';
import { createProject } from '../../support/project.ts';

const user = process.geteuid?.() ?? 0;
const file: OwnershipRule = { kind: 'file', forbidden: 0o022 };
const folder: OwnershipRule = { kind: 'folder', forbidden: 0o077 };

/** Stats of a file that need not exist. */
const statsOf = (mode: number, uid = user): fs.Stats => Object.assign(new fs.Stats(), { mode, uid });

const [S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO] = [0o100000, 0o040000, 0o120000, 0o010000];

describe('ownershipFlaw', () => {
  test.each<[string, fs.Stats, OwnershipRule, ReturnType<typeof ownershipFlaw>]>([
    ['accepts a file of this user', statsOf(S_IFREG | 0o644), file, undefined],
    ['accepts a folder of this user', statsOf(S_IFDIR | 0o700), folder, undefined],
    ['finds a link', statsOf(S_IFLNK | 0o777), file, 'link'],
    ['finds a folder in place of a file', statsOf(S_IFDIR | 0o700), file, 'kind'],
    ['finds a file in place of a folder', statsOf(S_IFREG | 0o600), folder, 'kind'],
    ['finds a named pipe', statsOf(S_IFIFO | 0o600), file, 'kind'],
    ['finds a file of another user', statsOf(S_IFREG | 0o644, user + 1), file, 'owner'],
    [
      'finds a file of another user where root is trusted',
      statsOf(S_IFREG, user + 1),
      { ...file, mayBeRoots: true },
      'owner',
    ],
    ['finds a file that the group may write', statsOf(S_IFREG | 0o664), file, 'mode'],
    ['finds a folder that others may read', statsOf(S_IFDIR | 0o704), folder, 'mode'],
    ['ignores permissions that are not forbidden', statsOf(S_IFREG | 0o666), { ...file, forbidden: 0 }, undefined],
    [
      'accepts a file of root where root is trusted',
      statsOf(S_IFREG | 0o644, 0),
      { ...file, mayBeRoots: true },
      undefined,
    ],
  ])('%s', (_, stats, rule, flaw) => {
    expect(ownershipFlaw(stats, rule)).toBe(flaw);
  });

  test('takes the stats of a file on the disk', async () => {
    await using project = createProject({ own: '' });
    fs.chmodSync(project.at('own'), 0o666);
    fs.symlinkSync(project.at('own'), project.at('link'));
    expect(ownershipFlaw(fs.lstatSync(project.at('own')), file)).toBe('mode');
    expect(ownershipFlaw(fs.lstatSync(project.at('link')), file)).toBe('link');
  });
});

const isRoot = user === 0;
const other = 12_345;

describe('readTrusted', () => {
  test('returns the content, or what is wrong', async () => {
    await using project = createProject({ own: 'text' });
    fs.chmodSync(project.at('own'), 0o644);
    expect(String(readTrusted(project.at('own'), { forbidden: 0o022 }))).toBe('text');
    fs.chmodSync(project.at('own'), 0o666);
    expect(readTrusted(project.at('own'), { forbidden: 0o022 })).toBe('mode');
    expect(readTrusted(project.path, { forbidden: 0o022 })).toBe('kind');
    expect(() => readTrusted(project.at('gone'), { forbidden: 0 })).toThrow('ENOENT');
  });

  test('does not wait for the writer of a named pipe', async () => {
    await using project = createProject();
    execFileSync('mkfifo', [project.at('pipe')]);
    expect(readTrusted(project.at('pipe'), { forbidden: 0 })).toBe('kind');
  });
});

describe('flawOnWay', () => {
  /** Returns the flaw on the way to a folder of a project, and its place relative to the project. */
  const flawTo = (root: string, folder: string): readonly [string, string] | undefined => {
    const found = flawOnWay(path.join(root, folder));
    return found && [path.relative(root, found.place), found.flaw];
  };

  test.each<[string, (at: (name: string) => string) => void, readonly [string, string] | undefined]>([
    ['accepts folders of this user', () => {}, undefined],
    ['accepts what is missing', (at) => fs.rmSync(at('a'), { recursive: true }), undefined],
    ['finds a folder that everybody can write', (at) => fs.chmodSync(at('a'), 0o777), ['a', 'mode']],
    ['accepts one with the sticky bit', (at) => fs.chmodSync(at('a'), 0o1777), undefined],
    ['finds a file', (at) => fs.writeFileSync(at('a/b/c'), ''), ['a/b/c', 'kind']],
    ['finds what is behind a link', (at) => relink(at, 'a/b', 'open', 0o777), ['open', 'mode']],
    ['finds what is behind an absolute link', (at) => relink(at, 'a/b', at('open'), 0o777), ['open', 'mode']],
    ['accepts a link to a safe place', (at) => relink(at, 'a/b', '../safe', 0o755), undefined],
    ['finds a circle of links', (at) => relink(at, 'a/b', 'b'), ['a/b', 'link']],
  ])('%s', async (_, prepare, flaw) => {
    await using project = createProject({ 'a/b/x': '' });
    prepare(project.at);
    expect(flawTo(project.path, 'a/b/c')).toEqual(flaw);
  });

  /** Replaces a folder by a link. */
  function relink(at: (name: string) => string, name: string, target: string, mode?: number): void {
    fs.rmSync(at(name), { recursive: true });
    fs.symlinkSync(target === 'open' ? '../open' : target, at(name));
    if (mode === undefined) return;
    for (const folder of ['open', 'safe']) fs.mkdirSync(at(folder));
    for (const folder of ['open', 'safe']) fs.chmodSync(at(folder), mode);
  }

  test.runIf(isRoot)('finds a folder, and a link, of another user', async () => {
    await using project = createProject({ 'a/b/x': '' });
    fs.symlinkSync('b', project.at('a/link'));
    fs.lchownSync(project.at('a/link'), other, other);
    expect(flawTo(project.path, 'a/link')).toEqual(['a/link', 'owner']);
    expect(flawTo(project.path, 'a/b')).toBeUndefined();
    fs.chownSync(project.at('a'), other, other);
    expect(flawTo(project.path, 'a/b')).toEqual(['a', 'owner']);
  });

  test.runIf(isRoot)('finds a folder that a group can write, unless it is that of its user alone', async () => {
    await using project = createProject({ 'a/x': '' });
    fs.chmodSync(project.at('a'), 0o775);
    expect(flawTo(project.path, 'a')).toBeUndefined();
    fs.chownSync(project.at('a'), 0, other);
    expect(flawTo(project.path, 'a')).toEqual(['a', 'mode']);
  });
});

describe('makeTrustedFolder', () => {
  test('makes a folder and those above it, closed to others', async () => {
    await using project = createProject();
    const folder = project.at('a/b');
    expect(makeTrustedFolder(folder)).toBe(folder);
    expect(fs.statSync(project.at('a')).mode & 0o777).toBe(0o700);
    expect(makeTrustedFolder(folder)).toBe(folder);
  });

  test('makes nothing below a folder that another user can write', async () => {
    await using project = createProject({ 'a/x': '' });
    fs.chmodSync(project.at('a'), 0o777);
    expect(() => makeTrustedFolder(project.at('a/b'))).toThrow(
      `${project.at('a')}: is open to other users (mode 777) · chmod go-w ${project.at('a')}`,
    );
    expect(fs.existsSync(project.at('a/b'))).toBe(false);
  });

  test.runIf(isRoot)('refuses a folder of another user, and one below it', async () => {
    await using project = createProject({ 'a/b/x': '' });
    fs.chownSync(project.at('a'), other, other);
    for (const folder of ['a', 'a/b', 'a/c']) {
      expect(() => makeTrustedFolder(project.at(folder))).toThrow(/a: belongs to another user \(uid 12345\)$/);
    }
    expect(fs.existsSync(project.at('a/c'))).toBe(false);
  });

  test('refuses a folder with a forbidden permission', async () => {
    await using project = createProject({ 'a/x': '' });
    fs.chmodSync(project.at('a'), 0o755);
    expect(() => makeTrustedFolder(project.at('a'), 0o077)).toThrow(/chmod 700/);
    expect(makeTrustedFolder(project.at('a'))).toBe(project.at('a'));
  });
});
