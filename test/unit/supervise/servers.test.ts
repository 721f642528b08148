/** The servers of a program, on a virtual clock. With real programs: test/e2e/hold.test.ts. */

import { describe, expect, test } from 'vitest';
import type { Server } from '../../../src/shared/server.ts';
import { Servers } from '../../../src/supervise/servers.ts';
import { createClock } from '../../support/clock.ts';

const http = (port: number, role?: Server['role']): Server => ({
  ...{ id: `${port}`, key: `key ${port}`, port, url: `http://localhost:${port}`, role },
});
const raw = (port: number): Server => ({ ...http(port), url: undefined });

/** A server, and the time after the start of its run at which it listens. */
type Start = readonly [ms: number, server: Server];

function open() {
  const clock = createClock();
  const servers = new Servers(clock);
  const reports: string[] = [];
  let startedAt = clock.now();
  servers.notify({
    onUp: (at) => reports.push(`up after ${at - startedAt} on ${servers.address.port}`),
    onAddress: (at) => reports.push(`from ${at - startedAt} on ${servers.address.port}`),
  });
  /** Begins a run whose servers listen one after the other; returns the reports up to `untilMs` after the last one. */
  const run = (starts: readonly Start[], untilMs = 0): string[] => {
    servers.begin();
    startedAt = clock.now();
    for (const [ms, server] of starts) {
      clock.advance(startedAt + ms - clock.now());
      servers.listens(server);
    }
    clock.advance(untilMs);
    return reports.splice(0);
  };
  return { clock, servers, run, reports };
}

describe('the first run is up', () => {
  test('when no further server has come for 50 ms, since the last one began to listen', () => {
    const { run, clock, reports } = open();
    expect(
      run(
        [
          [10, http(3001)],
          [50, http(3000)],
        ],
        49,
      ),
    ).toEqual([]);
    clock.advance(1);
    expect([reports, clock.pending]).toEqual([['up after 50 on 3000'], 0]);
  });

  test.each<[string, Server]>([
    ['while only an auxiliary server listens', http(24678, 'auxiliary')],
    ['while PORT names another port', http(9464, 'other')],
  ])('2 s after its latest server %s', (_, server) => {
    expect(open().run([[10, server]], 1999)).toEqual([]);
    expect(open().run([[10, server]], 2000)).toEqual([`up after 10 on ${server.port}`]);
    expect(
      open().run(
        [
          [10, server],
          [900, http(3000)],
        ],
        50,
      ),
    ).toEqual(['up after 900 on 3000']);
  });

  test('not by a server that is closed again, as programs do that look for a free port', () => {
    const { run, servers, clock, reports } = open();
    run([[10, http(3000)]], 20);
    servers.closes('3000');
    clock.advance(10_000);
    expect([reports, clock.pending]).toEqual([[], 0]);
  });

  test('on another address, if its own server comes later', () => {
    expect(
      open().run(
        [
          [10, http(23201)],
          [1500, http(23200)],
        ],
        5000,
      ),
    ).toEqual(['up after 10 on 23201', 'from 1500 on 23200']);
  });
});

describe('a further run is up', () => {
  const first: readonly Start[] = [
    [0, http(23201)],
    [1500, http(23200)],
  ];

  test('at once when all servers of the run before listen again', () => {
    const { run, clock } = open();
    run(first, 100);
    expect(run([[20, http(23201)]], 3000)).toEqual([]);
    expect(
      run([
        [20, http(23201)],
        [700, http(23200)],
      ]),
    ).toEqual(['up after 700 on 23200']);
    expect(clock.pending).toBe(0);
  });

  test('without servers that take more than twice as long as in the run before, and half a second', () => {
    const { run } = open();
    run(first, 100);
    expect(run([[20, http(23201)]], 3499)).toEqual([]);
    expect(run([[20, http(23201)]], 3500)).toEqual(['up after 20 on 23201']);
    // From then on that is all that is expected.
    expect(run([[20, http(23201)]])).toEqual(['up after 20 on 23201']);
  });

  test('at once when as many others listen', () => {
    const { run } = open();
    run([[0, http(3000)]], 100);
    expect(run([[5, http(40_123)]])).toEqual(['up after 5 on 40123']);
  });

  test('as after the last run that was up, if the run before was not', () => {
    const { run } = open();
    run(first, 100);
    run([[20, http(23201)]], 10);
    expect(
      run([
        [20, http(23201)],
        [700, http(23200)],
      ]),
    ).toEqual(['up after 700 on 23200']);
  });

  test('without a server that came long after the start of the run before', () => {
    const { run } = open();
    run(
      [
        [0, http(3000)],
        [10_001, http(3001)],
      ],
      100,
    );
    expect(run([[5, http(3000)]])).toEqual(['up after 5 on 3000']);
  });
});

describe('the own server of a program is', () => {
  test.each<[string, number, readonly Start[]]>([
    [
      'that whose port is named',
      3001,
      [
        [0, http(3001, 'named')],
        [1, http(3000)],
      ],
    ],
    [
      'one that serves HTTP',
      8080,
      [
        [0, raw(25)],
        [1, http(8080)],
      ],
    ],
    [
      'no auxiliary one',
      4000,
      [
        [0, http(3999, 'auxiliary')],
        [1, http(4000)],
      ],
    ],
    ['an auxiliary one for lack of another', 3999, [[0, http(3999, 'auxiliary')]]],
    [
      'the later one, if the program waited in between',
      22904,
      [
        [0, http(22903)],
        [900, http(22904)],
      ],
    ],
    [
      'the one with the lowest port of those that came together',
      3000,
      [
        [0, http(9464)],
        [4, http(3000)],
        [9, http(3001)],
      ],
    ],
    [
      'not one that came long after the start',
      3001,
      [
        [0, http(3001)],
        [10_001, http(3000)],
      ],
    ],
  ])('%s: %i', (_, port, starts) => {
    const { run, servers } = open();
    run(starts, 2000);
    expect(servers.address).toEqual({ port, ...(port !== 25 && { url: `http://localhost:${port}` }) });
  });

  test('the one of the run before, however quickly they follow', () => {
    const { run, servers } = open();
    run(
      [
        [0, http(22903)],
        [900, http(22904)],
      ],
      100,
    );
    run([
      [0, http(22903)],
      [90, http(22904)],
    ]);
    expect(servers.address.port).toBe(22904);
  });
});

test('servers that listen after the end of a run are no part of the next one', () => {
  const { run, servers, clock } = open();
  run([[0, http(3000)]], 100);
  servers.end();
  servers.listens(http(3001));
  clock.advance(1000);
  expect(run([[5, http(3000)]])).toEqual(['up after 5 on 3000']);
});
