/** Makes the programs of one devwatch recognisable, in the best way that this machine offers. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { packVariables } from '../../shared/packed-variables.ts';
import { platform } from '../platform.ts';
import { CgroupTree, findCgroup, makeCgroup, removeCgroups } from './cgroup.ts';
import { createExemptions, type Exemptions } from './exemptions.ts';
import { MarkedTree } from './linux.ts';
import { PsTree } from './posix.ts';
import { readProc, readStat } from './proc.ts';
import type { Containment, ContainmentRecord, Invocation, ProcessTree } from './tree.ts';
import { WindowsTree } from './windows.ts';

/**
 * Returns the containment for the programs of this devwatch: by a cgroup, where that is possible and allowed.
 *
 * @param keep globs of processes that may outlive the program; see exemptions.ts
 */
export function createContainment(
  keep: readonly string[],
  mayUseCgroup: boolean = process.env.DEVWATCH_CGROUP !== '0',
): Containment {
  if (!platform.hasProc) return plainContainment();
  // The id need not be secret, and node:crypto would take 4 ms to load before the program starts.
  const id = `${process.pid.toString(36)}_${Date.now().toString(36)}_${randomDigits(1e8)}`;
  return (mayUseCgroup ? cgroupContainment(id, keep) : undefined) ?? markedContainment(id, keep);
}

/** Opens everything that another devwatch, dead by now, contained. */
export function openOrphans(record: ContainmentRecord, keep: readonly string[]): ProcessTree[] {
  if (!platform.hasProc) return [];
  const exemptions = exemptionsOf(keep);
  const trees: ProcessTree[] = [];
  if (record.cgroup !== '' && fs.existsSync(record.cgroup)) trees.push(new CgroupTree(record.cgroup, exemptions));
  if (record.variable !== '') {
    trees.push(new MarkedTree({ root: undefined, variable: `${record.variable}=`, limit: record.limit, exemptions }));
  }
  return trees;
}

const exemptionsOf = (patterns: readonly string[], root?: number): Exemptions =>
  createExemptions(patterns, [readStat(process.pid)?.session, root]);

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
      const cgroupProcsFile = path.join(folder, 'cgroup.procs');
      // The shell joins the cgroup before it becomes the program: none of its children is born outside.
      const joining = joinsCgroupItself
        ? { ...invocation, env: { ...invocation.env, [cgroupVariable]: cgroupProcsFile } }
        : throughShell('echo 0 >"$0" || exit 126', cgroupProcsFile, invocation);
      // Another process may have removed the outer cgroup. Where neither can be made, marks must do.
      const isMade = joining !== undefined && (makeCgroup(folder) || (makeCgroup(all) && makeCgroup(folder)));
      if (!isMade) return marked.contain(run, invocation, joinsCgroupItself);
      return {
        ...joining,
        open(pid) {
          if (joinsCgroupItself) joinCgroup(pid, cgroupProcsFile);
          return new CgroupTree(folder, exemptionsOf(keep, pid), pid);
        },
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

/**
 * Returns an invocation that runs a shell command and then becomes the program, in the same process; undefined if
 * variables of the program would be lost.
 */
export function throughShell(line: string, parameter: string, program: Invocation): Invocation | undefined {
  const { env, carriers } = packVariables(program.env);
  const words = [program.file, ...program.args];
  // `env` would take a path with `=` for a variable.
  if (carriers.length > 0 && (program.file.includes('=') || !canUnpack())) return undefined;
  const command = carriers.length === 0 ? words : [envCommand, '-S', unpackingOf(carriers), ...words];
  return { file: '/bin/sh', args: ['-c', `${line}; exec "$@"`, parameter, ...command], env };
}

const envCommand = '/usr/bin/env';

/** Returns options of `env -S` that set packed variables: `env` itself looks up the names in braces. */
const unpackingOf = (carriers: readonly string[]): string =>
  [...carriers.map((name) => `-u ${name}`), '--', ...carriers.map((name) => `\${${name}}`)].join(' ');

let hasSplittingEnv: boolean | undefined;

/** Whether `env` has the option -S, as that of coreutils 8.30 and BSD; that of BusyBox has not. */
function canUnpack(): boolean {
  hasSplittingEnv ??= spawnSync(envCommand, ['-S', '-u A'], { stdio: 'ignore' }).status === 0;
  return hasSplittingEnv;
}

function markedContainment(id: string, keep: readonly string[]): Containment {
  const variable = `DEVWATCH_TREE_${id}`;
  const prlimit = limitsAreFree() ? findPrlimit() : undefined;
  // Between 2^50 and 2^53 bytes: larger than any program, and still exact as a number.
  const limit = prlimit === undefined ? '' : String(1_200_000_000 + randomDigits(7_700_000_000));
  return {
    record: { variable, limit, cgroup: '' },
    contain(run, { file, args, env }) {
      const bytes = limit === '' ? '' : `${limit}${String(run % 1_000_000).padStart(6, '0')}`;
      const mark = `${variable}=${run}\0`;
      return {
        ...(prlimit === undefined ? { file, args } : { file: prlimit, args: [`--rss=${bytes}:`, file, ...args] }),
        env: { [variable]: String(run), ...env },
        open: (root) => new MarkedTree({ root, variable: mark, limit: bytes, exemptions: exemptionsOf(keep, root) }),
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
  const open = (pid: number): ProcessTree => (platform.isPosix ? new PsTree(pid) : new WindowsTree(pid));
  return {
    record: { variable: '', limit: '', cgroup: '' },
    contain: (_run, invocation) => ({ ...invocation, open }),
    release: () => {},
  };
}
