/** Makes the programs of one devwatch recognisable on Linux: by a cgroup where that is possible, else by marks. */

import fs from 'node:fs';
import path from 'node:path';
import { attempt } from '../../shared/errors.ts';
import { throughShell } from '../through-shell.ts';
import {
  CgroupTree,
  findCgroup,
  isInKeptCgroup,
  keptCgroup,
  makeCgroup,
  removeAbandonedCgroups,
  removeCgroups,
} from './cgroup.ts';
import { Exemptions, type Keep } from './exemptions.ts';
import { MarkedTree } from './linux.ts';
import { limitOf, newLimit, newTreeId, treeCgroup, treeVariable } from './marks.ts';
import { readProc } from './proc.ts';
import type { Containment, ContainmentRecord, ProcessTree, Root, Traits } from './tree.ts';

/** Returns the containment for the programs of this devwatch. */
export function linuxContainment(keep: Keep, mayUseCgroup: boolean): Containment {
  const id = newTreeId();
  return (mayUseCgroup ? cgroupContainment(id, keep) : undefined) ?? markedContainment(id, keep);
}

/** Opens everything that another devwatch, dead by now, contained. */
export function linuxOrphans({ variable, limit, cgroup }: ContainmentRecord, keep: Keep): ProcessTree[] {
  if (variable === '') return [];
  const exemptions = new Exemptions(keep);
  const marked = new MarkedTree({
    root: undefined,
    variable: `${variable}=`,
    limit,
    exemptions,
    isKept: isInKeptCgroup,
  });
  if (cgroup === '' || !fs.existsSync(cgroup)) return [marked];
  return [new CgroupTree({ folder: cgroup, kept: keptCgroup(cgroup), exemptions, outside: marked })];
}

/** Returns the process to which `keep` does not apply. */
const unkeepable = ({ pid }: Root, { mayBeKept = false }: Traits): number | undefined => (mayBeKept ? undefined : pid);

function cgroupContainment(id: string, keep: Keep): Containment | undefined {
  const own = findCgroup();
  if (own === undefined) return undefined;
  const all = path.join(own, treeCgroup(id));
  if (!makeCgroup(all)) return undefined;
  // In this order: the kernel makes no cgroup while it moves a process.
  let premade = path.join(all, '1');
  if (!makeCgroup(premade)) premade = '';
  hastenMoves(own);
  removeAbandonedCgroups(own);
  const kept = keptCgroup(all);
  const marked = markedContainment(id, keep);
  const { variable } = marked.record;
  /** The cgroup of a process that is about to be started, or that could not be. */
  let unopened: string | undefined;
  return {
    record: { ...marked.record, cgroup: all },
    contain(run, invocation, traits = {}) {
      const folder = path.join(all, String(run));
      const { joinsCgroupItself = false } = traits;
      const cgroupProcsFile = path.join(folder, 'cgroup.procs');
      const joinVariable = joinsCgroupItself ? { [cgroupVariable]: cgroupProcsFile } : {};
      // The variable is on the processes that leave the cgroup as well.
      const contained = { ...invocation, env: { [variable]: String(run), ...invocation.env, ...joinVariable } };
      // The shell joins the cgroup before it becomes the program: none of its children is born outside.
      const joining = joinsCgroupItself
        ? contained
        : throughShell('echo 0 >"$0" || exit 126', cgroupProcsFile, contained);
      // Another process may have removed the outer cgroup. Where neither can be made, marks must do.
      const isPremade = folder === premade;
      premade = '';
      const isMade =
        joining !== undefined && (isPremade || makeCgroup(folder) || (makeCgroup(all) && makeCgroup(folder)));
      if (!isMade) return marked.contain(run, invocation, traits);
      if (unopened !== undefined) removeCgroups(unopened);
      unopened = folder;
      return {
        ...joining,
        open(root) {
          const { pid } = root;
          unopened = undefined;
          if (joinsCgroupItself) joinCgroup(pid, cgroupProcsFile);
          const exemptions = new Exemptions(keep, unkeepable(root, traits));
          const mark = `${variable}=${run}\0`;
          const isKept = isInKeptCgroup;
          const outside = new MarkedTree({ root: pid, variable: mark, limit: '', exemptions, isKept });
          return new CgroupTree({ folder, kept, exemptions, outside, root: pid });
        },
      };
    },
    release: () => removeCgroups(all),
  };
}

/**
 * Makes the move of the first program take no time, by a move of devwatch from its own cgroup to the same one: the kernel
 * waits for all cores once, and not again for moves that follow soon. Else the program would wait for that after its boot.
 */
function hastenMoves(own: string): void {
  joinCgroup(process.pid, path.join(own, 'cgroup.procs'));
}

/**
 * Moves a process into a cgroup. That takes 12 ms (the kernel waits until all cores have passed), in which
 * Node boots. It is one step in another thread, so that nothing this thread does can delay it.
 */
function joinCgroup(pid: number, cgroupProcsFile: string): void {
  const descriptor = attempt(() => fs.openSync(cgroupProcsFile, 'w'));
  // No descriptor is left: the preload moves the process.
  if (descriptor === undefined) return;
  fs.write(descriptor, String(pid), () => fs.close(descriptor));
}

/** Name of the variable from which the preload takes the cgroup to join. */
const cgroupVariable = 'DEVWATCH_CGROUP_PROCS';

function markedContainment(id: string, keep: Keep): Containment {
  const variable = `${treeVariable}${id}`;
  const prlimit = limitsAreFree() ? findPrlimit() : undefined;
  const limit = prlimit === undefined ? '' : newLimit();
  return {
    record: { variable, limit, cgroup: '' },
    contain(run, { file, args, env }, traits = {}) {
      const bytes = limitOf(limit, run);
      const mark = `${variable}=${run}\0`;
      return {
        ...(prlimit === undefined ? { file, args } : { file: prlimit, args: [`--rss=${bytes}:`, file, ...args] }),
        env: { [variable]: String(run), ...env },
        open(root) {
          const exemptions = new Exemptions(keep, unkeepable(root, traits));
          return new MarkedTree({ root: root.pid, variable: mark, limit: bytes, exemptions });
        },
      };
    },
    release: () => {},
  };
}

/** Can the soft limit be set to any number? Otherwise prlimit would not start the program. */
const limitsAreFree = (): boolean => /^Max resident set +\S+ +unlimited /m.test(readProc('/proc/self/limits') ?? '');

/** Finds util-linux's prlimit, which sets a limit and becomes the program (0.7 ms); with `ulimit` the shell would have to pass on the environment. */
const findPrlimit = (): string | undefined => ['/usr/bin/prlimit', '/bin/prlimit'].find((file) => fs.existsSync(file));
