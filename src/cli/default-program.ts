import path from 'node:path';
import { inspectText } from '../config/settings-file.ts';
import { realHost } from '../process/launch/host.ts';
import { parseManifest } from '../process/launch/packages.ts';
import { findScript } from '../process/launch/search.ts';
import { toolName } from '../process/launch/tools.ts';
import { readRunnerWords } from '../process/launch/typescript-runners.ts';
import { unwrap } from '../process/launch/wrappers.ts';
import { simpleCommandOf } from '../process/shell-line.ts';

const remedy = 'name the program yourself: devwatch server.js';

/**
 * Returns the program of a folder where nothing names one: `main` in package.json, its `start` script if that is a
 * plain command for Node, or the index of the folder, or a `main` that has not been built yet; no words if there is none
 * of these.
 *
 * @param runsNothing files that another user could have written are read as well
 * @throws UsageError if there is such a one
 */
export function defaultProgram(folder: string, runsNothing = false): readonly string[] {
  const manifest = inspectText(path.join(folder, 'package.json'), remedy);
  const { main, scripts } = parseManifest(manifest?.text) ?? {};
  const isUsed = [main, scripts].some((field) => field !== undefined);
  if (isUsed && !runsNothing) manifest?.requireTrust();
  const entry = typeof main === 'string' && main !== '' ? main : undefined;
  const found = entry === undefined ? undefined : findScript(entry, folder, realHost);
  if (found !== undefined) return [found.word];
  const { start } = (typeof scripts === 'object' && scripts !== null ? scripts : {}) as Readonly<
    Record<string, unknown>
  >;
  const words = typeof start === 'string' ? nodeWordsOf(start) : undefined;
  if (words !== undefined) return words;
  const index = findScript('.', folder, realHost);
  if (index !== undefined && !runsNothing) inspectText(index.file, remedy)?.requireTrust();
  if (index !== undefined) return [path.relative(folder, index.file)];
  return entry === undefined ? [] : [entry];
}

/** Returns the words of a line that starts Node without the help of a shell; undefined for all other lines. */
function nodeWordsOf(line: string): readonly string[] | undefined {
  const command = simpleCommandOf(line, realHost);
  if (command === undefined) return undefined;
  const { words, holder } = unwrap(command.words);
  const tool = toolName(words[0] ?? '');
  const isNode = holder === undefined && (tool === 'node' || readRunnerWords(tool, words.slice(1)) !== undefined);
  if (!isNode) return undefined;
  const variables = Object.entries(command.variables).map(([name, value]) => `${name}=${value}`);
  return variables.length === 0 ? command.words : ['env', ...variables, ...command.words];
}
