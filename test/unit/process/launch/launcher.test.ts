import { PassThrough } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ParkOrders } from '../../../../src/preload/protocol.ts';
import type { LaunchOptions } from '../../../../src/process/launch/child.ts';
import { Launcher, type LauncherOptions } from '../../../../src/process/launch/launcher.ts';
import type { ProgramEvent } from '../../../../src/process/launch/program-interface.ts';
import { platform } from '../../../../src/process/platform.ts';
import type { Containment } from '../../../../src/process/tree/tree.ts';
import { createClock } from '../../../support/clock.ts';
import { createCommand } from '../../../support/command.ts';
import { FakeChild, launchOptions } from '../../../support/fake-child.ts';

interface Start {
  readonly child: FakeChild;
  readonly serial: number;
  readonly park: ParkOrders | undefined;
  readonly variables: NodeJS.ProcessEnv;
}

const neverCalled = (): never => {
  throw new Error('not part of this test');
};
/** The injected start uses no containment. */
const containment: Containment = {
  record: { variable: '', limit: '', cgroup: '' },
  contain: neverCalled,
  release: neverCalled,
};

function open(options: Partial<LauncherOptions> = {}) {
  const clock = createClock();
  const starts: Start[] = [];
  const events: ProgramEvent[] = [];
  let restored = 0;
  const launcher = new Launcher({
    containment,
    clock,
    modes: {
      save: () => {},
      restore: () => {
        restored += 1;
      },
    },
    start(_containment, serial, { env }, _heldPorts, park) {
      // Above the largest pid of Linux, so that it is not the pid of another process.
      const child = new FakeChild(5_000_000 + starts.length);
      starts.push({ child, serial, park, variables: env });
      return child;
    },
    ...options,
  });
  const launch = (more: Partial<LaunchOptions> = {}) =>
    launcher.launch({ ...launchOptions, ...more }, { onEvent: (event) => events.push(event), onReadsInput: () => '' });
  return { clock, launcher, launch, starts, events, restored: () => restored };
}

