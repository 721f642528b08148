/** A program that could not be started. */

import fs from 'node:fs';
import { codeOf, messageOf } from '../../shared/errors.ts';
import type { LaunchOptions } from './child.ts';
import type { ProgramListener, RunningProgram } from './program-interface.ts';

/** The resource that is short when a process cannot be started, by the code of the error. */
const shortages: Readonly<Record<string, string>> = {
  EAGAIN: 'no further process is allowed',
  ENOMEM: 'there is not enough memory',
  EMFILE: 'devwatch may open no further file',
  ENFILE: 'too many files are open on this machine',
};

/** Stands for a program that could not be started. Its tree is gone as soon as it is terminated. */
export function unstartedProgram(
  failure: Promise<unknown>,
  options: LaunchOptions,
  listener: ProgramListener,
): RunningProgram {
  void failure.then((error) => {
    const outcome = { code: null, signal: null, error: describeStartError(error, options) };
    const code = codeOf(error) ?? '';
    const fault = code === 'ETXTBSY' || code in shortages ? 'shortage' : 'defect';
    listener.onEvent({ type: 'exit', outcome, fault });
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
  if (code === 'ETXTBSY') return `cannot be started: ${file} is being written (${code})`;
  if (code === 'E2BIG') return `cannot be started: its arguments and variables are too long (${code})`;
  if (code !== undefined && code in shortages) return `cannot be started: ${shortages[code]} (${code})`;
  // The error's own message names devwatch's wrapper of the program, if there is one.
  return `cannot be started: ${code === undefined ? messageOf(error) : `${file} (${code})`}`;
}
