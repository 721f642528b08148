/** The files that devwatch would watch, links included. */

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { openWatched } from '../../../src/cli/watched.ts';
import { loadGiven } from '../../../src/config/load.ts';
import { planWatch } from '../../../src/run/watch-plan.ts';
import { createCommand } from '../../support/command.ts';
import { createProject } from '../../support/project.ts';

test.each([
  [true, ['src/gen/a.js', 'src/gen/a.js', 'linked.js', 'linked.js', 'plain.js', undefined], [true, true]],
  [false, [undefined, undefined, undefined, undefined, 'plain.js', undefined], [true, false]],
])('with "follow": %s files are watched under the names that links give them', async (follow, names, reached) => {
  await using outside = createProject({ 'real.js': '', 'hard.js': '' });
  await using project = createProject({ 'build/gen/a.js': '', 'plain.js': '', 'src/b.js': '' });
  fs.symlinkSync('../build/gen', project.at('src/gen'));
  fs.symlinkSync(outside.at('real.js'), project.at('linked.js'));
  fs.linkSync(outside.at('hard.js'), project.at('hard.js'));
  const loaded = loadGiven({ follow, cwd: project.path }, project.path);
  const plan = await planWatch(loaded, createCommand({ script: project.at('plain.js'), extensions: ['js'] }));
  await using watched = await openWatched(plan, (message) => expect.unreachable(message));
  const asked = [
    'src/gen/a.js',
    'build/gen/a.js',
    'linked.js',
    outside.at('real.js'),
    'plain.js',
    outside.at('hard.js'),
  ];
  const absolute = asked.map((file) => (file.startsWith('/') ? file : project.at(file)));
  expect(absolute.map(watched.nameOf)).toEqual(names.map((name) => name && project.at(name)));
  expect(['src/new.js', 'src/gen/new.js'].map((file) => watched.reaches(project.at(file)))).toEqual(reached);
});
