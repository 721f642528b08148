import { test } from 'vitest';
import { follow } from '../support/recipe.ts';

test.each(['With tsx', 'With ts-node', 'With swc-node'])('TypeScript %s', async (section) => {
  await follow({
    page: 'typescript',
    section,
    command: 'npm run dev',
    first: 'Hello, world!',
    edit: { file: 'src/greeting.ts', from: 'Hello', to: 'Welcome' },
    second: 'Welcome, world!',
    breakage: { text: 'export const = ;\n' },
  });
});
