import { expect, test } from 'vitest';
import { Recipe } from '../support/recipe.ts';

test('--poll notices a save without events', async () => {
  await using recipe = await Recipe.open('remote');
  recipe.start('devwatch --poll server.js');
  await recipe.answers('Hello');
  await recipe.shows(/answering in/);
  recipe.edit('server.js', 'Hello', 'Welcome');
  await recipe.answers('Welcome');
  expect(recipe.refused).toBe(0);
  await recipe.showsTranscript();
  await recipe.quit();
});
