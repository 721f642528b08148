/** Tries what the page about Docker claims, as far as that is possible without Docker. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { until } from '../support/deadline.ts';
import { Recipe } from '../support/recipe.ts';

/** Begins a process as PID 1 of a namespace of its own. */
const namespace = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
const isRoot = process.getuid?.() === 0;
const hasNamespaces = isRoot && spawnSync(namespace[0] ?? '', [...namespace.slice(1), 'true']).status === 0;

/** Returns the words of CMD in the Dockerfile. */
const commandOf = (recipe: Recipe): readonly string[] =>
  JSON.parse(/^CMD (.*)$/m.exec(fs.readFileSync(recipe.project.at('Dockerfile'), 'utf8'))?.[1] ?? '[]');

test.skipIf(!hasNamespaces)('as PID 1 devwatch restarts the server, and ends it at SIGTERM', async () => {
  await using recipe = await Recipe.open('docker');
  const [file = '', ...args] = [...namespace, ...commandOf(recipe)];
  const child = spawn(file, args, { cwd: recipe.project.path, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  await recipe.answers('Hello');
  await until(
    'the first run is up',
    () => output.includes('answering in'),
    () => [output],
  );
  recipe.edit('greeting.js', 'Hello', 'Welcome');
  await recipe.answers('Welcome');
  expect(output).toContain('closed the database');

  const [pid] = fs.readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(' ');
  const before = output.length;
  process.kill(Number(pid), 'SIGTERM');
  const [code] = await once(child, 'close');
  expect(output.slice(before)).toContain('closed the database');
  expect(code).toBe(143);
});

test.skipIf(!isRoot).each([
  ['root, with files of user 1000', []],
  ['user 1000', ['setpriv', '--reuid', '1000', '--regid', '1000', '--clear-groups']],
  ['a user without an entry in /etc/passwd', ['setpriv', '--reuid', '4242', '--regid', '4242', '--clear-groups']],
])('devwatch runs as %s', async (_, via) => {
  await using recipe = await Recipe.open('docker');
  const uid = via[2] ?? '1000';
  recipe.project.write('.watchrc', '{ "script": "server.js" }');
  // The folder of all projects is closed to other users.
  fs.chmodSync(path.dirname(recipe.project.path), 0o711);
  spawnSync('chown', ['-R', `${uid}:${uid}`, recipe.project.path]);
  recipe.type([...via, 'env', 'HOME=/', 'node_modules/.bin/devwatch'].join(' '));
  await recipe.answers('Hello');
  await recipe.shows(/answering in/);
  recipe.edit('greeting.js', 'Hello', 'Welcome');
  await recipe.answers('Welcome');
  await recipe.showsTranscript();
  await recipe.quit();
});
