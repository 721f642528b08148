/** V8's code cache of devwatch itself (src/bin.ts). */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { start } from '../support/app.ts';
import { cli, startDevwatch } from '../support/devwatch.ts';
import { createProject, type Project } from '../support/project.ts';

/** The code caches, which lie beside a copy of the preload. */
const cachesIn = (project: Project): string[] => {
  const folder = project.at('cache/devwatch/own');
  const names = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  return names.filter((name) => !name.startsWith('preload-')).map((name) => path.join(folder, name));
};

const envOf = (project: Project): Record<string, string> => ({ XDG_CACHE_HOME: project.at('cache') });

/** The parts of main.cjs whose compiled code is kept. */
const partCount = 2;

/** Launches devwatch and waits until there are its code caches. */
async function launch(project: Project): Promise<void> {
  await using devwatch = startDevwatch(['server.js'], { cwd: project.path, env: envOf(project) });
  await devwatch.event('watching');
  while (cachesIn(project).length < partCount) await sleep(20);
}

const server = { 'server.js': 'setInterval(() => {}, 1000);' };

const versionOf = (project: Project, ...nodeArgs: string[]): string =>
  spawnSync(process.execPath, [...nodeArgs, cli, '--version'], {
    cwd: project.path,
    env: { ...process.env, ...envOf(project) },
    encoding: 'utf8',
  }).stdout;

test('a launch saves the code caches, readable by their user only, and the next launch leaves them as they are', async () => {
  const project = createProject(server);
  await launch(project);
  const stats = () =>
    cachesIn(project).map((file) => {
      const { ino, mtimeMs, mode, size } = fs.statSync(file);
      return { file, ino, mtimeMs, mode: mode & 0o777, isFull: size > 100_000 };
    });
  const before = stats();
  expect(before).toMatchObject(Array(partCount).fill({ mode: 0o600, isFull: true }));
  await using app = await start({ project, args: ['server.js'], env: envOf(project) });
  await app.event('watching');
  await app.end('SIGTERM');
  expect(stats()).toEqual(before);
});

test('a launch replaces the code caches of an earlier build, and leaves that of another Node', async () => {
  const project = createProject(server);
  await launch(project);
  const files = cachesIn(project);
  for (const file of files) fs.renameSync(file, file.replace(/[0-9a-f]{16}(?=-[a-z]+$)/, '0123456789abcdef'));
  const foreign = path.join(project.at('cache/devwatch/own'), 'x64-10.2.154.26-node.36-0123456789abcdef');
  fs.writeFileSync(foreign, '');
  await using app = await start({ project, args: ['server.js'], env: envOf(project) });
  await app.event('watching');
  while (!files.every((file) => fs.existsSync(file))) await sleep(20);
  expect(cachesIn(project).sort()).toEqual([...files, foreign].sort());
});

test('devwatch runs with a code cache that is damaged or writable by others', async () => {
  await using project = createProject(server);
  const version = versionOf(project);
  await launch(project);
  const file = cachesIn(project).find((name) => name.endsWith('-main')) ?? '';
  const content = fs.readFileSync(file);
  for (const damaged of [content, content.subarray(0, 5000), Buffer.alloc(0), Buffer.alloc(content.length, 'x')]) {
    fs.writeFileSync(file, damaged);
    expect(versionOf(project)).toBe(version);
    expect(versionOf(project, '--no-opt')).toBe(version);
  }
  fs.chmodSync(file, 0o666);
  expect(versionOf(project)).toBe(version);
  fs.rmSync(file);
  fs.mkdirSync(file);
  expect(versionOf(project)).toBe(version);
});

test('devwatch runs where no code cache can be saved', async () => {
  const project = createProject({ ...server, cache: 'a file' });
  await using app = await start({ project, args: ['server.js'], env: envOf(project) });
  await app.event('watching');
  expect(app.events.some(({ event }) => event === 'problem')).toBe(false);
  expect(app.otherLines).toEqual([]);
});
