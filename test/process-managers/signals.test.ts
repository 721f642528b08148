/**
 * A cleanup of two seconds under real process managers, which send signals of their own after that of the terminal. The
 * patterns of their signals are rows of test/unit/run/stop-requests.test.ts.
 */

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { findOnPath } from '../../src/process/launch/search.ts';
import { isAlive, until } from '../support/facts.ts';
import { createProject, type Project } from '../support/project.ts';
import { openTerminal } from '../support/terminal.ts';

const server = `
const fs = require('node:fs');
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(name, () => setTimeout(() => {
    fs.writeFileSync('cleaned', '');
    process.exit();
  }, 2000));
}
setInterval(() => {}, 60_000);
fs.writeFileSync('pid', String(process.pid));
console.log('serving');
`;

let project: Project;

beforeAll(() => {
  project = createProject({
    'server.js': server,
    '.env': '',
    Procfile: 'web: devwatch server.js\n',
    'package.json': JSON.stringify({
      private: true,
      scripts: {
        dev: 'devwatch server.js',
        env: 'env-cmd -f .env devwatch server.js',
        parallel: 'run-p dev',
      },
    }),
  });
  const pinned = fs.readFileSync(path.resolve('test/process-managers/package.json'), 'utf8');
  const packages = Object.entries(JSON.parse(pinned).dependencies as Record<string, string>);
  const names = packages.map(([name, version]) => `${name}@${version}`);
  const flags = ['--silent', '--no-audit', '--no-fund', '--no-save', '--prefer-offline'];
  execFileSync('npm', ['install', ...flags, ...names, inject('tarball')], { cwd: project.path });
});

afterAll(async () => {
  await project[Symbol.asyncDispose]();
});

const commands = [
  'npx devwatch server.js',
  'npm run dev',
  'npm run env',
  'npm run parallel',
  'npx pnpm run dev',
  'npx concurrently "devwatch server.js" "sleep 600"',
  'npx concurrently --kill-others "devwatch server.js" "sleep 600"',
  'npx concurrently "npx concurrently \'npm run dev\'" "sleep 600"',
  // Ruby's; tried where it is installed.
  ...(findOnPath('foreman', '/') === undefined ? [] : ['foreman start']),
];

test.each(commands.flatMap((command) => [['a Ctrl-C', command] as const, ['closing the terminal', command] as const]))(
  '%s lets the program clean up under %s',
  async (how, command) => {
    const cleaned = project.at('cleaned');
    fs.rmSync(cleaned, { force: true });
    await using terminal = openTerminal({
      cwd: project.path,
      env: { PATH: `${inject('globalBin')}:${process.env.PATH}` },
    });
    terminal.line(command);
    await terminal.until(/serving/);
    const pid = Number(fs.readFileSync(project.at('pid'), 'utf8'));
    if (how === 'a Ctrl-C') terminal.type('\x03');
    else terminal.hangUp();
    await until('the end of the program', () => !isAlive(pid));
    expect(fs.existsSync(cleaned)).toBe(true);
  },
);
