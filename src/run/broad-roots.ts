/** Finds out that more is watched than a project: devwatch was started in the wrong folder. */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { attempt } from '../shared/errors.ts';
import { upwards } from '../watch/disk.ts';

/** So many projects in a folder are more than the parts of one. */
const minProjects = 10;
/** No more folders are looked at. */
const maxFolders = 500;

/** Files and folders that are at the top of a project. */
const projectMarks = ['.git', 'package.json', 'pyproject.toml', 'go.mod', 'Cargo.toml', 'composer.json', 'Gemfile'];

/**
 * Returns a message for each root that is a whole machine, the home of a user, or a folder of many projects.
 *
 * @param isProject whether a folder is the top of a project; by default its files tell
 */
export function warnOfRoots(
  { roots }: { readonly roots: readonly string[] },
  isProject: (folder: string) => boolean = hasProjectMark,
): string[] {
  const home = attempt(() => os.homedir());
  return roots.flatMap((root) => {
    const isHome = root === home && !fs.existsSync(path.join(root, 'package.json'));
    if (isHome || path.dirname(root) === root)
      return [`${root} is watched as a whole · start devwatch in a project, or name folders (--watch src)`];
    const projects = projectsIn(root, isProject);
    if (projects.length < minProjects) return [];
    const remedy = `start devwatch in one of them, or name folders (--watch ${projects[0]})`;
    return [`${root} holds ${projects.length} projects, and all of them are watched · ${remedy}`];
  });
}

/** Returns the names of the projects in a folder; none if the folder belongs to a project itself. */
function projectsIn(root: string, isProject: (folder: string) => boolean): readonly string[] {
  if ([...upwards(root)].some(isProject)) return [];
  const entries = attempt(() => fs.readdirSync(root, { withFileTypes: true })) ?? [];
  const folders = entries.filter((entry) => entry.isDirectory()).slice(0, maxFolders);
  return folders.map(({ name }) => name).filter((name) => isProject(path.join(root, name)));
}

const hasProjectMark = (folder: string): boolean => projectMarks.some((mark) => fs.existsSync(path.join(folder, mark)));
