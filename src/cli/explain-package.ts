/** `devwatch explain express`: explains whether a package is loaded ahead of time, and why. */

import fs from 'node:fs';
import path from 'node:path';
import { type AuditedEntry, auditsOf, packageOf, type StoredAudit } from '../process/standby/audits.ts';
import { print, printJson } from './print.ts';

/** Returns whether a word of the command line names an installed package, and not a path. */
export const isPackageName = (word: string, folder: string): boolean =>
  /^(?:@[\w.-]+\/)?[\w.-]+$/.test(word) &&
  !fs.existsSync(path.resolve(word)) &&
  fs.existsSync(path.join(folder, 'node_modules', word, 'package.json'));

/** Enough to find out what a package depends on. */
const maxNames = 8;

/**
 * Prints what is known of a package, from what devwatch has stored.
 *
 * @param folder of the project
 * @param script of the program; without one, or where it has not run yet, the scripts of the project that have
 */
export function explainPackage(name: string, folder: string, script: string | undefined, isJson: boolean): void {
  const audits = auditsOf(folder, script, process.env);
  const entriesOf = ({ audit }: StoredAudit): readonly AuditedEntry[] =>
    audit.entries
      .filter(({ file }) => packageOf(file) === name)
      .map((entry) => ({ ...entry, why: entry.why ?? audit.left?.[entry.file] }));
  const compiledOf = ({ audit }: StoredAudit): readonly string[] =>
    (audit.modules ?? []).filter((file) => packageOf(file) === name);
  const compiled = audits.flatMap(compiledOf);
  if (isJson) printJson({ package: name, isKnown: audits.length > 0, entries: audits.flatMap(entriesOf), compiled });
  else if (audits.length === 0) {
    print(name, '  not known yet · devwatch looks at the packages of a program that has run for a few seconds');
  } else {
    for (const stored of audits) {
      const program = audits.length === 1 ? '' : ` in ${path.relative(folder, stored.script)}`;
      const lines = [...entriesOf(stored).flatMap(linesOf), ...compiledLines(compiledOf(stored).length)];
      print(`${name}${program}`, ...(lines.length > 0 ? lines : ['  the program does not ask for it itself']));
    }
  }
}

const compiledLines = (count: number): string[] =>
  count === 0
    ? []
    : [`  compiled ahead of time · ${count} ES ${count === 1 ? 'module' : 'modules'} · the program evaluates them`];

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
