import { describe, expect, test } from 'vitest';
import type { LaunchOptions } from '../../../../src/process/launch/child.ts';
import type { ProgramEvent } from '../../../../src/process/launch/program-interface.ts';
import { ContainedProgram, type ProgramContext } from '../../../../src/process/launch/running-program.ts';
import { HeldPorts } from '../../../../src/process/sockets/held-ports.ts';
import type { Slot } from '../../../../src/process/sockets/slots.ts';
import { systemClock } from '../../../../src/shared/clock.ts';
import { createClock } from '../../../support/clock.ts';
import { FakeChild, launchOptions } from '../../../support/fake-child.ts';

interface World {
  readonly child: FakeChild;
  readonly program: ContainedProgram;
  readonly clock: ReturnType<typeof createClock>;
  readonly heldPorts: HeldPorts;
  readonly events: ProgramEvent[];
  readonly types: () => string[];
  /** Calls in their order: `restore`. */
  readonly calls: string[];
}

function run(
  options: Partial<LaunchOptions> = {},
  {
    findUnread = () => undefined,
    fromStandby = false,
    heldPorts = new HeldPorts(
      () => {},
      [],
      async () => [],
    ),
    locate,
  }: Partial<ProgramContext> = {},
): World {
  const clock = createClock();
  const child = new FakeChild(5_000_000);
  const events: ProgramEvent[] = [];
  const calls: string[] = [];
  const program = new ContainedProgram({
    child,
    fromStandby,
    options: { ...launchOptions, ...options },
    listener: { onEvent: (event) => events.push(event), onReadsInput: () => 'typed' },
    clock,
    modes: { save: () => {}, restore: () => calls.push('restore') },
    heldPorts,
    output: undefined,
    onFacts: () => {},
    onMisfit: () => {},
    onStopRequested: () => calls.push('look ahead'),
    findUnread,
    ...(locate && { locate }),
  });
  return { child, program, clock, heldPorts, events, calls, types: () => events.map(({ type }) => type) };
}

/** The program sends a socket into a slot. */
function hold(child: FakeChild, id: string, port: number): void {
  const name = { address: '::', family: 'IPv6', port };
  child.report({ type: 'holds', socket: { id, key: id, slot: 0, name } });
}

/** A run that listens on a held socket and can be drained. */
function serve(options: Partial<LaunchOptions> = {}): World {
  const world = run({ hold: true, drain: 500, ...options });
  world.child.canReceive = true;
  hold(world.child, 'a', 80);
  world.child.report({ type: 'listens', id: 'a', key: 'a', port: 80 });
  return world;
}

describe('a running program that is terminated', () => {
  test('receives the signal, and is gone when its tree is empty', () => {
    const { child, program, types } = run();
    program.end('terminating');
    expect([child.signals, types()]).toEqual([['SIGTERM'], []]);
    child.exit(0);
    expect(types()).toEqual(['exit', 'gone']);
  });

  test('is killed on escalation', async () => {
    const { child, program, clock, types } = run();
    program.end('terminating');
    program.end('killing');
    await Promise.resolve();
    clock.advance(100);
    expect([child.signals, types()]).toEqual([
      ['SIGTERM', 'SIGKILL'],
      ['exit', 'gone'],
    ]);
  });

  test('receives the message `shutdown` in place of the signal', () => {
    const { child, program } = run({ signal: 'message' });
    program.end('terminating');
    expect([child.sent, child.signals]).toEqual([['shutdown'], []]);
  });
});

