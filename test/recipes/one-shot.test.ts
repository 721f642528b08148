import fs from 'node:fs';
import { expect, test } from 'vitest';
import { Recipe } from '../support/recipe.ts';

const runsOf = (recipe: Recipe): number =>
  fs.readFileSync(recipe.project.at('migrations.log'), 'utf8').split('\n').length - 1;

test('a migration runs once, before the server, whatever is saved', async () => {
  await using recipe = await Recipe.open('one-shot', 'Before a server');
  recipe.start('devwatch');
  await recipe.answers('Hello');
  recipe.project.write('migrate.js', '');
  recipe.edit('server.js', 'Hello', 'Welcome');
  await recipe.answers('Welcome');
  expect(runsOf(recipe)).toBe(1);
  await recipe.quit();
});

test('a migration that fails is not repeated before somebody asks for it, and the server waits', async () => {
  await using recipe = await Recipe.open('one-shot', 'Before a server');
  recipe.project.write('fail', '');
  recipe.start('devwatch');
  await recipe.shows(/migrate crashed/);
  recipe.project.remove('fail');
  recipe.type('r migrate');
  await recipe.answers('Hello');
  expect(runsOf(recipe)).toBe(2);
  await recipe.quit();
});

test('a script with `--restart never` runs once for each save', async () => {
  await using recipe = await Recipe.open('one-shot', 'While you write it');
  recipe.project.write('fail', '');
  recipe.start('devwatch --restart never migrate.js');
  await recipe.shows(/waiting for a change/);
  recipe.edit('migrate.js', "console.log('migrated')", "console.log('migrated again')");
  await recipe.shows(/restarted/);
  await recipe.shows(/waiting for a change/);
  await recipe.quit();
  expect(runsOf(recipe)).toBe(2);
});
