import { describe, expect, test } from 'vitest';
import { argvFor, nameOf } from '../../../src/cli/background-programs.ts';
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
