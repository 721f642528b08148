/** How a devwatch makes its programs recognisable: the best way that this machine has, chosen once. */

import fs from 'node:fs';
import path from 'node:path';
import { findCgroup, makeCgroup, openCgroupTree, removeCgroups } from './cgroup.ts';
import { createKeep, type Keep } from './exemptions.ts';
import { openMarkedTree } from './linux.ts';
import { openPsTree } from './posix.ts';
import { readProc, readStat } from './proc.ts';
import type { Containment, ContainmentRecord, Invocation, ProcessTree } from './tree.ts';
import { openWindowsTree } from './windows.ts';

export interface ContainmentOptions {
  /** Globs of what is left alone; see keep.ts. */
  readonly keep: readonly string[];
  /** Use a cgroup where there can be one; by default unless DEVWATCH_CGROUP=0 says not to. */
  readonly cgroup?: boolean;
}

export function createContainment({
  keep,
  cgroup = process.env.DEVWATCH_CGROUP !== '0',
}: ContainmentOptions): Containment {
  if (process.platform !== 'linux') return platformContainment();
  // Nobody guesses against it, and node:crypto takes 4 ms to load, before the program starts.
  const id = `${process.pid.toString(36)}_${Date.now().toString(36)}_${randomDigits(1e8)}`;
  return (cgroup ? cgroupContainment(id, keep) : undefined) ?? markedContainment(id, keep);
}

/** Everything that a devwatch contained, found by another process after its death. */
export function openLeftovers(record: ContainmentRecord, keep: readonly string[]): ProcessTree[] {
  if (process.platform !== 'linux') return [];
  const trees: ProcessTree[] = [];
  if (record.cgroup !== '' && fs.existsSync(record.cgroup)) trees.push(openCgroupTree(record.cgroup, keepFor(keep)));
  if (record.variable !== '') {
    trees.push(
      openMarkedTree({ root: undefined, variable: `${record.variable}=`, limit: record.limit, keep: keepFor(keep) }),
    );
  }
  return trees;
}

function keepFor(patterns: readonly string[], root?: number): Keep {
  const own = readStat(process.pid)?.session;
  return createKeep(
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
    contain(run, invocation, entersItself) {
      const folder = path.join(all, String(run));
      // Somebody may have tidied up; what can no longer be had is done without.
      if (!makeCgroup(folder) && !(makeCgroup(all) && makeCgroup(folder)))
        return marked.contain(run, invocation, entersItself);
      const door = path.join(folder, 'cgroup.procs');
      const open = (pid: number): ProcessTree => openCgroupTree(folder, keepFor(keep, pid), pid);
      if (entersItself) {
        return {
          ...invocation,
          env: { ...invocation.env, [doorVariable]: door },
          open(pid) {
            letIn(pid, door);
            return open(pid);
          },
        };
      }
      return {
        // The process enters the cgroup itself, before it becomes the program: nothing is born outside.
        ...throughShell('echo 0 >"$0" || exit 126', door, invocation),
        open,
      };
    },
    release: () => removeCgroups(all),
  };
}

/**
 * To enter a cgroup takes 12 ms (the kernel waits until all cores have passed), in which Node boots. One
 * step in another thread: nothing that this thread does meanwhile puts it off.
 */
function letIn(pid: number, door: string): void {
  const procs = fs.openSync(door, 'w');
  fs.write(procs, String(pid), () => fs.close(procs));
}

/** Tells the preload where to enter. */
const doorVariable = 'DEVWATCH_DOOR';

/** Runs a shell command then becomes the program, in the same process. */
export function throughShell(line: string, parameter: string, { file, args, env }: Invocation): Invocation {
  // dash drops variables whose names are none for it (`a-b`, `npm.x`): env puts them back.
  const odd = Object.entries(env).filter(([name]) => !/^[A-Za-z_]\w*$/.test(name));
  const restore = odd.length === 0 ? [] : ['env', ...odd.map(([name, value]) => `${name}=${value}`)];
  return { file: '/bin/sh', args: ['-c', `${line}; exec "$@"`, parameter, ...restore, file, ...args], env };
}

function markedContainment(id: string, keep: readonly string[]): Containment {
  const variable = `DEVWATCH_TREE_${id}`;
  const prlimit = limitsAreFree() ? findPrlimit() : undefined;
  // Between 2^50 and 2^53 bytes: no program is that large, and a number still holds it exactly.
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
            keep: keepFor(keep, pid),
          }),
      };
    },
    release: () => {},
  };
}

const randomDigits = (below: number): number => Math.floor(Math.random() * below);

/** May the soft limit be set to any number? prlimit does not start the program when it may not. */
const limitsAreFree = (): boolean => /^Max resident set +\S+ +unlimited /m.test(readProc('/proc/self/limits') ?? '');

/** util-linux's prlimit sets a limit and becomes the program (0.7 ms); the shell's ulimit would have to pass on the environment. */
const findPrlimit = (): string | undefined => ['/usr/bin/prlimit', '/bin/prlimit'].find((file) => fs.existsSync(file));

function platformContainment(): Containment {
  const open = process.platform === 'win32' ? openWindowsTree : openPsTree;
  return {
    record: { variable: '', limit: '', cgroup: '' },
    contain: (_run, invocation) => ({ ...invocation, open }),
    release: () => {},
  };
}
