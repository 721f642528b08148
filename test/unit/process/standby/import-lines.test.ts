import { expect, test } from 'vitest';
import { ImportLines } from '../../../../src/process/standby/import-lines.ts';
import { createProject } from '../../../support/project.ts';

const files = {
  'server.js': "const express = require('express');\nrequire('./routes');\nconst answer = 42;\n",
  'routes/index.js': "import pg from 'pg';\nexport { a } from '../lib/a.js';\n",
  'lib/a.ts': "import type { B } from './b';\n",
};

/** Later than every change of the files so far. */
const later = (): number => Date.now() + 1000;

test.each<[boolean, string, string]>([
  [true, 'server.js', files['server.js'].replace('42', '43')],
  [true, 'server.js', `// a comment\n${files['server.js']}`],
  [false, 'server.js', files['server.js'].replace("require('express')", "require('koa')")],
  [false, 'server.js', `${files['server.js']}import('./more.js');\n`],
  [false, 'server.js', files['server.js'].replace("require('./routes');", '')],
  [false, 'routes/index.js', "export { a } from '../lib/a.js';\nimport pg from 'pg';\n"],
  [false, 'lib/a.ts', "import 'side-effect';\n"],
])('import lines are unchanged: %s, after a save of %s', async (isUnchanged, file, text) => {
  await using project = createProject(files);
  const lines = new ImportLines([project.at('server.js')], later());
  expect(lines.areUnchanged()).toBe(true);
  project.write(file, text);
  expect(lines.areUnchanged()).toBe(isUnchanged);
});

test('import lines have changed when a file that was loaded is gone', async () => {
  await using project = createProject(files);
  const lines = new ImportLines([project.at('server.js'), project.at('lib/a.ts')], later());
  project.remove('lib/a.ts');
  expect(lines.areUnchanged()).toBe(false);
});

test('import lines that were saved after the start of the run are not those that it has loaded, unless they are known', async () => {
  await using project = createProject(files);
  const since = Date.now() - 1000;
  const unknown = new ImportLines([project.at('server.js')], since);
  expect(unknown.areUnchanged()).toBe(false);
  const known = new ImportLines([project.at('server.js')], later());
  project.write('server.js', `${files['server.js']}// saved\n`);
  expect(new ImportLines([project.at('server.js')], since, known).areUnchanged()).toBe(true);
});

const packagesFirst =
  "const one = require('one');\nrequire('./routes');\nconst two = require('two');\none.listen(1);\n";

test.each<[boolean, string]>([
  [true, packagesFirst.replace('(1)', '(2)')],
  [true, packagesFirst.replace('const two', 'const three = [3];\nconst two')],
  [false, packagesFirst.replace('const two', 'one.use(3);\nconst two')],
])('code stands where it did, which packages rely on: %s, after a save of %s', async (isUnchanged, text) => {
  await using project = createProject({ 'server.js': packagesFirst, 'routes.js': '' });
  const file = project.at('server.js');
  const lines = new ImportLines([file], later());
  expect(lines.codeOf(file).imports).toHaveLength(3);
  project.write('server.js', text);
  expect(lines.areUnchanged(new Set([file]))).toBe(isUnchanged);
  expect(lines.areUnchanged()).toBe(true);
});
