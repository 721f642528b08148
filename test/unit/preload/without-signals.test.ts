/** The preload on systems without signals, on which children cannot be found after the end of their parent. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import readline from 'node:readline';
import type { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { preloadFile } from '../../../src/process/launch/preload-files.ts';
import { isAlive } from '../../support/facts.ts';

/** A program with the preload: its channel is descriptor 3, messages for it go to descriptor 4. */
function run(code: string): {
  child: ChildProcess;
  said(type: string): Promise<Record<string, unknown>>;
  out(): string;
} {
  const hold = { descriptor: 4, keeps: false, isPinged: false, isAsked: true, refusesConnections: false };
  const orders = {
    ...{ channel: 3, parent: process.pid, namesChildren: true },
    hold: { ...hold, slots: [], held: [], activated: [] },
  };
  const child = spawn(process.execPath, ['--require', preloadFile('preload.cjs'), '-e', code], {
    env: { DEVWATCH_CHANNEL: JSON.stringify(orders) },
    stdio: ['ignore', 'pipe', 'inherit', 'pipe', 'pipe'],
  });
  let out = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  const messages: Record<string, unknown>[] = [];
  const lines = readline.createInterface({ input: child.stdio[3] as Duplex });
  lines.on('line', (line) => messages.push(JSON.parse(line)));
  return {
    child,
    out: () => out,
    async said(type) {
      for (;;) {
        const found = messages.find((message) => message.type === type);
        if (found !== undefined) return found;
        await once(lines, 'line');
      }
    },
  };
}

const send = ({ stdio }: ChildProcess, fd: 3 | 4, message: unknown): void =>
  void (stdio[fd] as Duplex).write(`${JSON.stringify(message)}\n`);

const starts = 'const child = require("child_process").spawn("sleep", ["1000"], { stdio: "ignore" });';
const stays = 'setInterval(() => {}, 1e6);';

test('a program takes a signal by a message, with its name and number', async () => {
  const { child, said, out } = run(
    `${stays} process.on('SIGUSR2', (...args) => { console.log(...args); process.exit(); });`,
  );
  await said('begins');
  send(child, 4, { signal: 'SIGWINCH' });
  send(child, 4, { signal: 'SIGUSR2' });
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(out()).toBe('SIGUSR2 12\n');
});

test('a program that does not handle a signal is ended by it', async () => {
  const { child, said } = run(`${stays} process.on('exit', () => console.log('exit'));`);
  await said('begins');
  send(child, 4, { signal: 'SIGTERM' });
  expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);
});

test('a program ends when devwatch is gone', async () => {
  const { child, said } = run(stays);
  await said('begins');
  (child.stdio[4] as Duplex).destroy();
  expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);
});

test.each([
  ['exits', 'process.exit(3)', 3],
  ['throws', 'throw new Error("on purpose")', 1],
  ['is asked to end', '', null],
])('a program that %s names the children that live, and waits for their end', async (_, end, code) => {
  // By then one of its children is dead.
  const then = `require("child_process").spawn("true").on("exit", () => { ${end} });`;
  const { child, said } = run(
    `${stays} console.error = () => {}; process.on('uncaughtException', () => process.exit(1)); ${starts} ${end === '' ? '' : then}`,
  );
  await said('begins');
  if (end === '') send(child, 4, { signal: 'SIGTERM' });
  const { pids } = await said('leaves');
  const [pid = 0, ...others] = pids as number[];
  expect([isAlive(pid), others.length]).toEqual([true, 0]);
  expect(child.exitCode).toBeNull();
  process.kill(pid);
  send(child, 3, true);
  expect((await once(child, 'close'))[0]).toBe(code);
});

test('a program without children ends without a question, and sees nothing of this', async () => {
  const { child, said, out } = run(
    'process.on("exit", () => console.log(Object.keys(process).includes("emit"), process.listeners("exit").length))',
  );
  await said('begins');
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(out()).toBe('false 1\n');
});
