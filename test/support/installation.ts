/** An installation of devwatch of its own, whose files a test may remove and put back. */

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
    remove: () => fs.rmSync(folder, { recursive: true }),
    restore() {
      fs.mkdirSync(folder, { recursive: true });
      fs.copyFileSync('package.json', path.join(folder, 'package.json'));
      for (const name of ['cli.cjs', 'main.cjs', 'guardian.cjs', 'own-texts.json', 'index.js', 'preload']) {
        fs.cpSync(path.join('dist', name), path.join(folder, 'dist', name), { recursive: true });
      }
    },
  };
  installation.restore();
  return installation;
}
