/**
 * Gives the whole run one temporary folder and one mark in the environment, and fails the suite if it leaves a process
 * or a temporary folder behind.
 */

import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    temporary: string;
    /** For large trees: in memory where that is possible. */
    spacious: string;
  }
}

const markName = 'DEVWATCH_TEST_RUN';

export default function setup(project: TestProject): () => void {
  refuseStaleBuild();
  const mark = randomUUID();
  process.env[markName] = mark;
  // The real path: programs report paths without links.
  const temporary = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'devwatch-test-')));
  project.provide('temporary', temporary);
  // ext4 takes up to 0.7 ms for a new file where many have just been deleted.
  const memory = fs.existsSync('/dev/shm') ? fs.mkdtempSync('/dev/shm/devwatch-test-') : undefined;
  project.provide('spacious', memory ?? temporary);
  // The records and caches of devwatch go there as well.
  process.env.XDG_STATE_HOME = path.join(temporary, 'state');
  process.env.XDG_CACHE_HOME = path.join(temporary, 'cache');

  return () => {
    const folders = [temporary, ...(memory === undefined ? [] : [memory])].flatMap((folder) => {
      const left = fs.readdirSync(folder).filter((name) => name !== 'state' && name !== 'cache');
      fs.rmSync(folder, { recursive: true, force: true });
      return left;
    });
    const processes = process.platform === 'linux' ? markedProcesses(mark) : [];
    for (const { pid } of processes) process.kill(pid, 'SIGKILL');
    if (folders.length > 0) throw new Error(`the suite left folders behind: ${folders.join(', ')}`);
    if (processes.length > 0) throw new Error(`the suite left processes behind: ${JSON.stringify(processes)}`);
  };
}

/** Most tests run the built command, and all of them the built preload. */
function refuseStaleBuild(): void {
  const modifiedAt = (file: string): number => fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  // Folders, too: their times tell that a file was added, renamed or removed.
  const sources = fs.readdirSync('src', { recursive: true, encoding: 'utf8' }).map((file) => path.join('src', file));
  const newest = Math.max(
    ...[...sources, 'scripts/build.mjs', 'scripts/self-contained.mjs', 'package.json'].map(modifiedAt),
  );
  if (newest > modifiedAt('dist/cli.cjs')) {
    const error = new Error('dist/ is older than src/: npm run build');
    error.stack = error.message;
    throw error;
  }
}

/** Lists the live processes with the mark in their environment, except for the runner and its workers. */
function markedProcesses(mark: string): { pid: number; command: string }[] {
  const found: { pid: number; command: string }[] = [];
  for (const name of fs.readdirSync('/proc')) {
    const pid = Number(name);
    if (!(pid > 0) || pid === process.pid) continue;
    try {
      // The mark is set after the runner's own start: its environ does not show it, its children's do.
      if (!fs.readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${markName}=${mark}`)) continue;
      const command = fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
      const state = fs.readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.[0];
      if (state !== 'Z' && !command.includes('vitest')) found.push({ pid, command });
    } catch {
      // Gone, or of another user.
    }
  }
  return found;
}
