/** Leaves the process trees of other devwatches: a background program that is started inside a program is no part of it. */

import path from 'node:path';
import { findCgroup } from './cgroup.ts';
import { isLimitMark, isTreeCgroup, treeVariable } from './marks.ts';
import { readProc } from './proc.ts';

/** How a new process leaves the trees of which this one is a member. */
export interface Departure {
  /** The variables of the process. */
  readonly env: NodeJS.ProcessEnv;
  /** Commands for the shell that becomes the process. */
  readonly commands: string;
}

/** Returns how a process that gets these variables leaves all trees; they are unchanged where it is in none. */
export function departure(env: NodeJS.ProcessEnv): Departure {
  const marks = Object.keys(env).filter((name) => name.startsWith(treeVariable));
  const cgroup = cgroupAbove(findCgroup());
  const hasLimit = isLimitMark(/^Max resident set +(\d+) /m.exec(readProc('/proc/self/limits') ?? '')?.[1]);
  if (marks.length === 0 && cgroup === undefined && !hasLimit) return { env, commands: '' };
  const kept = Object.entries(env).filter(([name]) => !marks.includes(name));
  const commands = [
    cgroup === undefined
      ? ''
      : `{ echo 0 >'${path.join(cgroup, 'cgroup.procs').replaceAll("'", "'\\''")}'; } 2>/dev/null`,
    hasLimit ? 'ulimit -S -m unlimited 2>/dev/null' : '',
  ];
  // Until it has left, and if it cannot, it is exempt.
  return { env: { ...Object.fromEntries(kept), DEVWATCH_KEEP: '1' }, commands: commands.filter(Boolean).join('\n') };
}

/** Returns the cgroup in which the outermost devwatch is that has this cgroup inside one of its own; undefined if none has. */
function cgroupAbove(folder = ''): string | undefined {
  const names = folder.split('/');
  const at = names.findIndex((name) => isTreeCgroup(name));
  return at < 0 ? undefined : names.slice(0, at).join('/');
}
