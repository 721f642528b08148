import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { loadGiven } from '../../../src/config/load.ts';
import { nodeNotice, planRun, type RunPlan, refresh } from '../../../src/run/command-plan.ts';
import { asPlatform } from '../../support/platform.ts';
import { createProject } from '../../support/project.ts';

function planIn(folder: string) {
  const request = { loaded: loadGiven({ script: 'a.js', cwd: folder }, folder), program: [], nodeArgs: [] };
  const plan = planRun(request);
  const removed: RunPlan = { ...plan, command: { ...plan.command, file: '/removed/node' } };
  return { request, plan, removed };
}

test('the Node of PATH runs the program when that of devwatch has been removed', async () => {
  await using project = createProject({ 'a.js': '' });
  const node = project.at('bin/node');
  project.write('bin/node', '');
  const { request, removed } = planIn(project.path);
  const loaded = { ...request.loaded, settings: { ...request.loaded.settings, env: { PATH: path.dirname(node) } } };
  fs.chmodSync(node, 0o755);
  const refreshed = refresh({ ...removed, loaded }, request, false);
  expect(refreshed.command.file).toBe(node);
  expect(nodeNotice(removed, refreshed)).toBe(`/removed/node is missing · ${node} runs the program`);
});

test('a Node that exists runs the program again, and nothing is said', async () => {
  await using project = createProject({ 'a.js': '' });
  const { request, plan } = planIn(project.path);
  const refreshed = refresh(plan, request, false);
  expect(refreshed.command.file).toBe(process.execPath);
  expect(nodeNotice(plan, refreshed)).toBeUndefined();
});

test('a missing Node is waited for when PATH has none', async () => {
  await using project = createProject({ 'a.js': '' });
  const { request, removed } = planIn(project.path);
  const loaded = { ...request.loaded, settings: { ...request.loaded.settings, env: { PATH: '/nowhere' } } };
  expect(refresh({ ...removed, loaded }, request, false).command.file).toBe('/removed/node');
});

test('a command needs no `ready` for live reload where a change restarts nothing', () => {
  const request = (onChange: 'restart' | 'nothing') => ({
    loaded: loadGiven({ exec: 'sleep 1', liveReload: true, onChange }, '/'),
    program: [],
    nodeArgs: [],
  });
  expect(() => planRun(request('restart'))).toThrow('"liveReload" needs "ready"');
  expect(planRun(request('nothing')).loaded.settings.liveReload).toBe(true);
});

test.each([
  [
    { exec: 'sleep 1', hold: 8123 },
    /^"hold": 8123: sockets cannot be passed to programs on Windows · leave "hold" out/,
  ],
  [{ exec: 'sleep 1', onChange: 'signal:SIGHUP' }, /^on Windows, "onChange": "signal:SIGHUP" only works for scripts/],
] as const)('a setting that Windows cannot follow is refused: %j', (settings, message) => {
  const request = { loaded: loadGiven(settings, '/'), program: [], nodeArgs: [] };
  expect(() => planRun(request)).not.toThrow();
  using _ = asPlatform('win32');
  expect(() => planRun(request)).toThrow(message);
});
