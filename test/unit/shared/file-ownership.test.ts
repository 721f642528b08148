import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type OwnershipRule, ownershipFlaw } from '../../../src/shared/file-ownership.ts';
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
