import { describe, expect, test } from 'vitest';
import type { HeldSocket, LoadFacts, ParkOrders } from '../../../../src/preload/protocol.ts';
import type { Child, ChildOptions } from '../../../../src/process/launch/child.ts';
import type { ProgramEvent } from '../../../../src/process/launch/program-interface.ts';
import { StandbyPool } from '../../../../src/process/standby/pool.ts';
import { createClock } from '../../../support/clock.ts';
import { FakeChild, childOptions as options } from '../../../support/fake-child.ts';
import { createProject } from '../../../support/project.ts';

function open() {
  const clock = createClock();
  const started: FakeChild[] = [];
  const released = new Set<Child>();
  const events: ProgramEvent[] = [];
  let cpu = 0;
  const start = (_?: ChildOptions, __?: ParkOrders): FakeChild => {
    const child = new FakeChild(100 + started.length);
    started.push(child);
    return child;
  };
  const held: HeldSocket[] = [];
  const pool = new StandbyPool({ start, clock, cpuTime: () => cpu, held: () => held });
  const waiting = (): FakeChild[] =>
    started.filter((child) => child.isAlive && child.onMessage !== undefined && !released.has(child));
  return {
    clock,
    pool,
    events,
    held,
    /** Uses CPU time, in ms. */
    work(ms: number) {
      cpu += ms;
    },
    /** Starts a run that reports these facts; returns its standby. */
    launch: (run: ChildOptions = options, facts?: LoadFacts) => {
      const standby = pool.take(run, {});
      if (standby !== undefined) released.add(standby);
      const onFacts = pool.launched(run, standby ?? start(), { onEvent: (event) => events.push(event) });
      if (facts !== undefined) onFacts(facts);
      return standby;
    },
    /** The standbys that are alive and not released. */
    waiting,
    /** Makes all standbys ready. */
    park(files: readonly string[] = []) {
      for (const child of waiting()) child.report({ type: 'parked', files });
    },
  };
}

/** A pool whose first run has a standby that is booting. */
function openWithStandby(run?: ChildOptions) {
  const world = open();
  world.launch(run);
  world.clock.advance(2000);
  const [standby] = world.waiting();
  if (standby === undefined) throw new Error('no standby was prepared');
  return { ...world, standby };
}

describe('a standby pool prepares a standby', () => {
  test('when the run has settled: after one second at the earliest, and when it is no longer busy', () => {
    const { clock, launch, waiting, work } = open();
    launch();
    clock.advance(999);
    expect(waiting()).toHaveLength(0);
    for (let check = 0; check < 5; check += 1) {
      work(50);
      clock.advance(100);
      expect(waiting()).toHaveLength(0);
    }
    clock.advance(100);
    expect(waiting()).toHaveLength(1);
  });

  test('after three seconds of settling for a program that is always busy', () => {
    const { clock, launch, waiting, work } = open();
    launch();
    for (let check = 0; check < 40; check += 1) {
      work(100);
      clock.advance(100);
    }
    expect(waiting()).toHaveLength(1);
  });

  test('and reports it when it is ready', () => {
    const { events, park, waiting, standby } = openWithStandby();
    expect(events).toEqual([]);
    park();
    expect(events).toEqual([{ type: 'standby', pid: standby.pid }]);
    expect(waiting()).toHaveLength(1);
  });

  test('for no command whose flags are incompatible', () => {
    const { clock, launch, waiting } = open();
    launch({ ...options, command: { ...options.command, nodeArgs: ['--inspect'] } });
    clock.advance(10_000);
    expect(waiting()).toHaveLength(0);
  });

  test('and a second one while restarts follow each other quickly, one after the other', () => {
    const { clock, launch, waiting, park } = openWithStandby();
    park();
    for (let restart = 0; restart < 3; restart += 1) {
      launch();
      clock.advance(300);
      park();
    }
    expect(waiting()).toHaveLength(2);
    launch();
    clock.advance(250);
    expect(waiting()).toHaveLength(2);
    clock.advance(3500);
    expect(waiting()).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });
});

