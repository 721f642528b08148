import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { HookCommand, HookName } from '../../../src/config/settings-types.ts';
import { Hooks } from '../../../src/process/hooks.ts';
import { createContainment } from '../../../src/process/tree/containment.ts';
import { type Clock, systemClock } from '../../../src/shared/clock.ts';
import { createClock, type VirtualClock } from '../../support/clock.ts';
import { isAlive } from '../../support/facts.ts';
import { dialHome, type Home, openHome } from '../../support/home.ts';
import { keepNothing } from '../../support/launch.ts';
import { createProject } from '../../support/project.ts';

type Commands = Partial<Record<HookName, HookCommand>>;

interface Setup extends AsyncDisposable {
  readonly hooks: Hooks;
  /** The settings, which a test may change. */
  readonly commands: Commands;
  readonly problems: string[];
  /** Returns the problems one after the other. */
  nextProblem(): Promise<string>;
}

interface SetupOptions {
  readonly home?: Home;
  readonly clock?: Clock;
  readonly folder?: string;
  readonly env?: NodeJS.ProcessEnv;
}

function openHooks(commands: Commands, options: SetupOptions = {}): Setup {
  const { home, clock = systemClock, folder = process.cwd(), env = { ...process.env, ...home?.env } } = options;
  const containment = createContainment(keepNothing);
  const problems: string[] = [];
  const waiting: (() => void)[] = [];
  let serial = 0;
  let asked = 0;
  const hooks = new Hooks({
    containment,
    serial: () => ++serial,
    clock,
    folder,
    commands: () => commands,
    env: () => env,
    onProblem(message) {
      problems.push(message);
      waiting.shift()?.();
    },
  });
  return {
    hooks,
    commands,
    problems,
    async nextProblem() {
      asked += 1;
      if (problems.length < asked) await new Promise<void>((resolve) => waiting.push(resolve));
      return problems[asked - 1] ?? '';
    },
    async [Symbol.asyncDispose]() {
      await hooks.close();
      containment.release();
    },
  };
}

/** A Node program that sends the values of these expressions home, and keeps running. */
function node(says: Readonly<Record<string, string>> = {}, ...args: string[]): string[] {
  const facts = Object.entries(says).map(([name, expression]) => `${name}: ${expression}`);
  return [process.execPath, '-e', `require(process.env.TEST_DIAL)({ ${facts.join(', ')} });`, '--', ...args];
}

const quote = (words: readonly string[]): string => words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');

/** A program that reports SIGTERM and keeps running. */
const stubborn = [
  process.execPath,
  '-e',
  `process.on('SIGTERM', () => require(process.env.TEST_DIAL)({ asked: true })); ${dialHome()}`,
];

