/** The files that settings select. */

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { loadGiven } from '../../../src/config/load.ts';
import { planWatch } from '../../../src/run/watch-plan.ts';
import { createCommand } from '../../support/command.ts';
import { createProject, type Project } from '../../support/project.ts';

/** A package `web` that depends on a package beside it, linked as by npm. */
function workspace(): Project {
  const project = createProject({
    'web/package.json': '{"dependencies": {"lib": "*"}}',
    'web/server.js': '',
    'lib/package.json': '{}',
    'lib/index.js': '',
  });
  fs.mkdirSync(project.at('web/node_modules'));
  fs.symlinkSync(project.at('lib'), project.at('web/node_modules/lib'));
  return project;
}

test.each([
  [undefined, true],
  [['.'], true],
  [['./'], true],
  [['.', '*.graphql'], true],
  [['src'], false],
  [['src', '!.'], false],
  [[], false],
])('with "watch": %j linked packages are watched: %s', async (watch, expected) => {
  await using project = workspace();
  const loaded = loadGiven({ watch, cwd: project.at('web') }, project.path);
  const { filter } = await planWatch(
    loaded,
    createCommand({ script: project.at('web/server.js'), extensions: ['js'] }),
  );
  expect(filter.accepts(project.at('lib/index.js'))).toBe(expected);
});
