/** Programs for which an editor or a package manager has set NODE_OPTIONS. */

import { expect, test } from 'vitest';
import { start } from '../support/app.ts';
import { createProject } from '../support/project.ts';

test('with a preload in NODE_OPTIONS a program has readiness, held ports and standbys, and a later one can wait for it', async () => {
  const api = `
    require('http').createServer((request, response) => response.end()).listen(0, () => {
      const { NODE_OPTIONS } = process.env;
      require(process.env.TEST_DIAL)({ api: true, boots: globalThis.boots, flags: process.execArgv, NODE_OPTIONS });
    });`;
  const project = createProject({
    'an editor/boot.cjs': 'globalThis.boots = (globalThis.boots ?? 0) + 1;',
    'api.js': api,
    'web.js': 'require(process.env.TEST_DIAL)({ web: true })',
    '.watchrc': JSON.stringify({ apps: { api: { script: 'api.js' }, web: { script: 'web.js', after: ['api'] } } }),
  });
  const NODE_OPTIONS = `--require "${project.at('an editor/boot.cjs')}" --inspect-publish-uid=http`;
  await using app = await start({ project, env: { NODE_OPTIONS } });
  const own = { api: true, boots: 1, flags: [], NODE_OPTIONS };
  expect((await app.caller(({ says }) => says.api === true)).says).toMatchObject(own);
  await app.caller(({ says }) => says.web === true);
  const { port } = await app.event('ready', ({ app: name }) => name === 'api');
  await app.watches('api');
  await app.event('standby', ({ app: name }) => name === 'api');
  app.write('api.js', `${api}//`);
  expect((await app.caller(({ says }) => says.api === true)).says).toMatchObject(own);
  expect(await app.event('start', ({ app: name, run }) => name === 'api' && run === 2)).toMatchObject({
    standby: true,
  });
  // The port of the system's choice is the same one only if it is held.
  expect(await app.event('ready', ({ app: name, run }) => name === 'api' && run === 2)).toMatchObject({ port });
});
