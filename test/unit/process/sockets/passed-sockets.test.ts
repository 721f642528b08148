import os from 'node:os';
import { expect, test } from 'vitest';
import { openPort } from '../../../../src/process/sockets/passed-sockets.ts';
import { readProc } from '../../../../src/process/tree/proc.ts';
import { parseListenAddress } from '../../../../src/shared/listen-address.ts';
import { freePort } from '../../../support/ports.ts';

const hasIpv6 = Object.values(os.networkInterfaces()).some((all) => all?.some(({ family }) => family === 'IPv6'));

/** Returns the address on which a socket listens, in hex as Linux writes it. */
function listensOn(port: number): string | undefined {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = ['tcp', 'tcp6'].flatMap((table) => (readProc(`/proc/net/${table}`) ?? '').split('\n'));
  const fields = rows.map((row) => row.trim().split(/\s+/));
  return fields.find(([, address, , state]) => address?.endsWith(suffix) && state === '0A')?.[1]?.split(':')[0];
}

test.each([
  ['PORT', '0100007F', true],
  ['localhost:PORT', '0100007F', true],
  ['0.0.0.0:PORT', '00000000', true],
  ['[::]:PORT', '0'.repeat(32), hasIpv6],
])('a port that is held as %s is reached on %s', async (text, address, isPossible) => {
  if (!isPossible) return;
  const port = await freePort();
  const given = parseListenAddress(text.replace('PORT', String(port)));
  const opened = await openPort(given ?? expect.unreachable());
  if (typeof opened === 'string') return expect.unreachable(opened);
  expect(listensOn(port)).toBe(address);
  opened.close();
});
