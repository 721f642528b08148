import { expect, test } from 'vitest';
import { startDevwatch } from '../support/devwatch.ts';
import { dialHome, openHome } from '../support/home.ts';
import { createProject } from '../support/project.ts';

test('a save replaces the program, and the old one is dead before the new one runs', async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': dialHome({ version: 1 }) });
  await using devwatch = startDevwatch(['server.js'], { cwd: project.path, env: home.env });

  const first = await home.next();
  await devwatch.event('watching');
  project.write('server.js', dialHome({ version: 2 }));
  const second = await home.next();

  expect(first.isAlive()).toBe(false);
  expect(second.says.version).toBe(2);
  expect(home.mostAlive).toBe(1);
});
