import { expect, test } from 'vitest';
import type { OpenWork } from '../../../src/preload/protocol.ts';
import type { Remainder } from '../../../src/shared/events.ts';
import { describeRemainder } from '../../../src/terminal/slow-stop.ts';

const nothing: OpenWork = {
  servers: [],
  eventStreams: 0,
  responses: 0,
  webSockets: 0,
  connections: 0,
  remotes: [],
  readsStdin: false,
  timers: 0,
};
const open = (work: Partial<OpenWork>): Partial<Remainder> => ({ work: { ...nothing, ...work } });
const child = { pid: 7, command: 'sleep 99' };

test.each<[Partial<Remainder>, string | undefined]>([
  [{}, undefined],
  [open({}), undefined],
  [
    open({ eventStreams: 2, connections: 1 }),
    '2 event streams, 1 other connection · end that on SIGTERM, by server.closeAllConnections(), or --kill-timeout 500ms',
  ],
  [open({ webSockets: 1 }), '1 WebSocket · end that on SIGTERM, by closing the WebSockets, or --kill-timeout 500ms'],
  [
    open({ servers: [3000], timers: 1 }),
    '1 timer, its server on port 3000 · end that on SIGTERM, by server.close(), or --kill-timeout 500ms',
  ],
  [
    open({ remotes: ['::1:5432'], readsStdin: true }),
    'its connection to ::1:5432, stdin · end that on SIGTERM, by process.exit, or --kill-timeout 500ms',
  ],
  [{ work: 'none' }, 'its event loop, which is blocked · --kill-timeout 500ms'],
  [{ work: 'none', debugger: 9229 }, 'the debugger on port 9229 · disconnect it, or --kill-timeout 500ms'],
  [{ processes: [child] }, 'pid 7 (sleep 99) · end that on SIGTERM, or --kill-timeout 500ms'],
  [
    { processes: [child, child, child, child, child] },
    'pid 7 (sleep 99), pid 7 (sleep 99), pid 7 (sleep 99), 2 more · end that on SIGTERM, or --kill-timeout 500ms',
  ],
])('a slow end is explained: %j', (waitsFor, text) => {
  const event = {
    type: 'slowStop',
    run: 1,
    signal: 'SIGTERM',
    killIn: 1,
    waitsFor: { processes: [], ...waitsFor },
  } as const;
  expect(describeRemainder(event)).toBe(text && `it waits for ${text}`);
});