describe('a hook', () => {
  test('finds the commands of the project in a line of the shell', async () => {
    await using project = createProject({ 'node_modules/.bin/tool': '#!/bin/sh\nexit 3\n', 'api/server.js': '' });
    fs.chmodSync(project.at('node_modules/.bin/tool'), 0o755);
    await using setup = openHooks({ start: { shell: 'tool && true' } }, { folder: project.at('api') });
    setup.hooks.run('start', {});
    expect(await setup.nextProblem()).toBe('on.start: ended with code 3');
  });

  test('receives variables that describe the event, runs in the folder of the program and reads no input', async () => {
    await using project = createProject();
    await using home = await openHome();
    const says = {
      event: 'process.env.DEVWATCH_EVENT',
      run: 'process.env.DEVWATCH_RUN',
      keep: 'process.env.DEVWATCH_KEEP ?? null',
      folder: 'process.cwd()',
      input: `require('node:fs').readFileSync(0, 'utf8')`,
    };
    const env = { ...process.env, ...home.env, DEVWATCH_KEEP: '1', DEVWATCH_RUN: '1' };
    await using setup = openHooks({ crash: node(says) }, { folder: project.path, env });
    setup.hooks.run('crash', { DEVWATCH_RUN: '7' });
    const caller = await home.caller();
    expect(caller.says).toMatchObject({ event: 'crash', run: '7', keep: null, folder: project.path, input: '' });
    caller.send('exit');
    await caller.gone;
    expect(setup.problems).toEqual([]);
  });

  test.runIf(process.platform === 'linux')('prints to the stderr of devwatch', async () => {
    await using home = await openHome();
    const link = (descriptor: number): string => `require('node:fs').readlinkSync('/proc/self/fd/${descriptor}')`;
    await using setup = openHooks({ start: node({ out: link(1), error: link(2) }) }, { home });
    setup.hooks.run('start', {});
    const { says } = await home.caller();
    const own = fs.readlinkSync('/proc/self/fd/2');
    expect(says).toMatchObject({ out: own, error: own });
  });

  test('can be a list of words, a text or a line for a shell', async () => {
    await using home = await openHome();
    const words = { words: 'process.argv.slice(1)' };
    await using setup = openHooks(
      {
        start: node(words, '$TEST_WORD', 'a b'),
        ready: quote(node(words, '$TEST_WORD', 'a b')),
        change: { shell: `${quote(node(words))} "$TEST_WORD" a b` },
      },
      { home },
    );
    const expected = {
      start: ['$TEST_WORD', 'a b'],
      ready: ['$TEST_WORD', 'a b'],
      change: ['it is', 'a', 'b'],
    } as const;
    for (const name of ['start', 'ready', 'change'] as const) {
      setup.hooks.run(name, { TEST_WORD: 'it is' });
      expect((await home.caller()).says.words).toEqual(expected[name]);
    }
  });

  test.runIf(process.platform !== 'win32')('is found by its path, in the packages above, and on PATH', async () => {
    await using project = createProject();
    await using home = await openHome();
    const script = (name: string): string => `#!/bin/sh\nexec ${quote(node({ name: JSON.stringify(name) }))}\n`;
    for (const file of ['app/own.sh', 'node_modules/.bin/packaged', 'other/there']) {
      project.write(file, script(file));
      fs.chmodSync(project.at(file), 0o755);
    }
    const env = { ...process.env, ...home.env, PATH: `${project.at('other')}${path.delimiter}${process.env.PATH}` };
    await using setup = openHooks(
      { start: './own.sh', ready: ['packaged'], change: 'there' },
      { folder: project.at('app'), env },
    );
    for (const name of ['start', 'ready', 'change'] as const) setup.hooks.run(name, {});
    const calls = [await home.caller(), await home.caller(), await home.caller()];
    expect(calls.map(({ says }) => says.name).sort()).toEqual([
      'app/own.sh',
      'node_modules/.bin/packaged',
      'other/there',
    ]);
  });

  test('that is not set does nothing, and settings are read for each run', async () => {
    await using home = await openHome();
    await using setup = openHooks({}, { home });
    setup.hooks.run('exit', {});
    setup.commands.exit = node({ event: 'process.env.DEVWATCH_EVENT' });
    setup.hooks.run('exit', {});
    expect((await home.caller()).says.event).toBe('exit');
    expect(home.callers.length).toBe(1);
  });

  test('is started after pending events have been handled', async () => {
    const clock = createClock();
    await using setup = openHooks({ crash: 'no-such-command' }, { clock });
    setup.hooks.run('crash', {});
    expect(setup.problems).toEqual([]);
    clock.advance(0);
    expect(setup.problems).toEqual(['on.crash: "no-such-command" was not found']);
  });
});

