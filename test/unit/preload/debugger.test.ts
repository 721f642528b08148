/** The reports of the preload about the end of a program that is being debugged. */

import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { preloadFile } from '../../../src/process/launch/preload-files.ts';

/** Runs code, and returns the types of the messages that the preload sends. */
function messagesOf(code: string, flags: readonly string[]): readonly string[] {
  const orders = JSON.stringify({ channel: 3, parent: process.pid });
  const { output } = spawnSync(process.execPath, ['--require', preloadFile('preload.cjs'), ...flags, '-e', code], {
    encoding: 'utf8',
    env: { DEVWATCH_CHANNEL: orders },
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const lines = (output[3] ?? '').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line).type).filter((type) => type !== 'begins' && type !== 'uncaught');
}

const opened = 'require("inspector").open(0);';

test.each([
  ['has nothing left to do', ''],
  ['calls process.exit()', 'process.exit(3)'],
  ['calls process.exit() while it exits', 'process.on("exit", () => process.exit(4))'],
  ['throws', 'throw new Error("broken")'],
  ['ends itself by a signal', 'process.kill(process.pid, "SIGTERM")'],
])('a program that is debugged reports its end when it %s', (_, code) => {
  expect(messagesOf(code, ['--inspect=0'])).toEqual(['ended']);
});

test('a program that opens the inspector itself reports its end as well', () => {
  expect(messagesOf(`${opened} process.exit()`, [])).toEqual(['ended']);
});

test.each([
  ['that nobody can debug', 'process.exit()', []],
  [
    'that sends itself a signal which it handles',
    'process.on("SIGTERM", () => { require("inspector").close(); process.exit() }); setInterval(() => {}, 1e6); process.kill(process.pid, "SIGTERM")',
    ['--inspect=0'],
  ],
])('a program %s reports no end', (_, code, flags) => {
  expect(messagesOf(code, flags)).toEqual([]);
});
