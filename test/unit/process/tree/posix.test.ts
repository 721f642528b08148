import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { PsTree } from '../../../../src/process/tree/posix.ts';
import { isAlive, until } from '../../../support/facts.ts';

test.runIf(process.platform !== 'win32')(
  'the tree by ps is the root and its descendants, without kept ones',
  async () => {
    const script = `const { spawn } = require('child_process');
    for (const name of ['my-editor', 'worker']) spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', name]);`;
    const root = spawn(process.execPath, ['-e', script], { stdio: 'ignore', detached: true });
    const pid = root.pid ?? 0;
    const tree = new PsTree(pid, { globs: ['*my-editor'], program: [] }, pid);
    const everything = new PsTree(pid, { globs: [], program: [] }, pid);
    await until('both children', () => everything.scan().members.length === 3);
    const [kept] = everything
      .scan()
      .members.filter(({ pid: one }) => !tree.scan().members.some((member) => member.pid === one));
    if (kept === undefined) throw new Error('nothing is kept');
    expect(everything.signal({ ...kept, startTime: 'Sun Nov 22 19:03:12 2020' }, 'SIGKILL')).toBe('gone');
    expect(isAlive(kept.pid)).toBe(true);
    const exited = once(root, 'exit');
    for (const member of everything.scan().members) expect(everything.signal(member, 'SIGKILL')).toBe('sent');
    await exited;
    await until('the end of all', () => everything.scan().members.length === 0);
  },
);
