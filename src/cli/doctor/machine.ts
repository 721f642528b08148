/** Looks at what the machine and its user offer to every program. */

import { spawnSync } from 'node:child_process';
import { openSlots } from '../../process/sockets/slots.ts';
import { createContainment } from '../../process/tree/containment.ts';
import { machineLimits } from '../../run/limitations.ts';
import { type MachineFacts, machineFacts } from '../../run/machine-facts.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Feature } from '../../shared/events.ts';
import { cacheFolder, stateFolder } from '../../shared/user-folders.ts';
import { version } from '../../shared/version.ts';
import { broken, type Finding, note, ok } from './finding.ts';

/** Fewer descriptors than this are used up by a server with some connections. */
const fewDescriptors = 256;

/** Returns the facts of the machine, as a devwatch that is started here would find them. */
export async function examineMachine(): Promise<MachineFacts> {
  const containment = createContainment({ globs: [], program: [] });
  const slots = await openSlots(1);
  for (const slot of slots) slot.close();
  const facts = machineFacts(containment.record, slots.length > 0);
  containment.release();
  return facts;
}

export function machineFindings(machine: MachineFacts): readonly Finding[] {
  const limits = machineLimits(machine);
  const findingsOn = (topic: string, feature: Feature, status: 'note' | 'broken' = 'note'): readonly Finding[] =>
    limits
      .filter((limit) => limit.feature === feature)
      .map(({ reason, remedy }) => ({ topic, status, text: reason, ...(remedy !== undefined && { remedy }) }));
  const orElse = (found: readonly Finding[], otherwise: () => Finding): readonly Finding[] =>
    found.length > 0 ? found : [otherwise()];
  return [
    ok('devwatch', `${version} · Node ${process.versions.node} · ${process.execPath}`),
    ...orElse(findingsOn('process tree', 'cgroup'), () => ok('process tree', 'each run has a cgroup')),
    ...findingsOn('process tree', 'mark by a limit'),
    ...findingsOn('written files', 'written files'),
    ...orElse(findingsOn('guardian', 'guardian'), shellFinding),
    ...orElse(findingsOn('state folder', 'records', 'broken'), () =>
      ok('state folder', stateFolder(process.env) ?? ''),
    ),
    ...orElse(findingsOn('cache folder', 'cache'), () => ok('cache folder', cacheFolder(process.env) ?? '')),
    ...descriptorFindings(machine),
    ...initFindings(),
  ];
}

/** The guardian is a shell. */
function shellFinding(): Finding {
  const topic = 'guardian';
  const { error, status } = spawnSync('/bin/sh', ['-c', 'exit 0']);
  if (error === undefined && status === 0) return ok(topic, 'ends the program if devwatch is killed');
  const why = error === undefined ? `exits with ${status}` : messageOf(error);
  return broken(topic, `cannot be started: /bin/sh ${why}`, 'install a shell as /bin/sh');
}

function descriptorFindings({ openFiles }: MachineFacts): readonly Finding[] {
  if (openFiles >= fewDescriptors) return [];
  return [note('open files', `at most ${openFiles} for each process`, 'ulimit -n 1024')];
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
