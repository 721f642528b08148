/** The messages for a service manager. That they arrive is tested in test/e2e/unit.test.ts. */

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { DevwatchEvent, EventOf } from '../../../src/shared/events.ts';
import { openNotifySocket, ServiceNotifier } from '../../../src/systemd/notify.ts';
import { createProject } from '../../support/project.ts';

const ready: EventOf<'ready'> = { type: 'ready', run: 1, ms: 5 };
const running: EventOf<'running'> = { type: 'running', run: 1, ms: 3000 };
const exit: EventOf<'exit'> = {
  type: 'exit',
  run: 1,
  outcome: { code: 0, signal: null },
  uptime: 5,
  next: { kind: 'wait', for: 'change', gaveUp: false },
};
const crash: EventOf<'crash'> = {
  type: 'crash',
  run: 1,
  outcome: { code: 3, signal: null },
  uptime: 5,
  next: { kind: 'restart', delay: 250, attempt: 1, limit: 5 },
};
const removed: EventOf<'end'> = { type: 'end', reason: { kind: 'requested' } };

/** A notifier, and a manager that reads each message at once, or when `read` is called. */
function open({ isSlow = false } = {}) {
  const sent: string[][] = [];
  const reads: (() => void)[] = [];
  const notifier = new ServiceNotifier((lines) => {
    sent.push([...lines]);
    return isSlow ? new Promise((resolve) => reads.push(resolve)) : Promise.resolve();
  });
  return { sent, notifier, read: () => reads.shift()?.() };
}

/** Resolves when everything that is due has happened. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Returns the messages about a program with these events. */
async function messagesOf(...events: readonly DevwatchEvent[]): Promise<string[][]> {
  const { sent, notifier } = open();
  const onEvent = notifier.program();
  for (const event of events) {
    onEvent(event);
    await settled();
  }
  return sent;
}

describe('the service manager is notified', () => {
  test.each<[string, DevwatchEvent, string[]]>([
    ['that a program is up', ready, ['READY=1', 'STATUS=is up']],
    ['of the port of a program', { ...ready, port: 3000 }, ['READY=1', 'STATUS=is up · port 3000']],
    ['that a program without a readiness check runs', running, ['READY=1', 'STATUS=is running']],
    ['that a program has done its work', exit, ['READY=1', 'STATUS=has run and ended · waits for a change']],
    [
      'that a program waits for its first change',
      { type: 'wait', reason: 'on-change-only' },
      ['READY=1', 'STATUS=waits for a change'],
    ],
    ['of a crash', crash, ['STATUS=crashed: exit 3 · starts again']],
    [
      'of the reason of a crash, in one line',
      { ...crash, outcome: { code: null, signal: 'SIGKILL', reason: 'no answer\nREADY=1' } },
      ['STATUS=crashed: no answer READY=1 · starts again'],
    ],
  ])('%s', async (_, event, message) => {
    expect(await messagesOf(event)).toEqual([message]);
  });

  test('once that the programs are up', async () => {
    const messages = await messagesOf(crash, { ...ready, port: 3000 }, crash, { ...ready, port: 4000 });
    expect(messages.map(([line]) => line)).toEqual([
      'STATUS=crashed: exit 3 · starts again',
      'READY=1',
      'STATUS=crashed: exit 3 · starts again',
      'STATUS=is up · port 4000',
    ]);
  });

  test('of nothing else', async () => {
    const waits: EventOf<'wait'> = { type: 'wait', reason: 'after', programs: ['web'] };
    const reason = { kind: 'program', outcome: crash.outcome } as const;
    expect(await messagesOf(waits, { type: 'standby', pid: 1 }, { type: 'end', reason })).toEqual([]);
  });

  test('that several programs are up when the last one is', async () => {
    const { sent, notifier } = open();
    const [web, api] = [notifier.program('web'), notifier.program('api')];
    for (const notify of [() => web(ready), () => api(crash), () => web(ready), () => api(running)]) {
      notify();
      await settled();
    }
    expect(sent).toEqual([
      ['STATUS=web is up'],
      ['STATUS=api crashed: exit 3 · starts again'],
      ['STATUS=web is up'],
      ['READY=1', 'STATUS=api is running'],
    ]);
  });

  test.each(['before', 'after'])(
    'that several programs are up: one that is removed %s that does not count',
    async (when) => {
      const { sent, notifier } = open();
      const [web, api] = [notifier.program('web'), notifier.program('api')];
      if (when === 'before') api(removed);
      else web(ready);
      await settled();
      if (when === 'before') web(ready);
      else api(removed);
      expect(sent.map(([line]) => line === 'READY=1')).toEqual([false, true]);
    },
  );

  test('of the last status only, if it reads slowly', async () => {
    const { sent, notifier, read } = open({ isSlow: true });
    const onEvent = notifier.program();
    for (const event of [crash, ready, crash]) onEvent(event);
    expect(sent).toHaveLength(1);
    read();
    await settled();
    expect(sent.slice(1)).toEqual([['READY=1', 'STATUS=crashed: exit 3 · starts again']]);
  });

  test('of the end, once and last; stopping waits until it has read that', async () => {
    const { sent, notifier, read } = open({ isSlow: true });
    const onEvent = notifier.program();
    void notifier.stop();
    onEvent(crash);
    let isOver = false;
    void notifier.stop().then(() => {
      isOver = true;
    });
    await settled();
    expect(isOver).toBe(false);
    read();
    await settled();
    expect(isOver).toBe(true);
    expect(sent).toEqual([['STOPPING=1', 'STATUS=is stopping']]);
  });
});

describe('openNotifySocket', () => {
  test('returns undefined without a socket', () => {
    expect(openNotifySocket({}, () => {})).toBeUndefined();
  });

  test('removes the variable from the environment', () => {
    const env = { NOTIFY_SOCKET: '/run/notify' };
    expect(openNotifySocket(env, () => {})).toBeDefined();
    expect(env).toEqual({});
  });

  test('waits for a manager that does not read no longer than the timeout', async () => {
    await using project = createProject({ 'systemd-notify': '#!/bin/sh\nexec sleep 500\n' });
    fs.chmodSync(project.at('systemd-notify'), 0o755);
    const problems: string[] = [];
    const env = { NOTIFY_SOCKET: '/nobody', PATH: `${project.path}:/usr/bin:/bin` };
    await openNotifySocket(env, (message) => problems.push(message), 50)?.stop();
    expect(problems).toEqual(['the service manager is not notified that the program is up: systemd-notify: SIGKILL']);
  });
});
