/** A program with a fake launcher on a virtual clock; no file is watched. */

import { describe, expect, test } from 'vitest';
import { loadGiven } from '../../../src/config/load.ts';
import type { SettingsInput } from '../../../src/config/settings-types.ts';
import type { LaunchOptions } from '../../../src/process/launch/child.ts';
import type { ProgramEvent, ProgramListener } from '../../../src/process/launch/program-interface.ts';
import { planRun, type RunRequest } from '../../../src/run/command-plan.ts';
import { Program } from '../../../src/run/program.ts';
import type { DevwatchEvent, EventType, Outcome, StopReason, StopStage } from '../../../src/shared/events.ts';
import { createClock } from '../../support/clock.ts';
import { idleLauncher, idleProgram } from '../../support/launcher.ts';

interface Run {
  readonly options: LaunchOptions;
  readonly stages: StopStage[];
  readonly signals: string[];
  /** Reports an event of the run. */
  readonly report: (event: ProgramEvent) => void;
}

const clean: Outcome = { code: 0, signal: null };
const crashed: Outcome = { code: 3, signal: null };

const request = (settings: SettingsInput): RunRequest => ({
  loaded: loadGiven({ exec: 'sleep 1', watch: [], ...settings }, '/'),
  program: [],
  nodeArgs: [],
});

function open(settings: SettingsInput = {}) {
  const clock = createClock();
  const events: DevwatchEvent[] = [];
  const hooks: [name: string, variables: Readonly<Record<string, string>>][] = [];
  const runs: Run[] = [];
  const ends: StopReason[] = [];
  /** Calls of the launcher besides `launch`. */
  const calls: string[] = [];
  const program = new Program({
    request: request(settings),
    clock,
    emit: (event) => void events.push(event),
    now: () => Date.UTC(2026, 10, 27, 3) + clock.now(),
    onSettingsChange() {},
    onEnd: (reason) => void ends.push(reason),
  });

  function launch(options: LaunchOptions, listener: ProgramListener) {
    const stages: StopStage[] = [];
    const signals: string[] = [];
    runs.push({ options, stages, signals, report: (event) => listener.onEvent(event) });
    return {
      ...idleProgram(options, listener),
      pid: 1000 + runs.length,
      end: (stage: StopStage) => void stages.push(stage),
      signal: (name: NodeJS.Signals, to: string) => void signals.push(`${name} ${to}`),
    };
  }

  const launcher = {
    ...idleLauncher,
    launch,
    openHooks: () => ({
      run: (...call: (typeof hooks)[number]) => void hooks.push(call),
      written: () => 0,
      async close() {},
    }),
    releasePorts: () => void calls.push('releasePorts'),
    close: async () => void calls.push('close'),
  };
  const latest = (): Run => {
    const run = runs.at(-1);
    if (run === undefined) throw new Error('no run has been launched');
    return run;
  };
  return {
    clock,
    events,
    hooks,
    runs,
    ends,
    calls,
    program,
    latest,
    /** Resolves once the files are watched. */
    watching: () => program.start(launcher),
    start: () => void program.start(launcher),
    types: (): readonly EventType[] => events.map(({ type }) => type),
    /** The root process of the latest run ends, and its tree is gone. */
    end(outcome: Outcome): void {
      const { report } = latest();
      report({ type: 'exit', outcome });
      report({ type: 'gone', survivors: [] });
    },
  };
}

describe('a run', () => {
  test('is up when it listens, and reports when it began', () => {
    const { clock, program, start, latest, events, hooks } = open();
    const url = 'http://localhost:3000';
    start();
    clock.advance(20);
    latest().report({ type: 'begins' });
    clock.advance(10);
    latest().report({ type: 'listens', server: { id: 'a', key: 'a', port: 3000, url, role: undefined } });
    clock.advance(50);
    expect(events.slice(1)).toMatchObject([
      { type: 'start', run: 1, pid: 1001, cause: 'start', ms: 0 },
      { type: 'begin', run: 1, ms: 20 },
      { type: 'ready', run: 1, ms: 30, port: 3000, url },
    ]);
    expect(program.readiness.status).toMatchObject({ state: 'up', port: 3000 });
    expect(hooks).toMatchObject([
      ['start', { DEVWATCH_RUN: '1', DEVWATCH_REASON: 'start' }],
      ['ready', { DEVWATCH_RUN: '1', DEVWATCH_MS: '30', DEVWATCH_PORT: '3000' }],
    ]);
  });

  test('that crashes is followed by another one after the backoff', () => {
    const { clock, program, start, end, runs, types, hooks } = open();
    start();
    end(crashed);
    expect(program.running).toBeUndefined();
    clock.advance(250);
    expect(runs).toHaveLength(2);
    expect(types()).toEqual(['input', 'start', 'crash', 'stopping', 'gone', 'start']);
    expect(hooks).toMatchObject([
      ['start', {}],
      ['crash', { DEVWATCH_CODE: '3' }],
      ['restart', { DEVWATCH_REASON: 'crash' }],
    ]);
  });

  test('that exits leaves the terminal and its ports to devwatch', () => {
    const { start, end, types, calls } = open();
    start();
    end(clean);
    expect(types()).toEqual(['input', 'start', 'input', 'exit', 'gone']);
    expect(calls).toEqual(['releasePorts']);
  });

  test('that fails its check is treated like a crashed one', () => {
    const { clock, start, latest, events } = open({ timeout: 500 });
    start();
    clock.advance(500);
    expect(events.at(-2)).toMatchObject({ type: 'crash', outcome: { reason: 'it has taken longer than 500 ms' } });
    expect(latest().stages).toEqual(['terminating']);
  });

  test('has the variables of before when their file can no longer be read', () => {
    const { start, latest, events, program } = open({ env: { A: '1' } });
    program.update({ ...planRun(request({ env: { A: '2' } })), loaded: request({ envFile: ['gone.env'] }).loaded });
    start();
    expect(latest().options.env.A).toBe('2');
    expect(events).toContainEqual({
      type: 'problem',
      message: expect.stringMatching(/gone\.env.* · command and variables stay as they were$/),
    });
  });
});

