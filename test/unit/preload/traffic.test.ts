import diagnostics from 'node:diagnostics_channel';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Traffic as TrafficClass } from '../../../src/preload/traffic.cts';
import { systemClock } from '../../../src/shared/clock.ts';
import { loadPreload } from './load.ts';

const { Traffic } = loadPreload('traffic.cts') as { Traffic: typeof TrafficClass };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['hrtime', 'setTimeout'] });
});

afterEach(() => {
  vi.useRealTimers();
});

const { now } = systemClock;

function open() {
  return {
    traffic: new Traffic(),
    advance: (ms: number) => vi.advanceTimersByTime(ms),
    /** Calls Node's diagnostics channels as an HTTP server does. */
    connect(): { destroyed: boolean } {
      const socket = { destroyed: false };
      diagnostics.channel('net.server.socket').publish({ socket });
      return socket;
    },
    request(socket: object) {
      const response = { destroyed: false, headersSent: false, shouldKeepAlive: true };
      diagnostics.channel('http.server.request.start').publish({ response, socket });
      return {
        response,
        answer: () => diagnostics.channel('http.server.response.finish').publish({ response, socket }),
      };
    },
  };
}

test('a process without connections is not busy', () => {
  expect(open().traffic.isBusy()).toBe(false);
});

test('a new connection is busy for 100 ms, unless it is closed before', () => {
  const { traffic, connect, advance } = open();
  const socket = connect();
  advance(99);
  expect(traffic.isBusy()).toBe(true);
  socket.destroyed = true;
  expect(traffic.isBusy()).toBe(false);
  connect();
  advance(100);
  expect(traffic.isBusy()).toBe(false);
});

test('a request is busy until its answer is complete, and the connection for 100 ms after that', () => {
  const { traffic, connect, request, advance } = open();
  const { answer } = request(connect());
  advance(10_000);
  expect(traffic.isBusy()).toBe(true);
  answer();
  advance(99);
  expect(traffic.isBusy()).toBe(true);
  advance(1);
  expect(traffic.isBusy()).toBe(false);
});

test('a request whose client has gone is not busy', () => {
  const { traffic, connect, request, advance } = open();
  const { response } = request(connect());
  advance(100);
  response.destroyed = true;
  expect(traffic.isBusy()).toBe(false);
});

test('draining closes each connection after its answer', () => {
  const { traffic, connect, request } = open();
  const before = request(connect()).response;
  const sent = request(connect()).response;
  sent.headersSent = true;
  expect(before.shouldKeepAlive).toBe(true);
  traffic.drain(now() + 1000, () => {});
  const after = request(connect()).response;
  expect([before, sent, after].map(({ shouldKeepAlive }) => shouldKeepAlive)).toEqual([false, true, false]);
});

test('draining ends when no connection is busy', () => {
  const { traffic, connect, request, advance } = open();
  const { answer } = request(connect());
  const onEnd = vi.fn();
  traffic.drain(now() + 1000, onEnd);
  advance(300);
  answer();
  advance(99);
  expect(onEnd).not.toHaveBeenCalled();
  advance(6);
  expect(onEnd.mock.calls).toEqual([[true]]);
  expect(vi.getTimerCount()).toBe(0);
});

test('draining ends at its deadline, which a second call changes', () => {
  const { traffic, connect, request, advance } = open();
  request(connect());
  const onEnd = vi.fn();
  traffic.drain(now() + 10_000, onEnd);
  traffic.drain(now() + 100, onEnd);
  advance(99);
  expect(onEnd).not.toHaveBeenCalled();
  advance(4);
  expect(onEnd.mock.calls).toEqual([[false]]);
  expect(vi.getTimerCount()).toBe(0);
});
