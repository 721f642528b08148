/** Facts of the machine on which features depend; limitations.ts draws the conclusions. */

import fs from 'node:fs';
import { platform } from '../process/platform.ts';
import { openFileLimit } from '../process/requirements.ts';
import type { ContainmentRecord } from '../process/tree/tree.ts';
import { messageOf } from '../shared/errors.ts';
import { makeTrustedFolder } from '../shared/file-ownership.ts';
import { cacheFolder, stateFolder } from '../shared/user-folders.ts';

export interface MachineFacts {
  /** The name of the system in messages. */
  readonly system: string;
  /** Sockets can be passed to other processes. */
  readonly canPass: boolean;
  /** Something ends the program when devwatch is killed. */
  readonly hasGuardian: boolean;
  /** How the processes of a program are found: `disabled` by a variable, although there may be cgroups. */
  readonly tree: 'cgroup' | 'marks' | 'variables' | 'parents' | 'disabled';
  /** It is known which files processes write. */
  readonly knowsWrites: boolean;
  /** Processes are marked by a limit as well, which outlives their variables. */
  readonly hasPrlimit: boolean;
  /** systemd runs here, and can make cgroups for users. */
  readonly hasSystemd: boolean;
  /** Number of files that may be open at once. */
  readonly openFiles: number;
  /** Sockets can wait for the next run. */
  readonly canHold: boolean;
  /** The memory that processes use can be measured. */
  readonly measuresMemory: boolean;
  /** Why nothing can be written to the state folder, and to the cache folder. */
  readonly stateProblem: string | undefined;
  readonly cacheProblem: string | undefined;
}

/** Returns the facts for the containment of a devwatch. */
export function machineFacts({ cgroup, limit }: ContainmentRecord, canHold: boolean): MachineFacts {
  const { title: system, sockets, trees, usage } = platform;
  const isDisabled = process.env.DEVWATCH_CGROUP === '0';
  const tree = cgroup !== '' ? 'cgroup' : trees.finding !== 'marks' ? trees.finding : isDisabled ? 'disabled' : 'marks';
  return {
    ...{ system, tree, canHold, canPass: sockets.canPass, hasGuardian: trees.guardian !== 'none' },
    knowsWrites: usage.writtenBy([]) !== undefined,
    hasPrlimit: limit !== '',
    hasSystemd: fs.existsSync('/run/systemd/system'),
    openFiles: openFileLimit(),
    measuresMemory: platform.usage.measuresMemory,
    stateProblem: problemOf('state', stateFolder(process.env)),
    cacheProblem: problemOf('cache', cacheFolder(process.env)),
  };
}

/** Returns why nothing can be written to a folder; undefined if it can. */
function problemOf(name: string, folder: string | undefined): string | undefined {
  if (folder === undefined) return `there is no ${name} folder (HOME is missing, or another user can replace it)`;
  try {
    makeTrustedFolder(folder);
    fs.accessSync(folder, fs.constants.W_OK);
    return undefined;
  } catch (error) {
    return `the ${name} folder cannot be used (${messageOf(error)})`;
  }
}
