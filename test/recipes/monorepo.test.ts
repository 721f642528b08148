import { test } from 'vitest';
import { follow } from '../support/recipe.ts';

test.each([
  ['From the package', 'npm run dev:api'],
  ['From the root', 'npm run dev'],
])('a monorepo, %s: an edit of a linked package restarts the server', async (section, command) => {
  await follow({
    page: 'monorepo',
    section,
    command,
    first: 'Hello from the shared package',
    edit: { file: 'packages/shared/index.js', from: 'Hello', to: 'Welcome' },
    second: 'Welcome from the shared package',
    breakage: { text: 'export const = ;\n' },
  });
});
