/** The guard of watched roots, on a real disk. */

import { once } from 'node:events';
import fs from 'node:fs';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/shared/clock.ts';
import { RootGuard } from '../../../src/watch/root-guard.ts';
import { until } from '../../support/facts.ts';
import { createProject } from '../../support/project.ts';

test('a root that was made just before it is watched has not moved when something happens beside it', async () => {
  await using project = createProject({ 'x/app/a.js': '' });
  const root = project.at('x/app');
  const moved: string[] = [];
  const guard = new RootGuard({
    clock: systemClock,
    roots: [root],
    pollInterval: undefined,
    onMoved: (roots) => moved.push(...roots),
  });
  // Node reports to subscribers in the order in which they have subscribed.
  const folder = fs.watch(project.at('x'));
  const seen = once(folder, 'change');
  // A file with the name of its folder: its event may be about the folder itself, so that the guard looks at the root.
  project.write('x/x', '');
  await seen;
  expect(moved).toEqual([]);
  fs.renameSync(root, project.at('x/before'));
  await until(() => moved.length > 0);
  expect(moved).toEqual([root]);
  folder.close();
  guard.close();
});
