import { expect, test } from 'vitest';
import { nearest } from '../../../src/shared/did-you-mean.ts';

const flags = ['--poll', '--ext', '--watch', '--port', '--name', '--exit-on-crash', '--kill-timeout', '--env-file'];
const commands = ['start', 'stop', 'logs', 'list', 'explain', 'npm', 'node', 'server.js', 'web', 'db'];

test.each([
  ['--wacth', '--watch'],
  ['--wach', '--watch'],
  ['--Watch', '--watch'],
  ['--exxt', '--ext'],
  ['--exit-on-crsh', '--exit-on-crash'],
  ['--kil-timout', '--kill-timeout'],
  ['lgos', 'logs'],
  ['strat', 'start'],
  ['exlain', 'explain'],
  ['nmp', 'npm'],
  ['sever.js', 'server.js'],
  ['servr.js', 'server.js'],
  ['bd', 'db'],
])('%s is a slip of %s', (name, meant) => {
  expect(nearest(name, [...flags.filter((flag) => flag !== '--port'), ...commands])).toBe(meant);
});

test.each([
  ['--port', ['--poll']],
  ['--env', ['--ext']],
  ['--max', ['--ext', '--poll']],
  ['x', ['y', 'web']],
  ['ab', ['cd']],
  ['run', ['web', 'npm']],
  ['vite', ['list', 'node']],
  [`${'server'.repeat(100_000)}.js`, ['server.js']],
])('%.20s is no slip of any of %j', (name, candidates) => {
  expect(nearest(name, candidates)).toBeUndefined();
});

test('the nearest of several is chosen, the first of equally near ones', () => {
  expect(nearest('stat', ['start', 'stop', 'stats'])).toBe('start');
  expect(nearest('stop', ['start', 'stops', 'stop'])).toBe('stop');
});
