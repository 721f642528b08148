/** Programs that exit, that do not exit, and processes that are left when devwatch exits. */

import net from 'node:net';
import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { EventOf } from '../../src/shared/events.ts';
import { start } from '../support/app.ts';
import type { Devwatch } from '../support/devwatch.ts';
import { isAlive } from '../support/facts.ts';
import { type Caller, dialHome, type Home } from '../support/home.ts';
import { ask, edit, nextAddress, projectOf } from '../support/servers.ts';
import { readText } from '../support/text.ts';

/** Returns the `crash` events up to the last one, after which devwatch waits for a change. */
async function crashesUntilGivenUp(devwatch: Devwatch): Promise<EventOf<'crash'>[]> {
  for (const crashes: EventOf<'crash'>[] = []; ; ) {
    const crash = await devwatch.event('crash');
    crashes.push(crash);
    if (crash.next.kind === 'wait') return crashes;
  }
}

const again = (attempt: number, delay: number, limit: number) => ({ kind: 'restart', attempt, delay, limit });
const gaveUp = (limit: number) => ({ kind: 'wait', for: 'change', gaveUp: true, limit });

test('a program that keeps crashing restarts with growing backoff, and after the last attempt waits for a change', async () => {
  const project = projectOf('crash.js');
  await using app = await start({ project, args: ['--max-restarts', '3', 'crash.js'] });

  const crashes = await crashesUntilGivenUp(app);
  expect(crashes.map(({ next }) => next)).toEqual([again(1, 250, 3), again(2, 500, 3), again(3, 1000, 3), gaveUp(3)]);
  expect(crashes.map(({ run }) => run)).toEqual([1, 2, 3, 4]);
  const location = { file: project.at('crash.js'), line: 2, column: 21 };
  const uncaught = { name: 'Error', message: 'crashed on purpose', location };
  expect(crashes.map(({ outcome }) => outcome)).toMatchObject(Array(4).fill({ code: 1, signal: null, uncaught }));

  // Run 5 is the one that the change starts: there was no other.
  await app.event('watching');
  edit(project, 'crash.js', 'on purpose', 'again');
  expect(await app.event('start', ({ cause }) => cause === 'change')).toMatchObject({ run: 5 });
});

test('a change resets the count of crashes', async () => {
  const project = projectOf('crash.js');
  await using app = await start({ project, args: ['--max-restarts', '1', 'crash.js'] });
  await app.event('watching');
  const first = await crashesUntilGivenUp(app);

  edit(project, 'crash.js', 'on purpose', 'again');
  const second = await crashesUntilGivenUp(app);
  app.write('package.json', '{"type": "commonjs"}');
  app.write('crash.js', dialHome({ repaired: true }));
  const caller = await app.caller();

  expect(first.map(({ next }) => next)).toEqual([again(1, 250, 1), gaveUp(1)]);
  expect(second.map(({ next }) => next)).toEqual([again(1, 250, 1), gaveUp(1)]);
  expect(caller.says.repaired).toBe(true);
  expect(caller.isAlive()).toBe(true);
});

test('a change restarts the program without waiting for the backoff', async () => {
  const project = projectOf('crash.js');
  await using app = await start({ project, args: ['crash.js'] });
  await app.event('watching');
  await app.event('crash', ({ next }) => next.kind === 'restart' && next.delay === 2000);

  edit(project, 'crash.js', 'on purpose', 'again');
  expect(await app.event('start', ({ run }) => run === 5)).toMatchObject({ cause: 'change' });
  expect((await app.event('crash', ({ run }) => run === 5)).next).toEqual(again(1, 250, 5));
});

test('a program that has come up is restarted without a limit, with longer and longer pauses', async () => {
  // It is asked to end once devwatch has reported that it is up, and stays up for long enough to count.
  const server = "require('node:net').createServer(() => setTimeout(() => process.exit(1), 150)).listen(0);";
  await using app = await start({ files: { 'server.js': server }, args: ['--max-restarts', '1', 'server.js'] });

  for (const [run, delay] of [250, 500, 1000].entries()) {
    const { port } = await app.event('ready');
    net.connect(port as number, 'localhost').on('error', () => {});
    expect(await app.event('crash')).toMatchObject({ run: run + 1, next: { kind: 'restart', delay } });
  }
});

