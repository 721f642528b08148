import fs from 'node:fs';
import { expect, test } from 'vitest';
import { PackageFiles } from '../../../../src/process/standby/package-files.ts';
import { createProject, type Project } from '../../../support/project.ts';

const files = {
  'package-lock.json': '{}',
  'node_modules/.package-lock.json': '{}',
  'node_modules/one/index.js': 'module.exports = 1;',
  'node_modules/one/package.json': '{}',
  'node_modules/one/lib/deep.js': '',
};

/** Files of a package that are loaded a second after they were written. */
function loadedFrom(project: Project): PackageFiles {
  const packageFiles = new PackageFiles();
  packageFiles.add(
    [project.at('node_modules/one/index.js'), project.at('node_modules/one/lib/deep.js')],
    Date.now() + 1000,
  );
  return packageFiles;
}

test('a file of a package that is saved in place has changed, even with its size and its date restored', async () => {
  await using project = createProject(files);
  const packageFiles = loadedFrom(project);
  expect([packageFiles.changed, packageFiles.isReinstalled]).toEqual([[], false]);
  const file = project.at('node_modules/one/index.js');
  const { atime, mtime } = fs.statSync(file);
  fs.writeFileSync(file, 'module.exports = 2;');
  fs.utimesSync(file, atime, mtime);
  expect(packageFiles.changed).toEqual([file]);
});

test('a file that was saved while it was loaded has changed', async () => {
  await using project = createProject(files);
  const packageFiles = new PackageFiles();
  const file = project.at('node_modules/one/index.js');
  packageFiles.add([file], Date.now() - 1000);
  expect(packageFiles.changed).toEqual([file]);
});

test.each([
  'package-lock.json',
  'yarn.lock',
  'node_modules/.package-lock.json',
  'node_modules/one/package.json',
  'node_modules/two/index.js',
])('packages have been installed when %s has changed', async (file) => {
  await using project = createProject(files);
  const packageFiles = loadedFrom(project);
  project.write(file, '{ "changed": true }');
  expect(packageFiles.isReinstalled).toBe(true);
});
