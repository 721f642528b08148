import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { createPsReader, type PsLine, type PsReader } from '../../../../src/process/platform/ps.ts';
import { PsTree, type PsTreeOptions } from '../../../../src/process/tree/posix.ts';
import { Termination } from '../../../../src/process/tree/terminate.ts';
import { type Root, rootOf } from '../../../../src/process/tree/tree.ts';
import type { Survivor } from '../../../../src/shared/events.ts';
import { createClock } from '../../../support/clock.ts';
import { isAlive, until } from '../../../support/facts.ts';
import { keepNothing } from '../../../support/launch.ts';

test.runIf(process.platform !== 'win32')(
  'the tree by ps is the root and its descendants, without kept ones',
  async () => {
    const script = `const { spawn } = require('child_process');
    for (const name of ['my-editor', 'worker']) spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', name]);`;
    const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore', detached: true });
    const root = rootOf(child, child.pid ?? 0);
    const options = { root, variable: '', reader: createPsReader('-Aeww') };
    const tree = new PsTree({ ...options, keep: { globs: ['*my-editor'], program: [] } });
    const everything = new PsTree({ ...options, keep: keepNothing });
    await until('both children', () => everything.scan().members.length === 3);
    const [kept] = everything
      .scan()
      .members.filter(({ pid: one }) => !tree.scan().members.some((member) => member.pid === one));
    if (kept === undefined) throw new Error('nothing is kept');
    expect(everything.signal({ ...kept, startTime: 'Sun Nov 22 19:03:12 2020' }, 'SIGKILL')).toBe('gone');
    expect(isAlive(kept.pid)).toBe(true);
    const exited = once(child, 'exit');
    for (const member of everything.scan().members) expect(everything.signal(member, 'SIGKILL')).toBe('sent');
    await exited;
    await until('the end of all', () => everything.scan().members.length === 0);
  },
);

/** Pids that no process has. */
const [rootPid, childPid, otherPid] = [2 ** 30, 2 ** 30 + 1, 2 ** 30 + 2];

const line = (pid: number, rest: Partial<PsLine> = {}): PsLine => {
  const text = rest.text ?? 'program';
  const environment = `\0${text.replaceAll(' ', '\0')}\0`;
  return {
    pid,
    parent: 1,
    group: pid,
    session: 0,
    startTime: `s${pid}`,
    command: 'program',
    text,
    environment,
    ...rest,
  };
};
const ourselves = line(process.pid);

/** A machine whose processes the test decides, and a tree on it. */
function openTree(options: Partial<PsTreeOptions> = {}) {
  const machine: { lines: readonly PsLine[]; lists: number; asked: readonly number[][] } = {
    lines: [ourselves, line(rootPid)],
    lists: 0,
    asked: [],
  };
  const reader: PsReader = {
    list() {
      machine.lists += 1;
      return machine.lines;
    },
    listLater: (onListed) => onListed(machine.lines),
    commandLines(pids) {
      machine.asked = [...machine.asked, [...pids]];
      return new Map(pids.map((pid) => [pid, `editor of ${pid}`]));
    },
  };
  let hasExited = false;
  const root: Root = { pid: rootPid, hasExited: () => hasExited };
  const tree = new PsTree({ root, variable: 'MARK=1\0', keep: keepNothing, reader, ...options });
  const scan = () => {
    const { members, proven } = tree.scan();
    return { pids: members.map(({ pid }) => pid), proven };
  };
  const exit = (...left: readonly PsLine[]): void => {
    hasExited = true;
    machine.lines = [ourselves, ...left];
  };
  return { machine, tree, scan, exit };
}

