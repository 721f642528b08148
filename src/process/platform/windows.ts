/** Windows: no signals and no process groups; `taskkill` ends trees. */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { NativeEvents } from '../../shared/native-events.ts';
import { WindowsTree } from '../tree/windows.ts';
import type { Platform } from './interface.ts';
import * as withoutProc from './without-proc.ts';

export const windows: Platform = {
  name: 'win32',
  title: 'Windows',
  isPosix: false,
  ignoresCase: true,
  processes: {
    ...withoutProc.processes,
    bootId: () => '',
    startTimeOf: () => undefined,
    groupsOf: () => new Map(),
    isStopped: () => false,
    isOwnChildSignal: () => false,
  },
  trees: {
    finding: 'parents',
    contain: () => ({
      record: { variable: '', limit: '', cgroup: '' },
      contain: (_run, invocation) => ({ ...invocation, open: (root) => new WindowsTree(root) }),
      release: () => {},
    }),
    openOrphans: () => [],
    guardian: 'none',
  },
  programs: { hasSignals: false, messages: 'pipe', namesChildren: true },
  usage: {
    ...withoutProc.usage,
    measuresMemory: false,
    memoryOf: () => undefined,
    cpuTimeOf: () => undefined,
  },
  terminal: { groups: () => undefined },
  sockets: {
    canPass: false,
    canRefuse: false,
    maxPathBytes: 103,
    momentaryAddress() {
      throw new Error('sockets cannot be passed on Windows');
    },
    holdersOf: () => [],
    tcpSocketsOf: () => [],
  },
  output: { needsNamedPipes: false, unreadStream: () => undefined },
  service: { manager: undefined },
  watching: {
    events: nativeEvents,
    reportsFolders: false,
    mounts: () => [],
    inotifyUse: withoutProc.inotifyUse,
  },
};

/** Wine and Linux, which plays Windows in tests, report no events of whole trees. */
function nativeEvents(): NativeEvents {
  const isWine = fs.existsSync(path.join(process.env.SystemRoot ?? 'C:\\windows', 'system32', 'winecfg.exe'));
  return os.type() === 'Windows_NT' && !isWine ? 'ReadDirectoryChangesW' : 'fs.watch';
}
