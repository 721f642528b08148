// Runs the semantics suite with each Node version in package.json. Further words go to vitest.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const here = import.meta.dirname;

function run(command, args, cwd, env = {}) {
  const { status } = spawnSync(command, args, { cwd, env: { ...process.env, ...env }, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

run('npm', ['ci'], here);
const { dependencies } = JSON.parse(fs.readFileSync(path.join(here, 'package.json'), 'utf8'));
const nodes = Object.keys(dependencies).map((name) => path.join(here, 'node_modules', name, 'bin', 'node'));
for (const node of nodes) run(node, ['--version'], here);
const suites = ['test/e2e/standby-semantics.test.ts', 'test/unit/preload/packages.test.ts'];
run('npx', ['vitest', 'run', ...suites, ...process.argv.slice(2)], path.join(here, '../..'), {
  NODES: nodes.join(','),
  DEVWATCH_EXHAUSTIVE: '1',
});
