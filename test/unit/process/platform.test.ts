import { describe, expect, test } from 'vitest';
import { platform, platformNamed } from '../../../src/process/platform.ts';
import { asPlatform } from '../../support/platform.ts';

/** The names of all members, with their groups. */
const membersOf = (value: object): string[] =>
  Object.entries(value).flatMap(([name, member]) =>
    typeof member === 'object' && member !== null ? membersOf(member).map((inner) => `${name}.${inner}`) : [name],
  );

describe('a platform', () => {
  test.each([
    ['linux', 'Linux'],
    ['darwin', 'macOS'],
    ['win32', 'Windows'],
    ['freebsd', 'freebsd'],
  ] as const)('%s is called %s in messages', (name, title) => {
    expect(platformNamed(name)).toMatchObject({ name, title });
  });

  test('is the one of this process, unless a test chooses another one for a while', () => {
    expect(platform.name).toBe(process.platform);
    {
      using _ = asPlatform('win32');
      expect(platform.isPosix).toBe(false);
    }
    expect(platform.name).toBe(process.platform);
  });

  test.each(['darwin', 'win32'] as const)('%s has the groups of Linux', (name) => {
    const groupsOf = (of: NodeJS.Platform): string[] => Object.keys(platformNamed(of)).sort();
    expect(groupsOf(name)).toEqual(groupsOf('linux'));
    expect(membersOf(platformNamed(name)).length).toBeGreaterThan(20);
  });
});
