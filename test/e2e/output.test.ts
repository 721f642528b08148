/** The lines that devwatch prints for people, and the program's own output beside them. */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import type { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { cli, runDevwatch } from '../support/devwatch.ts';
import { isAlive } from '../support/facts.ts';
import { dialHome, openHome } from '../support/home.ts';
import { createProject } from '../support/project.ts';
import { readText, type Text } from '../support/text.ts';

const { version } = JSON.parse(fs.readFileSync('package.json', 'utf8')) as { version: string };

interface Pretty extends AsyncDisposable {
  readonly process: ChildProcessByStdio<null, Readable, Readable>;
  readonly stdout: Text;
  readonly stderr: Text;
  end(): Promise<unknown>;
}

/** Runs devwatch with its output into pipes; only `env` sets variables about colours. */
function start(args: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}): Pretty {
  const { NO_COLOR: _, FORCE_COLOR: __, ...inherited } = process.env;
  const child = spawn(process.execPath, [cli, ...args], {
    cwd,
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'close');
  const end = async (): Promise<unknown> => {
    child.kill('SIGTERM');
    return exited;
  };
  return {
    process: child,
    stdout: readText(child.stdout),
    stderr: readText(child.stderr),
    end,
    async [Symbol.asyncDispose]() {
      await end();
    },
  };
}

const ready = (text: string): string => `console.log('${text}');\nsetInterval(() => {}, 60_000);\n`;

/** Replaces times and pids, which differ from run to run. */
const steady = (text: string): string =>
  text.replaceAll(/\d+(\.\d+)? (ms|s)\b/g, 'TIME').replaceAll(/pid \d+/g, 'pid PID');

test('devwatch prints at most one line for a start, a restart, a clean exit and its own end', async () => {
  await using project = createProject({ 'server.js': ready('one') });
  await using devwatch = start(['server.js'], project.path);
  await devwatch.stdout.next(/one\n/);
  await devwatch.stderr.next(/\(js mjs cjs json\)/);

  project.replace('server.js', ready('two'));
  await devwatch.stdout.next(/two\n/);
  await devwatch.stderr.next(/restarted · server\.js\n/);
  project.replace('server.js', "console.log('three');\n");
  await devwatch.stderr.next(/exited cleanly/);
  await devwatch.end();

  // On a busy machine the line does not wait for the number of files.
  expect(
    steady(devwatch.stderr.all)
      .replace(/ · 1 file$/m, '')
      .split('\n'),
  ).toEqual([
    `[devwatch] ${version} · node server.js · watching . (js mjs cjs json)`,
    '[devwatch] restarted · server.js',
    '[devwatch] restarted · server.js',
    '[devwatch] exited cleanly · waiting for a change',
    '',
  ]);
  expect(devwatch.stdout.all).toBe('one\ntwo\nthree\n');
});

test('devwatch prints how a program crashed and what happens next', async () => {
  await using project = createProject({ 'server.js': 'process.exit(3);\n' });
  await using devwatch = start(['--max-restarts', '1', 'server.js'], project.path);
  await devwatch.stderr.next(/waiting for a change\n/);

  const crashes = devwatch.stderr.all.split('\n').filter((line) => line.includes('crashed'));
  expect(crashes[0]).toMatch(/^\[devwatch\] crashed \(exit 3\) after [\d.]+ m?s · restart 1 of 1 in 250 ms$/);
  expect(crashes[1]).toMatch(
    /^\[devwatch\] crashed \(exit 3\) after [\d.]+ m?s · gave up after 1 restart · waiting for a change$/,
  );
});

test('devwatch prints the signal of a crash', async () => {
  await using project = createProject({ 'server.js': "process.kill(process.pid, 'SIGKILL');\n" });
  const { code, stderr } = await runDevwatch(['--exit-on-crash', 'server.js'], { cwd: project.path });
  expect(code).toBe(137);
  expect(steady(stderr)).toContain('[devwatch] crashed (SIGKILL) after TIME · ending\n');
});

test('the line of a restart names the first changed file and the number of others', async () => {
  await using project = createProject({ 'server.js': ready('one'), 'lib/a.js': '', 'lib/b.js': '' });
  await using devwatch = start(['--delay', '100', 'server.js'], project.path);
  await devwatch.stderr.next(/\(js mjs cjs json\)/);

  project.write('lib/a.js', '// changed\n');
  project.write('lib/b.js', '// changed\n');
  await devwatch.stderr.next(/restarted · lib\/a\.js \+1\n/);
  project.remove('lib/b.js');
  await devwatch.stderr.next(/restarted · lib\/b\.js \(deleted\)\n/);
});

test('--quiet prints warnings, but no starts, restarts and crashes', async () => {
  await using project = createProject({ 'server.js': ready('one'), '.env': '' });
  await using devwatch = start(['--quiet', '--env-file', '.env', '--max-restarts', '1', 'server.js'], project.path);
  await devwatch.stdout.next(/one\n/);
  project.write('server.js', ready('two'));
  await devwatch.stdout.next(/two\n/);
  expect(devwatch.stderr.all).toBe('');

  project.remove('.env');
  await devwatch.stderr.next(/\[devwatch\] .*\.env: the environment file cannot be read/);
  expect(devwatch.stderr.all).not.toContain('restarted');
});

test('--verbose also prints the changes, the run and the end of the old tree', async () => {
  await using project = createProject({ 'server.js': ready('one') });
  await using devwatch = start(['--verbose', 'server.js'], project.path);
  await Promise.all([devwatch.stderr.next(/armed in .*\n/), devwatch.stdout.next(/one\n/)]);
  project.replace('server.js', ready('two'));
  await devwatch.stdout.next(/two\n/);
  await devwatch.end();

  const lines = steady(devwatch.stderr.all)
    .split('\n')
    .map((line) => line.replace(/( · (old tree gone|quiet|started) after TIME)+$/, ''));
  expect(lines[0]).toBe('[devwatch] run 1 · pid PID · start');
  for (const line of [
    'change server.js · watch .',
    'stopping run 1',
    'the old tree is gone after TIME',
    'restarted · server.js',
    'run 2 · pid PID · change',
    "the program's own code begins after TIME",
    'stopping run 2',
    'ended',
  ]) {
    expect(lines).toContain(`[devwatch] ${line}`);
  }
});

const colour = '\u001b[';

test('devwatch writes no colours to a pipe', async () => {
  await using project = createProject({ 'server.js': 'process.exit(3);\n' });
  await using devwatch = start(['--exit-on-crash', 'server.js'], project.path);
  await once(devwatch.process, 'close');
  expect(devwatch.stderr.all).toContain('crashed (exit 3)');
  expect(devwatch.stderr.all).not.toContain(colour);
});

for (const [name, args, env, coloured] of [
  ['FORCE_COLOR=1 makes devwatch write colours to a pipe', [], { FORCE_COLOR: '1' }, true],
  ['FORCE_COLOR=0 does not', [], { FORCE_COLOR: '0' }, false],
  ['NO_COLOR wins over FORCE_COLOR', [], { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
  ['--no-color wins over FORCE_COLOR', ['--no-color'], { FORCE_COLOR: '1' }, false],
] as const) {
  test(name, async () => {
    await using project = createProject({ 'server.js': 'process.exit(3);\n' });
    await using devwatch = start([...args, '--exit-on-crash', 'server.js'], project.path, env);
    await once(devwatch.process, 'close');

    const red = `${colour}31mcrashed (exit 3)`;
    expect(devwatch.stderr.all.includes(red)).toBe(coloured);
    expect(devwatch.stderr.all.includes(colour)).toBe(coloured);
    expect(devwatch.stderr.all).toContain('crashed (exit 3)');
  });
}

test('devwatch prints nothing on stdout', async () => {
  await using project = createProject({ 'server.js': "console.log('mine');\nprocess.exit(3);\n" });
  for (const args of [[], ['--verbose'], ['--log-format', 'json']]) {
    await using devwatch = start([...args, '--exit-on-crash', 'server.js'], project.path);
    await once(devwatch.process, 'close');
    expect(devwatch.stdout.all).toBe('mine\n');
    expect(devwatch.stderr.all).toContain('crash');
  }
});

test('--log-format json prints each event as one line of JSON', async () => {
  await using project = createProject({ 'server.js': 'process.exit(3);\n' });
  await using devwatch = start(['--log-format', 'json', '--exit-on-crash', 'server.js'], project.path);
  await once(devwatch.process, 'close');

  const events = devwatch.stderr.all
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string; time: string });
  const names = events.map(({ event }) => event).filter((name) => name !== 'scanning' && name !== 'watching');
  expect(names).toEqual(['start', 'begin', 'crash', 'stopping', 'gone', 'end']);
  for (const { time } of events) expect(new Date(time).toISOString()).toBe(time);
});

test('devwatch and the program survive a reader that closes stderr', async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': dialHome({ version: 1 }) });
  await using devwatch = start(['--verbose', 'server.js'], project.path, home.env);
  const first = await home.caller();
  devwatch.process.stderr.destroy();

  project.write('server.js', dialHome({ version: 2 }));
  const second = await home.caller();
  expect(second.says.version).toBe(2);
  second.send('crash');
  const third = await home.caller();

  expect(isAlive(first.pid)).toBe(false);
  expect(third.isAlive()).toBe(true);
  expect(await devwatch.end()).toEqual([null, 'SIGTERM']);
  expect(isAlive(third.pid)).toBe(false);
});