describe('a run takes a standby', () => {
  test('once', () => {
    const { launch, standby } = openWithStandby();
    expect(launch()).toBe(standby);
    expect(launch()).toBeUndefined();
  });

  test('and receives the sockets of the run before, unless ports are not held', () => {
    const { launch, held, standby } = openWithStandby({ ...options, hold: true });
    const socket = { id: 'a', key: '6 :: 80 0', slot: 0 };
    held.push(socket);
    launch({ ...options, hold: true });
    expect(standby.answers).toEqual([{ variables: {}, held: [socket] }]);
    const other = openWithStandby();
    other.held.push(socket);
    other.launch();
    expect(other.standby.answers).toEqual([{ variables: {}, held: [] }]);
  });

  test('that is still booting', () => {
    const { clock, launch } = open();
    launch();
    clock.advance(1100);
    expect(launch()).toBeDefined();
  });

  test.each<[string, Partial<ChildOptions>]>([
    ['variables', { env: { PATH: '/bin', NEW: '1' } }],
    ['arguments', { command: { ...options.command, args: ['server.js', '--port', '1'] } }],
    ['flags', { command: { ...options.command, nodeArgs: ['--enable-source-maps'] } }],
    ['folder', { folder: '/project/other' }],
    ['stdin', { stdin: 'pipe' }],
  ])('unless its %s changed, for which the standby is replaced', (_, changed) => {
    const { clock, launch, waiting, standby } = openWithStandby();
    expect(launch({ ...options, ...changed })).toBeUndefined();
    clock.advance(2000);
    expect(standby.isAlive).toBe(false);
    expect(waiting()).toHaveLength(1);
  });

  test('unless it has exited', () => {
    const { launch, standby } = openWithStandby();
    standby.exit();
    expect(launch()).toBeUndefined();
  });

  test('unless a file that it has read changed', async () => {
    await using project = createProject({ '.env': '' });
    const run = { ...options, folder: project.path };
    const { launch, standby } = openWithStandby(run);
    project.write('.env', 'changed');
    expect(launch(run)).toBeUndefined();
    expect(standby.isAlive).toBe(false);
  });
});

test('a standby that has loaded a file saved since its start is discarded and not replaced', async () => {
  await using project = createProject({ 'dep.js': '' });
  const { clock, park, waiting, events } = openWithStandby();
  project.write('dep.js', 'new');
  park([project.at('dep.js')]);
  clock.advance(60_000);
  expect(waiting()).toEqual([]);
  expect(events).toMatchObject([{ type: 'limitation', features: ['standby'] }]);
});

test('a standby that ends by itself leaves nothing of its tree', () => {
  const { launch, standby } = openWithStandby();
  standby.exit();
  expect(standby.isReleased).toBe(true);
  expect(launch()).toBeUndefined();
});

test('a pool replaces the standbys that it discards', () => {
  const { clock, pool, launch, waiting, standby } = openWithStandby();
  void pool.discard();
  expect(standby.isAlive).toBe(false);
  expect(launch()).toBeUndefined();
  clock.advance(2000);
  expect(waiting()).toHaveLength(1);
});

test('a closed pool has no standbys and prepares none', async () => {
  const { clock, pool, launch, waiting } = openWithStandby();
  await pool.close();
  expect(waiting()).toHaveLength(0);
  launch();
  void pool.discard();
  clock.advance(10_000);
  expect(waiting()).toHaveLength(0);
  expect(clock.pending).toBe(0);
});

describe('a standby pool reports, as a limitation of standbys,', () => {
  const reasonsOf = (events: readonly ProgramEvent[]): string[] =>
    events.flatMap((event) => (event.type === 'limitation' ? [`${event.features}: ${event.reason}`] : []));

  test('that one has ended before it was ready', () => {
    const { events, standby } = openWithStandby();
    standby.exit(1);
    expect(reasonsOf(events)).toEqual(['standby: its process has ended before it was ready (exit 1)']);
  });

  test('that none can be started', async () => {
    const clock = createClock();
    const events: ProgramEvent[] = [];
    const failure = Promise.resolve(Object.assign(new Error('spawn EAGAIN'), { code: 'EAGAIN' }));
    const pool = new StandbyPool({ start: () => ({ failure }), clock, cpuTime: () => 0, held: () => [] });
    pool.launched(options, new FakeChild(100), { onEvent: (event) => events.push(event) });
    clock.advance(2000);
    await failure;
    await Promise.resolve();
    const reason = 'standby: its process cannot be started: no further process is allowed (EAGAIN)';
    expect(new Set(reasonsOf(events))).toEqual(new Set([reason]));
  });

  test('none that was ready, or that it discards itself', () => {
    const { events, park, standby, pool } = openWithStandby();
    park();
    standby.exit(1);
    void pool.discard();
    expect(reasonsOf(events)).toEqual([]);
  });
});