describe('a launcher', () => {
  test("starts each process with a serial of its own and with the run's variables", () => {
    const { launch, starts } = open();
    launch({ variables: { RUN: '1' } });
    launch({ variables: { RUN: '2' } });
    expect(starts.map(({ serial, variables }) => [serial, variables])).toEqual([
      [1, { PATH: '/bin', RUN: '1' }],
      [2, { PATH: '/bin', RUN: '2' }],
    ]);
  });

  test('searches for what has left a tree while the program ends, after it has been asked', () => {
    const { clock, launch, starts } = open();
    const program = launch();
    const child = starts[0]?.child;
    const done: string[] = [];
    Object.assign(child?.tree ?? {}, { prepare: () => done.push(`prepared after ${child?.signals}`) });
    program.end('terminating');
    expect(done).toEqual([]);
    clock.advance(0);
    expect(done).toEqual(['prepared after SIGTERM']);
  });

  test.runIf(process.platform === 'linux').each([
    ['while a Node program boots, which waits for it', {}, ['start held', 'guard', 'answer', 'start']],
    [
      'before a program with loaders in its environment',
      { env: { NODE_OPTIONS: '--loader x' } },
      ['guard', 'start', 'start'],
    ],
    ['before any other program', { command: createCommand({ isNode: false }) }, ['guard', 'start', 'start']],
  ])('starts the guardian %s', (_, options, order) => {
    const log: string[] = [];
    const { launch } = open({
      guard: () => log.push('guard'),
      start(_containment, _serial, { isHeld }) {
        log.push(isHeld === true ? 'start held' : 'start');
        return Object.assign(new FakeChild(5_000_000), { answer: () => log.push('answer') });
      },
    });
    launch(options);
    launch(options);
    expect(log).toEqual(order);
  });

  test('holds no program where there is no guardian', () => {
    const { trees } = platform;
    onTestFinished(() => void Object.assign(platform, { trees }));
    Object.assign(platform, { trees: { ...trees, guardian: 'none' } });
    const held: unknown[] = [];
    const { launch } = open({
      start(_containment, _serial, { isHeld }) {
        held.push(isHeld);
        return new FakeChild(5_000_000);
      },
    });
    launch();
    expect(held).toEqual([undefined]);
  });

  test('starts the guardian although the first program cannot be started', () => {
    const log: string[] = [];
    const { launch } = open({
      guard: () => log.push('guard'),
      start: () => ({ failure: new Promise(() => {}) }),
    });
    launch();
    expect(log).toEqual(['guard']);
  });

  test('releases a standby as the next run, with its variables', () => {
    const { clock, launch, starts, events } = open();
    expect(launch({ standby: true }).fromStandby).toBe(false);
    clock.advance(1000);
    const standby = starts[1]?.child;
    expect(starts[1]?.park).toEqual({ where: 'here', samples: [] });
    standby?.report({ type: 'parked', files: [] });
    expect(events).toEqual([{ type: 'standby', pid: standby?.pid }]);
    const program = launch({ standby: true, variables: { RUN: '2' } });
    expect([program.pid, program.fromStandby]).toEqual([standby?.pid, true]);
    expect(standby?.answers).toEqual([{ variables: { RUN: '2' }, held: [] }]);
  });

  test('prepares no standby where that is not wanted', () => {
    const { clock, launch, starts } = open();
    launch();
    clock.advance(10_000);
    expect(starts).toHaveLength(1);
  });

  test('restores the terminal for a standby that was started while the program read the terminal', () => {
    const { clock, launch, starts, restored } = open();
    launch({ standby: true });
    starts[0]?.child.report({ type: 'reads-stdin' });
    clock.advance(1000);
    launch({ standby: true });
    starts[1]?.child.exit(0);
    expect(restored()).toBe(1);
  });

  test.each([
    ['ENOENT', 'node is missing', 'defect'],
    ['EACCES', 'node may not be executed', 'defect'],
    ['EAGAIN', 'no further process is allowed (EAGAIN)', 'shortage'],
    ['ENOMEM', 'there is not enough memory (ENOMEM)', 'shortage'],
    ['EMFILE', 'devwatch may open no further file (EMFILE)', 'shortage'],
    ['ENFILE', 'too many files are open on this machine (ENFILE)', 'shortage'],
    ['ETXTBSY', 'node is being written (ETXTBSY)', 'shortage'],
    ['E2BIG', 'its arguments and variables are too long (E2BIG)', 'defect'],
    ['EPERM', 'node (EPERM)', 'defect'],
  ])(
    'reports a program that cannot be started (%s), whose tree is gone when it is terminated',
    async (code, ...end) => {
      const failure = Promise.resolve(Object.assign(new Error(`spawn /usr/bin/prlimit ${code}`), { code }));
      const [reason, fault] = end;
      const { launch, events } = open({ start: () => ({ failure }) });
      const program = launch({ folder: '/no/such/folder' });
      expect([program.pid, program.ping(() => {}), program.memory()]).toEqual([undefined, false, undefined]);
      await failure;
      program.end('terminating');
      expect(events).toEqual([
        { type: 'exit', outcome: { code: null, signal: null, error: `cannot be started: ${reason}` }, fault },
        { type: 'gone', survivors: [] },
      ]);
    },
  );
});

describe('closing a launcher', () => {
  test('waits until its standbys are gone', async () => {
    const { clock, launcher, launch, starts } = open();
    launch({ standby: true });
    clock.advance(1000);
    await launcher.close();
    expect(starts[1]?.child).toMatchObject({ isAlive: false, signals: ['SIGKILL'] });
    expect(clock.pending).toBe(0);
  });

  test('waits for output that does not end for one second', async () => {
    const output = { stdout: new PassThrough(), stderr: null };
    const { clock, launcher, launch } = open({
      start: () => Object.assign(new FakeChild(5_000_000), { output }),
      output: { stdout: () => undefined, stderr: () => undefined },
    });
    launch({ capturesOutput: true });
    let isClosed = false;
    const closed = launcher.close().then(() => {
      isClosed = true;
    });
    clock.advance(999);
    await Promise.resolve();
    expect(isClosed).toBe(false);
    clock.advance(1);
    await closed;
  });
});
