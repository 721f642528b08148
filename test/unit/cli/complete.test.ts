import { expect, test } from 'vitest';
import { complete } from '../../../src/cli/complete.ts';

const names = { background: () => ['web', 'db'], apps: () => ['api'] };

test.each<[line: string, words: readonly string[], files: boolean]>([
  ['devwatch sta', ['start'], true],
  ['devwatch a', ['api', 'attach'], true],
  ['devwatch --restart ', ['on-crash', 'always', 'never'], false],
  ['devwatch --restart=ne', ['--restart=never'], false],
  ['devwatch --signal SIGTE', ['SIGTERM'], false],
  ['devwatch --on-change signal:SIGH', ['signal:SIGHUP'], false],
  ['devwatch --events ', ['add', 'change', 'delete'], false],
  ['devwatch pa', ['pause'], true],
  ['devwatch resume ', ['web', 'db', 'all'], false],
  ['devwatch --only ', ['api'], false],
  ['devwatch --config ', [], true],
  ['devwatch --delay ', [], false],
  ['devwatch --require ', [], true],
  ['devwatch --no-wa', ['--no-watch'], false],
  ['devwatch --no-k', ['--no-keep'], false],
  ['devwatch --poll server.js --po', [], true],
  ['devwatch -- --po', [], true],
  ['devwatch stop ', ['web', 'db', 'all'], false],
  ['devwatch logs --e', ['--err'], false],
  ['devwatch logs --lines ', [], false],
  ['devwatch start ', ['api', 'web', 'db'], true],
  ['devwatch start --nam', ['--name'], false],
  ['devwatch start server.js --nam', [], true],
  ['devwatch explain ', [], true],
  ['devwatch completion ', ['bash', 'zsh', 'fish'], false],
])('%s can go on with %j', (line, words, files) => {
  const completion = complete(line.split(' '), names);
  expect(completion.candidates.map(({ word }) => word)).toEqual(words);
  expect(completion.files).toBe(files);
});