test.each([
  ['a syntax error', 'const a = ;', []],
  ['a missing module', "require('./missing')", []],
  ['an error of JavaScript', 'undefinedFunction()', []],
  ['an error right after listen()', "require('node:http').createServer().listen(0); undefinedFunction()", []],
  ['a rejection', "Promise.reject(new TypeError('wrong'))", []],
  ['a thrown text', "throw 'no settings'", []],
  ['a worker thread', "new (require('node:worker_threads').Worker)('undefinedFunction()', { eval: true })", []],
  ['a failed test', "require('node:test').test('fails', () => { throw 1 })", ['--test']],
  ['a missing command', '', ['--exec', 'no-such-command']],
])('an end that another try cannot change is reported once, and not tried again: %s', async (_, text, words) => {
  await using app = await start({ files: { 'task.js': text }, args: [...words, 'task.js'] });
  await app.event('watching');

  expect((await app.event('crash')).next).toEqual({ kind: 'wait', for: 'change', gaveUp: false });
  app.write('task.js', dialHome());
  expect(await app.event('start', ({ run }) => run === 2)).toMatchObject({ cause: 'change' });
});

test.each([
  ['a refused connection', "require('node:net').connect(1, '127.0.0.1')"],
  ['a failed request', "fetch('http://127.0.0.1:65535')"],
  ['a file that is not there yet', "require('node:fs').readFileSync('missing.txt')"],
  ['an unknown exit', 'process.exit(1)'],
])('an end that may pass is followed by another try: %s', async (_, text) => {
  await using app = await start({ files: { 'task.js': text }, args: ['task.js'] });
  expect((await app.event('crash')).next).toEqual(again(1, 250, 5));
});

describe('with --no-watch', () => {
  test('a program that does not come up is started again without a limit', async () => {
    await using app = await start({ files: { 'task.js': 'process.exit(3)' }, args: ['--no-watch', 'task.js'] });
    const crashes = [await app.event('crash'), await app.event('crash')];
    expect(crashes.map(({ next }) => next)).toEqual([
      { kind: 'restart', delay: 250 },
      { kind: 'restart', delay: 500 },
    ]);
  });

  test.each([
    ['uses up its restarts', 'process.exit(3)', ['--max-restarts', '1'], 3],
    ['may not be restarted', 'process.exit(3)', ['--restart', 'never'], 3],
    ['has a defect and a limit', 'const a = ;', ['--max-restarts', '5'], 1],
    ['ends cleanly', '', [], 0],
  ])('devwatch ends with the exit code of a program that %s', async (_, text, words, code) => {
    await using app = await start({ files: { 'task.js': text }, args: ['--no-watch', ...words, 'task.js'] });
    expect((await app.exited).code).toBe(code);
  });
});

test('a program that crashes restarts with the same arguments', async () => {
  await using app = await start({ files: { 'server.js': dialHome() }, args: ['server.js', 'a', 'b'] });

  const first = await app.caller();
  first.send('crash');
  const second = await app.caller();

  expect(second.says).toMatchObject({ argv: ['a', 'b'] });
  expect(second.pid).not.toBe(first.pid);
  expect(await app.event('crash')).toMatchObject({ run: 1, outcome: { code: 1, signal: null } });
  expect(app.mostAlive).toBe(1);
});

test('a program that a signal ends has crashed', async () => {
  await using app = await start({ files: { 'server.js': dialHome() }, args: ['server.js'] });

  const first = await app.caller();
  process.kill(first.pid, 'SIGKILL');
  const second = await app.caller();

  expect(second.isAlive()).toBe(true);
  expect((await app.event('crash')).outcome).toEqual({ code: null, signal: 'SIGKILL' });
});

test('processes that a crashed program leaves behind end before the next run', async () => {
  await using app = await start({
    files: {
      'helper.js': dialHome({ helper: true }),
      'server.js': `
      require('node:child_process').spawn(process.execPath, ['helper.js'], { detached: true, stdio: 'inherit' });
      ${dialHome()}`,
    },
    args: ['server.js'],
  });
  const callers = [await app.caller(), await app.caller()];
  const helper = callers.find(({ says }) => says.helper === true);
  callers.find(({ says }) => says.helper !== true)?.send('crash');
  const next = await app.event('start', ({ run }) => run === 2);

  expect(next.cause).toBe('crash');
  expect(isAlive(helper?.pid ?? 0)).toBe(false);
});

test('a program that exits with 0 starts again at a change', async () => {
  await using app = await start({ files: { 'task.js': dialHome({ version: 1 }) }, args: ['task.js'] });
  await app.event('watching');

  (await app.caller()).send('exit');
  expect(await app.event('exit')).toMatchObject({
    outcome: { code: 0, signal: null },
    next: { kind: 'wait', for: 'change', gaveUp: false },
  });
  app.write('task.js', dialHome({ version: 2 }));
  expect((await app.caller()).says.version).toBe(2);
  expect((await app.event('start', ({ run }) => run === 2)).cause).toBe('change');
});

