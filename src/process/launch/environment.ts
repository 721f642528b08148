/** The environment variables of a program. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { parseEnv } from 'node:util';
import { codeOf, messageOf, UsageError } from '../../shared/errors.ts';
import type { Cause, Change } from '../../shared/events.ts';
import { unpackVariables } from '../../shared/packed-variables.ts';
import { workingFolder } from '../../shared/working-folder.ts';
import { platform } from '../platform.ts';
import type { EnvironmentFile } from './node-words.ts';

export interface EnvironmentOptions {
  /** The program's working folder; PWD is set to it, as after a `cd`. */
  readonly folder: string;
  /** With absolute paths. Later files override earlier ones, and devwatch's own environment overrides all, as in `node --env-file`. */
  readonly files: readonly EnvironmentFile[];
  /** Variables from the settings; they override everything else. */
  readonly variables: Readonly<Record<string, string>>;
  readonly defaults?: Readonly<Record<string, string>> | undefined;
}

/** Reads the program's environment. @throws UsageError if a file cannot be read */
export function readEnvironment({ folder, files, variables, defaults }: EnvironmentOptions): NodeJS.ProcessEnv {
  const fromFiles: NodeJS.ProcessEnv = {};
  for (const { file, isOptional } of files) {
    try {
      Object.assign(fromFiles, parseEnv(readVariablesIn(file)));
    } catch (error) {
      if (isOptional && codeOf(error) === 'ENOENT') continue;
      const reason = codeOf(error) ?? messageOf(error);
      throw new UsageError(`${file}: the environment file cannot be read (${reason})`, { lacks: file });
    }
  }
  const inherited = ownEnvironment();
  const moved = inherited.PWD === undefined || folder === workingFolder() ? {} : { PWD: folder };
  return { ...defaults, ...fromFiles, ...inherited, ...moved, ...variables };
}

/** Time for what writes to a named pipe, in ms: meanwhile devwatch hears no signal. */
const pipeTimeoutMs = 900;

/** Reads a file of variables, which may be a named pipe, as those of password managers are. */
function readVariablesIn(file: string): string {
  if (!fs.statSync(file).isFIFO()) return fs.readFileSync(file, 'utf8');
  // Reading it here would wait for its writer, for ever perhaps; opening it in another way would take what is written.
  const { stdout, error } = spawnSync('cat', [file], { encoding: 'utf8', timeout: pipeTimeoutMs });
  if (error !== undefined) throw codeOf(error) === 'ETIMEDOUT' ? new Error('nothing writes to this pipe') : error;
  return stdout;
}

/** Characters. Paths beyond this length are only counted, because the size of an environment is limited. */
const maxListLength = 8192;

/**
 * Returns the variables that describe a run: DEVWATCH_RUN counts from 1, DEVWATCH_REASON is the cause, DEVWATCH_CHANGED
 * lists the changed files, one absolute path a line, and ends with `(n more)` if there are too many, or if the names of
 * some have line feeds.
 */
export function runVariables(run: number, cause: Cause, changes: readonly Change[]): Record<string, string> {
  const lines: string[] = [];
  let length = 0;
  for (const { path } of changes) {
    if (path.includes('\n')) continue;
    length += path.length + 1;
    if (length > maxListLength) break;
    lines.push(path);
  }
  if (lines.length < changes.length) lines.push(`(${changes.length - lines.length} more)`);
  return { DEVWATCH_RUN: String(run), DEVWATCH_REASON: cause, DEVWATCH_CHANGED: lines.join('\n') };
}

/**
 * Returns the environment with which devwatch was started. Node (20 to 26) applies an `--env-file` anywhere on the
 * command line, even after the script: it adds the file's variables to `process.env`, where they would outlive their
 * removal from the file. Linux has the original.
 */
export function ownEnvironment(): NodeJS.ProcessEnv {
  const isChanged = process.argv.some((word) => word.startsWith('--env-file'));
  const original = isChanged ? platform.processes.initialVariables()?.split('\0') : undefined;
  if (original === undefined) return process.env;
  const env: NodeJS.ProcessEnv = Object.fromEntries(
    original.map((entry): [string, string] => {
      const equals = entry.indexOf('=');
      return [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );
  unpackVariables(env);
  // The command line has removed variables that are meant for devwatch alone.
  return Object.fromEntries(Object.entries(env).filter(([name]) => name in process.env));
}
