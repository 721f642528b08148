/** `npm ci` again and again under a running devwatch, while files are saved. */

import { expect, test } from 'vitest';
import { startDevwatch } from '../support/devwatch.ts';
import { isAlive } from '../support/facts.ts';
import { dialHome, openHome } from '../support/home.ts';
import { installByNpm, saveDuring } from '../support/installation.ts';
import { createProject } from '../support/project.ts';

const installations = Number(process.env.STRESS_INSTALLATIONS ?? 20);

/** A program that needs an installed package, and leaves a daemon. */
const server = (version: number): string => `require('dep');
require('child_process').spawn('sleep', ['500'], { stdio: 'ignore', detached: true }).unref();
${dialHome({ version })}`;

test.each([
  ['with standbys', []],
  ['without standbys', ['--no-standby']],
])(`after ${installations} times npm ci the program is up and fresh, %s`, async (_, flags) => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': server(0) });
  const { cli, ci } = installByNpm(project);
  await using devwatch = startDevwatch([...flags, 'server.js'], { cwd: project.path, env: home.env, cli });
  await home.caller();
  await devwatch.event('watching');
  let version = 1;
  for (let round = 0; round < installations; round += 1) {
    const last = await saveDuring(ci(), version, (one) => project.write('server.js', server(one)));
    await home.caller(({ says }) => says.version === last);
    version = last + 1;
  }
  const crashes = devwatch.events.filter(({ event }) => event === 'crash').length;
  const own = devwatch.otherLines.filter((line) => /devwatch.(dist|own)/.test(line));
  console.log(`${version} saves in ${installations} installations, ${crashes} crashes for want of the package`);
  expect(own).toEqual([]);
  expect(isAlive(devwatch.pid)).toBe(true);
  expect(home.mostAlive).toBe(1);
  await devwatch.end();
  expect(home.callers.filter((caller) => caller.isAlive())).toEqual([]);
});