describe('a drain', () => {
  test('precedes the termination while the program listens on a held port', () => {
    const { child, program } = serve();
    const now = systemClock.now();
    program.end('terminating');
    expect(child.sent).toEqual([{ drain: { until: expect.any(Number), signal: 'SIGTERM' } }]);
    expect(child.sent[0]).toHaveProperty(
      'drain.until',
      expect.toSatisfy((until: number) => until >= now + 500),
    );
    expect(child.signals).toEqual([]);
    child.report({ type: 'drained', signalsItself: false });
    expect(child.signals).toEqual(['SIGTERM']);
  });

  test('spares the root process the signal that it sends itself', () => {
    const { child, program, clock, types } = serve();
    program.end('terminating');
    child.report({ type: 'drained', signalsItself: true });
    clock.advance(1000);
    expect(child.signals).toEqual([]);
    child.exit(0);
    expect(types()).toEqual(['listens', 'exit', 'gone']);
  });

  test('leaves the message `shutdown` to devwatch', () => {
    const { child, program } = serve({ signal: 'message' });
    program.end('terminating');
    expect(child.sent).toEqual([{ drain: { until: expect.any(Number), signal: undefined } }]);
    child.report({ type: 'drained', signalsItself: false });
    expect([child.sent.at(-1), child.signals]).toEqual(['shutdown', []]);
  });

  test('ends 30 ms after its deadline, once the messages that have arrived are read', () => {
    const { child, program, clock } = serve();
    program.end('terminating');
    clock.advance(529);
    expect(child.signals).toEqual([]);
    clock.advance(1);
    expect(child.signals).toEqual(['SIGTERM']);
    child.report({ type: 'drained', signalsItself: false });
    expect(child.signals).toEqual(['SIGTERM']);
  });

  test('ends with the program', () => {
    const { child, program, clock, types } = serve();
    program.end('terminating');
    child.exit(0);
    expect(types()).toEqual(['listens', 'exit', 'gone']);
    expect(clock.pending).toBe(0);
  });

  test('ends at once on escalation', async () => {
    const { child, program, clock } = serve();
    program.end('terminating');
    program.end('killing');
    expect(child.sent).toHaveLength(2);
    expect(child.sent[1]).toHaveProperty(
      'drain.until',
      expect.toSatisfy((until: number) => until <= systemClock.now()),
    );
    expect(child.signals).toEqual(['SIGTERM', 'SIGKILL']);
    await Promise.resolve();
    clock.advance(100);
    expect(clock.pending).toBe(0);
  });

  test.each<[string, (world: World) => void, Partial<LaunchOptions>?]>([
    ['ports are not held', () => {}, { hold: false }],
    ['it has no time', () => {}, { drain: 0 }],
    ['the program cannot be reached', ({ child }) => Object.assign(child, { canReceive: false })],
    ['the program has closed its socket', ({ child }) => child.report({ type: 'closes', id: 'a' })],
    ['nothing is held', ({ heldPorts }) => heldPorts.close()],
  ])('does not take place if %s', (_, change, options) => {
    const world = serve(options);
    change(world);
    world.program.end('terminating');
    expect(world.child.signals).toEqual(['SIGTERM']);
  });
});

describe('a program that has ended, and waits for its debugger', () => {
  const ends = ({ child }: World): void => child.report({ type: 'ended' });

  test('is killed if it was asked to end', () => {
    const world = run();
    world.program.end('terminating');
    ends(world);
    expect([world.child.signals, world.types()]).toEqual([['SIGTERM', 'SIGKILL'], ['killed-waiting']]);
    world.child.exit();
    expect(world.types()).toEqual(['killed-waiting', 'exit', 'gone']);
  });

  test('is left alone until it is asked to end, and has no drain then', () => {
    const world = serve();
    ends(world);
    expect(world.child.signals).toEqual([]);
    world.program.end('terminating');
    expect([world.child.sent, world.child.signals]).toEqual([[], ['SIGTERM', 'SIGKILL']]);
  });

  test('ends a drain', () => {
    const world = serve();
    world.program.end('terminating');
    ends(world);
    expect(world.child.signals).toEqual(['SIGTERM', 'SIGKILL']);
  });

  test('is killed once', () => {
    const world = run();
    world.program.end('terminating');
    ends(world);
    world.child.exit();
    world.program.end('killing');
    expect(world.types().filter((type) => type === 'killed-waiting')).toHaveLength(1);
  });
});

describe('the rest of a program', () => {
  const work = {
    servers: [80],
    eventStreams: 2,
    responses: 0,
    webSockets: 0,
    connections: 0,
    remotes: [],
    readsStdin: false,
    timers: 0,
  };

  test('contains what the program itself answers', async () => {
    const { child, program } = serve();
    const remainder = program.remainder();
    expect(child.sent).toEqual([{ asksForOpenWork: true }]);
    child.report({ type: 'open-work', work });
    expect(await remainder).toEqual({ debugger: undefined, processes: [], work });
  });

  test('contains no work if the program does not answer, or cannot be asked', async () => {
    const silent = serve();
    const remainder = silent.program.remainder();
    silent.clock.advance(200);
    expect(await remainder).toMatchObject({ work: 'none' });
    expect(await run().program.remainder()).toMatchObject({ work: undefined });
  });
});

