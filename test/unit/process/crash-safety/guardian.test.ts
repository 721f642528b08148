import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { Guardian, guardianWords } from '../../../../src/process/crash-safety/guardian.ts';
import { orphansVariable } from '../../../../src/process/crash-safety/orphans.ts';
import { createContainment } from '../../../../src/process/tree/containment.ts';
import { createClock } from '../../../support/clock.ts';
import { until } from '../../../support/deadline.ts';
import { commandOf, isAlive } from '../../../support/facts.ts';

const orphans = {
  record: { variable: 'DEVWATCH_TREE_none', limit: '', cgroup: '' },
  keep: { globs: ['chrome'], program: [] },
  signal: 'SIGTERM',
} as const;

let guardian: Guardian | undefined;
const problems: string[] = [];

function startGuardian(options: { shell?: string } = {}) {
  const clock = createClock();
  problems.length = 0;
  guardian = new Guardian({ orphans, clock, onProblem: (message) => problems.push(message), ...options });
  return { guardian, clock };
}

afterEach(() => guardian?.dismiss());

describe.runIf(process.platform === 'linux')('a guardian', () => {
  test('does not have the names of kept processes among its arguments, by which `pkill -f` would find it', () => {
    const { guardian } = startGuardian();
    expect(commandOf(guardian.pid ?? 0)).not.toContain('chrome');
  });

  test('that is killed right after its start is replaced, and that is told', async () => {
    const { guardian, clock } = startGuardian();
    const first = guardian.pid ?? 0;
    process.kill(first, 'SIGKILL');
    await until('its end to be told', () => problems.length > 0);
    clock.advance(0);
    expect(guardian.pid).not.toBe(first);
    expect(isAlive(guardian.pid ?? 0)).toBe(true);
    expect(problems).toEqual([expect.stringContaining('has ended (SIGKILL) · another one is started')]);
  });

  test('that cannot be started is told once, and tried again more and more rarely', async () => {
    const { clock } = startGuardian({ shell: '/nowhere/sh' });
    await until('the failure to be told', () => problems.length > 0);
    for (const pause of [0, 1000, 2000, 4000]) {
      await until('the next try to be planned', () => clock.pending === 1);
      if (pause > 0) clock.advance(pause - 1);
      expect(clock.pending).toBe(1);
      clock.advance(pause > 0 ? 1 : 0);
      expect(clock.pending).toBe(0);
    }
    expect(problems).toEqual([expect.stringContaining('cannot be started: /bin/sh is missing')]);
  });

  test('that has been dismissed ends, and is neither replaced nor told about', async () => {
    const { guardian, clock } = startGuardian();
    const pid = guardian.pid ?? 0;
    guardian.dismiss();
    await until('its end', () => !isAlive(pid));
    expect({ pending: clock.pending, problems }).toEqual({ pending: 0, problems: [] });
  });

  test('terminates what is left without any file that it could have been given', async () => {
    const containment = createContainment({ globs: [], program: [] }, false);
    const { file, args, env } = containment.contain(1, { file: '/bin/sleep', args: ['500'], env: {} }, {});
    const program = spawn(file, args, { env, stdio: 'ignore', detached: true });
    const exited = once(program, 'exit');
    const record = { ...orphans, record: containment.record };
    const shell = spawn('/bin/sh', guardianWords(false, false), {
      env: { [orphansVariable]: JSON.stringify(record) },
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    await once(program, 'spawn');
    shell.stdin?.end();
    expect(await exited).toEqual([null, 'SIGTERM']);
    await once(shell, 'exit');
  });
});