test('a program without patterns is not watched', async () => {
  const { watching, types } = open();
  await watching();
  expect(types()).toEqual(['input', 'start']);
});

describe('a restart', () => {
  test('stops the old run first, and has its times', () => {
    const { clock, program, start, latest, runs, events, end } = open();
    start();
    program.restart('manual', true);
    expect([latest().stages, runs.length]).toEqual([['terminating'], 1]);
    clock.advance(40);
    end({ code: null, signal: 'SIGTERM' });
    expect(events.at(-1)).toMatchObject({ type: 'start', run: 2, cause: 'manual', gone: 40, ms: 40 });
  });

  test('that a standby was not fit for has the same cause once more', () => {
    const { program, start, latest, runs, events, end } = open();
    start();
    program.restart('manual', true);
    end(clean);
    latest().report({ type: 'misfit' });
    expect([latest().stages, runs.length]).toEqual([['terminating'], 2]);
    end({ code: null, signal: 'SIGKILL' });
    expect(events.at(-1)).toMatchObject({ type: 'start', run: 3, cause: 'manual' });
  });

  test('that takes long is explained once', async () => {
    const { clock, program, start, events } = open({ killTimeout: 5000 });
    start();
    program.restart('manual', true);
    clock.advance(1499);
    expect(events.at(-1)?.type).toBe('stopping');
    clock.advance(1);
    await Promise.resolve();
    const waitsFor = { processes: [] };
    expect(events.at(-1)).toEqual({ type: 'slowStop', run: 1, signal: 'SIGTERM', killIn: 3500, waitsFor });
    clock.advance(3400);
    await Promise.resolve();
    expect(events.filter(({ type }) => type === 'slowStop')).toHaveLength(1);
  });

  test('before the start does nothing', () => {
    const { program, runs, events } = open();
    program.restart('manual', true);
    expect([runs, events]).toEqual([[], []]);
  });
});

describe('changed settings', () => {
  test.each<[string, SettingsInput, boolean]>([
    ['that the program is started with restart it', { env: { A: '1' } }, true],
    ['that only later decisions need do not', { killTimeout: 9000 }, false],
  ])('%s', (_, settings, restarts) => {
    const { program, start, latest, types } = open();
    start();
    const changed = program.update(planRun(request(settings)));
    expect(changed).toEqual(Object.keys(settings));
    expect(types().filter((type) => type === 'settings')).toHaveLength(1);
    expect(latest().stages).toEqual(restarts ? ['terminating'] : []);
  });

  test('that are equal, or wrong, change nothing', () => {
    const { program, start, types } = open();
    start();
    expect([program.update(planRun(request({}))), program.update(undefined)]).toEqual([[], []]);
    expect(types()).toEqual(['input', 'start']);
  });

  test('replace the checks of the live run, and keep what is known of it', () => {
    const { clock, program, start, latest, types, events } = open({ ready: 'tcp://localhost:1', timeout: 500 });
    start();
    program.update(planRun(request({ ready: 'tcp://localhost:1', timeout: 2000 })));
    clock.advance(1999);
    expect(types()).not.toContain('crash');
    clock.advance(1);
    expect(events.at(-2)).toMatchObject({ outcome: { reason: 'it has taken longer than 2 s' } });
    expect(latest().stages).toEqual(['terminating']);
  });

  test('before the start are used by it', () => {
    const { program, start, latest, types } = open();
    program.update(planRun(request({ env: { A: '1' } })));
    start();
    expect(latest().options.env.A).toBe('1');
    expect(types()).toEqual(['settings', 'input', 'start']);
  });
});