test('--restart always restarts the program after exit 0 as well, and gives up in the same way', async () => {
  await using app = await start({
    files: { 'task.js': '' },
    args: ['--restart', 'always', '--max-restarts', '2', 'task.js'],
  });

  const exits = [await app.event('exit'), await app.event('exit'), await app.event('exit')];
  expect(exits.map(({ next }) => next)).toEqual([again(1, 250, 2), again(2, 500, 2), gaveUp(2)]);
  expect((await app.event('start', ({ run }) => run === 2)).cause).toBe('exit');
});

test('--restart never waits for a change after a crash', async () => {
  const project = projectOf('crash.js');
  await using app = await start({ project, args: ['--restart', 'never', 'crash.js'] });
  await app.event('watching');

  expect((await app.event('crash')).next).toEqual({ kind: 'wait', for: 'change', gaveUp: false });
  edit(project, 'crash.js', 'on purpose', 'again');
  expect(await app.event('start', ({ run }) => run === 2)).toMatchObject({ cause: 'change' });
});

for (const [how, program, code] of [
  ['a code', 'process.exit(7)', 7],
  ['an exception', 'throw new Error("crashed on purpose")', 1],
  ['a signal', "process.kill(process.pid, 'SIGKILL')", 128 + constants.signals.SIGKILL],
] as const) {
  test(`--exit-on-crash exits with the status of the program: ${how}`, async () => {
    await using app = await start({ files: { 'task.js': program }, args: ['--exit-on-crash', 'task.js'] });

    expect(await app.exited).toEqual({ code, signal: null });
    expect((await app.event('crash')).next).toEqual({ kind: 'end', gaveUp: false });
  });
}

test('--exit-on-crash stays after exit 0', async () => {
  await using app = await start({ files: { 'task.js': '' }, args: ['--exit-on-crash', 'task.js'] });
  await app.event('watching');

  expect((await app.event('exit')).next).toEqual({ kind: 'wait', for: 'change', gaveUp: false });
  app.write('task.js', 'process.exit(3)');
  expect((await app.exited).code).toBe(3);
});

for (const flag of ['-C', '--on-change-only']) {
  test(`${flag} starts the program at the first change`, async () => {
    await using app = await start({ files: { 'server.js': dialHome({ version: 1 }) }, args: [flag, 'server.js'] });
    expect(await app.event('wait')).toMatchObject({ reason: 'on-change-only' });
    await app.event('watching');

    app.write('server.js', dialHome({ version: 2 }));
    expect((await app.caller()).says.version).toBe(2);
    expect(app.callers).toHaveLength(1);
    expect(await app.event('start')).toMatchObject({ run: 1, cause: 'change' });
  });
}

test('a program that ignores SIGTERM is killed after the kill timeout', async () => {
  const project = projectOf('stubborn.js');
  await using app = await start({ project, args: ['--kill-timeout', '200', 'stubborn.js'], env: { PORT: '0' } });
  const stdout = readText(app.process.stdout);
  const before = await ask(await nextAddress(stdout));
  await app.event('watching');

  edit(project, 'stubborn.js', 'hello', 'goodbye');
  await stdout.next(/SIGTERM ignored\n/);
  const after = await ask(await nextAddress(stdout));

  expect(after.greeting).toBe('goodbye');
  expect(isAlive(before.pid)).toBe(false);
  expect(await app.event('stopping')).toMatchObject({ run: 1, stage: 'terminating', grace: null });
  expect(await app.event('stopping')).toMatchObject({ run: 1, stage: 'killing', grace: 200 });
  const { survivors, ms } = await app.event('gone');
  expect(survivors).toEqual([]);
  expect(ms).toBeGreaterThanOrEqual(199);
});

test('a save during a slow stop prints what devwatch waits for', async () => {
  const project = projectOf('stubborn.js');
  await using app = await start({ project, args: ['--kill-timeout', '1m', 'stubborn.js'], env: { PORT: '0' } });
  const { pid } = await ask(await nextAddress(readText(app.process.stdout)));
  await app.event('watching');
  edit(project, 'stubborn.js', 'hello', 'goodbye');
  expect(await app.event('slowStop')).toMatchObject({ run: 1, signal: 'SIGTERM', killIn: 58_500 });
  process.kill(pid, 'SIGKILL');
  const { pid: next = 0 } = await app.event('start', ({ run }) => run === 2);
  const ended = app.end();
  await app.event('stopping', ({ run }) => run === 2);
  process.kill(next, 'SIGKILL');
  await ended;
});

test('a program that ignores SIGTERM does not outlive devwatch', async () => {
  const project = projectOf('stubborn.js');
  await using app = await start({ project, args: ['--kill-timeout', '200', 'stubborn.js'], env: { PORT: '0' } });
  const { pid } = await ask(await nextAddress(readText(app.process.stdout)));

  expect((await app.end()).signal).toBe('SIGTERM');
  expect(isAlive(pid)).toBe(false);
});

