/** Makes the programs of one devwatch recognisable, in the best way that this machine offers. */

import fs from 'node:fs';
import path from 'node:path';
import { platform } from '../platform.ts';
import { findCgroup, makeCgroup, openCgroupTree, removeCgroups } from './cgroup.ts';
import { createExemptions, type Exemptions } from './exemptions.ts';
import { openMarkedTree } from './linux.ts';
import { openPsTree } from './posix.ts';
import { readProc, readStat } from './proc.ts';
import type { Containment, ContainmentRecord, Invocation, ProcessTree } from './tree.ts';
import { openWindowsTree } from './windows.ts';

export interface ContainmentOptions {
  /** Globs of processes that may outlive the program; see exemptions.ts. */
  readonly keep: readonly string[];
  /** Uses a cgroup where that is possible. Defaults to true, unless DEVWATCH_CGROUP is `0`. */
  readonly cgroup?: boolean;
}

export function createContainment({
  keep,
  cgroup = process.env.DEVWATCH_CGROUP !== '0',
}: ContainmentOptions): Containment {
  if (!platform.hasProc) return plainContainment();
  // The id need not be secret, and node:crypto would take 4 ms to load before the program starts.
  const id = `${process.pid.toString(36)}_${Date.now().toString(36)}_${randomDigits(1e8)}`;
  return (cgroup ? cgroupContainment(id, keep) : undefined) ?? markedContainment(id, keep);
}

/** Opens everything that another devwatch, dead by now, contained. */
export function openOrphans(record: ContainmentRecord, keep: readonly string[]): ProcessTree[] {
  if (!platform.hasProc) return [];
  const exemptions = exemptionsOf(keep);
  const trees: ProcessTree[] = [];
  if (record.cgroup !== '' && fs.existsSync(record.cgroup)) trees.push(openCgroupTree(record.cgroup, exemptions));
  if (record.variable !== '') {
    trees.push(openMarkedTree({ root: undefined, variable: `${record.variable}=`, limit: record.limit, exemptions }));
  }
  return trees;
}

function exemptionsOf(patterns: readonly string[], root?: number): Exemptions {
  const own = readStat(process.pid)?.session;
  return createExemptions(
    patterns,
    [own, root].filter((session) => session !== undefined),
  );
}

function cgroupContainment(id: string, keep: readonly string[]): Containment | undefined {
  const own = findCgroup();
  if (own === undefined) return undefined;
  const all = path.join(own, `devwatch-${id}`);
  if (!makeCgroup(all)) return undefined;
  const marked = markedContainment(id, keep);
  return {
    record: { ...marked.record, cgroup: all },
    contain(run, invocation, joinsCgroupItself) {
      const folder = path.join(all, String(run));
      // Another process may have removed the outer cgroup. Where neither can be made, marks must do.
      if (!makeCgroup(folder) && !(makeCgroup(all) && makeCgroup(folder)))
        return marked.contain(run, invocation, joinsCgroupItself);
      const cgroupProcsFile = path.join(folder, 'cgroup.procs');
      const open = (pid: number): ProcessTree => openCgroupTree(folder, exemptionsOf(keep, pid), pid);
      if (joinsCgroupItself) {
        return {
          ...invocation,
          env: { ...invocation.env, [cgroupVariable]: cgroupProcsFile },
          open(pid) {
            joinCgroup(pid, cgroupProcsFile);
            return open(pid);
          },
        };
      }
      return {
        // The process joins the cgroup before it becomes the program: none of its children is born outside.
        ...throughShell('echo 0 >"$0" || exit 126', cgroupProcsFile, invocation),
        open,
      };
    },
    release: () => removeCgroups(all),
  };
}

/**
 * Moves a process into a cgroup. That takes 12 ms (the kernel waits until all cores have passed), in which
 * Node boots. It is one step in another thread, so that nothing this thread does can delay it.
 */
function joinCgroup(pid: number, cgroupProcsFile: string): void {
  const descriptor = fs.openSync(cgroupProcsFile, 'w');
  fs.write(descriptor, String(pid), () => fs.close(descriptor));
}

/** Name of the variable from which the preload takes the cgroup to join. */
const cgroupVariable = 'DEVWATCH_CGROUP_PROCS';

/** Returns an invocation that runs a shell command and then becomes the program, in the same process. */
export function throughShell(line: string, parameter: string, { file, args, env }: Invocation): Invocation {
  // dash drops variables whose names it does not accept (`a-b`, `npm.x`): env restores them.
  const odd = Object.entries(env).filter(([name]) => !/^[A-Za-z_]\w*$/.test(name));
  const restore = odd.length === 0 ? [] : ['env', ...odd.map(([name, value]) => `${name}=${value}`)];
  return { file: '/bin/sh', args: ['-c', `${line}; exec "$@"`, parameter, ...restore, file, ...args], env };
}

function markedContainment(id: string, keep: readonly string[]): Containment {
  const variable = `DEVWATCH_TREE_${id}`;
  const prlimit = limitsAreFree() ? findPrlimit() : undefined;
  // Between 2^50 and 2^53 bytes: larger than any program, and still exact as a number.
  const limit = prlimit === undefined ? '' : String(1_200_000_000 + randomDigits(7_700_000_000));
  return {
    record: { variable, limit, cgroup: '' },
    contain(run, { file, args, env }) {
      const bytes = `${limit}${String(run % 1_000_000).padStart(6, '0')}`;
      const limited =
        prlimit === undefined ? { file, args } : { file: prlimit, args: [`--rss=${bytes}:`, file, ...args] };
      return {
        ...limited,
        env: { [variable]: String(run), ...env },
        open: (pid) =>
          openMarkedTree({
            root: pid,
            variable: `${variable}=${run}\0`,
            limit: limit === '' ? '' : bytes,
            exemptions: exemptionsOf(keep, pid),
          }),
      };
    },
    release: () => {},
  };
}

const randomDigits = (below: number): number => Math.floor(Math.random() * below);

/** Can the soft limit be set to any number? Otherwise prlimit would not start the program. */
const limitsAreFree = (): boolean => /^Max resident set +\S+ +unlimited /m.test(readProc('/proc/self/limits') ?? '');

/** Finds util-linux's prlimit, which sets a limit and becomes the program (0.7 ms); with `ulimit` the shell would have to pass on the environment. */
const findPrlimit = (): string | undefined => ['/usr/bin/prlimit', '/bin/prlimit'].find((file) => fs.existsSync(file));

/** Containment without marks: the system finds the members of a tree by their parents. */
function plainContainment(): Containment {
  const open = platform.isPosix ? openPsTree : openWindowsTree;
  return {
    record: { variable: '', limit: '', cgroup: '' },
    contain: (_run, invocation) => ({ ...invocation, open }),
    release: () => {},
  };
}
