import fs from 'node:fs';
import { expect, test, vi } from 'vitest';
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

test.each([
  ['win32', 'Windows', 'the Task Scheduler'],
  ['freebsd', 'freebsd', 'cron (@reboot)'],
] as const)('units are refused on %s, where there is no service manager for them', (name, title, instead) => {
  using _ = asPlatform(name);
  const line = parseArgv(['server.js']);
  expect(() => execute({ line, operands: [], options: {} })).toThrow(
    `devwatch unit writes units for systemd, which ${title} does not have · let ${instead} run devwatch`,
  );
});

test.runIf(process.platform !== 'win32')(
  'on macOS a LaunchAgent is written, again where it is one of devwatch',
  async () => {
    using _ = asPlatform('darwin');
    await using project = createProject({ 'server.js': '' });
    const { HOME } = process.env;
    const printed: string[] = [];
    const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
    try {
      process.env.HOME = project.path;
      const own = new Map<string, readonly string[]>([['--write', []]]);
      const line = { ...parseArgv(['--name', 'web', '--cwd', project.path, project.at('server.js')]), own };
      for (let time = 1; time <= 2; time += 1) execute({ line, operands: [], options: {} });
    } finally {
      process.env.HOME = HOME;
      write.mockRestore();
    }
    const file = project.at('Library/LaunchAgents/devwatch.web.plist');
    expect(fs.readFileSync(file, 'utf8')).toContain(`<string>${project.at('server.js')}</string>`);
    expect(printed.join('')).toContain('launchctl bootstrap gui/$UID ~/Library/LaunchAgents/devwatch.web.plist');
  },
);
