/** `devwatch explain express`: explains whether a package is loaded ahead of time, and why. */

import fs from 'node:fs';
import path from 'node:path';
import { type AuditedEntry, packageOf, readAudit } from '../process/standby/audits.ts';
import { print, printJson } from './print.ts';

/** Returns whether a word of the command line names an installed package, and not a path. */
export const isPackageName = (word: string, folder: string): boolean =>
  /^(?:@[\w.-]+\/)?[\w.-]+$/.test(word) &&
  !fs.existsSync(path.resolve(word)) &&
  fs.existsSync(path.join(folder, 'node_modules', word, 'package.json'));

/** Enough to find out what a package depends on. */
const maxNames = 8;

/** Prints what is known of a package. `script`: of the program that uses it. */
export function explainPackage(name: string, script: string | undefined, isJson: boolean): void {
  const audit = script === undefined ? undefined : readAudit(script, process.env);
  const entries = audit?.entries.filter(({ file }) => packageOf(file) === name) ?? [];
  if (isJson) printJson({ package: name, isKnown: audit !== undefined, entries });
  else if (audit === undefined) {
    print(name, '  not known yet · devwatch looks at the packages of a program that has run for a few seconds');
  } else if (entries.length === 0) print(name, '  the program does not ask for it itself');
  else print(name, ...entries.flatMap(linesOf));
}

function linesOf({ why, culprit, fileCount, ms, effects, variables }: AuditedEntry): string[] {
  const by = culprit === undefined ? '' : ` (${culprit})`;
  const lines = [
    why === undefined
      ? `  loaded ahead of time · ${fileCount} ${fileCount === 1 ? 'file' : 'files'} · ${ms} ms`
      : `  loaded by the program itself, because it ${why}${by}`,
  ];
  if (variables.length > 0) lines.push(`  compares ${list(variables.map(describeVariable))} at its first use`);
  if (effects.length > 0) lines.push(`  repeats its changes of ${list(effects)} at its first use`);
  return lines;
}

const describeVariable = (name: string): string => (name === '*' ? 'the list of variables' : name);

const list = (names: readonly string[]): string =>
  names.length > maxNames
    ? `${names.slice(0, maxNames).join(', ')} and ${names.length - maxNames} more`
    : names.join(', ');