test('the same signal again kills the program before the kill timeout, once a line offers that', async () => {
  const project = projectOf('stubborn.js');
  const args = ['--log-format', 'pretty', '--kill-timeout', '1m', 'stubborn.js'];
  await using app = await start({ project, args, env: { PORT: '0' } });
  const { pid } = await ask(await nextAddress(readText(app.process.stdout)));
  app.process.kill('SIGTERM');
  await app.until('the offer', () => app.otherLines.some((line) => line.includes('send SIGTERM again to kill')));
  expect(isAlive(pid)).toBe(true);
  expect((await app.end('SIGTERM')).signal).toBe('SIGTERM');
  expect(app.otherLines.at(-1)).toBe('[devwatch] killing it');
  expect(isAlive(pid)).toBe(false);
});

test('--signal stops the program with another signal', async () => {
  await using app = await start({
    files: {
      'server.js': `
      for (const name of ['SIGTERM', 'SIGUSR2']) process.on(name, () => { console.log('got ' + name); process.exit(); });
      setInterval(() => {}, 60_000);
      console.log('ready');`,
    },
    args: ['--signal', 'USR2', 'server.js'],
  });
  const stdout = readText(app.process.stdout);
  await stdout.next(/ready\n/);
  await app.end();
  expect(stdout.all).toBe('ready\ngot SIGUSR2\n');
});

/** A program that takes a moment to stop: a devwatch that does not wait would start the next run in that time. */
const endsSlowly = "process.on('SIGTERM', () => setTimeout(() => process.exit(), 100));\n";

test('after several saves at once the last content runs, in one program at a time', async () => {
  await using app = await start({ files: { 'server.js': endsSlowly + dialHome({ version: 0 }) }, args: ['server.js'] });
  await app.caller();
  await app.event('watching');

  for (let version = 1; version <= 20; version += 1) app.write('server.js', endsSlowly + dialHome({ version }));
  const last = await app.caller(({ says }) => says.version === 20);

  expect(last.isAlive()).toBe(true);
  expect(app.mostAlive).toBe(1);
});

test('after saves at the moment of every start the last content runs, in one program at a time', async () => {
  await using app = await start({ files: { 'server.js': endsSlowly + dialHome({ version: 0 }) }, args: ['server.js'] });

  // From the first start on, before devwatch has reported that it watches.
  for (let version = 1; version <= 10; version += 1) {
    await app.event('start');
    app.replace('server.js', endsSlowly + dialHome({ version }));
  }
  const last = await app.caller(({ says }) => says.version === 10);

  expect(last.isAlive()).toBe(true);
  expect(app.mostAlive).toBe(1);
});

/** A program with a child, a grandchild in a session of its own, and an orphaned grandchild. */
const family = {
  'server.js': `
    const { spawn } = require('node:child_process');
    spawn(process.execPath, ['child.js'], { stdio: 'inherit' });
    spawn('/bin/sh', ['-c', 'node leaf.js orphan & exit 0'], { stdio: 'inherit' });
    ${dialHome({ name: 'root' })}`,
  'child.js': `
    require('node:child_process').spawn(process.execPath, ['leaf.js', 'session'], { detached: true, stdio: 'ignore' }).unref();
    ${dialHome({ name: 'child' })}`,
  'leaf.js': endsSlowly + dialHome({ name: 'leaf' }),
};

async function wholeFamily(home: Pick<Home, 'caller'>): Promise<Caller[]> {
  const callers = [await home.caller(), await home.caller(), await home.caller(), await home.caller()];
  const names = callers.map(({ says }) => [says.name, ...(says.argv as string[])].join(' '));
  expect(names.sort()).toEqual(['child', 'leaf orphan', 'leaf session', 'root']);
  return callers;
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test(`${signal} to devwatch ends every process of the program`, async () => {
    await using app = await start({ files: family, args: ['server.js'] });
    const callers = await wholeFamily(app);

    expect(await app.end(signal)).toEqual({ code: null, signal });
    expect(callers.filter(({ pid }) => isAlive(pid))).toEqual([]);
    expect((await app.event('end')).reason).toEqual({ kind: 'signal', signal });
  });
}

test('a restart replaces all processes of the program', async () => {
  await using app = await start({ files: family, args: ['server.js'] });
  const before = await wholeFamily(app);
  await app.event('watching');

  app.replace('leaf.js', `// changed\n${family['leaf.js']}`);
  const after = await wholeFamily(app);

  expect(before.filter(({ pid }) => isAlive(pid))).toEqual([]);
  expect(after.filter(({ pid }) => !isAlive(pid))).toEqual([]);
  expect(app.mostAlive).toBe(4);
});
