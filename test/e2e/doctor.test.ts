/** Set-ups in which something is off or broken, as `devwatch doctor` and a running devwatch name it. */

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { auditFrom, storeAudit } from '../../src/process/standby/audits.ts';
import { start } from '../support/app.ts';
import { cli, runDevwatch } from '../support/devwatch.ts';
import { dialHome } from '../support/home.ts';
import { createProject } from '../support/project.ts';

interface Finding {
  readonly topic: string;
  readonly status: string;
  readonly text: string;
  readonly remedy?: string;
}

async function examine(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { code, stdout, stderr } = await runDevwatch(['doctor', '--json', ...args], { cwd, env });
  expect(stderr).toBe('');
  const findings = JSON.parse(stdout) as Finding[];
  return { code, of: (topic: string) => findings.filter((finding) => finding.topic === topic) };
}

test('finds nothing broken in a usual project, and prints a line for each topic', async () => {
  await using project = createProject({ 'package.json': '{}', 'server.js': '' });
  const { code, stdout } = await runDevwatch(['doctor', 'server.js'], { cwd: project.path });
  expect(stdout).toMatch(/^ {2}program +node server\.js$/m);
  expect(stdout).toMatch(/^ {2}watching +\. \(\w+\) · inotify · 1 folder, 2 files$/m);
  expect(stdout.trimEnd().split('\n').at(-1)).toBe('nothing is broken');
  expect(code).toBe(0);
});

test.each<[what: string, topic: string, status: string, text: RegExp, args: string[], env: Record<string, string>]>([
  [
    'a state folder in which nothing can be written',
    'state folder',
    'broken',
    /cannot be used/,
    [],
    { XDG_STATE_HOME: '/dev/null/x' },
  ],
  ['no cgroup', 'process tree', 'note', /DEVWATCH_CGROUP/, [], { DEVWATCH_CGROUP: '0' }],
  [
    'a flag in NODE_OPTIONS',
    'standby',
    'note',
    /NODE_OPTIONS has --heapsnapshot-signal/,
    [],
    { NODE_OPTIONS: '--heapsnapshot-signal=SIGUSR2' },
  ],
  ['a loader that runs code first', 'standby', 'note', /--loader/, ['--loader', './hooks.mjs'], {}],
  ['a script that is missing', 'program', 'broken', /dist\/main\.js is missing/, ['dist/main.js'], {}],
  ['a command that is no Node program', 'held ports', 'note', /Node does not run/, ['--exec', 'sleep 1'], {}],
  ['a folder that is missing', 'watching', 'note', /nothing is there to watch yet/, ['--watch', 'src'], {}],
  ['files of another language only', 'watching', 'note', /no file here has a watched extension/, ['--ext', 'py'], {}],
  [
    'how packages of ES modules are loaded',
    'packages',
    'ok',
    /loaded ahead of time.* · ES modules are only compiled/,
    ['hooks.mjs'],
    {},
  ],
])('names %s, and what to do', async (_, topic, status, text, args, env) => {
  await using project = createProject({ 'package.json': '{}', 'server.js': '', 'hooks.mjs': '' });
  const program =
    args.includes('--exec') || args.some((word) => /^(?:hooks\.mjs|.*main\.js)$/.test(word)) ? [] : ['server.js'];
  const { code, of } = await examine(project.path, [...args, ...program], env);
  const finding = of(topic).find((one) => text.test(one.text));
  expect(finding).toMatchObject({ status, text: expect.stringMatching(text) });
  expect(code).toBe(status === 'broken' ? 1 : 0);
});

test('names a mistake in the settings, and still looks at the rest', async () => {
  await using project = createProject({ '.watchrc': '{ "delay": "soon" }' });
  const { code, of } = await examine(project.path, []);
  expect(of('settings')).toMatchObject([{ status: 'broken', text: expect.stringMatching(/\.watchrc:1:12: "delay"/) }]);
  expect(of('guardian')).toHaveLength(1);
  expect(code).toBe(1);
});

test('names who has taken the port', async () => {
  await using project = createProject({ 'server.js': '' });
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { code, of } = await examine(project.path, ['server.js'], { PORT: String(port) });
  server.close();
  expect(of('port')).toMatchObject([{ status: 'broken', text: expect.stringContaining(`pid ${process.pid} `) }]);
  expect(code).toBe(1);
});

