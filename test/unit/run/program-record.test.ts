/** Records of running programs: who believes them, and when. */

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parseArgv } from '../../../src/config/argv.ts';
import { loadSettings } from '../../../src/config/load.ts';
import { identityOf } from '../../../src/process/tree/identity.ts';
import { planRun, type RunPlan } from '../../../src/run/command-plan.ts';
import { ProgramRecorder, programsRunningIn } from '../../../src/run/program-record.ts';
import { createProject, type Project } from '../../support/project.ts';

let state: Project;

beforeEach(() => {
  state = createProject();
  vi.stubEnv('XDG_STATE_HOME', state.path);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await state[Symbol.asyncDispose]();
});

const records = (): string[] =>
  fs.readdirSync(state.at('devwatch/programs')).map((name) => `devwatch/programs/${name}`);

function planIn(folder: string, ...words: readonly string[]): RunPlan {
  const { flags, program, nodeArgs } = parseArgv(words);
  return planRun({ loaded: loadSettings({ given: flags, folder }), program, nodeArgs });
}

/** Records a program that this process runs. */
function record(folder: string, ...words: readonly string[]): ProgramRecorder {
  const recorder = new ProgramRecorder();
  recorder.write({ app: undefined, loads: [], limitations: [], plan: planIn(folder, ...words) });
  return recorder;
}

/** Changes the only record, as if another process had written it. */
function rewrite(change: object): void {
  const [file = ''] = records();
  fs.writeFileSync(
    state.at(file),
    JSON.stringify({ ...JSON.parse(fs.readFileSync(state.at(file), 'utf8')), ...change }),
  );
}

test('a record has the settings, where they come from, the command and the loaded files', async () => {
  await using project = createProject({ '.watchrc': '{ "delay": 5 }', 'a.ts': '' });
  const plan = planIn(project.path, '--ext', 'sql', '--', 'make', 'a.ts');
  const recorder = new ProgramRecorder();
  recorder.write({ app: 'web', loads: ['/far.js'], limitations: [], plan });
  const { loaded, command, ...others } = programsRunningIn(project.path)[0] ?? {};
  expect(loaded).toEqual(plan.loaded);
  expect(loaded?.origins.get('delay')).toEqual(['.watchrc']);
  expect(command).toEqual(plan.command);
  expect(others).toMatchObject({ pid: process.pid, app: 'web', loads: ['/far.js'], program: ['make', 'a.ts'] });
  recorder.write({ app: 'web', loads: [], limitations: [], plan });
  expect(programsRunningIn(project.path)[0]?.loads).toEqual([]);
  recorder.close();
  expect(records()).toEqual([]);
  recorder.write({ app: 'web', loads: ['/late.js'], limitations: [], plan });
  expect(records()).toEqual([]);
});

test('only its user can read a record', async () => {
  await using project = createProject({ 'a.js': '' });
  const recorder = record(project.path, 'a.js');
  const [file = ''] = records();
  expect(fs.statSync(state.at(file)).mode & 0o777).toBe(0o600);
  expect(fs.statSync(state.at('devwatch/programs')).mode & 0o777).toBe(0o700);
  recorder.close();
});

test('a program is found in its folder, through links, and from folders below if that is asked for', async () => {
  await using project = createProject({ 'a.js': '', 'src/b/c.js': '' });
  await using elsewhere = createProject();
  fs.symlinkSync(project.path, elsewhere.at('link'));
  const recorder = record(project.path, 'a.js');
  expect(programsRunningIn(elsewhere.at('link'))).toHaveLength(1);
  expect(programsRunningIn(project.at('src/b'))).toEqual([]);
  expect(programsRunningIn(project.at('src/b'), true)).toHaveLength(1);
  expect(programsRunningIn(elsewhere.path, true)).toEqual([]);
  const nearer = record(project.at('src'), 'b/c.js');
  expect(programsRunningIn(project.at('src/b'), true).map(({ program }) => program)).toEqual([['b/c.js']]);
  nearer.close();
  recorder.close();
});

test.each<[string, (live: NonNullable<ReturnType<typeof identityOf>>) => object]>([
  ['whose pid belongs to a later process', ({ pid }) => ({ pid, startTime: '1' })],
  ['of a process that has ended', () => ({ pid: 2 ** 30 })],
  ['from before a boot', (live) => ({ ...live, boot: 'another' })],
])('a record %s is not believed, and deleted', async (_, forge) => {
  await using project = createProject({ 'a.js': '' });
  const other = spawn('sleep', ['60']);
  const live = identityOf(other.pid ?? 0);
  if (live === undefined) throw new Error('sleep has not been started');
  record(project.path, 'a.js');
  rewrite(live);
  expect(programsRunningIn(project.path)).toMatchObject([{ pid: other.pid }]);
  rewrite(forge(live));
  expect(programsRunningIn(project.path)).toEqual([]);
  expect(records()).toEqual([]);
  other.kill();
});

test('a record in another pid namespace is not believed, and stays', async () => {
  await using project = createProject({ 'a.js': '' });
  record(project.path, 'a.js');
  rewrite({ namespace: '1' });
  expect(programsRunningIn(project.path)).toEqual([]);
  expect(records()).toHaveLength(1);
});

test('a record of another version is not believed, because its settings may mean something else', async () => {
  await using project = createProject({ 'a.js': '' });
  const recorder = record(project.path, 'a.js');
  rewrite({ version: '0.0.1' });
  expect(programsRunningIn(project.path)).toEqual([]);
  expect(records()).toHaveLength(1);
  recorder.close();
});

test.each(['no JSON', 'null', '{}', '[]'])('a damaged record (%s) is deleted', async (text) => {
  await using project = createProject();
  state.write('devwatch/programs/1-1.json', text);
  fs.chmodSync(state.at('devwatch/programs'), 0o700);
  fs.chmodSync(state.at('devwatch/programs/1-1.json'), 0o600);
  expect(programsRunningIn(project.path)).toEqual([]);
  expect(records()).toEqual([]);
});

test('a record that others can write is not believed', async () => {
  await using project = createProject({ 'a.js': '' });
  const recorder = record(project.path, 'a.js');
  fs.chmodSync(state.at(records()[0] ?? ''), 0o666);
  expect(programsRunningIn(project.path)).toEqual([]);
  recorder.close();
});

test.each([
  ['cannot be written', '/dev/null/state'],
  ['is open to other users', ''],
])('nothing is recorded, and nothing fails, where the state folder %s', async (_, place) => {
  await using project = createProject({ 'a.js': '' });
  await using open = createProject();
  fs.mkdirSync(path.join(open.path, 'devwatch/programs'), { recursive: true });
  fs.chmodSync(path.join(open.path, 'devwatch/programs'), 0o777);
  vi.stubEnv('XDG_STATE_HOME', place || open.path);
  const recorder = record(project.path, 'a.js');
  expect(programsRunningIn(project.path)).toEqual([]);
  recorder.close();
});

test('the programs of one devwatch are found in the order of their start', async () => {
  await using project = createProject({ 'a.js': '' });
  // Their numbers get another digit on the way.
  const numbers = Array.from({ length: 120 }, (_, index) => String(index));
  const recorders = numbers.map((number) => record(project.path, 'a.js', number));
  expect(programsRunningIn(project.path).map(({ program }) => program[1])).toEqual(numbers);
  for (const recorder of recorders) recorder.close();
});
