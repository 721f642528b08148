import { test } from 'vitest';
import { follow, hasCommand } from '../support/recipe.ts';

test.skipIf(!hasCommand('go'))('a Go program is built and restarts without refused connections', async () => {
  await follow({
    page: 'go',
    command: 'devwatch',
    first: 'Hello, world!',
    edit: { file: 'greeting.go', from: 'Hello', to: 'Welcome' },
    second: 'Welcome, world!',
    breakage: { text: 'package main\n\nfunc greeting\n' },
  });
});
