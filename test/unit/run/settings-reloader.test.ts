/** Reading changed settings for all programs, on a virtual clock. */

import { describe, expect, test } from 'vitest';
import { loadGiven } from '../../../src/config/load.ts';
import type { OptionKey } from '../../../src/config/options.ts';
import type { SettingsInput } from '../../../src/config/settings-types.ts';
import type { RunPlan, RunRequest } from '../../../src/run/command-plan.ts';
import { type Configurable, SettingsReloader } from '../../../src/run/settings-reloader.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import { createClock } from '../../support/clock.ts';
import { until } from '../../support/facts.ts';
import { createProject } from '../../support/project.ts';

const request = (app: string, settings: SettingsInput): RunRequest => ({
  app,
  loaded: loadGiven({ exec: 'sleep 1', ...settings }, '/'),
  program: [],
  nodeArgs: [],
});

/** A program that records its settings. */
class FakeProgram implements Configurable {
  readonly plans: (RunPlan | undefined)[] = [];
  readonly problems: string[] = [];
  readonly changed: readonly OptionKey[];

  constructor(changed: readonly OptionKey[] = []) {
    this.changed = changed;
  }

  update(plan: RunPlan | undefined): readonly OptionKey[] {
    this.plans.push(plan);
    return plan === undefined ? [] : this.changed;
  }

  reportProblem(message: string): void {
    this.problems.push(message);
  }
}

/** @param read called for each reading of the settings */
function open(programs: Readonly<Record<string, FakeProgram>>, read: () => readonly RunRequest[]) {
  const clock = createClock();
  const problems: string[] = [];
  const accepted: (readonly RunRequest[])[] = [];
  let reads = 0;
  const reloader = new SettingsReloader({
    clock,
    read() {
      reads += 1;
      return read();
    },
    match: (requests) =>
      new Map(Object.entries(programs).map(([name, program]) => [program, requests.find(({ app }) => app === name)])),
    onRead: (requests) => void accepted.push(requests),
    onProblem: (message) => void problems.push(message),
  });
  return { clock, reloader, problems, accepted, reads: () => reads };
}

const fail = (message: string) => (): never => {
  throw new UsageError(message);
};

