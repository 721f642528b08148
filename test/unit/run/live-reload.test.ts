import { afterEach, expect, test } from 'vitest';
import { LiveReload } from '../../../src/run/live-reload.ts';
import type { DevwatchEvent, Next, Outcome } from '../../../src/shared/events.ts';

const opened: LiveReload[] = [];
afterEach(() => {
  for (const live of opened.splice(0)) live.close();
});

const plan = () => ({ command: { display: 'node web.js' }, loaded: { settings: { onChange: 'nothing' } } }) as never;
const failed: Outcome = { code: 1, signal: null };
const wait: Next = { kind: 'wait', for: 'change', gaveUp: false };
const crash = (next: Next, outcome = failed): DevwatchEvent => ({ type: 'crash', run: 1, outcome, uptime: 5, next });
const gone: DevwatchEvent = { type: 'gone', run: 1, survivors: [], ms: 1 };

/** A program whose held ports count how often devwatch answers on them. */
async function open() {
  const calls: string[] = [];
  const launcher = {
    keepAnswerablePorts: () => calls.push('keep'),
    answerOnPorts: () => calls.push('answer'),
    releasePorts: () => calls.push('release'),
  };
  const live = new LiveReload(launcher as never, plan);
  opened.push(live);
  const url = await live.open(0);
  return { live, calls, url: url?.replace('/client.js', '') };
}

/** Returns the text that a page shows which is opened now. */
async function textOf(url: string | undefined): Promise<string | undefined> {
  const response = await fetch(`${url}/events`);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const { value = '' } = (await reader?.read()) ?? {};
  await reader?.cancel();
  const [, data] = /^event: crash\n.*\ndata: (.*)$/m.exec(value) ?? [];
  return data === undefined ? undefined : JSON.parse(data);
}

test.each<[string, readonly DevwatchEvent[], 'answer' | 'release' | undefined]>([
  ['answers when devwatch waits for a change', [crash(wait), gone], 'answer'],
  ['answers when the next try is in two seconds', [crash({ kind: 'restart', delay: 2000 }), gone], 'answer'],
  ['lets requests wait when the next try is in a second', [crash({ kind: 'restart', delay: 1000 }), gone], undefined],
  ['does not answer when devwatch ends', [crash({ kind: 'end', gaveUp: true }), gone], undefined],
  ['does not answer before all processes are gone', [crash(wait)], undefined],
  [
    'frees the ports beside a process that could not be ended',
    [crash(wait), { ...gone, survivors: [{ pid: 7, command: 'sudo x', reason: 'belongs to another user' }] }],
    'release',
  ],
  ['does not answer after a restart', [gone], undefined],
])('live reload %s', async (_, events, call) => {
  const { live, calls } = await open();
  for (const event of events) live.onEvent(event);
  expect(calls).toEqual(['keep', ...(call === undefined ? [] : [call])]);
});

test.each<[string, Outcome, string]>([
  ['by an exit', failed, 'node web.js has crashed (exit 1) · waiting for a change'],
  ['by a health check', { code: null, signal: null, reason: 'no answer' }, 'no answer · waiting for a change'],
  [
    'by an error, without what commands a terminal',
    {
      ...failed,
      uncaught: { name: 'Error', message: 'x', stack: 'Error: \u001b[31mx\u001b[0m\u0008\n    at /a.js:1:2' },
    },
    'Error: x\\u0008\n    at /a.js:1:2\n\nnode web.js has crashed (exit 1) · waiting for a change',
  ],
  [
    'by an error whose stack does not name the place',
    { ...failed, uncaught: { name: 'Error', message: 'x', stack: 'Error: x', location: { file: '/a.mjs', line: 3 } } },
    '/a.mjs:3\n\nError: x\n\nnode web.js has crashed (exit 1) · waiting for a change',
  ],
  [
    'by a value that is no error',
    { ...failed, uncaught: { name: '', message: "'x' was thrown", stack: '' } },
    "'x' was thrown\n\nnode web.js has crashed (exit 1) · waiting for a change",
  ],
])('a page of a program that ended %s shows the reason', async (_, outcome, text) => {
  const { live, url } = await open();
  live.onEvent(crash(wait, outcome));
  expect(await textOf(url)).toBe(text);
});

test('a page that reloads while the program is down shows the crash', async () => {
  const { live, url } = await open();
  live.onEvent(crash(wait));
  live.onEvent({ type: 'pages', paths: ['/index.html'], styles: false });
  live.onEvent({ type: 'change', changes: [] });
  expect(await textOf(url)).toContain('has crashed');
});

test('a page shows a crash until the program is up, runs, or has ended cleanly', async () => {
  const { live, url } = await open();
  const ends: readonly DevwatchEvent[] = [
    { type: 'ready', run: 2, ms: 5 },
    { type: 'running', run: 2, ms: 3000 },
    { type: 'exit', run: 2, outcome: { code: 0, signal: null }, uptime: 5, next: wait },
  ];
  for (const end of ends) {
    live.onEvent(crash(wait));
    expect(await textOf(url)).toBeDefined();
    live.onEvent(end);
    expect(await textOf(url)).toBeUndefined();
  }
});

test('ports are not kept when live reload has no port: nobody would answer', async () => {
  const { url } = await open();
  const calls: string[] = [];
  const live = new LiveReload({ keepAnswerablePorts: () => calls.push('keep') } as never, plan);
  await expect(live.open(Number(new URL(url ?? '').port))).rejects.toThrow('is taken');
  live.onEvent(crash(wait));
  live.onEvent(gone);
  expect(calls).toEqual([]);
});

test('a crash before the port is open is shown by pages that are opened later', async () => {
  const live = new LiveReload({ keepAnswerablePorts() {}, answerOnPorts() {} } as never, plan);
  opened.push(live);
  live.onEvent(crash(wait));
  const url = await live.open(0);
  expect(await textOf(url?.replace('/client.js', ''))).toContain('has crashed');
});
