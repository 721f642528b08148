/** Processes that a person has opened, and the programs of another devwatch, outlive the program that started them. */

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { start } from '../support/app.ts';
import { cli, startDevwatch } from '../support/devwatch.ts';
import { childrenOf, isAlive, until } from '../support/facts.ts';
import { dialHome } from '../support/home.ts';
import { listens, Session } from '../support/session.ts';

const modes = [
  ['recognised by its marks', '0'],
  ['in a cgroup if there can be one', '1'],
] as const;

/** A program that starts an editor, and that a window in a session of its own. */
const opens = (version: number): string => `${dialHome({ who: 'root', version })}
const dial = 'require(process.env.TEST_DIAL)({ who: process.argv[1], version: ${version} });';
const window = 'require("child_process").spawn(process.execPath, ["-e", process.argv[2], "window"], { stdio: "ignore", detached: true });';
require('child_process').spawn(process.execPath, ['-e', dial + window, 'my-editor', dial], { stdio: 'ignore' });
`;

describe.each(modes)('of a program %s', (_, cgroup) => {
  test('a kept process and its descendants outlive a save, and devwatch after SIGKILL', async () => {
    await using app = await start({
      files: { 'server.js': opens(1) },
      args: ['--keep', '*my-editor*', 'server.js'],
      env: { DEVWATCH_CGROUP: cgroup },
    });
    const first = [await app.caller(), await app.caller(), await app.caller()];
    await app.event('watching');
    app.write('server.js', opens(2));
    const second = [await app.caller(), await app.caller(), await app.caller()];
    const guardian = childrenOf(app.pid).find(({ command }) => command.includes('devwatch-guardian'));
    await app.end('SIGKILL');
    await Promise.all([...first, ...second].filter(({ says }) => says.who === 'root').map(({ gone }) => gone));
    await until(() => !isAlive(guardian?.pid ?? 0));
    const left = [...first, ...second].filter((caller) => caller.isAlive());
    expect(left.map(({ says }) => `${says.who} ${says.version}`).sort()).toEqual([
      'my-editor 1',
      'my-editor 2',
      'window 1',
      'window 2',
    ]);
    for (const caller of left) caller.send('exit');
    await Promise.all(left.map(({ gone }) => gone));
  });

  test('a background program that it has started outlives it, and devwatch', async () => {
    await using session = await Session.open({
      'server.js': `require('child_process').spawnSync(process.execPath, [${JSON.stringify(cli)}, 'start', '--name', 'db', '--no-watch', 'db.js']);${dialHome({ who: 'web' })}`,
      'db.js': listens({ who: 'db' }),
    });
    const { env } = session;
    await using devwatch = startDevwatch(['-w', 'server.js', 'server.js'], {
      cwd: session.project.path,
      env: { ...(env as Record<string, string>), DEVWATCH_CGROUP: cgroup },
    });
    const [db, web] = [await session.home.caller(), await session.home.caller()];
    await devwatch.event('watching');
    session.project.write('server.js', dialHome({ who: 'new' }));
    await session.home.caller();
    await devwatch.end();
    expect([web.isAlive(), db.isAlive()]).toEqual([false, true]);
    expect(marksOf(session.record('db').pid)).toEqual([]);
  });
});

test('a process that has left the cgroup of the program ends with it', async () => {
  const own = cgroupOf('self');
  await using app = await start({
    files: {
      'server.js': `${dialHome({ who: 'root' })}require('child_process').spawn(process.execPath, ['-e', 'require(process.env.TEST_DIAL)({})'], { stdio: 'ignore', detached: true });`,
    },
    args: ['server.js'],
  });
  const members = [await app.caller(), await app.caller()];
  const child = members.find(({ says }) => says.who === undefined);
  await app.event('watching');
  // Without cgroups it cannot leave one.
  if (cgroupOf(child?.pid ?? 0) !== own)
    fs.writeFileSync(path.join(mountPoint(), own, 'cgroup.procs'), `${child?.pid}`);
  app.write('server.js', dialHome({ who: 'second' }));
  await app.caller();
  expect(child?.isAlive()).toBe(false);
});

/** Returns the names of the variables by which devwatch knows the process. */
const marksOf = (pid: number): string[] =>
  [...fs.readFileSync(`/proc/${pid}/environ`, 'latin1').matchAll(/DEVWATCH_TREE_\w+/g)].map(([name]) => name);

const cgroupOf = (pid: number | 'self'): string =>
  /^0::(.*)$/m.exec(fs.readFileSync(`/proc/${pid}/cgroup`, 'latin1'))?.[1] ?? '';

const mountPoint = (): string =>
  / (\S+) \S+ - cgroup2 /.exec(fs.readFileSync('/proc/self/mountinfo', 'latin1'))?.[1] ?? '';
