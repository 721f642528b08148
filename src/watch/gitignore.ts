/**
 * Finds the paths that git ignores, by the rules of gitignore(5): the user's own file,
 * .git/info/exclude, and the .gitignore of each folder from the repository's top down; later rules win.
 */

import fs from 'node:fs';
import path from 'node:path';
import ignore, { type Ignore, type TestResult } from 'ignore';
import { readText } from '../shared/read-text.ts';
import { TimeBudget } from '../shared/time-budget.ts';
import { upwards } from './disk.ts';
import type { GitIgnores } from './filter.ts';
import { isAtOrBelow, toPosix } from './paths.ts';
import { commonDirOf, repositoryAt } from './repository.ts';

/** Rules, and the repository's folder, which paths are relative to. */
type Matcher = { readonly top: string; readonly rules: Ignore };

// Rules with several `**` take long in folders that are this deep.
const limitedDepth = 16;

/** Returns a function that reads and keeps the rules. Outside a repository the topmost .gitignore is that of `folder`. */
export function readGitIgnores(folder: string, onGiveUp: () => void = () => {}): GitIgnores {
  const base = toPosix(folder);
  const budget = new TimeBudget(onGiveUp);
  const matchers = new Map<string, Matcher | undefined>();

  /** Returns the rules for the entries of a folder; undefined outside of every repository. */
  function matcherOf(place: string): Matcher | undefined {
    if (!matchers.has(place)) matchers.set(place, createMatcher(place));
    return matchers.get(place);
  }

  function createMatcher(place: string): Matcher | undefined {
    const own = path.posix.join(place, '.gitignore');
    const parent = path.posix.dirname(place);
    const repository = repositoryAt(place);
    if (repository !== undefined) {
      const exclude = path.join(commonDirOf(repository), 'info/exclude');
      return { top: place, rules: [usersFile(), exclude, own].reduce((rules, file) => add(rules, file, ''), ignore()) };
    }
    // Above the root of a drive of Windows there is nothing: for `C:` it would be `.`, the working folder.
    const above = parent === place || parent === '.' ? undefined : matcherOf(parent);
    if (above !== undefined) {
      const prefix = path.posix.relative(above.top, place);
      return { top: above.top, rules: add(ignore().add(above.rules), own, prefix) };
    }
    return isAtOrBelow(place, base) ? { top: place, rules: add(ignore(), own, '') } : undefined;
  }

  function test(rules: Ignore, name: string): Pick<TestResult, 'ignored' | 'rule'> {
    if (name.split('/').length < limitedDepth) return rules.test(name);
    return budget.run(() => rules.test(name)) ?? { ignored: false };
  }

  return (file, isFolder) => {
    const parent = path.posix.dirname(file);
    const matcher = matcherOf(parent);
    if (matcher === undefined) return undefined;
    const { top, rules } = matcher;
    const { ignored, rule } = test(rules, path.posix.relative(top, file) + (isFolder ? '/' : ''));
    // Ignored only because its folder is: the caller checks the folder, which a pattern may have named.
    if (!ignored || (parent !== top && test(rules, `${path.posix.relative(top, parent)}/`).ignored)) return undefined;
    return rule?.mark ?? rule?.pattern;
  };
}

/** Returns the .gitignore files above a folder that apply to it, absolute. */
export function gitIgnoreFilesAbove(folder: string): string[] {
  const folders = [...upwards(folder)];
  const top = folders.findIndex((place) => fs.existsSync(path.join(place, '.git')));
  return folders.slice(1, top + 1).map((place) => path.join(place, '.gitignore'));
}

function usersFile(): string {
  const { XDG_CONFIG_HOME, HOME } = process.env;
  return path.posix.join(toPosix(XDG_CONFIG_HOME || path.join(HOME || '/', '.config')), 'git/ignore');
}

/** Adds a file's rules; `prefix` is its folder relative to the repository. */
function add(rules: Ignore, file: string, prefix: string): Ignore {
  const text = readText(file) ?? '';
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    rules.add({ pattern: below(prefix, line), mark: `${line} (${file})` });
  }
  return rules;
}

/** Rewrites a rule of a nested file as a rule of the repository's top folder. */
function below(prefix: string, line: string): string {
  if (prefix === '') return line;
  const negated = line.startsWith('!');
  const body = negated ? line.slice(1) : line;
  const isAnchored = body.slice(0, -1).includes('/');
  const folder = prefix.replaceAll(/[\\*?[\]!# ]/g, '\\$&');
  return `${negated ? '!' : ''}/${folder}/${isAnchored ? body.replace(/^\//, '') : `**/${body}`}`;
}
