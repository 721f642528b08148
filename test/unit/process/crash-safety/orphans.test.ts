import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { recordOrphans, terminateStaleOrphans } from '../../../../src/process/crash-safety/orphans.ts';
import { createContainment } from '../../../../src/process/tree/containment.ts';
import { isAlive } from '../../../support/facts.ts';
import { keepNothing } from '../../../support/launch.ts';
import { createProject, type Project } from '../../../support/project.ts';

let project: Project;
let state: string;
const previous = process.env.XDG_STATE_HOME;

beforeEach(() => {
  project = createProject({ 'src/a.js': '', 'state/a': '' });
  state = project.at('state');
  process.env.XDG_STATE_HOME = state;
});

afterEach(async () => {
  if (previous === undefined) delete process.env.XDG_STATE_HOME;
  else process.env.XDG_STATE_HOME = previous;
  await project[Symbol.asyncDispose]();
});

const records = (): string[] =>
  fs.readdirSync(state, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.json'));

/** Starts a process as a devwatch would, and records it. */
async function startRecorded(): Promise<{ pid: number; exited: Promise<unknown>; deleteRecord: () => void }> {
  const containment = createContainment(keepNothing, false);
  const orphans = { record: containment.record, keep: keepNothing, signal: 'SIGTERM' } as const;
  const deleteRecord = recordOrphans(project.path, orphans);
  const invocation = { file: '/bin/sleep', args: ['500'], env: {} };
  const { file, args, env } = containment.contain(1, invocation);
  const child = spawn(file, args, { env, stdio: 'ignore', detached: true });
  await once(child, 'spawn');
  return { pid: child.pid ?? 0, exited: once(child, 'exit'), deleteRecord };
}

/** Changes every record to that of another process, which is dead. */
function disown(): void {
  for (const name of records()) {
    const file = path.join(state, name);
    fs.writeFileSync(file, JSON.stringify({ ...JSON.parse(fs.readFileSync(file, 'utf8')), startTime: '0' }));
  }
}

describe.runIf(process.platform === 'linux')('terminateStaleOrphans', () => {
  test('terminates the processes of a dead devwatch, reports them once and deletes the record', async () => {
    const { exited } = await startRecorded();
    disown();
    let reports = 0;
    const onFound = (): void => {
      reports += 1;
    };
    await Promise.all([terminateStaleOrphans(project.path, onFound), terminateStaleOrphans(project.path, onFound)]);
    await exited;
    expect({ reports, records: records() }).toEqual({ reports: 1, records: [] });
  });

  test('leaves the processes of a live devwatch, and those in other folders, alone', async () => {
    const { pid, exited, deleteRecord } = await startRecorded();
    await terminateStaleOrphans(project.path);
    disown();
    await terminateStaleOrphans(project.at('src'));
    expect({ isAlive: isAlive(pid), records: records().length }).toEqual({ isAlive: true, records: 1 });
    deleteRecord();
    expect(records()).toEqual([]);
    process.kill(pid, 'SIGKILL');
    await exited;
  });

  test.each(['not JSON', 'null', '{}'])('deletes a record that is %s', async (text) => {
    const { pid, exited } = await startRecorded();
    for (const name of records()) fs.writeFileSync(path.join(state, name), text);
    await terminateStaleOrphans(project.path);
    expect(records()).toEqual([]);
    process.kill(pid, 'SIGKILL');
    await exited;
  });
});
