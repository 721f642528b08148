/** Requests to stop on a virtual clock. With a terminal: test/e2e/terminal.test.ts. */

import { describe, expect, test } from 'vitest';
import { type StopRequest, StopRequests } from '../../../src/run/stop-requests.ts';
import { createClock } from '../../support/clock.ts';

/** Times in ms after the first request. */
type Requests = readonly (readonly [at: number, request: StopRequest])[];

/** Returns what the requests lead to. */
function play(requests: Requests, isDirect = false): string[] {
  const clock = createClock();
  const effects: string[] = [];
  const all = new StopRequests({
    clock,
    isDirect: () => isDirect,
    onStop: (reason) => effects.push(`stop: ${reason.kind === 'signal' ? reason.signal : reason.kind}`),
    onOffer: (request) => effects.push(`offer: ${request}`),
    onKill: (reason) => effects.push(`kill: ${reason.kind === 'signal' ? reason.signal : reason.kind}`),
  });
  const startedAt = clock.now();
  for (const [at, request] of requests) {
    clock.advance(startedAt + at - clock.now());
    all.take(request);
  }
  return effects;
}

describe('a cleanup of two seconds is not cut short by', () => {
  test.each<[string, Requests]>([
    [
      'a Ctrl-C that npm forwards',
      [
        [0, 'SIGINT'],
        [3, 'SIGINT'],
      ],
    ],
    [
      'concurrently',
      [
        [0, 'SIGINT'],
        [160, 'SIGINT'],
      ],
    ],
    [
      'concurrently in concurrently, on a busy machine',
      [
        [0, 'SIGINT'],
        [300, 'SIGINT'],
        [650, 'SIGINT'],
      ],
    ],
    [
      'concurrently -k',
      [
        [0, 'SIGINT'],
        [230, 'SIGINT'],
        [231, 'SIGTERM'],
      ],
    ],
    [
      'foreman',
      [
        [0, 'SIGINT'],
        [300, 'SIGTERM'],
      ],
    ],
    [
      'a terminal that is closed, and the shell that repeats it',
      [
        [0, 'SIGHUP'],
        [1, 'SIGHUP'],
        [40, 'SIGTERM'],
      ],
    ],
    [
      'a second SIGTERM',
      [
        [0, 'SIGTERM'],
        [1999, 'SIGTERM'],
      ],
    ],
    [
      'all of them',
      [
        [0, 'SIGINT'],
        [5, 'SIGHUP'],
        [900, 'SIGTERM'],
        [1500, 'SIGQUIT'],
        [1999, 'SIGINT'],
      ],
    ],
  ])('%s', (_, requests) => {
    expect(play(requests)).toEqual([`stop: ${requests[0]?.[1]}`]);
    // In the foreground of a terminal as well, unless it is a key.
    const isKey = requests.some(([at, request]) => at >= 500 && ['SIGINT', 'SIGQUIT'].includes(request));
    if (!isKey) expect(play(requests, true)).toEqual([`stop: ${requests[0]?.[1]}`]);
  });
});

test.each<[string, Requests, string]>([
  [
    'the same signal again',
    [
      [0, 'SIGTERM'],
      [2000, 'SIGTERM'],
    ],
    'kill: SIGTERM',
  ],
  [
    'Ctrl-C again',
    [
      [0, 'SIGINT'],
      [2000, 'SIGINT'],
    ],
    'kill: SIGINT',
  ],
  [
    'Ctrl-C after another signal',
    [
      [0, 'SIGTERM'],
      [2000, 'SIGINT'],
    ],
    'kill: SIGINT',
  ],
  [
    'q again',
    [
      [0, 'q'],
      [2000, 'q'],
    ],
    'kill: requested',
  ],
])('after the offer to kill, %s does so', (_, requests, effect) => {
  const [first] = requests;
  const stop = first?.[1] === 'q' ? 'stop: requested' : `stop: ${first?.[1]}`;
  expect(play(requests)).toEqual([stop, `offer: ${first?.[1]}`, effect]);
});

test('after the offer to kill, another signal that is no key still does not', () => {
  expect(
    play([
      [0, 'SIGINT'],
      [2500, 'SIGTERM'],
      [2600, 'SIGHUP'],
    ]),
  ).toEqual(['stop: SIGINT', 'offer: SIGINT']);
});

test.each<[string, Requests, boolean]>([
  [
    'within half a second does not kill',
    [
      [0, 'SIGINT'],
      [499, 'SIGINT'],
    ],
    false,
  ],
  [
    'after half a second kills',
    [
      [0, 'SIGINT'],
      [500, 'SIGINT'],
    ],
    true,
  ],
  [
    'counts from the first one',
    [
      [0, 'SIGINT'],
      [300, 'SIGINT'],
      [600, 'SIGINT'],
    ],
    true,
  ],
  [
    'may be another key',
    [
      [0, 'SIGINT'],
      [600, 'SIGQUIT'],
    ],
    true,
  ],
  [
    'is no second one after a signal of another kind',
    [
      [0, 'SIGTERM'],
      [600, 'SIGINT'],
    ],
    false,
  ],
])('a second key in a terminal, which no other program can have repeated, %s', (_, requests, kills) => {
  expect(play(requests, true).filter((effect) => effect.startsWith('kill'))).toHaveLength(kills ? 1 : 0);
});

test('reasons that devwatch finds itself stop once, and never kill', () => {
  const clock = createClock();
  const effects: string[] = [];
  const requests = new StopRequests({
    clock,
    isDirect: () => true,
    onStop: () => effects.push('stop'),
    onOffer() {},
    onKill: () => effects.push('kill'),
  });
  requests.stop('SIGTERM');
  clock.advance(5000);
  requests.stop('SIGTERM');
  expect(effects).toEqual(['stop']);
});
