/** When processes are prepared, taken and given up, on processes that are told what to do. */

import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { ProgramNotices } from '../../src/process/channel.ts';
import type { Child, ChildOptions } from '../../src/process/child.ts';
import { createStandbys } from '../../src/process/standby.ts';
import { createClock } from '../support/clock.ts';

const options: ChildOptions = {
  command: {
    file: 'node',
    nodeArgs: [],
    args: ['server.js'],
    display: 'node server.js',
    script: '/project/server.cjs',
    extensions: ['js'],
    isNode: true,
  },
  folder: '/project',
  env: { PATH: '/bin' },
  signal: 'SIGTERM',
  stdin: 'ignore',
  relay: false,
  reportLoads: false,
  prewarm: false,
  hold: false,
  isPinged: false,
  sendsReady: false,
  hearsOutput: false,
};

/** A process that dies when it is told to, and says that it is parked when a test says so. */
class FakeChild extends EventEmitter implements Child {
  readonly pid: number;
  readonly modesAreDoubtful = false;
  readonly stdin = undefined;
  readonly printed = { stdout: null, stderr: null };
  alive = true;
  notices: Partial<ProgramNotices> = {};

  constructor(pid: number) {
    super();
    this.pid = pid;
  }

  get process(): ChildProcess {
    const stdio: unknown[] = [];
    return Object.assign(this, { stdio, ref: () => {}, unref: () => {} }) as unknown as ChildProcess;
  }

  readonly tree = {
    look: () => ({
      members: this.alive ? [{ pid: this.pid, startTime: '', command: '' }] : [],
      proven: true,
    }),
    signal: (): 'sent' => 'sent',
    killAll: () => this.die(),
    describe: () => ({ pid: this.pid, command: '', reason: '' }),
  };

  listen(notices: Partial<ProgramNotices>): void {
    this.notices = notices;
  }

  tell(): boolean {
    return false;
  }

  die(): void {
    if (!this.alive) return;
    this.alive = false;
    this.emit('exit', null, 'SIGKILL');
  }
}

function open() {
  const clock = createClock();
  const started: FakeChild[] = [];
  let cpu = 0;
  const start = (): FakeChild => {
    const child = new FakeChild(100 + started.length);
    started.push(child);
    return child;
  };
  const parked: number[] = [];
  const standbys = createStandbys({ start, clock, cpuTime: () => cpu });
  return {
    clock,
    standbys,
    started,
    parked,
    /** The program uses so much CPU from now on, in ms at every look. */
    works(ms: number) {
      cpu += ms;
    },
    launch: (run: ChildOptions = options) => {
      const taken = standbys.take(run, {});
      taken?.listen({});
      standbys.launched(run, taken ?? start(), {
        onStandby: (pid) => parked.push(pid),
        onPrewarmFailed: () => {},
      });
      return taken;
    },
    /** The prepared ones. */
    waiting: () => started.filter((child) => child.alive && child.notices.onParked !== undefined),
  };
}

describe('a process is prepared', () => {
  test('when the run has settled: after a second, and no longer busy', () => {
    const { clock, launch, waiting, works } = open();
    launch();
    clock.advance(999);
    expect(waiting()).toHaveLength(0);
    for (let look = 0; look < 5; look += 1) {
      works(50);
      clock.advance(100);
      expect(waiting()).toHaveLength(0);
    }
    clock.advance(100);
    expect(waiting()).toHaveLength(1);
  });

  test('after a while, also for a program that is always busy', () => {
    const { clock, launch, waiting, works } = open();
    launch();
    for (let look = 0; look < 40; look += 1) {
      works(100);
      clock.advance(100);
    }
    expect(waiting()).toHaveLength(1);
  });

  test('and told of when it is ready', () => {
    const { clock, launch, waiting, parked } = open();
    launch();
    clock.advance(2000);
    expect(parked).toEqual([]);
    waiting()[0]?.notices.onParked?.([]);
    expect(parked).toEqual([waiting()[0]?.pid]);
    expect(waiting()).toHaveLength(1);
  });

  test('not at all for what cannot wait', () => {
    const { clock, launch, waiting } = open();
    launch({ ...options, command: { ...options.command, nodeArgs: ['--inspect'] } });
    clock.advance(10_000);
    expect(waiting()).toHaveLength(0);
  });
});

describe('a run takes it', () => {
  test('once', () => {
    const { clock, launch, waiting } = open();
    launch();
    clock.advance(2000);
    const [one] = waiting();
    expect(launch()).toBe(one);
    expect(launch()).toBeUndefined();
  });

  test('also while it is still booting', () => {
    const { clock, launch } = open();
    launch();
    clock.advance(1100);
    expect(launch()).toBeDefined();
  });

  test.each<[string, Partial<ChildOptions>]>([
    ['its variables', { env: { PATH: '/bin', NEW: '1' } }],
    ['its arguments', { command: { ...options.command, args: ['server.js', '--port', '1'] } }],
    ['its flags', { command: { ...options.command, nodeArgs: ['--enable-source-maps'] } }],
    ['its folder', { folder: '/project/other' }],
    ['its stdin', { stdin: 'pipe' }],
  ])('not when %s are others', (_, changed) => {
    const { clock, launch, waiting } = open();
    launch();
    clock.advance(2000);
    const [one] = waiting();
    expect(launch({ ...options, ...changed })).toBeUndefined();
    clock.advance(2000);
    expect(one?.alive).toBe(false);
    expect(waiting()).toHaveLength(1);
  });

  test('not when it has died', () => {
    const { clock, launch, waiting } = open();
    launch();
    clock.advance(2000);
    waiting()[0]?.die();
    expect(launch()).toBeUndefined();
  });
});

describe('while restarts come quickly', () => {
  function quick() {
    const world = open();
    world.launch();
    world.clock.advance(2000);
    world.waiting()[0]?.notices.onParked?.([]);
    for (let restart = 0; restart < 3; restart += 1) {
      world.launch();
      world.clock.advance(300);
      for (const child of world.waiting()) child.notices.onParked?.([]);
    }
    return world;
  }

  test('two are kept, prepared one after the other', () => {
    const { waiting, launch, clock } = quick();
    expect(waiting()).toHaveLength(2);
    launch();
    clock.advance(250);
    expect(waiting()).toHaveLength(2);
  });

  test('and when that is over, one', () => {
    const { waiting, clock } = quick();
    clock.advance(3500);
    expect(waiting()).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });
});

test('what may have read something old is given up, and another one prepared', () => {
  const { clock, standbys, launch, waiting } = open();
  launch();
  clock.advance(2000);
  const [one] = waiting();
  standbys.discard();
  expect(one?.alive).toBe(false);
  expect(launch()).toBeUndefined();
  clock.advance(2000);
  expect(waiting()).toHaveLength(1);
});

test('at the end none is left, and none is prepared any more', async () => {
  const { clock, standbys, launch, waiting } = open();
  launch();
  clock.advance(2000);
  await standbys.close();
  expect(waiting()).toHaveLength(0);
  launch();
  standbys.discard();
  clock.advance(10_000);
  expect(waiting()).toHaveLength(0);
  expect(clock.pending).toBe(0);
});
