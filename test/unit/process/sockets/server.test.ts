import { expect, test } from 'vitest';
import type { ServerFacts } from '../../../../src/preload/protocol.ts';
import { serverOf } from '../../../../src/process/sockets/server.ts';

test.each<[ServerFacts, string | undefined]>([
  [{ port: 3000, protocol: 'http' }, 'http://localhost:3000'],
  [{ port: 3000, protocol: 'http', host: '0.0.0.0' }, 'http://localhost:3000'],
  [{ port: 3000, protocol: 'https', host: '::1' }, 'https://localhost:3000'],
  [{ port: 80, protocol: 'http' }, 'http://localhost'],
  [{ port: 443, protocol: 'https' }, 'https://localhost'],
  [{ port: 3000, protocol: 'http', host: '192.168.1.5' }, 'http://192.168.1.5:3000'],
  [{ port: 3000, protocol: 'http', host: 'fd00::1' }, 'http://[fd00::1]:3000'],
  [{ port: 5432 }, undefined],
  [{ protocol: 'http' }, undefined],
])('the URL of a server with %j is %s', (facts, url) => {
  expect(serverOf({ type: 'listens', id: 'a', key: 'a', ...facts })).toMatchObject({ port: facts.port, url });
});
