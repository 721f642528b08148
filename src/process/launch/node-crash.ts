/** Adds to the end of a Node program the error that has caused it. */

import path from 'node:path';
import type { UncaughtError } from '../../preload/protocol.ts';
import type { Outcome, SourceLocation } from '../../shared/events.ts';
import type { LaunchOptions } from './child.ts';
import { describeProgramError } from './program-error.ts';
import { findSyntaxError } from './syntax-check.ts';

interface CrashOptions extends Pick<LaunchOptions, 'command' | 'folder' | 'variables'> {
  /** Finds the place of a syntax error; tests replace it. */
  readonly locate?: typeof findSyntaxError | undefined;
}

/**
 * Calls back with the outcome and the error that has ended the program: at once, unless the place of a syntax error has
 * to be found.
 */
export function addError(
  outcome: Outcome,
  error: UncaughtError | undefined,
  { locate = findSyntaxError, ...options }: CrashOptions,
  report: (outcome: Outcome) => void,
): void {
  // An error that ends a program ends it by a code.
  const isErrorsEnd = error !== undefined && outcome.signal === null;
  const uncaught = isErrorsEnd ? describeProgramError(error, options.folder) : undefined;
  const finish = (location?: SourceLocation): void =>
    report(uncaught === undefined ? outcome : { ...outcome, uncaught: { ...uncaught, ...(location && { location }) } });
  const [{ message = '' } = {}] = error?.thrown ?? [];
  const isLost = error?.fault === 'defect' && uncaught?.name === 'SyntaxError' && uncaught.location === undefined;
  if (isLost) void locate(options.command.file, message, rootsOf(options)).then(finish);
  else finish();
}

/** The files whose change has caused the run, and the one with which it has begun. */
const rootsOf = ({ variables: { DEVWATCH_CHANGED = '' }, command: { script } }: CrashOptions): readonly string[] =>
  [...DEVWATCH_CHANGED.split('\n'), script ?? ''].filter((file) => path.isAbsolute(file));
