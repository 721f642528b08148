import { once } from 'node:events';
import net from 'node:net';
import { expect, test } from 'vitest';
import { findOnPath } from '../../../../src/process/launch/search.ts';
import { findPortHolders, parseLsof, tcpSocketsOf } from '../../../../src/process/platform/lsof.ts';

test('the output of lsof shows processes, their users and their sockets', () => {
  const output = `p501
R1
Lanna
f23
n*:3000
TST=LISTEN
TQR=0
f24
n[::1]:9229
TST=LISTEN
f25
n127.0.0.1:9229->127.0.0.1:50000
TST=ESTABLISHED
f26
n127.0.0.1:50001->127.0.0.1:5432
TST=CLOSE_WAIT
p502
R501
Lanna
f3
n*:*
TST=CLOSED
`;
  expect(parseLsof(output)).toEqual([
    {
      pid: 501,
      parent: 1,
      user: 'anna',
      sockets: [
        { host: 'localhost', port: 3000, state: 'listening' },
        { host: '::1', port: 9229, state: 'listening' },
        { host: '127.0.0.1', port: 9229, state: 'connected' },
        { host: '127.0.0.1', port: 50_001, state: 'other' },
      ],
    },
    { pid: 502, parent: 501, user: 'anna', sockets: [{ host: 'localhost', port: 0, state: 'other' }] },
  ]);
});

test.runIf(process.platform !== 'win32' && findOnPath('lsof', '/') !== undefined)(
  'lsof of this system names this process, which listens',
  async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const [holder, ...others] = findPortHolders(port);
    expect([holder?.pid, others]).toEqual([process.pid, []]);
    expect(Math.abs((holder?.since ?? 0) - (Date.now() - process.uptime() * 1000))).toBeLessThan(60_000);
    expect(tcpSocketsOf([process.pid])).toContainEqual({ host: '127.0.0.1', port, state: 'listening' });
    server.close();
    await once(server, 'close');
    expect(findPortHolders(port)).toEqual([]);
    expect(tcpSocketsOf([])).toEqual([]);
  },
);
