/** devwatch goes on while its own files, its packages and Node are removed and replaced. */

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { start } from '../support/app.ts';
import { dialHome } from '../support/home.ts';
import { install } from '../support/installation.ts';
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
