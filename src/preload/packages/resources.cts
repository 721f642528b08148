/**
 * Notices what packages leave running when they have been loaded: timers, handles, requests and threads. Looks closer in an
 * audit, whose process is thrown away: observing asynchronous resources leaves marks on promises.
 */

import type { Recorder } from './recorder.cts';

const fs = require('node:fs') as typeof import('node:fs');

/** Asynchronous resources that are mere objects, or have ended before the process parks. */
const harmless = new Set(
  'PROMISE TickObject Microtask ZLIB SIGNALWRAP DNSCHANNEL TTYWRAP HTTPINCOMINGMESSAGE MESSAGEPORT SCRIPT KEYOBJECT JSSTREAM HTTPPARSER TLSWRAP RANDOMBYTESREQUEST HASHREQUEST HMACREQUEST SCRYPTREQUEST SIGNREQUEST KEYEXPORTREQUEST'.split(
    ' ',
  ),
);
/** The same for the list that Node gives of what keeps a process alive. */
const harmlessActive = new Set(['PipeWrap', 'TTYWrap', 'FSReqCallback', 'Immediate']);

/** The threads that libuv starts at the first use of its pool. */
const poolThreads = 4;

interface Started {
  readonly type: string;
  readonly resource: { readonly _destroyed?: boolean };
  readonly file: string;
}

interface Resources {
  /** Blames the current entry for what it has left running since the call before. */
  settle(): void;
  /** Ends the observation. */
  close(): void;
}

/** Observes what is started. */
function observeResources(recorder: Recorder, isAudit: boolean): Resources {
  const timers: Started[] = [];
  const audit = isAudit ? observeAll(recorder, timers) : undefined;
  let active = activeResources();
  let threads = threadCount();
  return {
    settle: () => {
      const before = active;
      active = activeResources();
      for (const [type, count] of active) {
        if (!harmlessActive.has(type) && count > (before.get(type) ?? 0)) recorder.blame(`leaves a ${type} running`);
      }
      for (const { type, resource, file } of timers.splice(0)) {
        if (resource._destroyed !== true) recorder.blame(`leaves a ${type} running`, file);
      }
      const threadsBefore = threads;
      threads = threadCount();
      if (isAudit && threads > threadsBefore + poolThreads) recorder.blame('starts threads');
    },
    close: () => audit?.disable(),
  };
}

function observeAll(recorder: Recorder, timers: Started[]) {
  const { createHook } = require('node:async_hooks') as typeof import('node:async_hooks');
  const hook = createHook({
    init(_id, type, _trigger, resource) {
      const { current, evaluating, isOpeningStream } = recorder;
      if (current === undefined) return;
      const file = evaluating.at(-1) ?? current.file;
      if (type === 'Timeout' || type === 'Immediate') timers.push({ type, resource, file });
      else if (!harmless.has(type) && !isOpeningStream) recorder.blame(`starts a ${type}`);
    },
  });
  return hook.enable();
}

function activeResources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const type of process.getActiveResourcesInfo()) counts.set(type, (counts.get(type) ?? 0) + 1);
  return counts;
}

function threadCount(): number {
  try {
    return fs.readdirSync('/proc/self/task').length;
  } catch {
    return 0;
  }
}

export type { observeResources, Resources };

module.exports = { observeResources };
