/** A program that could not be started. */

import fs from 'node:fs';
import { codeOf } from '../../shared/errors.ts';
import { explainSpawnError, isTransient } from '../spawn-errors.ts';
import type { LaunchOptions } from './child.ts';
import type { ProgramListener, RunningProgram } from './program-interface.ts';

/** Stands for a program that could not be started. Its tree is gone as soon as it is terminated. */
export function unstartedProgram(
  failure: Promise<unknown>,
  options: LaunchOptions,
  listener: ProgramListener,
): RunningProgram {
  void failure.then((error) => {
    const outcome = { code: null, signal: null, error: describeStartError(error, options) };
    listener.onEvent({ type: 'exit', outcome, fault: isTransient(error) ? 'shortage' : 'defect' });
  });
  return {
    pid: undefined,
    fromStandby: false,
    end: () => listener.onEvent({ type: 'gone', survivors: [] }),
    signal: () => {},
    interrupted: () => {},
    ping: () => false,
    isDebugged: async () => false,
    remainder: async () => ({ processes: [] }),
    memory: () => undefined,
    cpu: () => undefined,
    written: () => undefined,
    write: () => {},
  };
}

function describeStartError(error: unknown, { command: { file }, folder }: LaunchOptions): string {
  const code = codeOf(error);
  if (code === 'ENOENT') return `cannot be started: ${fs.existsSync(file) ? folder : file} is missing`;
  if (code === 'EACCES') return `cannot be started: ${file} may not be executed`;
  return `cannot be started: ${explainSpawnError(error, file)}`;
}