describe('a changed settings file', () => {
  test('is read once for all programs, and each program gets its own settings', async () => {
    await using project = createProject({ '.watchrc': '{}' });
    const programs = { web: new FakeProgram(), api: new FakeProgram() };
    const now = [request('web', { delay: 1 }), request('api', { delay: 2 })];
    const { clock, reloader, accepted, reads } = open(programs, () => now);
    // Both programs watch the file, and an editor writes twice.
    for (let write = 0; write < 4; write += 1) reloader.push({ kind: 'change', path: project.at('.watchrc') });
    clock.advance(49);
    expect(reads()).toBe(0);
    clock.advance(1);
    expect([reads(), accepted]).toEqual([1, [now]]);
    expect(programs.web.plans.map((plan) => plan?.loaded.settings.delay)).toEqual([1]);
    expect(programs.api.plans.map((plan) => plan?.loaded.settings.delay)).toEqual([2]);
  });

  test('is read only when git has released its lock', async () => {
    await using project = createProject({ '.watchrc': '{}', '.git/index.lock': '' });
    const { clock, reloader, reads } = open({}, () => []);
    reloader.push({ kind: 'change', path: project.at('.watchrc') });
    clock.advance(1000);
    expect(reads()).toBe(0);
    project.remove('.git/index.lock');
    clock.advance(50);
    expect(reads()).toBe(1);
  });

  test('that is empty is given time once', async () => {
    await using project = createProject({ '.watchrc': '' });
    const { clock, reloader, reads } = open({}, () => []);
    reloader.push({ kind: 'change', path: project.at('.watchrc') });
    clock.advance(50);
    expect(reads()).toBe(0);
    clock.advance(50);
    expect(reads()).toBe(1);
  });

  test('with an error is reported once for the project, and no program gets other settings', async () => {
    await using project = createProject({ '.watchrc': '{' });
    const programs = { web: new FakeProgram(), api: new FakeProgram() };
    const { clock, reloader, problems, accepted } = open(programs, fail('.watchrc:1:2: wrong'));
    reloader.push({ kind: 'change', path: project.at('.watchrc') });
    clock.advance(1000);
    expect(problems).toEqual(['.watchrc:1:2: wrong · the old settings stay in force']);
    expect([programs.web.plans, programs.api.plans, programs.web.problems]).toEqual([[undefined], [undefined], []]);
    expect(accepted).toEqual([]);
  });

  test('that is saved again while it is read is no error', async () => {
    await using project = createProject({ '.watchrc': '{' });
    const { clock, reloader, problems } = open({}, () => {
      project.write('.watchrc', '{"delay": 1}');
      throw new UsageError('.watchrc: is cut off');
    });
    reloader.push({ kind: 'change', path: project.at('.watchrc') });
    clock.advance(1000);
    expect(problems).toEqual([]);
  });

  test('that is wrong for one program changes the others', async () => {
    await using project = createProject({ '.watchrc': '{}' });
    const programs = { web: new FakeProgram(), api: new FakeProgram() };
    const now = [request('web', {}), request('api', { envFile: ['missing.env'] })];
    const { clock, reloader, problems, accepted } = open(programs, () => now);
    reloader.push({ kind: 'change', path: project.at('.watchrc') });
    clock.advance(1000);
    expect(programs.web.plans).toHaveLength(1);
    expect(programs.api.plans).toEqual([undefined]);
    expect(programs.api.problems).toEqual([expect.stringMatching(/missing\.env.* · the old settings stay in force$/)]);
    expect([problems, accepted.length]).toEqual([[], 1]);
  });

  test('that adds a program which cannot be run changes nothing', async () => {
    await using project = createProject({ '.watchrc': '{}' });
    const programs = { web: new FakeProgram() };
    const late: RunRequest = { app: 'late', loaded: loadGiven({ script: 'gone' }, '/'), program: [], nodeArgs: [] };
    const { clock, reloader, problems, accepted } = open(programs, () => [request('web', { delay: 1 }), late]);
    reloader.push({ kind: 'change', path: project.at('.watchrc') });
    clock.advance(1000);
    expect(problems).toEqual([expect.stringMatching(/^late: gone: .* · the old settings stay in force$/)]);
    expect([programs.web.plans, accepted]).toEqual([[undefined], []]);
  });

  test.each<[what: string, name: string, settings: SettingsInput]>([
    ['a script with a near name', 'sever.js', { script: 'sever.js' }],
    ['an environment file', 'b.env', { script: 'server.js', envFile: 'b.env' }],
  ])('that lacks %s is read again when that file exists', async (_, name, settings) => {
    await using project = createProject({ '.watchrc': '{}', 'server.js': '' });
    const web = new FakeProgram();
    const late = { ...request('web', {}), loaded: loadGiven(settings, project.path) };
    const { clock, reloader, reads } = open({ web }, () => [late]);
    reloader.push({ kind: 'change', path: project.at('.watchrc') });
    clock.advance(1000);
    expect([web.plans, web.problems.length]).toEqual([[undefined], 1]);
    project.write(name, '');
    await until(() => clock.pending > 0);
    clock.advance(1000);
    clock.advance(1000);
    expect([web.plans.length, web.plans[1] === undefined, reads()]).toEqual([2, false, 2]);
    reloader.close();
    expect(clock.pending).toBe(0);
  });

  test('is not read after the end', async () => {
    await using project = createProject({ '.watchrc': '{}' });
    const { clock, reloader, reads } = open({}, () => []);
    reloader.push({ kind: 'change', path: project.at('.watchrc') });
    reloader.close();
    clock.advance(1000);
    expect(reads()).toBe(0);
  });
});

describe('a request to reload', () => {
  test('returns the changed keys of all programs', () => {
    const programs = { web: new FakeProgram(['delay', 'env']), api: new FakeProgram(['delay']) };
    const { reloader } = open(programs, () => [request('web', {}), request('api', {})]);
    expect(reloader.reload()).toEqual({ changed: ['delay', 'env'] });
  });

  test('returns an error instead of reporting it', () => {
    const { reloader, problems } = open({ web: new FakeProgram() }, fail('wrong'));
    expect(reloader.reload()).toEqual({ changed: [], problem: 'wrong' });
    expect(problems).toEqual([]);
  });

  test('throws an unexpected error', () => {
    const { reloader } = open({}, () => {
      throw new TypeError('a defect');
    });
    expect(() => reloader.reload()).toThrow(TypeError);
  });
});
