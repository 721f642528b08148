import { expect, test } from 'vitest';
import { follow } from '../support/recipe.ts';

test('Next with a custom server restarts for the server, and not for a page', async () => {
  await follow({
    page: 'next',
    command: 'npm run dev',
    at: '/api/greeting',
    first: 'Hello from the server',
    edit: { file: 'server/greeting.js', from: 'Hello', to: 'Welcome' },
    second: 'Welcome from the server',
    breakage: { text: 'exports.greeting = ;\n' },
    async also(recipe) {
      await recipe.answers('Hello from a page');
      const starts = recipe.output.split('] restarted').length;
      recipe.edit('app/page.jsx', 'Hello', 'Welcome');
      await recipe.answers('Welcome from a page');
      recipe.edit('server/greeting.js', 'Hello', 'Good day');
      await recipe.answers('Good day from the server', '/api/greeting');
      expect(recipe.output.split('] restarted')).toHaveLength(starts + 1);
    },
  });
});
