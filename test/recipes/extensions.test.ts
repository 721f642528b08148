import { test } from 'vitest';
import { follow } from '../support/recipe.ts';

test.each([
  ['On the command line', 'devwatch --watch . --watch "*.graphql" server.js'],
  ['In `.watchrc`', 'devwatch'],
])('a further extension counts, and the default ones still do: %s', async (section, command) => {
  await follow({
    page: 'extensions',
    section,
    command,
    first: 'type Query { first: String }',
    edit: { file: 'schema.graphql', from: 'first', to: 'second' },
    second: 'type Query { second: String }',
    breakage: { file: 'greeting.js', text: 'exports.greeting = ;\n' },
  });
});
