/** SIGKILL of devwatch at random moments, a third of them while its own files are being replaced: nothing survives. */

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { startDevwatch } from '../support/devwatch.ts';
import { dialHome, openHome } from '../support/home.ts';
import { install, randomDelay, replaceUntil } from '../support/installation.ts';
import { createProject } from '../support/project.ts';
import { markedProcesses } from './marked.ts';

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
  let replaced = 0;
  const moments = { starting: 0, running: 0, restarting: 0, parked: 0 };
  for (let turn = 0; turn < kills; turn += 1) {
    await using home = await openHome();
    await using project = createProject({ 'server.js': family(1) });
    const installation = install(project);
    let stopReplacing = (): void => {};
    const replace = (): void => {
      if (turn % 3 !== 0) return;
      replaced += 1;
      stopReplacing = replaceUntil(installation);
    };
    const mark = randomUUID();
    const devwatch = startDevwatch(['server.js'], {
      cwd: project.path,
      cli: installation.cli,
      env: { ...home.env, STRESS_MARK: mark, DEVWATCH_CGROUP: String(turn % 8 < 4 ? 0 : 1) },
    });
    const dead = once(devwatch.process, 'exit');
    const kind = (['starting', 'running', 'restarting', 'parked'] as const)[turn % 4] ?? 'running';
    if (kind === 'starting') {
      await randomDelay(60);
      replace();
      await randomDelay(120);
    } else {
      await home.caller();
      await devwatch.event('watching');
      replace();
      if (kind === 'parked') await devwatch.event('standby');
      if (kind === 'restarting') {
        project.write('server.js', family(2));
        await randomDelay(80);
      }
    }
    moments[kind] += 1;
    devwatch.process.kill('SIGKILL');
    await dead;
    stopReplacing();
    const killedAt = performance.now();
    let left = markedProcesses(mark);
    while (left.length > 0 && performance.now() - killedAt < 1000) {
      await new Promise((resolve) => setImmediate(resolve));
      left = markedProcesses(mark);
    }
    longest = Math.max(longest, performance.now() - killedAt);
    survivors += left.length;
    for (const pid of left) process.kill(pid, 'SIGKILL');
  }
  const figures = `${survivors} survivors, the longest took ${Math.round(longest)} ms`;
  console.log(`killed ${JSON.stringify(moments)}, ${replaced} during a reinstallation: ${figures}`);
  expect(survivors).toBe(0);
});
