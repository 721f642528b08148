// Files and saves.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { caller } from '../rig.mjs';

/** Starts a program that says which version it is; returns a function that saves another one and waits for its run. */
async function startVersions(rig, args = [], file = 'server.js') {
  const full = rig.write(file, caller({ version: 1 }));
  const app = await rig.start([...args, file]);
  let running = await rig.call();
  assert.equal(running.says.version, 1);
  await app.watches();
  return {
    app,
    async save(version) {
      fs.writeFileSync(full, caller({ version }));
      const next = await rig.call((says) => says.version === version);
      await running.gone;
      running = next;
    },
  };
}

/** Removes a folder. In Wine devwatch has each folder open, so that none of them can be removed, but only moved away. */
function remove(rig, name, serial) {
  if (process.env.DEVWATCH_WINE_8) fs.renameSync(rig.at(name), path.join(rig.scratch, `${name} ${serial}`));
  else fs.rmSync(rig.at(name), { recursive: true, maxRetries: 10, retryDelay: 20 });
}

export const scenarios = [
  {
    name: 'a save replaces the program',
    async run(rig) {
      const { save } = await startVersions(rig);
      await save(2);
      await save(3);
    },
  },
  {
    name: 'a save that replaces the file, as by vim, counts',
    async run(rig) {
      await startVersions(rig);
      rig.write('server.js.tmp', caller({ version: 2 }));
      fs.renameSync(rig.at('server.js.tmp'), rig.at('server.js'));
      await rig.call(({ version }) => version === 2);
    },
  },
  {
    name: 'files are found in a folder that was removed and made again',
    async run(rig) {
      rig.write('src/gen/a.js', 'module.exports = 1;');
      rig.write('server.js', `require('./src/gen/a.js');\n${caller()}`);
      const app = await rig.start(['server.js']);
      await rig.call();
      await app.watches();
      for (let round = 2; round < 5; round += 1) {
        remove(rig, 'src', round);
        rig.write('src/gen/a.js', `module.exports = ${round};`);
        await app.event('change', ({ changes }) => changes.some((change) => change.path.endsWith('a.js')));
        await rig.call();
        await app.event('gone');
        // The folder is watched again.
        rig.write('src/gen/a.js', `module.exports = ${round} + 0;`);
        await app.event('change', ({ changes }) => changes.some((change) => change.path.endsWith('a.js')));
        await rig.call();
      }
    },
  },
  {
    name: 'files are found in a folder that is new, and in one that was renamed',
    async run(rig) {
      const { app } = await startVersions(rig);
      rig.write('lib/one/a.js', '1');
      await app.event('change', ({ changes }) => changes.some((change) => change.path.endsWith('a.js')));
      await rig.call();
      fs.renameSync(rig.at('lib'), rig.at('moved'));
      await app.event('change');
      await rig.call();
      rig.write('moved/one/b.js', '1');
      await app.event('change', ({ changes }) => changes.some((change) => change.path.endsWith('b.js')));
    },
  },
  {
    name: 'a hundred files that are saved at once lead to one restart',
    async run(rig) {
      for (let index = 0; index < 100; index += 1) rig.write(`src/${index}.js`, '1');
      // Long enough for a slow disk: how soon a burst is over is another question.
      const { app, save } = await startVersions(rig, ['--delay', '2s']);
      for (let index = 0; index < 100; index += 1) rig.write(`src/${index}.js`, '22');
      const { changes } = await app.event('change');
      assert.equal(new Set(changes.map((change) => change.path)).size, 100);
      await rig.call();
      await save(2);
      const next = await app.event('change');
      assert.deepEqual(
        next.changes.map((change) => change.path),
        [rig.at('server.js')],
      );
    },
  },
  {
    name: 'names with blanks and umlauts',
    async run(rig) {
      const { app } = await startVersions(rig, [], 'grüße an/mein server.js');
      rig.write('grüße an/übung zwei.js', '1');
      const { changes } = await app.event('change');
      assert.equal(path.basename(changes[0].path), 'übung zwei.js');
      await rig.call();
    },
  },
  {
    name: 'a path of more than 260 characters',
    skip: () => process.env.DEVWATCH_WINE_8 && 'Wine 8 cannot resolve such a path',
    async run(rig) {
      const folders = Array(8).fill('a folder with a name of forty characters');
      const file = path.join(...folders, 'deep.js');
      rig.write(file, '1');
      const { app } = await startVersions(rig);
      rig.write(file, '22');
      const { changes } = await app.event('change');
      assert.equal(changes[0].path, rig.at(file));
    },
  },
  {
    name: '--watch takes globs and folders with the separators of the system',
    async run(rig) {
      rig.write('src/sub/a.js', '1');
      rig.write('lib/b.js', '1');
      rig.write('other/c.js', '1');
      const { app } = await startVersions(rig, [
        '--watch',
        path.join('src', 'sub'),
        '--watch',
        path.join('lib', '*.js'),
      ]);
      rig.write('other/c.js', '22');
      rig.write('src/sub/a.js', '22');
      const { changes } = await app.event('change');
      assert.deepEqual(
        changes.map((change) => change.path),
        [rig.at('src', 'sub', 'a.js')],
      );
      await rig.call();
      rig.write('lib/b.js', '22');
      assert.equal((await app.event('change')).changes[0].path, rig.at('lib', 'b.js'));
    },
  },
  {
    name: '--ignore takes a folder',
    async run(rig) {
      rig.write('src/gen/a.js', '1');
      const { app } = await startVersions(rig, ['--ignore', path.join('src', 'gen')]);
      rig.write('src/gen/a.js', '22');
      rig.write('src/b.js', '1');
      const { changes } = await app.event('change');
      assert.deepEqual(
        changes.map((change) => change.path),
        [rig.at('src', 'b.js')],
      );
    },
  },
  {
    name: '--skip-unchanged ignores a save of the same content',
    async run(rig) {
      rig.write('a.js', '1');
      const { app, save } = await startVersions(rig, ['--skip-unchanged']);
      rig.write('a.js', '1');
      await save(2);
      assert.deepEqual(
        (await app.event('change')).changes.map((change) => change.path),
        [rig.at('server.js')],
      );
    },
  },
  {
    name: '--gitignore with a watched folder outside the repository',
    async run(rig) {
      fs.mkdirSync(rig.at('.git'));
      rig.write('.gitignore', 'gen\n');
      rig.write('gen/a.js', '1');
      const outside = path.join(rig.scratch, 'outside');
      fs.mkdirSync(outside);
      const { app } = await startVersions(rig, ['--gitignore', '--watch', '.', '--watch', outside]);
      rig.write('gen/a.js', '22');
      rig.write(path.join(outside, 'b.js'), '1');
      const { changes } = await app.event('change');
      assert.deepEqual(
        changes.map((change) => change.path),
        [path.join(outside, 'b.js')],
      );
      assert.equal(app.text(), '');
    },
  },
  {
    name: '--poll sees saves',
    async run(rig) {
      const { save } = await startVersions(rig, ['--poll', '--poll-interval', '50ms']);
      await save(2);
    },
  },
  {
    name: '--watcher chokidar sees saves',
    async run(rig) {
      const { save } = await startVersions(rig, ['--watcher', 'chokidar']);
      await save(2);
    },
  },
];
