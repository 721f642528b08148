/** Packages of stress tests, installed once into the user's cache folder. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/** Returns the folder `node_modules` with the packages of applications/package.json. */
export function installedPackages(): string {
  const folder = process.env.STRESS_PACKAGES;
  if (folder === undefined) throw new Error('npm run test:stress sets STRESS_PACKAGES');
  const manifest = fs.readFileSync(path.join(import.meta.dirname, 'applications/package.json'), 'utf8');
  const copy = path.join(folder, 'package.json');
  if (fs.existsSync(copy) && fs.readFileSync(copy, 'utf8') === manifest) return path.join(folder, 'node_modules');
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(copy, manifest);
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error'];
  if (spawnSync('npm', args, { cwd: folder, stdio: ['ignore', 2, 2] }).status !== 0) {
    fs.rmSync(copy);
    throw new Error('the applications cannot be installed');
  }
  return path.join(folder, 'node_modules');
}
