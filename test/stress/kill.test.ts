/** SIGKILL of devwatch at random moments: nothing survives. */

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { expect, test } from 'vitest';
import { startDevwatch } from '../support/devwatch.ts';
import { isAlive } from '../support/facts.ts';
import { dialHome, openHome } from '../support/home.ts';
import { createProject } from '../support/project.ts';

const kills = Number(process.env.STRESS_KILLS ?? 200);

/** A program with a plain and a detached child; the version makes each save a change. */
const family = (version: number): string => `${dialHome({ version })}
const { spawn } = require('child_process');
spawn('sleep', ['500'], { stdio: 'ignore' });
spawn('sleep', ['500'], { stdio: 'ignore', detached: true }).unref();
`;

test(`after SIGKILL at ${kills} random moments nothing is left within a second`, async () => {
  let longest = 0;
  let survivors = 0;
  const moments = { starting: 0, running: 0, restarting: 0, parked: 0 };
  for (let turn = 0; turn < kills; turn += 1) {
    await using home = await openHome();
    await using project = createProject({ 'server.js': family(1) });
    const mark = randomUUID();
    const devwatch = startDevwatch(['server.js'], {
      cwd: project.path,
      env: { ...home.env, STRESS_MARK: mark, DEVWATCH_CGROUP: String(turn % 8 < 4 ? 0 : 1) },
    });
    const dead = once(devwatch.process, 'exit');
    const kind = (['starting', 'running', 'restarting', 'parked'] as const)[turn % 4] ?? 'running';
    if (kind === 'starting') {
      await afterMilliseconds(40 + Math.random() * 120);
    } else {
      await home.caller();
      await devwatch.event('watching');
      if (kind === 'parked') await devwatch.event('standby');
      if (kind === 'restarting') {
        project.write('server.js', family(2));
        await afterMilliseconds(Math.random() * 80);
      }
    }
    moments[kind] += 1;
    devwatch.process.kill('SIGKILL');
    await dead;
    const killedAt = performance.now();
    let left = marked(mark);
    while (left.length > 0 && performance.now() - killedAt < 1000) {
      await new Promise((resolve) => setImmediate(resolve));
      left = marked(mark);
    }
    longest = Math.max(longest, performance.now() - killedAt);
    survivors += left.length;
    for (const pid of left) process.kill(pid, 'SIGKILL');
  }
  console.log(`killed ${JSON.stringify(moments)}, ${survivors} survivors, the longest took ${Math.round(longest)} ms`);
  expect(survivors).toBe(0);
});

/** The randomness of the moment is the point here: nothing is waited for. */
function afterMilliseconds(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const ends = performance.now() + ms;
    const look = (): void => {
      if (performance.now() < ends) setImmediate(look);
      else resolve();
    };
    look();
  });
}

/** Live processes with the mark in their environment. */
function marked(mark: string): number[] {
  return fs
    .readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && isAlive(pid) && environOf(pid).includes(`STRESS_MARK=${mark}`));
}

function environOf(pid: number): string {
  try {
    return fs.readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return '';
  }
}