test('a program that reloads itself gets a signal at a change, has no standby, and is started by one when it is down', () => {
  const { clock, program, start, end, latest, runs } = open({ onChange: 'signal:SIGHUP', restart: 'never' });
  start();
  clock.advance(3000);
  program.changes.push({ kind: 'change', path: '/a.js' });
  clock.advance(1000);
  expect([latest().signals, latest().stages, latest().options.standby]).toEqual([['SIGHUP root'], [], false]);
  end(crashed);
  program.changes.push({ kind: 'change', path: '/a.js' });
  clock.advance(1000);
  expect(runs).toHaveLength(2);
});

describe('a schedule', () => {
  const restartAt = 'TZ=UTC 0 4 * * *';
  const hour = 3_600_000;

  test('restarts the program, which learns the reason', () => {
    const { clock, start, end, latest, runs, events } = open({ restartAt });
    start();
    clock.advance(hour);
    expect(latest().stages).toEqual(['terminating']);
    end(clean);
    expect(events.at(-1)).toMatchObject({ type: 'start', run: 2, cause: 'schedule' });
    expect(latest().options.variables.DEVWATCH_REASON).toBe('schedule');
    clock.advance(24 * hour);
    expect(runs.map(({ stages }) => stages.length)).toEqual([1, 1]);
  });

  test('starts a program again that has done its work', () => {
    const { clock, start, latest, runs, events } = open({ restartAt });
    start();
    latest().report({ type: 'exit', outcome: clean });
    expect(events.at(-1)).toMatchObject({ type: 'exit', next: { kind: 'wait', for: 'schedule' } });
    clock.advance(hour);
    latest().report({ type: 'gone', survivors: [] });
    expect(runs).toHaveLength(2);
  });

  test('can be set and removed while the program runs', () => {
    const { clock, program, start, latest } = open();
    start();
    program.update(planRun(request({ restartAt })));
    program.update(planRun(request({})));
    clock.advance(2 * hour);
    expect(latest().stages).toEqual([]);
    program.update(planRun(request({ restartAt })));
    clock.advance(23 * hour);
    expect(latest().stages).toEqual(['terminating']);
  });
});

describe('while devwatch is paused', () => {
  test('settings that need a restart wait for the end of the pause', () => {
    const { program, start, latest, types, end, events } = open();
    start();
    program.changes.pause();
    const loaded = { ...request({ env: { A: '1' } }).loaded, file: '/.watchrc' };
    expect(program.update(planRun({ ...request({}), loaded }))).toEqual(['env']);
    expect([latest().stages, program.changes.waiting]).toEqual([[], 1]);
    program.changes.resume();
    expect(latest().stages).toEqual(['terminating']);
    end(clean);
    expect(latest().options.env.A).toBe('1');
    expect(events.at(-1)).toMatchObject({ type: 'start', cause: 'change', changes: [{ path: '/.watchrc' }] });
    expect(types()).toContain('resume');
  });

  test('a crash is followed by another run, which takes up what waits', () => {
    const { clock, program, start, end, runs, events, types } = open();
    start();
    program.changes.pause();
    program.changes.push({ kind: 'change', path: '/a.js' });
    clock.advance(1000);
    expect(runs).toHaveLength(1);
    end(crashed);
    clock.advance(250);
    expect(events.at(-1)).toMatchObject({ type: 'start', run: 2, cause: 'crash', changes: [{ path: '/a.js' }] });
    program.changes.resume();
    clock.advance(1000);
    expect(runs).toHaveLength(2);
    expect(types()).not.toContain('change');
  });

  test('a stop ends everything', async () => {
    const { program, start, end, ends } = open();
    start();
    program.changes.pause();
    program.changes.push({ kind: 'change', path: '/a.js' });
    program.stop({ kind: 'requested' });
    end(clean);
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    expect(ends).toEqual([{ kind: 'requested' }]);
  });
});

describe('the end of devwatch', () => {
  test('stops the program, closes the launcher, and is reported once', async () => {
    const { clock, program, start, latest, end, ends, calls } = open();
    start();
    program.stop({ kind: 'requested' });
    expect(latest().stages).toEqual(['terminating']);
    end({ code: null, signal: 'SIGTERM' });
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    expect([ends, calls]).toEqual([[{ kind: 'requested' }], ['releasePorts', 'close']]);
    expect(clock.pending).toBe(0);
  });

  test('by a signal hands the signal to the whole program, and a second one kills', () => {
    const { program, start, latest } = open();
    start();
    const reason: StopReason = { kind: 'signal', signal: 'SIGINT' };
    program.stop(reason);
    expect([latest().signals, latest().stages]).toEqual([['SIGINT tree'], ['delivered']]);
    program.stop(reason);
    expect(latest().stages).toEqual(['delivered', 'killing']);
  });

  test('by SIGTERM is a request to devwatch alone', () => {
    const { program, start, latest } = open();
    start();
    program.stop({ kind: 'signal', signal: 'SIGTERM' });
    expect([latest().signals, latest().stages]).toEqual([[], ['terminating']]);
  });
});
