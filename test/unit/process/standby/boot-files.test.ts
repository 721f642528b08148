import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { ChildOptions } from '../../../../src/process/launch/child.ts';
import { BootFiles } from '../../../../src/process/standby/boot-files.ts';
import { childOptions } from '../../../support/fake-child.ts';
import { createProject, type Project } from '../../../support/project.ts';

const files = {
  'package.json': '{}',
  'tsconfig.json': '{ "extends": ["./config/base", "@scope/base", "./config/late", "late"] }',
  'config/base.json': '{ "extends": "./deep/tsconfig.json" }',
  'config/deep/tsconfig.json': '{}',
  'node_modules/@scope/base/tsconfig.json': '{}',
  'app/server.cjs': '',
  'app/tsconfig.json': '{}',
  'ca.pem': '',
  '.env': '',
};

const optionsIn = (project: Project): ChildOptions => ({
  ...childOptions,
  folder: project.path,
  command: { ...childOptions.command, script: project.at('app/server.cjs') },
  env: { NODE_EXTRA_CA_CERTS: 'ca.pem' },
});

const bootFilesIn = (project: Project): BootFiles => new BootFiles(optionsIn(project));

describe('boot files', () => {
  test.each([
    ...Object.keys(files).filter((file) => file !== 'app/server.cjs'),
    '.env.local',
    'app/package.json',
    'config/late.json',
    'node_modules/late/tsconfig.json',
  ])('are changed by a save of %s', async (file) => {
    await using project = createProject(files);
    const bootFiles = bootFilesIn(project);
    expect(bootFiles.areUnchanged()).toBe(true);
    project.write(file, '{ "changed": true }');
    expect(bootFiles.areUnchanged()).toBe(false);
  });

  test('are not changed by a save of the script, which a standby has not read', async () => {
    await using project = createProject(files);
    const bootFiles = bootFilesIn(project);
    project.write('app/server.cjs', 'changed');
    expect(bootFiles.areUnchanged()).toBe(true);
  });

  test('are changed by another folder that takes the path of the working folder', async () => {
    await using project = createProject({ 'app/server.cjs': '' });
    const bootFiles = new BootFiles({ ...childOptions, folder: project.at('app') });
    fs.renameSync(project.at('app'), project.at('old'));
    fs.mkdirSync(project.at('app'));
    expect(bootFiles.areUnchanged()).toBe(false);
  });

  test('include the files that the standby has loaded', async () => {
    await using project = createProject({ 'loader.js': '' });
    fs.utimesSync(project.at('loader.js'), 0, 0);
    const bootFiles = new BootFiles(childOptions);
    bootFiles.add([project.at('loader.js')]);
    project.write('loader.js', 'changed');
    expect(bootFiles.areUnchanged()).toBe(false);
  });

  test('refuse a loaded file that was saved after the start of the standby', async () => {
    await using project = createProject({ 'loader.js': '' });
    const bootFiles = new BootFiles(childOptions);
    project.write('loader.js', 'changed');
    expect(bootFiles.add([project.at('loader.js')])).toBe(false);
  });

  test('accept a name under which a loader keeps a module and that is not a file', () => {
    const bootFiles = new BootFiles(childOptions);
    expect(bootFiles.add(['/project/a.ts?namespace=1'])).toBe(true);
    expect(bootFiles.areUnchanged()).toBe(true);
  });
});