describe('the tree by ps', () => {
  test('has no cost until it is searched', () => {
    const { machine, scan } = openTree();
    expect(machine.lists).toBe(0);
    expect(scan()).toEqual({ pids: [rootPid], proven: true });
    expect(machine.lists).toBe(1);
  });

  test('includes a daemon with the variable of the run, and none of another run', () => {
    const { scan, exit } = openTree();
    exit(line(childPid, { text: 'daemon A=b MARK=1 C=d' }), line(otherPid, { text: 'daemon MARK=12' }));
    expect(scan()).toEqual({ pids: [childPid], proven: true });
  });

  test('includes what hides its variables and was seen while its parent lived', () => {
    const { machine, tree, scan, exit } = openTree();
    machine.lines = [ourselves, line(rootPid), line(childPid, { parent: rootPid, text: '/bin/sh x' })];
    tree.prepare();
    exit(line(childPid, { text: '/bin/sh x' }), line(otherPid));
    expect(scan()).toEqual({ pids: [childPid], proven: true });
  });

  test('includes the group that the root has led', () => {
    const { scan, exit } = openTree();
    exit(line(childPid, { group: rootPid }));
    expect(scan()).toEqual({ pids: [childPid], proven: true });
    exit();
    expect(scan()).toEqual({ pids: [], proven: true });
  });

  test('of orphans is found by the variable of any run', () => {
    const { machine, scan } = openTree({ root: undefined, variable: 'MARK=' });
    machine.lines = [ourselves, line(childPid, { text: 'a MARK=7' }), line(otherPid, { parent: childPid, text: 'b' })];
    expect(scan()).toEqual({ pids: [childPid, otherPid], proven: true });
  });

  test('leaves out what keep names by its command line, which is read once', () => {
    const { machine, scan } = openTree({ keep: { globs: [`editor of ${childPid}`], program: [] } });
    machine.lines = [ourselves, line(rootPid), ...[childPid, otherPid].map((pid) => line(pid, { parent: rootPid }))];
    expect([scan().pids, scan().pids]).toEqual([
      [rootPid, otherPid],
      [rootPid, otherPid],
    ]);
    expect(machine.asked).toEqual([[childPid, otherPid]]);
  });

  test('leaves out a process that asks for it by a variable', () => {
    const { machine, scan } = openTree();
    machine.lines = [ourselves, line(rootPid), line(childPid, { parent: rootPid, text: 'a DEVWATCH_KEEP=1 B=' })];
    expect(scan().pids).toEqual([rootPid]);
  });

  test('takes what it has seen for alive while ps shows no processes, and finds them again', () => {
    const { machine, scan, exit } = openTree();
    machine.lines = [ourselves, line(rootPid), line(childPid, { parent: rootPid })];
    expect(scan().pids).toEqual([rootPid, childPid]);
    machine.lines = [];
    expect(scan()).toEqual({ pids: [rootPid, childPid], proven: false });
    exit(line(childPid));
    const { lines } = machine;
    machine.lines = [];
    expect(scan()).toEqual({ pids: [childPid], proven: false });
    machine.lines = lines;
    expect(scan()).toEqual({ pids: [childPid], proven: true });
  });

  test('signals nobody whom ps does not show, except for the root before its end', () => {
    const { machine, tree, exit } = openTree();
    machine.lines = [];
    const member = line(childPid);
    expect(tree.signal(member, 'SIGKILL')).toBe('gone');
    // It is sent, and there is no such process.
    expect(tree.signal(line(rootPid, { startTime: '' }), 'SIGTERM')).toBe('gone');
    exit();
    machine.lines = [line(childPid)];
    expect(tree.describe(member, false).reason).toBe('may still run: ps shows no processes');
    expect(tree.describe(member, true).reason).toBe('belongs to another user');
    tree.scan();
    machine.lines = [ourselves, member];
    tree.scan();
    expect(tree.describe(member, false).reason).toBe('does not end on SIGKILL');
  });

  test('that can never be listed is given up after a while, and what may be left is told', () => {
    const { machine, tree, exit } = openTree();
    exit();
    machine.lines = [];
    const clock = createClock();
    let survivors: readonly Survivor[] | undefined;
    const onGone = (left: readonly Survivor[]): void => {
      survivors = left;
    };
    const termination = new Termination({ tree, signal: 'SIGTERM', clock, onGone });
    termination.escalate('terminating');
    clock.advance(60_000);
    expect(survivors).toBeUndefined();
    termination.escalate('killing');
    clock.advance(2100);
    expect(survivors).toEqual([{ pid: rootPid, command: '', reason: 'may still run: ps shows no processes' }]);
  });
});
