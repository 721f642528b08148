import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { findDebugger } from '../../../src/process/debugger.ts';
import { platform } from '../../../src/process/platform.ts';
import { readSockets } from '../../../src/process/sockets/tcp-sockets.ts';
import { attachDebugger } from '../../support/inspector.ts';

test('the sockets of the machine are read from the table of the kernel', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:240D 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 0 100 0 0 10 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0
   2: 0100007F:240D 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 13 1 0 20 4 30 10 -1
   3: 00000000000000000000000001000000:0BB8 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 14 1 0 100 0 0 10 0`;
  expect(readSockets(table)).toEqual([
    { host: '127.0.0.1', port: 9229, state: 'listening', inode: '11' },
    { host: '127.0.0.1', port: 80, state: 'listening', inode: '12' },
    { host: '127.0.0.1', port: 9229, state: 'connected', inode: '13' },
    { host: '0000:0000:0000:0000:0000:0000:0000:0001', port: 3000, state: 'listening', inode: '14' },
  ]);
});

test.skipIf(platform.name !== 'linux')(
  'a debugger is found while it is connected, although the program is blocked',
  async () => {
    const code = 'process.once("message", () => { for (;;); }); process.send(require("inspector").url())';
    const child = spawn(process.execPath, ['--inspect=0', '-e', code], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const pids = [child.pid ?? 0];
    try {
      const [url] = await once(child, 'message');
      const port = Number(new URL(String(url)).port);
      expect(await findDebugger(pids)).toBeUndefined();
      const connected = await attachDebugger(port);
      child.send('block');
      expect([await findDebugger(pids), await findDebugger(pids, new Set([port]))]).toEqual([port, undefined]);
      connected.disconnect();
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  },
);
