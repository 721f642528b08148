/** The state of git while files change, with real git and its processes. */

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type GitActivity, GitOperation } from '../../../src/run/git-operation.ts';
import { atGate, createWorktrees, git, startGit } from '../../support/git.ts';

/** Returns what git does beside the change of a file that began 5 s ago. */
const find = (file: string): GitActivity | undefined => new GitOperation().find([file], 5000);

/** Makes all files of git look as if they had been written this long ago. */
function age(folder: string, seconds = 60): void {
  for (const name of ['.', ...fs.readdirSync(folder)]) {
    fs.utimesSync(`${folder}/${name}`, Date.now() / 1000 - seconds, Date.now() / 1000 - seconds);
  }
}

describe('git is still changing files', () => {
  test.each([
    ['rebase', [], ['rebase', '-q', 'main', '-x', 'sh ../wait.sh']],
    ['bisect', [['bisect', 'start', 'HEAD', 'HEAD~2']], ['bisect', 'run', 'sh', '../wait.sh']],
    ['stash', [['config', 'filter.slow.smudge', 'sh ../wait.sh; cat']], ['stash']],
  ])('between two steps of git %s, for files of this worktree alone', async (name, before, words) => {
    await using project = createWorktrees();
    const linked = project.at('linked');
    for (const args of before) git(linked, args);
    fs.writeFileSync(project.at('main/.git/info/attributes'), 'two.js filter=slow');
    if (name === 'stash') project.write('linked/api/two.js', 'edited');
    const [here, elsewhere] = await atGate(project, startGit(linked, words), () => [
      find(project.at('linked/api/server.js')),
      find(project.at('main/api/server.js')),
    ]);
    expect(here).toMatchObject({ command: `git ${name}` });
    expect(elsewhere).toBeUndefined();
    age(project.at('main/.git/worktrees/linked'));
    expect(find(project.at('linked/api/server.js'))).toBeUndefined();
  });

  test('after a checkout, while its hook runs', async () => {
    await using project = createWorktrees();
    project.write('main/.git/hooks/post-checkout', '#!/bin/sh\nsh ../wait.sh');
    fs.chmodSync(project.at('main/.git/hooks/post-checkout'), 0o755);
    const checkout = startGit(project.at('main'), ['checkout', '-q', 'HEAD~1']);
    const found = await atGate(project, checkout, () => find(project.at('main/api/server.js')));
    expect(found).toMatchObject({ command: 'git checkout' });
  });

  test('while a fresh lock is there, and where its processes are not visible, at a fresh state of a rebase', async () => {
    await using project = createWorktrees();
    const file = project.at('main/api/server.js');
    const gitDir = project.at('main/.git');
    expect(find(file)).toBeUndefined();
    project.write('main/.git/index.lock', '');
    expect(find(file)).toBe('lock');
    age(gitDir);
    expect(find(file)).toBeUndefined();
    fs.rmSync(`${gitDir}/index.lock`);
    fs.mkdirSync(`${gitDir}/rebase-merge`);
    expect(find(file)).toBe('steps');
    age(gitDir);
    expect(find(file)).toBeUndefined();
  });

  test('in a folder that has no .git, from a repository elsewhere', async () => {
    await using project = createWorktrees();
    git(project.path, ['clone', '-q', '--bare', 'main', 'bare']);
    git(project.at('bare'), ['config', 'filter.slow.smudge', `sh ${project.at('wait.sh')}; cat`]);
    project.write('bare/info/attributes', 'two.js filter=slow');
    fs.mkdirSync(project.at('deployed'));
    const words = ['--git-dir', 'bare', '--work-tree', 'deployed', 'checkout', '-q', '-f', 'topic'];
    const files = ['deployed/api/server.js', 'deployed/api/one.js'].map(project.at);
    const [found, ofOne] = await atGate(project, startGit(project.path, words), () => [
      new GitOperation().find(files, 100),
      new GitOperation().find(files.slice(1), 100),
    ]);
    expect([found, ofOne]).toMatchObject([{ command: 'git checkout' }, undefined]);
  });

  test('in the repository around a submodule', async () => {
    await using project = createWorktrees();
    git(project.at('linked'), ['submodule', '--quiet', 'add', project.at('main'), 'sub']);
    const update = ['-c', 'submodule.sub.update=!sh ../../wait.sh', 'submodule', '--quiet', 'update'];
    git(project.at('linked/sub'), ['checkout', '-q', 'HEAD~1']);
    const found = await atGate(project, startGit(project.at('linked'), update), () =>
      find(project.at('linked/sub/api/server.js')),
    );
    expect(found).toMatchObject({ command: 'git submodule' });
  });
});

describe('git waits for a person', () => {
  test.each([
    ['GIT_SEQUENCE_EDITOR', ['rebase', '-q', '-i', 'main']],
    ['GIT_EDITOR', ['rebase', '-q', '--exec', 'git commit --amend', 'main']],
  ])('in the editor of %s', async (variable, words) => {
    await using project = createWorktrees();
    const editor = { [variable]: `sh ${project.at('wait.sh')}` };
    const rebase = startGit(project.at('linked'), words, editor);
    const found = await atGate(project, rebase, () => {
      age(project.at('main/.git/worktrees/linked'), 5);
      return find(project.at('linked/api/server.js'));
    });
    expect(found).toBeUndefined();
  });

  test('when a conflict has ended a rebase', async () => {
    await using project = createWorktrees();
    project.write('main/api/one.js', 'other');
    git(project.at('main'), ['add', '.']);
    git(project.at('main'), ['commit', '-qm', 'conflict']);
    expect(() => git(project.at('linked'), ['rebase', '-q', 'main'])).toThrow('could not apply');
    const gitDir = project.at('main/.git/worktrees/linked');
    expect(fs.existsSync(`${gitDir}/rebase-merge`)).toBe(true);
    age(gitDir, 5);
    expect(find(project.at('linked/api/server.js'))).toBeUndefined();
  });
});