describe('the fault of a run that has ended', () => {
  const command = { ...launchOptions.command, isNode: false };
  const fails = ({ child }: World): void => child.report({ type: 'uncaught', fault: 'uncaught-error' });
  const hasDefect = ({ child }: World): void => child.report({ type: 'uncaught', fault: 'defect' });
  const loses = ({ child }: World): void => child.report({ type: 'uncaught' });
  const exits = ({ child }: World): void => child.exit(1);
  const faultOf = ({ clock, events }: World) => {
    clock.advance(0);
    const exit = events.find((event) => event.type === 'exit');
    return exit?.type === 'exit' ? exit.fault : 'no exit';
  };

  test.each<[string, string | undefined, readonly ((world: World) => void)[]]>([
    ['an uncaught error', 'uncaught-error', [fails, exits]],
    ['one that is received after the exit', 'uncaught-error', [exits, fails]],
    ['the latest', 'defect', [fails, hasDefect, exits]],
    ['one that may pass', undefined, [fails, loses, exits]],
    ['one that the program outlived', undefined, [fails, ({ clock }) => clock.advance(3000), exits]],
    ['an exit without an error', undefined, [exits]],
    ['a clean exit', undefined, [fails, ({ child }) => child.exit(0)]],
    [
      'code 127 of the program itself',
      'defect',
      [({ child }) => child.report({ type: 'begins' }), ({ child }) => child.exit(127)],
    ],
    ['code 127 of a Node that lacks a library', undefined, [({ child }) => child.exit(127)]],
    ['a termination', undefined, [fails, ({ program }) => program.end('terminating'), exits]],
  ])('of a Node program: %s', (_, fault, steps) => {
    const world = run();
    for (const step of steps) step(world);
    expect(faultOf(world)).toBe(fault);
  });

  test('names the error that has ended a Node program, unless a signal has', () => {
    const thrown = [{ name: 'Error', message: 'x', stack: 'Error: x' }];
    const ends = (code: number | null, signal: NodeJS.Signals | null) => {
      const world = run();
      world.child.report({ type: 'uncaught', thrown });
      world.child.exit(code, signal);
      world.clock.advance(0);
      return world.events;
    };
    const outcome = { code: 7, signal: null, uncaught: thrown[0] };
    expect(ends(7, null)).toMatchObject([{ type: 'exit', outcome }]);
    expect(ends(null, 'SIGKILL')).toEqual([{ type: 'exit', outcome: { code: null, signal: 'SIGKILL' } }]);
  });

  test('names the place of a syntax error that Node does not tell, once it is found', async () => {
    const asked: unknown[] = [];
    const location = { file: '/project/a.js', line: 1, column: 2 };
    const locate = async (...args: readonly unknown[]) => {
      asked.push(args);
      return location;
    };
    const world = run({ variables: { DEVWATCH_CHANGED: '/project/a.js\n(1 more)' } }, { locate });
    const thrown = [{ name: 'SyntaxError', message: 'x', stack: 'SyntaxError: x' }];
    world.child.report({ type: 'uncaught', fault: 'defect', thrown });
    world.child.exit(1);
    world.clock.advance(0);
    expect([world.events, asked]).toEqual([[], [['node', 'x', ['/project/a.js', '/project/server.cjs']]]]);
    await Promise.resolve();
    expect(world.events).toMatchObject([{ type: 'exit', fault: 'defect', outcome: { uncaught: { location } } }]);
  });

  test('of a program whose output has no reader', () => {
    const unread = run({}, { findUnread: () => 'stdout' });
    unread.child.exit(1);
    expect(faultOf(unread)).toBe('unread-output');
    const reason = 'the reader of stdout has ended, and so has the program (exit 1)';
    expect(unread.events).toMatchObject([{ type: 'exit', outcome: { code: 1, reason } }]);
    const captured = run({ capturesOutput: true }, { findUnread: () => 'stdout' });
    captured.child.exit(1);
    expect(faultOf(captured)).toBeUndefined();
    const failed = run({}, { findUnread: () => 'stdout' });
    fails(failed);
    failed.child.exit(1);
    expect(faultOf(failed)).toBe('uncaught-error');
  });

  test.each([
    [126, 'defect'],
    [127, 'defect'],
    [1, undefined],
  ])('of another command that exits with %i', (code, fault) => {
    const world = run({ command });
    world.child.exit(code);
    expect(faultOf(world)).toBe(fault);
  });
});

test.each([
  ['before the program began', true, [], ['misfit', 'exit']],
  ['after that', true, [{ type: 'begins' } as const], ['begins', 'exit']],
  ['but is no standby', false, [], ['exit']],
])('a standby that kills itself %s is replaced', (_, fromStandby, messages, wanted) => {
  const { child, clock, types } = run({}, { fromStandby });
  for (const message of messages) child.report(message);
  child.exit(null, 'SIGKILL');
  clock.advance(0);
  expect(types()).toEqual(wanted);
});

test('the time from the begin, and from the first server, to each server is noted for the next run', () => {
  const { child, clock, heldPorts, events } = run({ hold: true });
  child.report({ type: 'begins' });
  clock.advance(100);
  for (const [id, port] of [
    ['a', 80],
    ['b', 81],
  ] as const) {
    hold(child, id, port);
  }
  child.report({ type: 'listens', id: 'a', key: 'a', port: 80 });
  clock.advance(900);
  child.report({ type: 'listens', id: 'b', key: 'b', port: 81, protocol: 'http' });
  expect(heldPorts.held.map(({ id, lagMs, ageMs }) => [id, lagMs, ageMs])).toEqual([
    ['a', 0, 100],
    ['b', 900, 1000],
  ]);
  const server = { id: 'b', key: 'b', port: 81, url: 'http://localhost:81' };
  expect(events.at(-1)).toMatchObject({ type: 'listens', server });
});

