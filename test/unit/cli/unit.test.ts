import fs from 'node:fs';
import { expect, test } from 'vitest';
import { execute, lastingCli, lastingPath, remarkOn } from '../../../src/cli/unit.ts';
import { parseArgv } from '../../../src/config/argv.ts';
import { asPlatform } from '../../support/platform.ts';
import { createProject } from '../../support/project.ts';

test.each([
  ['/tmp/xfs-0a154daf:/usr/local/bin:/usr/bin', '/usr/local/bin:/usr/bin'],
  ['/usr/bin:/var/tmp/x/xfs-12', '/usr/bin'],
  ['/home/ada/xfs-tools/bin:/usr/bin', '/home/ada/xfs-tools/bin:/usr/bin'],
  [undefined, undefined],
])('of the PATH %s a unit gets %s', (path, lasting) => {
  expect(lastingPath(path)).toBe(lasting);
});

test('a unit names the link that pnpm keeps, where it leads to this devwatch', async () => {
  const packageFolder = 'node_modules/.pnpm/devwatch@1.0.0/node_modules/devwatch';
  await using project = createProject({ [`${packageFolder}/dist/cli.cjs`]: '' });
  const cli = project.at(`${packageFolder}/dist/cli.cjs`);
  expect(lastingCli(cli)).toBe(cli);
  fs.symlinkSync(project.at(packageFolder), project.at('node_modules/devwatch'));
  expect(lastingCli(cli)).toBe(project.at('node_modules/devwatch/dist/cli.cjs'));
});

test.each([
  ['/home/ada/.npm/_npx/82221a99/node_modules/.bin/devwatch', "npx's cache"],
  ['/home/ada/.yarn/berry/cache/devwatch-npm-1.0.0-27a3.zip/node_modules/devwatch/dist/cli.cjs', 'zip file of Yarn'],
])('that a unit names %s has a remark', (cli, remark) => {
  expect(remarkOn(cli)).toContain(remark);
});

test('that a unit names an installed devwatch has no remark', () => {
  expect(remarkOn('/usr/local/bin/devwatch')).toBeUndefined();
});

test('units are refused where there is no service manager for them', () => {
  using _ = asPlatform('win32');
  const line = parseArgv(['server.js']);
  expect(() => execute({ line, operands: [], options: {} })).toThrow(
    'devwatch unit writes units for systemd, which Windows does not have · let the Task Scheduler run devwatch',
  );
});
