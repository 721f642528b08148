/** Packs devwatch once for all recipes, as it would be published, and installs it as `npm install --global` does. */

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The packed package. */
    tarball: string;
    /** A folder for PATH with the command `devwatch`. */
    globalBin: string;
  }
}

export default function setup(project: TestProject): () => void {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'devwatch-recipes-'));
  const packing = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder];
  const name = execFileSync('npm', packing, { encoding: 'utf8' }).trim();
  const tarball = path.join(folder, name);
  execFileSync('npm', ['install', '--silent', '--global', '--prefix', path.join(folder, 'global'), tarball]);
  project.provide('tarball', tarball);
  project.provide('globalBin', path.join(folder, 'global', 'bin'));
  return () => fs.rmSync(folder, { recursive: true });
}