describe('the event portTaken', () => {
  const taken: ProgramEvent = { type: 'portTaken', port: 80 };

  test('follows an error that the program does not handle', () => {
    const { child, events } = run();
    child.report({ type: 'address-in-use', port: 80 });
    expect(events).toEqual([taken]);
  });

  test('waits for the exit of a program that handles the error', () => {
    const { child, clock, types } = run();
    child.report({ type: 'address-in-use', port: 80, isHandled: true });
    expect(types()).toEqual([]);
    child.exit(1);
    clock.advance(0);
    expect(types()).toEqual(['portTaken', 'exit']);
  });

  test('is not emitted once the program listens on another port', () => {
    const { child, clock, types } = run();
    child.report({ type: 'address-in-use', port: 80, isHandled: true });
    child.report({ type: 'listens', id: 'b', key: 'b', port: 81 });
    child.exit(1);
    clock.advance(0);
    expect(types()).toEqual(['listens', 'exit']);
  });

  test('is not emitted if devwatch itself held the port, which it closes', () => {
    const { child, heldPorts, types } = run({ hold: true });
    hold(child, 'a', 80);
    child.report({ type: 'address-in-use', port: 80 });
    expect([types(), heldPorts.held]).toEqual([[], []]);
  });
});

describe('a running program', () => {
  test('is answered with the text typed before it reads, and its terminal modes are restored when it exits', () => {
    const { child, calls } = run();
    child.report({ type: 'reads-stdin' });
    expect([child.answers, calls]).toEqual([['typed'], []]);
    child.exit(0);
    expect(calls).toEqual(['restore']);
  });

  test('that has not read the terminal leaves its modes alone', () => {
    const { child, calls } = run();
    child.exit(0);
    expect(calls).toEqual([]);
  });

  test.each(['closes', 'unclaimed'] as const)('no longer has a held port after the message %s', (type) => {
    const { child, heldPorts } = serve();
    expect(heldPorts.held.map(({ id }) => id)).toEqual(['a']);
    child.report({ type, id: 'a' });
    expect(heldPorts.held).toEqual([]);
  });

  test('calls back for the latest ping only, and cannot be pinged once it is deaf', () => {
    const { child, program, clock } = serve();
    const answered: string[] = [];
    expect(program.ping(() => answered.push('first'))).toBe(true);
    const first = clock.now();
    clock.advance(1000);
    program.ping(() => answered.push('second'));
    child.report({ type: 'pong', ping: first });
    child.report({ type: 'pong', ping: clock.now() });
    expect(answered).toEqual(['second']);
    child.report({ type: 'deaf' });
    expect(program.ping(() => {})).toBe(false);
  });

  test('sends signals to the root process until that has exited', () => {
    const { child, program } = run();
    program.signal('SIGUSR2', 'root');
    child.exit(0);
    program.signal('SIGUSR2', 'root');
    expect(child.signals).toEqual(['SIGUSR2']);
  });
});

describe('a running program reports a server whose connections do not wait', () => {
  const slot: Slot = { into: 1, out: 2, receive: () => () => {}, empty() {}, close() {} };

  /** A program that listens on a port, and the reasons that it reports; `holds` tells whether it sends the socket. */
  async function listen(
    slots: number,
    holds: boolean,
    isDeaf = false,
    options: Partial<LaunchOptions> = { hold: true },
  ) {
    const heldPorts = new HeldPorts(
      () => {},
      [],
      async () => Array.from({ length: slots }, () => slot),
    );
    await heldPorts.openSlots();
    const { child, events } = run(options, { heldPorts });
    if (isDeaf) child.report({ type: 'deaf' });
    if (holds) hold(child, 'a', 80);
    child.report({ type: 'listens', id: 'a', key: 'a', port: 80 });
    return events.flatMap((event) => (event.type === 'limitation' ? [`${event.features}: ${event.reason}`] : []));
  }

  test.each<[string, Parameters<typeof listen>, string[]]>([
    ['it is held', [8, true], []],
    ['nothing is held', [0, false], []],
    ['holding is turned off', [8, false, true, { hold: false }], []],
    [
      'a second socket cannot share its options',
      [8, false],
      ['held ports: port 80 is opened with an option that a second socket would not share, such as reusePort'],
    ],
    [
      'the program has closed the channel',
      [8, false, true],
      ['held ports: the program has closed descriptor 3, by which devwatch asks it to stop accepting'],
    ],
  ])('%s', async (_, given, reasons) => {
    expect(await listen(...given)).toEqual(reasons);
  });
});
