/** devwatch goes on while its own files, its packages and Node are removed and replaced. */

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { start } from '../support/app.ts';
import { dialHome } from '../support/home.ts';
import { install, replaceUntil } from '../support/installation.ts';
import { createProject } from '../support/project.ts';

test.runIf(process.platform === 'linux')(
  'after SIGKILL nothing is left, although Node and devwatch have been removed',
  async () => {
    const project = createProject({ 'server.js': dialHome() });
    const installation = install(project);
    const node = project.at('node');
    fs.copyFileSync(process.execPath, node);
    await using app = await start({ project, args: ['server.js'], node, cli: installation.cli });
    const program = await app.caller();
    await app.event('watching');
    fs.rmSync(node);
    installation.remove();
    await app.end('SIGKILL');
    await program.gone;
    expect(app.mostAlive).toBe(1);
  },
);

test('while the files of devwatch are gone, saves, changed settings and daemons are handled as ever', async () => {
  const daemon = `require('child_process').spawn('sleep', ['500'], { detached: true, stdio: 'ignore' }).unref();`;
  const project = createProject({ 'server.js': dialHome({ version: 1 }), 'cache/a.txt': '' });
  const installation = install(project);
  await using app = await start({
    project,
    args: ['--no-standby', 'server.js'],
    cli: installation.cli,
    env: { XDG_CACHE_HOME: project.at('cache') },
  });
  await app.caller();
  await app.event('watching');
  installation.remove();
  app.write('server.js', dialHome({ version: 2 }) + daemon);
  expect((await app.caller()).says.version).toBe(2);
  // The copies are gone as well.
  fs.rmSync(project.at('cache'), { recursive: true });
  app.write('.watchrc', '{ "env": { "A": "1" } }');
  await app.event('settings');
  await app.caller();
  app.write('.watchrc', '{ "enf": {} }');
  expect((await app.event('problem')).message).toContain('"env"');
  installation.restore();
  app.write('server.js', dialHome({ version: 3 }));
  expect((await app.caller()).says.version).toBe(3);
  expect(app.mostAlive).toBe(1);
  expect(app.otherLines).toEqual([]);
});

test('while its files are replaced again and again, every save runs, and SIGKILL leaves nothing', async () => {
  const project = createProject({ 'server.js': dialHome({ version: 0 }) });
  const installation = install(project);
  await using app = await start({ project, args: ['server.js'], cli: installation.cli });
  await app.caller();
  await app.event('watching');
  const stop = replaceUntil(installation);
  for (let version = 1; version <= 3; version += 1) {
    app.write('server.js', dialHome({ version }));
    expect((await app.caller()).says.version).toBe(version);
  }
  const last = app.callers.at(-1);
  await app.end('SIGKILL');
  stop();
  await last?.gone;
  expect(app.mostAlive).toBe(1);
  expect(app.otherLines).toEqual([]);
});
