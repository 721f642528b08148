/** `devwatch doctor` and `devwatch config` on broken set-ups: each is named, and following the remedy repairs it. */

import fs from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { watchFindings } from '../../../src/cli/doctor/watching.ts';
import { execute } from '../../../src/cli/doctor.ts';
import { execute as showConfig } from '../../../src/cli/show-config.ts';
import { parseArgv } from '../../../src/config/argv.ts';
import { loadSettings } from '../../../src/config/load.ts';
import { planRun, type RunPlan } from '../../../src/run/command-plan.ts';
import { ProgramRecorder } from '../../../src/run/program-record.ts';
import type { Limitation } from '../../../src/shared/events.ts';
import { createProject, type Project } from '../../support/project.ts';

const cwd = process.cwd();

afterEach(() => {
  process.chdir(cwd);
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

interface Finding {
  readonly topic: string;
  readonly status: string;
  readonly text: string;
  readonly remedy?: string;
  readonly pid?: number;
}

/** Collects what an action prints. */
async function printed(project: Project, action: () => unknown) {
  process.chdir(project.path);
  vi.stubEnv('PWD', project.path);
  const lines = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      lines[name] += String(text);
      return true;
    });
  }
  await action();
  vi.restoreAllMocks();
  return lines;
}

const own = new Map([['--json', false]]);

async function examine(project: Project, ...words: readonly string[]) {
  const line = parseArgv(['--json', ...words], undefined, own);
  let code = 0;
  const { stdout } = await printed(project, async () => {
    code = await execute({ line, operands: [], options: {} });
  });
  const findings = JSON.parse(stdout) as readonly Finding[];
  const of = (topic: string): readonly Finding[] => findings.filter((finding) => finding.topic === topic);
  return { code, of };
}

function planIn(project: Project, ...words: readonly string[]): RunPlan {
  const { flags, program, nodeArgs } = parseArgv(words);
  return planRun({ loaded: loadSettings({ given: flags, folder: project.path }), program, nodeArgs });
}

/** Records a program as if a devwatch, which is this process, ran it here. */
function runs(project: Project, ...words: readonly string[]): Disposable {
  return runsWith(project, [], ...words);
}

function runsWith(project: Project, limitations: readonly Limitation[], ...words: readonly string[]): Disposable {
  const recorder = new ProgramRecorder();
  recorder.write({ app: undefined, loads: [], limitations, plan: planIn(project, ...words) });
  return { [Symbol.dispose]: () => recorder.close() };
}

