import { expect, test } from 'vitest';
import { hasCommand, Recipe } from '../support/recipe.ts';

test.skipIf(!hasCommand('php'))('a PHP worker restarts beside a server that does not', async () => {
  await using recipe = await Recipe.open('php');
  recipe.start('devwatch');
  await recipe.answers('Hello from the server');
  await recipe.shows(/Hello from the worker/);
  recipe.edit('greeting.php', 'Hello', 'Welcome');
  await recipe.shows(/the worker has stopped/);
  await recipe.shows(/Welcome from the worker/);
  await recipe.answers('Welcome from the server');
  expect(recipe.refused).toBe(0);
  recipe.edit('greeting.php', 'return', 'return return');
  await recipe.shows(/crashed/);
  recipe.edit('greeting.php', 'return return', 'return');
  await recipe.shows(/Welcome from the worker/);
  await recipe.showsTranscript();
  await recipe.quit();
});
