import { test } from 'vitest';
import { follow, hasCommand } from '../support/recipe.ts';

const python = {
  page: 'python',
  first: 'Hello, world!',
  edit: { file: 'greeting.py', from: 'Hello', to: 'Welcome' },
  second: 'Welcome, world!',
  breakage: { text: 'def greeting\n' },
};

test.skipIf(!hasCommand('python3'))('a Python script restarts', async () => {
  await follow({
    ...python,
    section: 'A script',
    command: 'devwatch --ready tcp://localhost:3000 --max-restarts 0 app.py',
    holds: false,
  });
});

test.skipIf(!hasCommand('python3'))('uvicorn restarts without refused connections', async () => {
  await follow({
    ...python,
    section: 'uvicorn, without refused connections',
    async before(recipe) {
      await recipe.run('python3 -m venv .venv');
      await recipe.run('.venv/bin/pip install uvicorn');
    },
    command: 'devwatch',
  });
});
