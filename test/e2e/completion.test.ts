/** Completion in the real shells. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { cli } from '../support/devwatch.ts';
import { createProject, type Project } from '../support/project.ts';
import { hasCommand } from '../support/recipe.ts';
import { openTerminal } from '../support/terminal.ts';

/** A project with a script and an app, where `devwatch` is a command. */
function open(): { readonly project: Project; readonly env: Readonly<Record<string, string>> } {
  const project = createProject({
    '.watchrc': '{"apps": {"worker": "worker.js"}}',
    'stage.js': '',
  });
  fs.mkdirSync(project.at('bin'));
  fs.writeFileSync(project.at('bin/devwatch'), `#!/bin/sh\nexec '${process.execPath}' '${cli}' "$@"\n`, {
    mode: 0o755,
  });
  const env = {
    PATH: `${project.at('bin')}${path.delimiter}${process.env.PATH}`,
    HOME: project.path,
    XDG_STATE_HOME: project.at('state'),
    TERM: 'xterm',
  };
  return { project, env };
}

const lines: readonly (readonly [typed: string, completed: string])[] = [
  ['devwatch --restart al', 'devwatch --restart always'],
  ['devwatch --restart=al', 'devwatch --restart=always'],
  ['devwatch --no-wat', 'devwatch --no-watch'],
  ['devwatch --on-change signal:SIGHU', 'devwatch --on-change signal:SIGHUP'],
  ['devwatch resu', 'devwatch resume'],
  ['devwatch restar', 'devwatch restart'],
  ['devwatch wor', 'devwatch worker'],
  ['devwatch stag', 'devwatch stage.js'],
  ['devwatch start --no-watch wor', 'devwatch start --no-watch worker'],
  ['devwatch stage.js stag', 'devwatch stage.js stage.js'],
  ['devwatch completion fi', 'devwatch completion fish'],
];

test.skipIf(!hasCommand('zsh')).each([
  ['bash', 'exec bash --norc --noprofile -i', ''],
  ['zsh', "PS1='$ ' exec zsh -f", 'bindkey -e; autoload -Uz compinit; compinit -u -D; '],
])('%s completes lines that are typed into a terminal', async (shell, start, prepare) => {
  const { project, env } = open();
  await using _project = project;
  await using terminal = openTerminal({ cwd: project.path, env });
  terminal.line(start);
  terminal.line(`${prepare}eval "$(devwatch completion ${shell})"; echo read""y`);
  await terminal.until(/ready[^$]*\$ /);
  for (const [typed, completed] of lines) {
    terminal.type(`${typed}\t`);
    await terminal.until(new RegExp(`${typed}[^\\n]*${completed.slice(typed.length)}`));
    // The cursor goes to the begin of the line, which is printed instead of being run.
    terminal.type('\x01echo : \r');
    const [, printed] = await terminal.until(/[\r\n]: (.*?) *\r[^$]*\$ /);
    expect(printed).toBe(completed);
  }
});

test.skipIf(!hasCommand('fish'))('fish completes lines', async () => {
  const { project, env } = open();
  await using _project = project;
  const script = lines.map(([typed]) => `complete -C '${typed}'; echo ---`).join('; ');
  const { stdout } = spawnSync('fish', ['-c', `devwatch completion fish | source; ${script}`], {
    cwd: project.path,
    env,
    encoding: 'utf8',
  });
  const found = stdout.split('---\n').map((part) => part.replaceAll(/\t.*/g, '').split('\n'));
  for (const [index, [, completed]] of lines.entries()) {
    expect(found[index]).toContain(completed.slice(completed.lastIndexOf(' ') + 1));
  }
});