describe('a problem is reported for a hook that', () => {
  test.each<[string, HookCommand, RegExp]>([
    ['was not found', 'no-such-command --now', /^on\.crash: "no-such-command" was not found$/],
    ['was not found by its path', ['./no/such'], /^on\.crash: ".\/no\/such" was not found$/],
    ['is an empty list', [], /^on\.crash: names no command$/],
    ['has an unclosed quote', `say 'it`, /^on\.crash: a ' is not closed in "say 'it"$/],
    ['cannot be started', [process.execPath, 'a\0b'], /^on\.crash: cannot be started: .+$/],
    ['fails', [process.execPath, '-e', 'process.exit(3)'], /^on\.crash: ended with code 3$/],
    ['fails in the shell', { shell: 'exit 4' }, /^on\.crash: ended with code 4$/],
    ['is killed', [process.execPath, '-e', `process.kill(process.pid, 'SIGKILL')`], /^on\.crash: ended by SIGKILL$/],
  ])('%s, and for its next run', async (_, command, message) => {
    await using setup = openHooks({ crash: command });
    setup.hooks.run('crash', {});
    expect(await setup.nextProblem()).toMatch(message);
    setup.hooks.run('crash', {});
    expect(await setup.nextProblem()).toMatch(message);
  });

  test('has no working folder', async () => {
    await using project = createProject();
    await using setup = openHooks({ start: [process.execPath] }, { folder: project.at('none') });
    setup.hooks.run('start', {});
    expect(await setup.nextProblem()).toBe(`on.start: cannot be started: ${project.at('none')} is missing`);
  });

  test('has no environment', async () => {
    const clock = createClock();
    const problems: string[] = [];
    const containment = createContainment(keepNothing);
    const hooks = new Hooks({
      containment,
      serial: () => 1,
      clock,
      folder: process.cwd(),
      commands: () => ({ start: [process.execPath] }),
      env() {
        throw new Error('.env: the environment file cannot be read');
      },
      onProblem: (message) => problems.push(message),
    });
    hooks.run('start', {});
    clock.advance(0);
    expect(problems).toEqual(['on.start: .env: the environment file cannot be read']);
    await hooks.close();
    containment.release();
  });
});

describe('while a hook is running', () => {
  test('the latest call of the same name is remembered, and runs once after it', async () => {
    await using home = await openHome();
    await using setup = openHooks({ change: node({ value: 'process.env.TEST_VALUE' }) }, { home });
    setup.hooks.run('change', { TEST_VALUE: '1' });
    const first = await home.caller();
    for (const TEST_VALUE of ['2', '3', '4']) setup.hooks.run('change', { TEST_VALUE });
    first.send('exit');
    const second = await home.caller();
    second.send('exit');
    await second.gone;
    expect([first, second].map(({ says }) => says.value)).toEqual(['1', '4']);
    setup.hooks.run('change', { TEST_VALUE: '5' });
    expect((await home.caller()).says.value).toBe('5');
    expect(home.mostAlive).toBe(1);
  });

  test('processes that it leaves behind belong to its run', async () => {
    await using home = await openHome();
    await using setup = openHooks({ change: { shell: `${quote(node())} & exit 1` } }, { home });
    setup.hooks.run('change', {});
    const first = await home.caller();
    expect(await setup.nextProblem()).toBe('on.change: ended with code 1');
    setup.hooks.run('change', {});
    first.send('exit');
    await home.caller();
    expect(home.mostAlive).toBe(1);
  });

  test('hooks of other names can run', async () => {
    await using home = await openHome();
    await using setup = openHooks({ start: node(), ready: node() }, { home });
    setup.hooks.run('start', {});
    setup.hooks.run('ready', {});
    await home.caller();
    await home.caller();
    expect(home.mostAlive).toBe(2);
  });
});

describe('a hook that runs longer than 30 s', () => {
  /** Runs a hook until it has called home. */
  async function begin(home: Home, command: HookCommand) {
    const clock: VirtualClock = createClock();
    const setup = openHooks({ ready: command }, { home, clock });
    setup.hooks.run('ready', {});
    clock.advance(0);
    return { clock, setup, caller: await home.caller() };
  }

  test('is terminated, and the remembered call runs', async () => {
    await using home = await openHome();
    const { clock, setup, caller } = await begin(home, node({ value: 'process.env.TEST_VALUE ?? null' }));
    await using _ = setup;
    setup.hooks.run('ready', { TEST_VALUE: 'next' });
    clock.advance(29_999);
    expect(setup.problems).toEqual([]);
    clock.advance(1);
    expect(setup.problems).toEqual(['on.ready: still runs after 30 s · terminating it']);
    await caller.gone;
    const second = await whileTimePasses(clock, home.caller());
    expect(second.says.value).toBe('next');
    expect(setup.problems.length).toBe(1);
  });

  test('is killed after another second', async () => {
    await using home = await openHome();
    const { clock, setup, caller } = await begin(home, stubborn);
    await using _ = setup;
    clock.advance(30_000);
    expect((await home.caller()).says.asked).toBe(true);
    clock.advance(999);
    expect(isAlive(caller.pid)).toBe(true);
    clock.advance(1);
    await caller.gone;
  });

  test('leaves no timer if it exits in time', async () => {
    await using home = await openHome();
    const { clock, setup, caller } = await begin(home, node());
    caller.send('exit');
    await caller.gone;
    await whileTimePasses(clock, setup.hooks.close());
    expect({ problems: setup.problems, pending: clock.pending }).toEqual({ problems: [], pending: 0 });
  });
});

/** Awaits a promise while the virtual clock follows real time. */
async function whileTimePasses<Value>(clock: VirtualClock, promise: Promise<Value>): Promise<Value> {
  let isSettled = false;
  void promise.finally(() => {
    isSettled = true;
  });
  for (let last = performance.now(); !isSettled; ) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = performance.now();
    clock.advance(now - last);
    last = now;
  }
  return promise;
}

