import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checkName, defaultName } from '../../../src/background/program-names.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import { createProject } from '../../support/project.ts';

test.each(['', '.web', '../web', 'a/b', 'a b', 'ä', 'x'.repeat(65), 'all', 'a\n'])('checkName refuses %j', (name) => {
  expect(() => checkName(name)).toThrow(UsageError);
});

describe('defaultName', () => {
  test.each([
    ['@shop/web', 'shop-web'],
    ['web', 'web'],
    ['..', 'project'],
    ['all', 'app'],
    ['x'.repeat(100), 'x'.repeat(64)],
    [7, 'project'],
  ])('of a package named %j is %s', async (name, expected) => {
    await using project = createProject({ 'project/package.json': JSON.stringify({ name }) });
    expect(defaultName(project.at('project'))).toBe(expected);
  });

  test('of a folder without a package is the name of the folder', async () => {
    await using project = createProject({});
    fs.mkdirSync(project.at('.my app'));
    expect(defaultName(project.at('.my app'))).toBe('my-app');
    expect(defaultName('/')).toBe('app');
  });
});
