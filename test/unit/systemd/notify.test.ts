/** What a service manager is told, and when. That it arrives: test/e2e/unit.test.ts. */

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { defaultSettings } from '../../../src/config/options.ts';
import type { EventOf } from '../../../src/shared/events.ts';
import { createServiceNotices, openNotifySocket } from '../../../src/systemd/notify.ts';
import { createClock } from '../../support/clock.ts';
import { createProject } from '../../support/project.ts';

const start: EventOf<'start'> = { type: 'start', run: 1, pid: 2, cause: 'start', changes: [], standby: false, ms: 1 };
const waits: EventOf<'exit'> = {
  type: 'exit',
  run: 1,
  outcome: { code: 0, signal: null },
  uptime: 5,
  next: { kind: 'wait', gaveUp: false },
};
const crashes: EventOf<'crash'> = {
  type: 'crash',
  run: 1,
  outcome: { code: 3, signal: null },
  uptime: 5,
  next: { kind: 'restart', delay: 250, attempt: 1, limit: 5 },
};

/** Notices, all that has been sent, and a manager that may be slow to read. */
function open({ isSlow = false } = {}) {
  const clock = createClock();
  const sent: string[][] = [];
  const reads: (() => void)[] = [];
  const notices = createServiceNotices({
    clock,
    send(lines) {
      sent.push([...lines]);
      return isSlow ? new Promise((resolve) => reads.push(resolve)) : Promise.resolve();
    },
  });
  return { clock, sent, notices, read: () => reads.shift()?.() };
}

/** The same, and a single program. */
function listen({ hasSign = false, isSlow = false } = {}) {
  const opened = open({ isSlow });
  return { ...opened, tell: opened.notices.program(hasSign) };
}