test('a command line error is one line on stderr and exit code 2', async () => {
  await using project = createProject({ 'server.js': '' });
  for (const [args, message] of [
    [['--wach', 'src', 'server.js'], 'devwatch: unknown option --wach · did you mean --watch?'],
    [['serve.js'], `devwatch: serve.js: no such file in ${project.path}`],
    [[], 'devwatch: nothing to run'],
    [['--delay', 'soon', 'server.js'], 'devwatch: --delay takes a duration'],
    [['sever.js'], `devwatch: sever.js: no such file in ${project.path} · did you mean server.js?`],
    [['start', 'lgos'], `devwatch: lgos: no such file or command in ${project.path} · did you mean devwatch logs?`],
    [['kill', 'web'], 'devwatch: kill is no subcommand · devwatch stop web'],
    [['--watch', 'server.js'], 'devwatch: nothing to run · --watch only selects what is watched'],
  ] as const) {
    const { code, stdout, stderr } = await runDevwatch(args, { cwd: project.path });
    expect(stderr.startsWith(message)).toBe(true);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  }
});

test('--help and --version print to stdout and exit with 0', async () => {
  await using project = createProject();
  const help = await runDevwatch(['--help'], { cwd: project.path });
  const short = await runDevwatch(['--version'], { cwd: project.path });
  expect(await runDevwatch(['help'], { cwd: project.path })).toEqual(help);
  expect(help).toMatchObject({ code: 0, stderr: '' });
  expect(help.stdout).toContain('devwatch [options] <script|command> [args...]');
  expect(help.stdout).toContain('--watch <glob>');
  expect(short).toEqual({ code: 0, signal: null, stderr: '', stdout: `${version}\n` });
});
