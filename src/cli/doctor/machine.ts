/** Looks at what the machine and its user offer to every program. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { platform } from '../../process/platform.ts';
import { findCgroup, makeCgroup, removeCgroups } from '../../process/tree/cgroup.ts';
import { readProc } from '../../process/tree/proc.ts';
import { messageOf } from '../../shared/errors.ts';
import { makeTrustedFolder } from '../../shared/file-ownership.ts';
import { cacheFolder, stateFolder } from '../../shared/user-folders.ts';
import { version } from '../../shared/version.ts';
import { broken, type Finding, note, ok } from './finding.ts';

/** Fewer descriptors than this are used up by a server with some connections. */
const fewDescriptors = 256;

export const machineFindings = (): readonly Finding[] => [
  ok('devwatch', `${version} · Node ${process.versions.node} · ${process.execPath}`),
  treeFinding(),
  guardianFinding(),
  stateFinding(),
  cacheFinding(),
  ...descriptorFindings(),
  ...initFindings(),
];

function treeFinding(): Finding {
  const topic = 'process tree';
  if (!platform.hasProc) return note(topic, `found by ${platform.isPosix ? 'ps' : 'the system'}: no cgroups here`);
  if (process.env.DEVWATCH_CGROUP === '0')
    return note(topic, 'found by marks: DEVWATCH_CGROUP is 0', 'unset DEVWATCH_CGROUP');
  const own = findCgroup();
  const trial = own && path.join(own, `devwatch-doctor-${process.pid}`);
  if (trial === undefined || !makeCgroup(trial)) {
    const remedy = 'for a cgroup of its own: systemd-run --user --scope devwatch …';
    return note(topic, 'found by marks: this user cannot make cgroups here', remedy);
  }
  removeCgroups(trial);
  return ok(topic, 'each run has a cgroup');
}

function guardianFinding(): Finding {
  const topic = 'guardian';
  if (!platform.hasProc) return note(topic, 'none on this system: a program survives if devwatch is killed');
  const { error, status } = spawnSync('/bin/sh', ['-c', 'exit 0']);
  if (error === undefined && status === 0) return ok(topic, 'ends the program if devwatch is killed');
  const why = error === undefined ? `exits with ${status}` : messageOf(error);
  return broken(topic, `cannot be started: /bin/sh ${why}`, 'install a shell as /bin/sh');
}

function stateFinding(): Finding {
  const topic = 'state folder';
  const folder = stateFolder(process.env);
  const remedy = 'set XDG_STATE_HOME to a folder that only you can write to';
  if (folder === undefined)
    return broken(topic, 'there is none: HOME is missing, or another user can replace it', remedy);
  const problem = problemOf(folder);
  return problem === undefined ? ok(topic, folder) : broken(topic, `cannot be used: ${problem}`, remedy);
}

function cacheFinding(): Finding {
  const topic = 'cache folder';
  const folder = cacheFolder(process.env);
  const problem = folder === undefined ? 'there is none' : problemOf(folder);
  if (folder !== undefined && problem === undefined) return ok(topic, folder);
  const remedy = 'set XDG_CACHE_HOME to a folder that only you can write to';
  return note(topic, `${problem}: starts are slower`, remedy);
}

/** Returns why nothing can be written to a folder; undefined if it can. */
function problemOf(folder: string): string | undefined {
  try {
    makeTrustedFolder(folder);
    fs.accessSync(folder, fs.constants.W_OK);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function descriptorFindings(): readonly Finding[] {
  const [, soft] = /^Max open files +(\d+) /m.exec(readProc('/proc/self/limits') ?? '') ?? [];
  if (soft === undefined || Number(soft) >= fewDescriptors) return [];
  return [note('open files', `at most ${soft} for each process`, 'ulimit -n 1024')];
}

function initFindings(): readonly Finding[] {
  if (process.ppid !== 0 && process.pid !== 1) return [];
  return [
    note(
      'first process',
      'this is one of a container, without an init',
      'docker run --init, or "init: true" in compose',
    ),
  ];
}