test('names another devwatch in the folder', async () => {
  await using app = await start({ files: { 'server.js': 'setInterval(() => {}, 1e6);' }, args: ['server.js'] });
  await app.watches();
  const { of } = await examine(app.path, ['server.js']);
  expect(of('other devwatches')).toMatchObject([{ text: expect.stringContaining(`pid ${app.pid}`) }]);
});

test('names a lock that a killed git has left', async () => {
  await using project = createProject({ 'server.js': '' });
  spawnSync('git', ['init', '-q'], { cwd: project.path });
  fs.writeFileSync(project.at('.git/index.lock'), '');
  fs.utimesSync(project.at('.git/index.lock'), 1, 1);
  const { of } = await examine(project.path, ['server.js']);
  expect(of('git')).toMatchObject([{ status: 'broken', remedy: 'rm .git/index.lock' }]);
});

const asFirst = ['-Urpf', '--mount-proc'];
const hasPidNamespaces = spawnSync('unshare', [...asFirst, 'true']).status === 0;

test.skipIf(!hasPidNamespaces)(
  'names that it is the first process of a container, and is silent behind an init',
  async () => {
    await using project = createProject({ 'server.js': '' });
    const firstProcess = (...before: readonly string[]): string => {
      const args = [...asFirst, ...before, process.execPath, cli, 'doctor', 'server.js'];
      const env = { ...process.env, DEVWATCH_CGROUP: '0' };
      const { stdout } = spawnSync('unshare', args, { cwd: project.path, encoding: 'utf8', env });
      return stdout;
    };
    expect(firstProcess()).toMatch(/· first process .*without an init\n +→ docker run --init/);
    expect(firstProcess('sh', '-c', '"$@"; true', 'sh')).not.toContain('first process');
  },
);

const hasNamespaces = spawnSync('unshare', ['-Ur', 'test', '-w', '/proc/sys/user/max_inotify_watches']).status === 0;

test.skipIf(!hasNamespaces)('names a limit on the watches of inotify, which the remedy raises', async () => {
  await using project = createProject({ 'server.js': '' });
  const limit = (value: number) => `echo ${value} >/proc/sys/user/max_inotify_watches`;
  const line = `${limit(0)} && { "$@"; echo "code $?"; ${limit(524_288)}; "$@"; }`;
  const { stdout } = spawnSync(
    'unshare',
    ['-Ur', 'sh', '-c', line, 'sh', process.execPath, cli, 'doctor', 'server.js'],
    { cwd: project.path, encoding: 'utf8', env: { ...process.env, DEVWATCH_CGROUP: '0' } },
  );
  const [before = '', after = ''] = stdout.split('code 1');
  expect(before).toMatch(/✗ limits +1 watches are needed, \d+ of 0 are in use: devwatch polls/);
  expect(before).toContain('→ sudo sysctl user.max_inotify_watches=524288');
  expect(after).toMatch(/^ {2}limits +1 of \d+ watches needed/m);
});

test('sums up which packages are loaded ahead of time, and why others are not', async () => {
  await using project = createProject({ 'package.json': '{}', 'server.js': '' });
  const env = { XDG_CACHE_HOME: project.at('cache') };
  const entries = ['express', 'config'].map((name) => {
    return {
      file: project.at(`node_modules/${name}/index.js`),
      parent: project.at('server.js'),
      kind: 'require' as const,
    };
  });
  const found = {
    ms: 1,
    files: [],
    hasEffects: false,
    touches: [],
    isIncurable: false,
    isRuinous: false,
    effects: [],
    variables: [],
  };
  const reports = entries.map(({ file }) => {
    return { ...found, file, blames: file.includes('config') ? [{ file, why: 'prints' }] : [] };
  });
  storeAudit(project.at('server.js'), env, auditFrom('x', entries, new Map(reports.entries()), { tainted: [] }));
  const { of } = await examine(project.path, ['server.js'], env);
  expect(of('packages').map(({ text }) => text)).toEqual(['1 loaded ahead of time, 1 by the program · config: prints']);
});

test('names at the start what is off, and not again after a restart', async () => {
  const args = ['--exec', 'node server.js && true'];
  await using app = await start({ files: { 'server.js': dialHome() }, args });
  await app.caller();
  const reason = 'a shell runs the line';
  expect(await app.event('limitation')).toMatchObject({
    features: ['standby', 'held ports'],
    reason,
    isUnexpected: true,
  });
  expect(await app.event('limitation')).toMatchObject({ features: ['readiness check'] });
  app.write('server.js', dialHome());
  await app.caller();
  expect(app.events.filter(({ event }) => event === 'limitation')).toHaveLength(2);
});