/** All that is due now has happened. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('of several programs', () => {
  test('all are up when the last one is', async () => {
    const { sent, notices } = open();
    const [web, api] = [notices.program(true, 'web'), notices.program(false, 'api')];
    web({ type: 'ready', run: 1, ms: 5 });
    await settled();
    api({ type: 'wait', reason: 'after', programs: ['web'] });
    api(crashes);
    await settled();
    web({ type: 'ready', run: 2, ms: 5 });
    await settled();
    api({ type: 'ready', run: 2, ms: 5, port: 3000 });
    expect(sent).toEqual([
      ['STATUS=web is up'],
      ['STATUS=api crashed: exit 3 · starts again'],
      ['STATUS=web is up'],
      ['READY=1', 'STATUS=api is up · port 3000'],
    ]);
  });

  test('one that leaves is not waited for', async () => {
    const { sent, notices } = open();
    const [web, api] = [notices.program(true, 'web'), notices.program(true, 'api')];
    api({ type: 'end', reason: { kind: 'requested' } });
    await settled();
    web({ type: 'ready', run: 1, ms: 5 });
    expect(sent).toEqual([['STATUS=api has been taken out'], ['READY=1', 'STATUS=web is up']]);
  });

  test('when the last one that was waited for leaves, all are up', async () => {
    const { clock, sent, notices } = open();
    const [web, api] = [notices.program(true, 'web'), notices.program(false, 'api')];
    web({ type: 'ready', run: 1, ms: 5 });
    await settled();
    api(start);
    api({ type: 'stopping', run: 1, stage: 'terminating', grace: null });
    clock.advance(60_000);
    expect(sent).toEqual([['STATUS=web is up']]);
    api({ type: 'end', reason: { kind: 'requested' } });
    expect(sent.at(-1)).toEqual(['READY=1', 'STATUS=api has been taken out']);
  });

  test('a crash that ends all makes none of them up', () => {
    const { sent, notices } = open();
    const [web, api] = [notices.program(true, 'web'), notices.program(true, 'api')];
    const reason = { kind: 'program', outcome: { code: 3, signal: null } } as const;
    for (const tell of [api, web]) tell({ type: 'end', reason });
    expect(sent).toEqual([]);
  });
});

describe('up', () => {
  test('when the program listens', () => {
    const { sent, tell } = listen();
    tell(start);
    expect(sent).toEqual([]);
    tell({ type: 'ready', run: 1, ms: 5, port: 3000 });
    expect(sent).toEqual([['READY=1', 'STATUS=is up · port 3000']]);
  });

  test('without a readiness check, when it has lived for 3 seconds', () => {
    const { sent, tell, clock } = listen();
    tell(start);
    clock.advance(2999);
    expect(sent).toEqual([]);
    clock.advance(1);
    expect(sent).toEqual([['READY=1', 'STATUS=is running']]);
  });

  test.each([
    ['the settings at the start', { hasSign: true }],
    ['changed settings', {}],
  ])('with a sign by %s, not before it', (_, options) => {
    const { sent, tell, clock } = listen(options);
    if (!('hasSign' in options)) {
      tell({ type: 'settings', file: '.watchrc', changed: ['ready'], settings: { ...defaultSettings, ready: '/up/' } });
    }
    tell(start);
    clock.advance(60_000);
    expect(sent).toEqual([]);
    tell({ type: 'ready', run: 1, ms: 5 });
    expect(sent).toEqual([['READY=1', 'STATUS=is up']]);
  });

  test('when it has done its work, or is to wait for a change', () => {
    const done = listen();
    done.tell(start);
    done.tell(waits);
    expect(done.sent).toEqual([['READY=1', 'STATUS=has run and ended · waits for a change']]);
    const lazy = listen();
    lazy.tell({ type: 'wait', reason: 'on-change-only' });
    expect(lazy.sent).toEqual([['READY=1', 'STATUS=waits for a change']]);
  });

  test('once', async () => {
    const { sent, tell } = listen();
    tell(start);
    tell({ type: 'ready', run: 1, ms: 5, port: 3000 });
    await settled();
    tell({ ...start, run: 2 });
    tell({ type: 'ready', run: 2, ms: 5, port: 4000 });
    expect(sent.slice(1)).toEqual([['STATUS=is up · port 4000']]);
  });
});

describe('not up', () => {
  test('by a second of which it has not lived', () => {
    const { sent, tell, clock } = listen();
    tell(start);
    clock.advance(900);
    tell(crashes);
    clock.advance(5000);
    expect(sent).toEqual([['STATUS=crashed: exit 3 · starts again']]);
  });

  test('by ending again and again', () => {
    const { sent, tell } = listen();
    tell({ ...waits, next: crashes.next });
    expect(sent).toEqual([['STATUS=has run and ended · starts again']]);
  });
});

test.each([
  [{ code: null, signal: 'SIGSEGV' as const }, 'SIGSEGV'],
  [{ code: null, signal: null, error: 'cannot be started: x is missing' }, 'cannot be started: x is missing'],
  [{ code: null, signal: 'SIGKILL' as const, reason: 'no answer\nREADY=1' }, 'no answer READY=1'],
])('a crash by %j is told in one line', (outcome, text) => {
  const { sent, tell } = listen();
  tell({ ...crashes, outcome, next: { kind: 'wait', gaveUp: true } });
  expect(sent).toEqual([[`STATUS=crashed: ${text} · waits for a change`]]);
});

test('what waits for a slow manager is told at once, with the last status', async () => {
  const { sent, tell, read } = listen({ isSlow: true });
  tell(crashes);
  tell({ type: 'ready', run: 2, ms: 5, port: 3000 });
  tell(crashes);
  expect(sent).toHaveLength(1);
  read();
  await settled();
  expect(sent.slice(1)).toEqual([['READY=1', 'STATUS=crashed: exit 3 · starts again']]);
});

test('the end is told once, last, and waited for', async () => {
  const { sent, tell, notices, clock, read } = listen({ isSlow: true });
  tell(start);
  void notices.stopped();
  tell(crashes);
  clock.advance(5000);
  let isOver = false;
  void notices.stopped().then(() => {
    isOver = true;
  });
  await settled();
  expect(isOver).toBe(false);
  read();
  await settled();
  expect(isOver).toBe(true);
  expect(sent).toEqual([['STOPPING=1', 'STATUS=is ending']]);
});

test('without a socket nobody is told', () => {
  const options = { clock: createClock(), onProblem: () => {} };
  expect(openNotifySocket({}, options)).toBeUndefined();
});

test('a manager that does not read holds up the end for a while only', async () => {
  await using project = createProject({ 'systemd-notify': '#!/bin/sh\nexec sleep 500\n' });
  fs.chmodSync(project.at('systemd-notify'), 0o755);
  const problems: string[] = [];
  const notices = openNotifySocket(
    { NOTIFY_SOCKET: '/nobody', PATH: `${project.path}:/usr/bin:/bin` },
    { clock: createClock(), onProblem: (message) => problems.push(message), longestNotice: 50 },
  );
  await notices?.stopped();
  expect(problems).toEqual(['the service manager is not told that the program is up: systemd-notify: SIGKILL']);
});
