/** `devwatch completion`: prints a script that lets a shell complete the words after `devwatch`. */

import path from 'node:path';
import { listEntries } from '../background/records.ts';
import { didYouMean, plain } from '../shared/did-you-mean.ts';
import { attempt, UsageError } from '../shared/errors.ts';
import { complete, type Names } from './complete.ts';
import { completionScripts } from './completion-scripts.ts';
import { printRaw } from './print.ts';
import { readProject } from './select-programs.ts';
import type { Invocation } from './subcommands.ts';

/** @throws UsageError for another shell, or where it is not known */
export function execute({ line, operands, options }: Invocation): void {
  if (options.words === true) {
    const names: Names = {
      background: () => attempt(() => listEntries().map(({ name }) => name)) ?? [],
      apps: () => attempt(() => readProject(line, true).apps.map(({ app }) => app)) ?? [],
    };
    const { candidates, files } = complete(operands, names);
    printRaw(candidates.map(({ word, help }) => `${word}\t${help}\n`).join('') + (files ? ':files\n' : ''));
    return;
  }
  const [shell = path.basename(process.env.SHELL ?? '')] = operands;
  const script = completionScripts[shell];
  if (script === undefined) {
    const known = Object.keys(completionScripts);
    throw new UsageError(`completion takes a shell: ${known.join(', ')}${didYouMean(shell, known, plain)}`);
  }
  printRaw(script);
}
