/** macOS, and other systems of the Unix family without Linux's /proc: facts about processes come from `ps` and `lsof`. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { NativeEvents } from '../../shared/native-events.ts';
import type { Keep } from '../tree/exemptions.ts';
import { newTreeId, treeVariable } from '../tree/marks.ts';
import { PsTree } from '../tree/posix.ts';
import type { Containment } from '../tree/tree.ts';
import type { Platform, TerminalFacts, UsageFacts } from './interface.ts';
import { findPortHolders, tcpSocketsOf } from './lsof.ts';
import { readMounts } from './mount.ts';
import { createPsReader, isOwnChildSignal, type PsReader, pairsIn, parseTime, runPs } from './ps.ts';
import * as withoutProc from './without-proc.ts';

/** Returns macOS, or another such system by the name that Node gives to it. */
export function unixNamed(name: NodeJS.Platform): Platform {
  const isMac = name === 'darwin';
  const reader = createPsReader(isMac ? '-AEww' : '-Aeww');
  return {
    ...{ name, isPosix: true, ignoresCase: isMac, title: isMac ? 'macOS' : name },
    processes: {
      ...withoutProc.processes,
      bootId: isMac ? bootSession : () => '',
      startTimeOf,
      groupsOf: (pids) => new Map(columnOf('pgid', pids).map(([pid, group]) => [pid, Number(group)])),
      isStopped: (pid) => columnOf('stat', [pid])[0]?.[1].startsWith('T') === true,
      isOwnChildSignal,
    },
    trees: {
      finding: 'variables',
      contain: (keep) => containmentBy(reader, keep),
      openOrphans({ variable }, keep) {
        return variable === '' ? [] : [new PsTree({ root: undefined, variable: `${variable}=`, keep, reader })];
      },
      guardian: 'from files',
    },
    programs: { hasSignals: true, messages: 'ipc', namesChildren: false },
    usage,
    terminal: { groups: recentGroups() },
    sockets: {
      canPass: true,
      canRefuse: false,
      maxPathBytes: 103,
      momentaryAddress() {
        const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'devwatch-'));
        return { name: path.join(folder, 's'), token: '', remove: () => fs.rmSync(folder, { recursive: true }) };
      },
      holdersOf: findPortHolders,
      tcpSocketsOf,
    },
    output: { needsNamedPipes: false, unreadStream: () => undefined },
    service: { manager: isMac ? 'launchd' : undefined },
    watching: {
      events: nativeEvents,
      reportsFolders: false,
      mounts: () => readMounts(),
      inotifyUse: withoutProc.inotifyUse,
    },
  };
}

/** Marks each run with a variable, which its processes inherit. */
function containmentBy(reader: PsReader, keep: Keep): Containment {
  const variable = `${treeVariable}${newTreeId()}`;
  return {
    record: { variable, limit: '', cgroup: '' },
    contain: (run, { env, ...invocation }, { mayBeKept = false } = {}) => ({
      ...invocation,
      env: { [variable]: String(run), ...env },
      open: (root) => new PsTree({ root, variable: `${variable}=${run}\0`, keep, mayBeKept, reader }),
    }),
    release: () => {},
  };
}

/** Memory that several processes share counts for each of them. CPU time is without that of ended children. */
const usage: UsageFacts = {
  ...withoutProc.usage,
  measuresMemory: true,
  memoryOf: (pids) => columnOf('rss', pids).reduce((sum, [, kilobytes]) => sum + 1024 * Number(kilobytes), 0),
  cpuTimeOf: (pids) => columnOf('time', pids).reduce((sum, [, time]) => sum + parseTime(time), 0),
};

/** Returns a column of `ps` for those of these processes that live. */
const columnOf = (column: string, pids: readonly number[]): [pid: number, value: string][] =>
  pids.length === 0 ? [] : pairsIn(runPs('-o', 'pid=', '-o', `${column}=`, '-p', pids.join(',')));

const bootSession = (): string =>
  spawnSync('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'latin1' }).stdout?.trim() ?? '';

let ownStartTime: string | undefined;

/** Returns seconds since the epoch as text. @throws Error if `ps` shows nothing, not even this process */
function startTimeOf(pid: number): string | undefined {
  if (pid !== process.pid) return readStartTime(pid);
  // It does not change, and programs wait for it to be known.
  ownStartTime ??= readStartTime(pid);
  return ownStartTime;
}

function readStartTime(pid: number): string | undefined {
  const pids = pid === process.pid ? [pid] : [pid, process.pid];
  const lines = new Map(pairsIn(runPs('-o', 'pid=', '-o', 'stat=', '-o', 'lstart=', '-p', pids.join(','))));
  if (!lines.has(process.pid)) throw new Error('ps shows no processes');
  const [state = '', ...started] = lines.get(pid)?.split(/\s+/) ?? [];
  return started.length === 0 || state.startsWith('Z')
    ? undefined
    : String(Date.parse(`${started.join(' ')} UTC`) / 1000);
}

/** The terminal may be asked about several times in a row, as for a start; `ps` takes 10 ms each time. */
const maxGroupsAgeMs = 100;

function recentGroups(): TerminalFacts['groups'] {
  let askedAt = Number.NEGATIVE_INFINITY;
  let groups: ReturnType<TerminalFacts['groups']>;
  return () => {
    if (performance.now() - askedAt < maxGroupsAgeMs) return groups;
    const text = runPs('-o', 'pgid=', '-o', 'tpgid=', '-p', String(process.pid));
    const [, own, foreground] = /^\s*(\d+)\s+(-?\d+)\s*$/.exec(text) ?? [];
    groups = own === undefined ? undefined : { own: Number(own), foreground: Number(foreground) };
    askedAt = performance.now();
    return groups;
  };
}

/** On Linux, which plays macOS in tests, each folder is watched. Elsewhere (FreeBSD) a folder reports no writes to its files. */
function nativeEvents(): NativeEvents | undefined {
  if (os.type() === 'Darwin') return 'FSEvents';
  return os.type() === 'Linux' ? 'fs.watch' : undefined;
}

export const darwin: Platform = unixNamed('darwin');
