import fs from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { isOfProject } from '../../../src/shared/project-owners.ts';
import { createProject, type Project } from '../../support/project.ts';

const [alice, mallory] = [1234, 2345];
const isRoot = process.geteuid?.() === 0;

describe.runIf(isRoot)('node_modules on the way up from a project', () => {
  /** A folder of `owner` with node_modules in it and the project of alice below. */
  function create(owner: number, mode: number): Project {
    const project = createProject({ 'node_modules/.bin/make': '', 'project/package.json': '{}' });
    fs.chmodSync(project.path, mode);
    fs.chownSync(project.path, owner, owner);
    for (const file of ['project', 'project/package.json']) fs.chownSync(project.at(file), alice, alice);
    // The folder of all projects of a test is closed to others.
    vi.spyOn(process as { geteuid: () => number }, 'geteuid').mockReturnValue(alice);
    return project;
  }

  const isUsed = (project: Project): boolean => isOfProject(project.at('node_modules'), project.at('project'));

  test.each<[string, number, number, number, boolean]>([
    ['of this user', alice, 0o755, alice, true],
    ['of root', 0, 0o755, 0, true],
    ['of another user in /tmp', 0, 0o1777, mallory, false],
    ['of another user in a folder that everybody can write', 0, 0o777, mallory, false],
    ['of another user in a folder of a group', alice, 0o775, mallory, false],
    ['of another user in a folder of that user', mallory, 0o755, mallory, false],
    ['of this user in /tmp', 0, 0o1777, alice, true],
  ])('%s', (_, owner, mode, ownerOfModules, expected) => {
    const project = create(owner, mode);
    try {
      fs.chownSync(project.at('node_modules'), ownerOfModules, ownerOfModules);
      expect(isUsed(project)).toBe(expected);
    } finally {
      vi.restoreAllMocks();
      fs.rmSync(project.path, { recursive: true });
    }
  });

  test('of the owner of package.json, as in a container over files of a user', async () => {
    await using project = createProject({ 'node_modules/x': '', 'package.json': '{}' });
    for (const file of ['package.json', 'node_modules']) fs.chownSync(project.at(file), mallory, mallory);
    expect(isOfProject(project.at('node_modules'), project.path)).toBe(true);
    fs.chmodSync(project.path, 0o777);
    expect(isOfProject(project.at('node_modules'), project.path)).toBe(false);
  });

  test('that is a link of another user', async () => {
    await using project = createProject({ 'elsewhere/x': '' });
    fs.symlinkSync('elsewhere', project.at('node_modules'));
    expect(isOfProject(project.at('node_modules'), project.path)).toBe(true);
    fs.lchownSync(project.at('node_modules'), mallory, mallory);
    expect(isOfProject(project.at('node_modules'), project.path)).toBe(false);
  });
});
