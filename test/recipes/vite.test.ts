import { expect, test } from 'vitest';
import { follow } from '../support/recipe.ts';

test('Vite in middleware mode restarts for the server, and not for a page that Vite renders', async () => {
  await follow({
    page: 'vite',
    command: 'npm run dev',
    at: '/api/greeting',
    first: 'Hello from the API',
    edit: { file: 'server/api.js', from: 'Hello', to: 'Welcome' },
    second: 'Welcome from the API',
    breakage: { text: 'export const = ;\n' },
    async also(recipe) {
      await recipe.answers('Hello from a page');
      const starts = recipe.output.split('] restarted').length;
      recipe.edit('src/render.js', 'Hello', 'Welcome');
      await recipe.answers('Welcome from a page');
      recipe.edit('server/api.js', 'Hello', 'Good day');
      await recipe.answers('Good day from the API', '/api/greeting');
      expect(recipe.output.split('] restarted')).toHaveLength(starts + 1);
    },
  });
});
