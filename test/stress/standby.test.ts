/** A long day of saves: every restart from a standby, and nothing grows. */

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { startDevwatch } from '../support/devwatch.ts';
import { dialHome, openHome } from '../support/home.ts';
import { createProject } from '../support/project.ts';

const restarts = Number(process.env.STRESS_RESTARTS ?? 1000);
/** By then caches are full and code is compiled. */
const warm = Math.floor(restarts / 5);

function sizeOf(pid: number): { descriptors: number; kilobytes: number } {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    descriptors: fs.readdirSync(`/proc/${pid}/fd`).length,
    kilobytes: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]),
  };
}

test(`${restarts} restarts from standby leave devwatch as it was`, async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': dialHome({ version: 0 }) });
  await using devwatch = startDevwatch(['server.js'], { cwd: project.path, env: home.env });
  await home.caller();
  let cold = 0;
  let early = sizeOf(devwatch.pid);
  for (let version = 1; version <= restarts; version += 1) {
    await devwatch.event('standby');
    project.write('server.js', dialHome({ version }));
    const { says } = await home.caller();
    expect(says.version).toBe(version);
    const start = await devwatch.event('start', ({ run }) => run > version);
    if (!start.standby) cold += 1;
    if (version === warm) early = sizeOf(devwatch.pid);
  }
  const late = sizeOf(devwatch.pid);
  console.log(`${cold} cold; after ${warm}: ${JSON.stringify(early)}, after ${restarts}: ${JSON.stringify(late)}`);
  expect(cold).toBe(0);
  expect(home.mostAlive).toBe(1);
  // A second standby comes and goes while saves are quick.
  expect(late.descriptors).toBeLessThanOrEqual(early.descriptors + 2);
  expect(late.kilobytes).toBeLessThan(early.kilobytes * 1.2);
});
