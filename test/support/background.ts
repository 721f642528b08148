/** A temporary state folder, and processes that use modules of `src/background` in it. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';

export interface StateFolder extends Disposable {
  readonly path: string;
  /** Folder that holds one folder per name. */
  readonly background: string;
}

/** Makes a folder, sets XDG_STATE_HOME to it and unsets XDG_RUNTIME_DIR. Other users may traverse it. */
export function createStateFolder(): StateFolder {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'devwatch-state-')));
  fs.chmodSync(folder, 0o711);
  const before = { ...process.env };
  process.env.XDG_STATE_HOME = folder;
  delete process.env.XDG_RUNTIME_DIR;
  return {
    path: folder,
    background: path.join(folder, 'devwatch', 'background'),
    [Symbol.dispose]() {
      process.env = before;
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Builds a script that imports modules of `src/background`. Returns its path. */
export function buildScript(folder: string, name: string, contents: string): string {
  const outfile = path.join(folder, `${name}.mjs`);
  // The API of esbuild leaves a process behind.
  const { status, stderr } = spawnSync(
    path.resolve('node_modules/.bin/esbuild'),
    ['--bundle', '--platform=node', '--format=esm', '--loader=ts', `--outfile=${outfile}`, '--log-level=error'],
    { cwd: path.resolve('src/background'), input: contents, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  return outfile;
}

export interface Worker extends AsyncDisposable {
  readonly pid: number;
  readonly process: ChildProcess;
  /** Sends a line and waits for a line of JSON. */
  ask<Answer>(line: string): Promise<Answer>;
  /** Kills the process and waits until it is gone. */
  kill(): Promise<void>;
}

/** Starts a process that answers each line with a line. */
export function startWorker(file: string, args: readonly string[]): Worker {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const worker: Worker = {
    pid: child.pid ?? 0,
    process: child,
    async ask<Answer>(line: string) {
      child.stdin.write(`${line}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error('the worker has exited');
      return JSON.parse(value) as Answer;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
    [Symbol.asyncDispose]: () => worker.kill(),
  };
  return worker;
}
