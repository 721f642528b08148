/** The variables that a program is started with. */

import fs from 'node:fs';
import { parseEnv } from 'node:util';
import { codeOf, messageOf, UsageError } from '../../shared/errors.ts';
import type { Cause, Change } from '../../shared/events.ts';
import { platform } from '../platform.ts';

export interface EnvironmentOptions {
  /** Where the program runs; PWD follows it, as it does after a `cd`. */
  readonly folder: string;
  /** Absolute paths; later files win over earlier ones, devwatch's own environment over all of them, as in `node --env-file`. */
  readonly files: readonly string[];
  /** Variables from the settings; they win over everything. */
  readonly variables: Readonly<Record<string, string>>;
  /** What holds where nothing else says otherwise. */
  readonly defaults?: Readonly<Record<string, string>> | undefined;
}

/**
 * The program's environment, read anew.
 *
 * @throws UsageError when a file cannot be read
 */
export function readEnvironment({ folder, files, variables, defaults }: EnvironmentOptions): NodeJS.ProcessEnv {
  const fromFiles: NodeJS.ProcessEnv = {};
  for (const file of files) {
    try {
      Object.assign(fromFiles, parseEnv(fs.readFileSync(file, 'utf8')));
    } catch (error) {
      throw new UsageError(`${file}: the environment file cannot be read (${codeOf(error) ?? messageOf(error)})`);
    }
  }
  const inherited = ownEnvironment();
  const moved = inherited.PWD === undefined || folder === process.cwd() ? {} : { PWD: folder };
  return { ...defaults, ...fromFiles, ...inherited, ...moved, ...variables };
}

/** Beyond this length, in characters, changed paths are counted only: a program's whole environment has a limit. */
const longestList = 8192;

/**
 * What a run is told of why it was started: DEVWATCH_RUN counts from 1, DEVWATCH_REASON is the cause,
 * DEVWATCH_CHANGED the changed files, one absolute path a line, with a last line `(n more)` where
 * there are too many.
 */
export function runVariables(run: number, cause: Cause, changes: readonly Change[]): Record<string, string> {
  const lines: string[] = [];
  let length = 0;
  for (const { path } of changes) {
    length += path.length + 1;
    if (length > longestList) break;
    lines.push(path);
  }
  if (lines.length < changes.length) lines.push(`(${changes.length - lines.length} more)`);
  return { DEVWATCH_RUN: String(run), DEVWATCH_REASON: cause, DEVWATCH_CHANGED: lines.join('\n') };
}

/**
 * The environment that devwatch was started with. Node (20 to 26) takes an `--env-file` anywhere on
 * the command line, even after the script, for its own and puts the file's variables into
 * `process.env`, where they would outlive their removal from the file. /proc has the original.
 */
function ownEnvironment(): NodeJS.ProcessEnv {
  if (!platform.hasProc || !process.argv.some((word) => word.startsWith('--env-file'))) return process.env;
  const original = fs.readFileSync('/proc/self/environ', 'utf8').split('\0');
  return Object.fromEntries(
    original
      .map((entry) => {
        const equals = entry.indexOf('=');
        return [entry.slice(0, equals), entry.slice(equals + 1)] as const;
      })
      // What was meant for devwatch alone has been removed (cli.ts).
      .filter(([name]) => name in process.env),
  );
}
