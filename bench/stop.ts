/**
 * Measures the cost of terminating a Node program and proving that its tree is gone, against a bare `child.kill()` and
 * `exit` of the same program. Rounds are interleaved, so that a change in the machine's speed affects both alike.
 * Usage: tsx bench/stop.ts [rounds] [processes]
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createContainment } from '../src/process/tree/containment.ts';
import { dialHome, openHome } from '../test/support/home.ts';
import { launchTree } from '../test/support/launch.ts';

const rounds = Number(process.argv[2] ?? 30);
const processes = Number(process.argv[3] ?? 300);

await using home = await openHome();
const env = { ...process.env, ...home.env };
const args = ['-e', dialHome()];

async function bare(): Promise<number> {
  const child = spawn(process.execPath, args, { env, stdio: 'ignore' });
  const exited = once(child, 'exit');
  await home.caller();
  const began = performance.now();
  child.kill();
  await exited;
  return performance.now() - began;
}

function contained(cgroup: boolean): { known: boolean; measure: () => Promise<number>; release: () => void } {
  const containment = createContainment({ globs: ['chrome', 'tmux*', 'watchman'], program: [] }, cgroup);
  return {
    known: (containment.record.cgroup !== '') === cgroup,
    async measure() {
      const { program, gone } = launchTree({ containment, file: process.execPath, args, isNode: true, env });
      const ended = gone.then(() => performance.now());
      await home.caller();
      const began = performance.now();
      program.end('terminating');
      return (await ended) - began;
    },
    release: () => containment.release(),
  };
}

const median = (values: readonly number[]): number =>
  [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;

const crowd = Array.from({ length: processes }, () => spawn('/bin/sleep', ['600'], { stdio: 'ignore' }));
try {
  await Promise.all(crowd.map((child) => once(child, 'spawn')));
  const marks = contained(false);
  const cgroup = contained(true);
  const ways: [string, () => Promise<number>][] = [
    ['bare kill', bare],
    ['devwatch, by marks', marks.measure],
  ];
  if (cgroup.known) ways.push(['devwatch, by cgroup', cgroup.measure]);
  const times = ways.map((): number[] => []);
  for (let round = -2; round < rounds; round += 1) {
    for (const [index, [, measure]] of ways.entries()) {
      const time = await measure();
      if (round >= 0) times[index]?.push(time); // The first two rounds warm up.
    }
  }
  marks.release();
  cgroup.release();
  const base = median(times[0] ?? []);
  console.log(`Terminating a Node program, ${processes} further processes, ${rounds} rounds, medians in ms:\n`);
  console.log('| way | median | over the bare kill |\n|---|---|---|');
  for (const [index, [name]] of ways.entries()) {
    const own = median(times[index] ?? []);
    console.log(`| ${name} | ${own.toFixed(1)} | ${index === 0 ? '' : `+${(own - base).toFixed(1)}`} |`);
  }
  if (!cgroup.known) console.log('\ndevwatch cannot create a cgroup on this machine.');
} finally {
  for (const child of crowd) child.kill('SIGKILL');
}