describe('devwatch doctor', () => {
  test('names a preload of NODE_OPTIONS that is gone, and one that is there', async () => {
    const env = { NODE_OPTIONS: '--require /gone/bootloader.js' };
    await using project = createProject({ 'a.js': '', 'pre.cjs': '', '.watchrc': JSON.stringify({ env }) });
    const { code, of } = await examine(project, '--no-watch', 'a.js');
    expect(of('NODE_OPTIONS')).toEqual([
      {
        ...{ topic: 'NODE_OPTIONS', status: 'broken', text: 'loads /gone/bootloader.js, which does not exist' },
        remedy: 'take NODE_OPTIONS out of "env"',
      },
    ]);
    expect(code).toBe(1);
    project.write('.watchrc', '{}');
    vi.stubEnv('NODE_OPTIONS', `--require ${project.at('pre.cjs')}`);
    const after = await examine(project, '--no-watch', 'a.js');
    expect(after.of('NODE_OPTIONS')).toMatchObject([
      {
        status: 'note',
        text: `loads ${project.at('pre.cjs')} into each run before the script`,
        remedy: 'NODE_OPTIONS= devwatch …',
      },
    ]);
    vi.stubEnv('NODE_OPTIONS', '');
    const last = await examine(project, '--no-watch', 'a.js');
    expect([last.of('NODE_OPTIONS'), last.code]).toEqual([[], 0]);
  });

  test('names a loader that cannot be loaded ahead of time, and a way that can', async () => {
    await using project = createProject({ 'a.js': '', 'hooks.mjs': '', 'register.mjs': '' });
    const { of } = await examine(project, '--no-watch', '--loader', './hooks.mjs', 'a.js');
    expect(of('standby')).toMatchObject([
      {
        text: 'none: --loader has an effect before the script',
        remedy: 'with --import and module.register() instead, restarts are several times faster',
      },
    ]);
    const after = await examine(project, '--no-watch', '--import', './register.mjs', 'a.js');
    expect(after.of('standby')).toMatchObject([{ status: 'ok' }]);
  });

  test('names a network file system, and what to do if only this machine writes there', async () => {
    await using project = createProject({ 'a.js': '' });
    const mounts = [{ point: project.path, type: 'nfs4' }];
    const text = `${project.path} (nfs4) reports no changes that are made elsewhere: polling`;
    expect(await watchFindings(planIn(project, 'a.js'), mounts)).toMatchObject([
      { status: 'ok', text: '. (nfs4) · polling · 1 folder, 1 file' },
      { status: 'note', text, remedy: '--watcher native if there are none' },
    ]);
    expect(await watchFindings(planIn(project, '--watcher', 'native', 'a.js'), mounts)).toMatchObject([
      { text: '. (nfs4) · inotify · 1 folder, 1 file' },
      { topic: 'limits' },
    ]);
  });

  test('names a state folder that cannot be written', async () => {
    await using project = createProject({ 'a.js': '' });
    await using elsewhere = createProject();
    vi.stubEnv('XDG_STATE_HOME', '/dev/null/state');
    const { code, of } = await examine(project, '--no-watch', 'a.js');
    const remedy = 'set XDG_STATE_HOME to a folder that only you can write to';
    expect(of('state folder')).toMatchObject([{ status: 'broken', remedy }]);
    expect(code).toBe(1);
    vi.stubEnv('XDG_STATE_HOME', elsewhere.path);
    expect((await examine(project, '--no-watch', 'a.js')).of('state folder')).toMatchObject([{ status: 'ok' }]);
  });

  test.skipIf(process.geteuid?.() !== 0)('names settings of another user, which a start refuses', async () => {
    await using project = createProject({ 'a.js': '', '.watchrc': '{ "script": "a.js" }' });
    fs.chownSync(project.at('.watchrc'), 65_534, 0);
    const { code, of } = await examine(project);
    expect(of('settings')).toMatchObject([
      {
        ...{ status: 'broken', remedy: 'chown it, or use --config with a copy' },
        text: '.watchrc: belongs to another user (uid 65534) and contains commands to run',
      },
      { status: 'ok' },
    ]);
    expect(of('program')).toMatchObject([{ text: 'node a.js' }]);
    expect(code).toBe(1);
    fs.chownSync(project.at('.watchrc'), 0, 0);
    expect((await examine(project)).code).toBe(0);
  });

  test('looks at the program that runs here, as it is in force there, and at a mistake in its files', async () => {
    await using project = createProject({ 'a.js': '', '.watchrc': '{ "delay": 5 }' });
    using _ = runs(project, '--no-hold', 'a.js');
    project.write('.watchrc', '{ "delay": "soon" }');
    const { code, of } = await examine(project);
    expect(of('running')).toMatchObject([{ text: expect.stringContaining(`pid ${process.pid} (node a.js): `) }]);
    expect(of('settings')).toMatchObject([
      { status: 'broken', text: expect.stringContaining('.watchrc:1:12: "delay"'), remedy: 'correct it' },
      { status: 'ok' },
    ]);
    expect(of('setting').map(({ text }) => text)).toEqual(['delay 5 · .watchrc', 'hold false · --hold']);
    expect(of('held ports')).toMatchObject([{ remedy: 'without --no-hold connections wait during a restart' }]);
    expect(of('other devwatches')).toEqual([]);
    expect(code).toBe(1);
  });

  test('names what a devwatch has reported since its start, once', async () => {
    await using project = createProject({ 'a.js': '' });
    const late = { features: ['standby'], reason: 'it has ended (exit 1)', remedy: 'look at a cold start' } as const;
    const known = { features: ['standby'], reason: '--inspect has an effect before the script' } as const;
    using _ = runsWith(project, [late, known], '--inspect=0', 'a.js');
    const { of } = await examine(project);
    expect(of('standby')).toMatchObject([
      { text: 'none: --inspect has an effect before the script' },
      { text: 'none, as it has reported: it has ended (exit 1)', remedy: 'look at a cold start' },
    ]);
  });

  test('names two devwatches in the folder, and looks at both', async () => {
    await using project = createProject({ 'a.js': '' });
    using _one = runs(project, '--ext', 'ts', 'a.js');
    using _other = runs(project, 'a.js');
    expect((await examine(project)).of('setting')).toMatchObject([{ text: 'ext ["ts"] · --ext' }]);
    const { of } = await examine(project, 'a.js');
    expect(of('other devwatches')).toMatchObject([{ text: `run a program in this folder: pid ${process.pid}` }]);
  });
});

describe('devwatch config', () => {
  const config = (project: Project, ...words: readonly string[]) =>
    printed(project, () => showConfig({ line: parseArgv(words), operands: [], options: {} }));

  test('prints what is in force in the devwatch that runs here, flags included', async () => {
    await using project = createProject({ 'a.js': '', '.watchrc': '{ "delay": 5 }' });
    using _ = runs(project, '--ext', 'ts', 'a.js');
    project.write('.watchrc', '{ broken');
    const { stdout, stderr } = await config(project);
    expect(JSON.parse(stdout)).toEqual({ delay: 5, ext: ['ts'] });
    const [source, mistake, origins] = stderr.split('\n');
    expect(source).toBe(`devwatch: in force in what runs here: pid ${process.pid} (node a.js)`);
    expect(mistake).toMatch(/^devwatch: \.watchrc:1:3: broken JSON.* · these settings stay in force$/);
    expect(origins).toBe('devwatch: ext from --ext');
  });

  test('prints what its own flags would put in force', async () => {
    await using project = createProject({ 'a.js': '' });
    using _ = runs(project, '--ext', 'ts', 'a.js');
    const { stdout, stderr } = await config(project, '--delay', '7');
    expect(JSON.parse(stdout)).toEqual({ delay: 7 });
    expect(stderr).toMatch(/^devwatch: no settings file\ndevwatch: delay from --delay\n/);
  });

  test('prints several by their names', async () => {
    await using project = createProject({ 'a.js': '', 'b.js': '' });
    using _one = runs(project, '--ext', 'ts', 'a.js');
    using _other = runs(project, 'b.js');
    const { stdout } = await config(project);
    const [one, other] = ['a.js', 'b.js'].map((script) => `pid ${process.pid} (node ${script})`);
    expect(JSON.parse(stdout)).toEqual({ apps: { [one ?? '']: { ext: ['ts'] }, [other ?? '']: {} } });
  });
});
