import { test } from 'vitest';
import { follow } from '../support/recipe.ts';

test('`tsc --watch` and the server that it builds run side by side, from an empty checkout', async () => {
  await follow({
    page: 'typescript-build',
    command: 'npm run dev',
    first: 'Hello from dist',
    edit: { file: 'src/greeting.ts', from: 'Hello', to: 'Welcome' },
    second: 'Welcome from dist',
    breakage: { text: 'export const = ;\n', shows: /error TS/ },
  });
});
