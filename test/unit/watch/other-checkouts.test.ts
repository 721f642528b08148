/** Working trees of real git inside of the watched tree, and which of them belong to the project. */

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { Filter } from '../../../src/watch/filter.ts';
import { InotifyWatcher } from '../../../src/watch/inotify.ts';
import { findOtherCheckouts } from '../../../src/watch/other-checkouts.ts';
import { createWorktrees, git } from '../../support/git.ts';
import type { Project } from '../../support/project.ts';
import { observe } from './observe.ts';

/** A repository `main` with further checkouts in it, and a link to one beside it. */
function createNested(): Project {
  const project = createWorktrees();
  const main = project.at('main');
  git(main, ['worktree', 'add', '-q', 'trees/a']);
  git(main, ['clone', '-q', '.', 'clone']);
  git(main, ['clone', '-q', '.', 'kept']);
  git(main, ['submodule', '--quiet', 'add', '--', './.git', 'libs/sub']);
  git(main, ['add', '.', ':!clone', ':!trees']);
  fs.symlinkSync('../linked', project.at('main/link'));
  return project;
}

const base = 'main';
const inside = ['trees/a', 'clone', 'kept', 'libs/sub', 'link'];

function countingIn(project: Project, script: string, { watch = ['.'], ignore = [] as string[] } = {}): string[] {
  const filter = new Filter({
    watch: { patterns: watch, base: project.at(base) },
    ignore: { patterns: ignore, base: project.at(base) },
    extensions: ['js'],
    otherCheckouts: findOtherCheckouts([project.at(base), project.at(`${base}/${script}/..`)]),
  });
  for (const top of inside) {
    const file = project.at(`${base}/${top}/api/server.js`);
    expect(filter.accepts(file)).toBe(filter.mayContain(project.at(`${base}/${top}/api`)));
    expect(filter.accepts(file) ? undefined : filter.explain(file)).toEqual(
      filter.accepts(file) ? undefined : { watched: false, reason: 'other-checkout', pattern: `${top}/` },
    );
  }
  return inside.filter((top) => filter.accepts(project.at(`${base}/${top}/api/server.js`)));
}

test('submodules and links count; linked worktrees and other clones do not, unless a pattern or the script is there', async () => {
  await using project = createNested();
  const own = ['kept', 'libs/sub', 'link'];
  expect(countingIn(project, 'api/server.js')).toEqual(own);
  expect(countingIn(project, 'trees/a/api/server.js')).toEqual(['trees/a', ...own]);
  expect(countingIn(project, 'api/server.js', { watch: ['.', 'clone'] })).toEqual(['clone', ...own]);
  expect(countingIn(project, 'api/server.js', { ignore: ['!trees/a'] })).toEqual(['trees/a', ...own]);
});

test('clones in a folder that is no repository count, and a linked worktree of the own one does not', async () => {
  await using project = createWorktrees();
  git(project.path, ['clone', '-q', 'main', 'shared']);
  const checkouts = findOtherCheckouts([project.path, project.at('main/api')]);
  expect(checkouts.around(project.at('shared/api'))).toEqual([]);
  expect(checkouts.around(project.at('linked/api'))).toEqual([project.at('linked')]);
  expect(findOtherCheckouts([project.path]).around(project.at('linked/api'))).toEqual([]);
});

test('a clone that is made while its folder is watched is left out, and counts once its .git is gone', async () => {
  await using project = createWorktrees();
  await using observer = observe(
    (options) => new InotifyWatcher({ ...options, onExhausted: (error) => expect.unreachable(String(error)) }),
    project,
    { watch: ['main'] },
  );
  await observer.armed;
  git(project.at('main'), ['clone', '-q', '.', 'clone']);
  git(project.at('main'), ['worktree', 'add', '-q', 'trees/b']);
  project.write('main/clone/api/server.js', 'edited');
  project.write('main/fence.js', '');
  expect(await observer.next()).toEqual({ kind: 'add', path: 'main/fence.js' });
  project.remove('main/clone/.git');
  await observer.next('main/clone/api/server.js');
  await observer.all(['main/clone/later.js']);
});
