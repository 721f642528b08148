/** Installations of devwatch of their own, whose files a test may remove and put back. */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import type { Project } from './project.ts';

export interface Installation {
  readonly cli: string;
  /** Removes all of its files. */
  remove(): void;
  /** Writes them anew. */
  restore(): void;
}

/** Installs a copy of `dist/`, without any package beside it, in a project's `node_modules`. */
export function install(project: Project): Installation {
  const folder = project.at('node_modules/devwatch');
  const installation: Installation = {
    cli: path.join(folder, 'dist/cli.cjs'),
    remove: () => fs.rmSync(folder, { recursive: true, force: true }),
    restore() {
      fs.mkdirSync(folder, { recursive: true });
      fs.copyFileSync('package.json', path.join(folder, 'package.json'));
      for (const name of ['cli.cjs', 'main.cjs', 'index.js', 'preload']) {
        fs.cpSync(path.join('dist', name), path.join(folder, 'dist', name), { recursive: true });
      }
    },
  };
  installation.restore();
  return installation;
}

/** Removes and restores the files of an installation in turn, until the returned function is called. */
export function replaceUntil({ cli, remove, restore }: Installation): () => void {
  let isOver = false;
  const replace = (): void => {
    if (isOver) return;
    if (fs.existsSync(cli)) remove();
    else restore();
    setImmediate(replace);
  };
  replace();
  return () => {
    isOver = true;
  };
}

export interface NpmInstallation {
  readonly cli: string;
  /** Installs everything anew, without network. */
  ci(): Promise<void>;
}

/** Packs devwatch and a package `dep` of many files, and installs both in a project by npm, without network. */
export function installByNpm(project: Project): NpmInstallation {
  const npm = (folder: string, ...words: string[]): string =>
    execFileSync('npm', [...words, '--silent', '--offline', '--no-audit', '--no-fund'], {
      cwd: folder,
      encoding: 'utf8',
    }).trim();
  project.write('dep/package.json', '{ "name": "dep", "version": "1.0.0" }');
  project.write('dep/index.js', 'exports.isInstalled = true;');
  for (let index = 0; index < 500; index += 1) project.write(`dep/lib/${index}.js`, '');
  const pack = (folder: string): string => npm(folder, 'pack', '--ignore-scripts', '--pack-destination', project.path);
  const dependencies = { devwatch: `file:${pack('.')}`, dep: `file:${pack(project.at('dep'))}` };
  project.remove('dep');
  project.write('package.json', JSON.stringify({ name: 'app', private: true, dependencies }));
  npm(project.path, 'install');
  return {
    cli: project.at('node_modules/devwatch/dist/cli.cjs'),
    async ci() {
      const child = spawn('npm', ['ci', '--silent', '--offline', '--no-audit', '--no-fund'], { cwd: project.path });
      const [code] = await once(child, 'exit');
      if (code !== 0) throw new Error(`npm ci has failed (${code})`);
    },
  };
}

/**
 * Calls `save` at random moments, with a version that grows, until a piece of work is done and once afterwards. Returns the
 * last version.
 */
export async function saveDuring(work: Promise<void>, first: number, save: (version: number) => void): Promise<number> {
  let version = first;
  let isDone = false;
  void work.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    save(version);
    version += 1;
    await randomDelay(400);
  }
  await work;
  save(version);
  return version;
}

/** Waits for a random time: the randomness of the moment is the point of the test. */
export function randomDelay(maxMs: number): Promise<void> {
  const ends = performance.now() + Math.random() * maxMs;
  return new Promise((resolve) => {
    const look = (): void => {
      if (performance.now() < ends) setImmediate(look);
      else resolve();
    };
    look();
  });
}
