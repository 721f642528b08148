/** The answers of systems that have no /proc to questions which only /proc answers: unknown, or none. */

import type { ProcessFacts, UsageFacts, WatchingFacts } from './interface.ts';

export const processes: Omit<ProcessFacts, 'bootId' | 'startTimeOf' | 'groupsOf' | 'isStopped' | 'isOwnChildSignal'> = {
  obstacle: () => undefined,
  isInSession: () => true,
  initialVariables: () => undefined,
  gitCommands: () => [],
  gitCommandOf: () => undefined,
  openFileLimit: () => Number.POSITIVE_INFINITY,
  inheritableDescriptors: () => [],
};

export const usage: Pick<UsageFacts, 'writtenBy' | 'writtenByEndedChildren' | 'hasMemoryFor'> = {
  writtenBy: () => undefined,
  writtenByEndedChildren: () => undefined,
  hasMemoryFor: () => true,
};

export const inotifyUse: WatchingFacts['inotifyUse'] = () => ({ watches: 0, instances: 0 });
