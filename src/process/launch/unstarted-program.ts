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
    // The next try waits for the folder.
    const isPassing = isTransient(error) || lacksFolder(error, options);
    listener.onEvent({ type: 'exit', outcome, fault: isPassing ? 'shortage' : 'defect' });
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

/** Has the working folder gone at the very moment of the start? */
const lacksFolder = (error: unknown, { command: { file }, folder }: LaunchOptions): boolean =>
  codeOf(error) === 'ENOENT' && fs.existsSync(file) && !fs.existsSync(folder);

function describeStartError(error: unknown, options: LaunchOptions): string {
  const { command, folder } = options;
  const { file } = command;
  const code = codeOf(error);
  if (code === 'ENOENT') return `cannot be started: ${lacksFolder(error, options) ? folder : file} is missing`;
  if (code === 'EACCES') return `cannot be started: ${file} may not be executed`;
  return `cannot be started: ${explainSpawnError(error, file)}`;
}
