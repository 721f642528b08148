import { parse } from 'jsonc-parser';
import { expect, test } from 'vitest';
import { formatWatchrc } from '../../../src/cli/watchrc-text.ts';
import { createProject } from '../../support/project.ts';

const nothing = { settings: {}, missing: [], remarks: [] };

test.each([
  ['node_modules/devwatch', '', './node_modules/devwatch/dist/schema.json'],
  ['node_modules/devwatch', 'packages/web', '../../node_modules/devwatch/dist/schema.json'],
  ['elsewhere', '', undefined],
])('with devwatch in %s, a .watchrc in "%s" names the schema %s', async (installed, folder, schema) => {
  await using project = createProject({ [`${installed}/dist/schema.json`]: '{}', 'packages/web/a.js': '' });
  const text = formatWatchrc(project.at(folder), { ...nothing, settings: { script: 'a.js' } });
  expect(parse(text)).toEqual({ ...(schema !== undefined && { $schema: schema }), script: 'a.js' });
});

test('without settings the text is an empty object, with an example in a comment', async () => {
  await using project = createProject();
  const text = formatWatchrc(project.path, nothing);
  expect(parse(text)).toEqual({});
  expect(text).toContain('  // For example: "script": "server.js"\n');
});

test('the text keeps every value, and says in comments what is missing', async () => {
  await using project = createProject();
  const settings = {
    watch: ['src', 'lib'],
    env: { A: 'a'.repeat(60), B: 'b'.repeat(60) },
    on: { start: { shell: 'echo "a" // b' }, crash: 'x' },
    execMap: {},
    ignore: [],
  };
  const missing = [{ key: 'events.quit', reason: 'no\nsuch thing' }];
  const text = formatWatchrc(project.path, { settings, missing, remarks: ['a remark'], from: 'nodemon.json' });
  expect(parse(text)).toEqual(settings);
  expect(text.split('\n').slice(0, 5)).toEqual([
    '{',
    '  // Converted from nodemon.json, which has not been changed',
    '  // Settings of devwatch; flags override them. devwatch --help lists all options',
    '  // a remark',
    '  "watch": ["src", "lib"],',
  ]);
  expect(text).toContain('  // Not taken over:\n  // - events.quit: no such thing\n}\n');
});
