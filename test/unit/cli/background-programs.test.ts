import { describe, expect, test } from 'vitest';
import { type AwaitedResult, argvFor, describeResult, nameOf } from '../../../src/cli/background-programs.ts';
import type { NamedProgram } from '../../../src/cli/select-programs.ts';
import { parseArgv } from '../../../src/config/argv.ts';
import { loadGiven } from '../../../src/config/load.ts';
import type { SettingsInput } from '../../../src/config/settings-types.ts';

const programOf = (app: string | undefined, input: SettingsInput = {}): NamedProgram => ({
  app,
  loaded: loadGiven({ script: 'server.js', ...input }, process.cwd()),
  program: [],
  nodeArgs: [],
});

describe('argvFor', () => {
  test.each([
    ['-q server.js --port 1', undefined, '-q server.js --port 1'],
    ['-q -- list', undefined, '-q -- list'],
    ['-q', 'web', '-q --only web'],
    ['web', 'web', '--only web'],
    ['--only web,api', 'api', '--only web,api --only api'],
    ['--only web', 'web', '--only web'],
    ['-q -- --port 1', undefined, '-q -- --port 1'],
    ['-q --only web -- --port 1', 'web', '-q --only web -- --port 1'],
    ['-q web --port 1', 'web', '-q --only web -- --port 1'],
    ['-q web -- x', 'web', '-q --only web -- x'],
  ])('of %j for the app %j is %j', (line, app, argv) => {
    expect(argvFor(programOf(app), parseArgv(line.split(' '))).join(' ')).toBe(argv);
  });
});

describe('nameOf', () => {
  test('prefers the setting, then the name of the app', () => {
    expect(nameOf(programOf('web', { name: 'shop' }))).toBe('shop');
    expect(nameOf(programOf('web'))).toBe('web');
  });

  test('falls back to the name of the package', () => {
    expect(nameOf(programOf(undefined))).toBe('devwatch');
  });
});

const logs = 'logs: devwatch logs web';
const where = `pid 7 · ${logs}`;

test.each<[AwaitedResult, boolean, 0 | 1, readonly string[]]>([
  [{ state: 'up', ms: 120, port: 3000, pid: 7 }, false, 0, [`web is up after 120 ms · port 3000 · ${where}`]],
  [
    { state: 'up', ms: 120, port: 80, url: 'http://localhost', pid: 7 },
    false,
    0,
    [`web is up after 120 ms · http://localhost · ${where}`],
  ],
  [{ state: 'up', ms: 120, port: undefined, pid: 7 }, true, 0, [`web is up again after 120 ms · ${where}`]],
  [{ state: 'running', ms: 3000, pid: 7 }, false, 0, [`web is running · ${where}`]],
  [{ state: 'waiting', awaited: `${process.cwd()}/dist/a.js` }, false, 0, [`web is waiting for dist/a.js · ${logs}`]],
  [{ state: 'ended', next: 'wait' }, false, 0, [`web has run and ended · next: wait · ${logs}`]],
  [
    { state: 'failed', reason: 'exit 1', next: 'restart', tail: ['Error: no database'] },
    true,
    1,
    [`web failed: exit 1 · next: restart · ${logs}`, '  Error: no database'],
  ],
  [{ state: 'late' }, false, 1, [`web is not up after 30 s · it keeps running · ${logs}`]],
  [{ state: 'gone', tail: ['bye'] }, true, 1, ['web ended before it was up again · logs: devwatch logs web', '  bye']],
])('describeResult describes %j (restart: %j)', (result, isRestart, code, lines) => {
  const options = { isRestart, describeNext: (next: string) => `next: ${next}` };
  expect(describeResult('web', result, options)).toEqual({ code, lines });
});
