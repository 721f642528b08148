/** Runs a command of the shell before a program, in the process that becomes the program. */

import { spawnSync } from 'node:child_process';
import { packVariables } from '../shared/packed-variables.ts';
import type { Invocation } from './tree/tree.ts';

/**
 * Returns an invocation that runs a shell command and then becomes the program, in the same process; undefined if
 * variables of the program would be lost.
 */
export function throughShell(line: string, parameter: string, program: Invocation): Invocation | undefined {
  const { env, carriers } = packVariables(program.env);
  const words = [program.file, ...program.args];
  // `env` would take a path with `=` for a variable.
  if (carriers.length > 0 && (program.file.includes('=') || !canUnpack())) return undefined;
  const command = carriers.length === 0 ? words : [envCommand, '-S', unpackingOf(carriers), ...words];
  return { file: '/bin/sh', args: ['-c', `${line}; exec "$@"`, parameter, ...command], env };
}

const envCommand = '/usr/bin/env';

/** Returns options of `env -S` that set packed variables: `env` itself looks up the names in braces. */
const unpackingOf = (carriers: readonly string[]): string =>
  [...carriers.map((name) => `-u ${name}`), '--', ...carriers.map((name) => `\${${name}}`)].join(' ');

let hasSplittingEnv: boolean | undefined;

/** Whether `env` has the option -S, as that of coreutils 8.30 and BSD; that of BusyBox has not. */
function canUnpack(): boolean {
  hasSplittingEnv ??= spawnSync(envCommand, ['-S', '-u A'], { stdio: 'ignore' }).status === 0;
  return hasSplittingEnv;
}