describe('closing the hooks', () => {
  test('terminates the trees of running hooks and forgets remembered calls', async () => {
    await using home = await openHome();
    const both = `${quote(node({ name: '"helper"' }))} & exec ${quote(node({ name: '"root"' }))}`;
    await using setup = openHooks({ start: { shell: both }, ready: node({ name: '"ready"' }) }, { home });
    setup.hooks.run('start', {});
    setup.hooks.run('ready', {});
    const callers = [await home.caller(), await home.caller(), await home.caller()];
    expect(callers.map(({ says }) => says.name).sort()).toEqual(['helper', 'ready', 'root']);
    setup.hooks.run('start', {});
    await setup.hooks.close();
    expect(callers.filter(({ pid }) => isAlive(pid))).toEqual([]);
    expect({ problems: setup.problems, callers: home.callers.length }).toEqual({ problems: [], callers: 3 });
  });

  test('terminates processes that hooks have left behind', async () => {
    await using home = await openHome();
    await using setup = openHooks({ start: { shell: `${quote(node())} & exit 1` } }, { home });
    setup.hooks.run('start', {});
    const helper = await home.caller();
    await setup.nextProblem();
    await setup.hooks.close();
    expect(isAlive(helper.pid)).toBe(false);
  });

  test('kills processes that ignore the signal after a second', async () => {
    await using home = await openHome();
    const clock = createClock();
    await using setup = openHooks({ start: stubborn }, { home, clock });
    setup.hooks.run('start', {});
    clock.advance(0);
    const caller = await home.caller();
    const closed = setup.hooks.close();
    expect((await home.caller()).says.asked).toBe(true);
    clock.advance(999);
    expect(isAlive(caller.pid)).toBe(true);
    clock.advance(1);
    await whileTimePasses(clock, closed);
    expect(isAlive(caller.pid)).toBe(false);
  });

  test('starts no hook any more, not even one that was about to start', async () => {
    const clock = createClock();
    await using setup = openHooks({ start: 'no-such-command' }, { clock });
    setup.hooks.run('start', {});
    await setup.hooks.close();
    setup.hooks.run('start', {});
    clock.advance(60_000);
    await setup.hooks.close();
    expect({ problems: setup.problems, pending: clock.pending }).toEqual({ problems: [], pending: 0 });
  });
});
