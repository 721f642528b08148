/** When processes are prepared, taken and given up, on processes that are told what to do. */

import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { PreloadMessage } from '../../../../src/preload/messages.ts';
import type { PackageFile, ParkOrders } from '../../../../src/preload/orders.ts';
import type { Child } from '../../../../src/process/launch/child.ts';
import type { ChildOptions } from '../../../../src/process/launch/launch-options.ts';
import { StandbyPool } from '../../../../src/process/standby/pool.ts';
import { createClock } from '../../../support/clock.ts';
import { createProject } from '../../../support/project.ts';

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
  capturesOutput: false,
};

/** A process that dies when it is told to, and says that it is parked when a test says so. */
class FakeChild extends EventEmitter implements Child {
  readonly pid: number;
  readonly hasDoubtfulModes = false;
  readonly stdin = undefined;
  readonly output = { stdout: null, stderr: null };
  alive = true;

  constructor(pid: number) {
    super();
    this.pid = pid;
  }

  get process(): ChildProcess {
    const stdio: unknown[] = [];
    return Object.assign(this, { stdio, ref: () => {}, unref: () => {} }) as unknown as ChildProcess;
  }

  readonly tree = {
    scan: () => ({
      members: this.alive ? [{ pid: this.pid, startTime: '', command: '' }] : [],
      proven: true,
    }),
    signal: (): 'sent' => 'sent',
    killAll: () => {
      if (!this.alive) return;
      this.alive = false;
      queueMicrotask(() => this.emit('exit', null, 'SIGKILL'));
    },
    describe: () => ({ pid: this.pid, command: '', reason: '' }),
  };

  receiver: ((message: PreloadMessage) => void) | undefined;

  receive(onMessage: (message: PreloadMessage) => void): void {
    this.receiver = onMessage;
  }

  answer(): void {}

  send(): boolean {
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
  /** What each of them is to load ahead of time. */
  const ordered: (readonly PackageFile[])[] = [];
  const start = (_?: ChildOptions, park?: ParkOrders): FakeChild => {
    const child = new FakeChild(100 + started.length);
    started.push(child);
    if (park !== undefined) ordered.push(park.packages);
    return child;
  };
  const parked: number[] = [];
  const released = new Set<Child>();
  const standbys = new StandbyPool({ start, clock, cpuTime: () => cpu });
  return {
    clock,
    standbys,
    started,
    parked,
    ordered,
    /** The program uses so much CPU from now on, in ms at every look. */
    works(ms: number) {
      cpu += ms;
    },
    /** @param packages what the run says that it loads */
    launch: (run: ChildOptions = options, packages: readonly PackageFile[] = []) => {
      const taken = standbys.take(run, {});
      taken?.receive(() => {});
      if (taken !== undefined) released.add(taken);
      const onPackage = standbys.launched(run, taken ?? start(), {
        onEvent: (event) => {
          if (event.type === 'standby') parked.push(event.pid);
        },
      });
      for (const item of packages) onPackage(item);
      return taken;
    },
    /** The prepared ones. */
    waiting: () => started.filter((child) => child.alive && child.receiver !== undefined && !released.has(child)),
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
    waiting()[0]?.receiver?.({ type: 'parked', files: [] });
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
    world.waiting()[0]?.receiver?.({ type: 'parked', files: [] });
    for (let restart = 0; restart < 3; restart += 1) {
      world.launch();
      world.clock.advance(300);
      for (const child of world.waiting()) child.receiver?.({ type: 'parked', files: [] });
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

describe('with packages', () => {
  const express: PackageFile = { file: '/project/node_modules/express/index.js', kind: 'require' };
  const prewarmed: ChildOptions = { ...options, prewarm: true };

  test('one that is still loading them is not taken: it may never come to an end of it', () => {
    const { clock, launch, waiting } = open();
    launch(prewarmed, [express]);
    clock.advance(2000);
    const [one] = waiting();
    expect(launch(prewarmed)).toBeUndefined();
    expect(one?.alive).toBe(false);
  });

  test('one that is still booting without any is', () => {
    const { clock, launch, waiting } = open();
    launch(prewarmed);
    clock.advance(2000);
    const [one] = waiting();
    expect(launch(prewarmed)?.pid).toBe(one?.pid);
  });

  test('each is loaded once, however often it is told', () => {
    const { clock, launch, waiting, ordered } = open();
    launch(prewarmed, [express]);
    for (let run = 0; run < 3; run += 1) {
      clock.advance(3000);
      waiting()[0]?.receiver?.({ type: 'parked', files: [] });
      expect(launch(prewarmed, [express])).toBeDefined();
    }
    expect(ordered.slice(0, 3)).toEqual([[express], [express], [express]]);
  });
});

describe('one is given up that has read', () => {
  const files = {
    'package.json': '{}',
    'tsconfig.json': '{ "extends": ["./config/base", "@scope/base"] }',
    'config/base.json': '{ "extends": "./deep/tsconfig.json" }',
    'config/deep/tsconfig.json': '{}',
    'node_modules/@scope/base/tsconfig.json': '{}',
    'node_modules/dep/package.json': '{}',
    'node_modules/dep/index.js': '',
    'ca.pem': '',
    '.env': '',
  };

  test.each(Object.keys(files))('what %s has been', async (changed) => {
    await using project = createProject(files);
    const { clock, launch, waiting } = open();
    const run: ChildOptions = {
      ...options,
      folder: project.path,
      command: { ...options.command, script: project.at('server.cjs') },
      env: { ...options.env, NODE_EXTRA_CA_CERTS: 'ca.pem' },
      prewarm: true,
    };
    const dep: PackageFile = { file: project.at('node_modules/dep/index.js'), kind: 'import' };
    const prepare = () => {
      launch(run, [dep]);
      clock.advance(3000);
      const [one] = waiting();
      one?.receiver?.({ type: 'parked', files: [] });
      return one;
    };
    // Nothing has changed.
    const one = prepare();
    expect(launch(run)?.pid).toBe(one?.pid);
    const another = prepare();
    project.write(changed, '{ "changed": true }');
    expect(launch(run)).toBeUndefined();
    expect(another?.alive).toBe(false);
  });

  test('what has been saved while it was loading', async () => {
    await using project = createProject({ 'dep.js': '' });
    const { clock, launch, waiting, parked } = open();
    launch();
    clock.advance(2000);
    project.write('dep.js', 'new');
    waiting()[0]?.receiver?.({ type: 'parked', files: [project.at('dep.js')] });
    expect([waiting(), parked]).toEqual([[], []]);
    // What always writes what it loads is not booted again and again.
    clock.advance(60_000);
    expect(waiting()).toEqual([]);
  });

  test('a file, but not a module that is called by another name', () => {
    const { clock, launch, waiting, parked } = open();
    launch();
    clock.advance(2000);
    const [one] = waiting();
    one?.receiver?.({ type: 'parked', files: ['/project/a.ts?namespace=1'] });
    expect([parked, launch()?.pid]).toEqual([[one?.pid], one?.pid]);
  });

  test('a folder in the place of which there is another one', async () => {
    await using project = createProject({ 'app/server.cjs': '' });
    const { clock, launch, waiting } = open();
    const run: ChildOptions = { ...options, folder: project.at('app') };
    launch(run);
    clock.advance(2000);
    waiting()[0]?.receiver?.({ type: 'parked', files: [] });
    fs.renameSync(project.at('app'), project.at('old'));
    fs.mkdirSync(project.at('app'));
    expect(launch(run)).toBeUndefined();
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
