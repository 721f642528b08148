import { test } from 'vitest';
import { follow } from '../support/recipe.ts';

test('NestJS restarts with its injected services', async () => {
  await follow({
    page: 'nestjs',
    command: 'npm run dev',
    first: 'Hello from Nest',
    edit: { file: 'src/app.service.ts', from: 'Hello', to: 'Welcome' },
    second: 'Welcome from Nest',
    breakage: { text: 'export const = ;\n' },
  });
});
