import fs from 'node:fs';
import { expect, test } from 'vitest';
import { Recipe } from '../support/recipe.ts';

test('a worker ends its job before it restarts, and no job is lost or done twice', async () => {
  await using recipe = await Recipe.open('worker');
  recipe.start('npm run dev');
  await recipe.shows(/the worker is up/);
  recipe.project.write('queue/1.json', '{}');
  await recipe.shows(/1\.json begins/);
  recipe.edit('handle.js', 'done', 'finished');
  await recipe.shows(/1\.json is done/);
  await recipe.shows(/the worker has stopped/);
  await recipe.shows(/restarted/);
  recipe.project.write('queue/2.json', '{}');
  await recipe.shows(/2\.json is finished/);

  await recipe.showsTranscript();
  recipe.project.write('queue/3.json', '{}');
  await recipe.shows(/3\.json begins/);
  await recipe.quit();
  expect(recipe.output.match(/\d\.json is \w+/g)).toEqual([
    '1.json is done',
    '2.json is finished',
    '3.json is finished',
  ]);
  expect(fs.readdirSync(recipe.project.at('queue'))).toEqual([]);
});
