/** Which process is answered when another one ends. What becomes of connections: test/e2e/hold.test.ts. */

import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { HeldPorts } from '../../../../src/process/sockets/held-ports.ts';

test('the end of one process is no answer to another one', async () => {
  const ports = new HeldPorts(() => {});
  const [one, other] = [new EventEmitter(), new EventEmitter()] as unknown as [ChildProcess, ChildProcess];
  for (const child of [one, other]) ports.receiveFrom(child);
  const answered: string[] = [];
  const released = [one, other].map(async (child, index) => {
    await ports.release(`${index}`, child);
    answered.push(`${index}`);
  });
  other.emit('close');
  await released[1];
  expect(answered).toEqual(['1']);
  one.emit('close');
  await released[0];
  expect(answered).toEqual(['1', '0']);
});
