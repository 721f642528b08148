import { expect, test } from 'vitest';
import { type AwaitedResult, describeResult } from '../../../src/cli/background-programs.ts';

const where = 'pid 7 · logs: devwatch logs web';

test.each<[AwaitedResult, boolean, 0 | 1, readonly string[]]>([
  [{ state: 'up', ms: 120, port: 3000 }, false, 0, [`web is up after 120 ms · port 3000 · ${where}`]],
  [{ state: 'up', ms: 120, port: undefined }, true, 0, [`web is up again after 120 ms · ${where}`]],
  [{ state: 'running', ms: 3000 }, false, 0, [`web is running · ${where}`]],
  [{ state: 'ended', next: 'wait' }, false, 0, [`web has run and ended · next: wait · ${where}`]],
  [
    { state: 'failed', reason: 'exit 1', next: 'restart', tail: ['Error: no database'] },
    true,
    1,
    [`web failed: exit 1 · next: restart · ${where}`, '  Error: no database'],
  ],
  [{ state: 'late' }, false, 1, [`web is not up after 30 s · it keeps running · ${where}`]],
  [{ state: 'gone', tail: ['bye'] }, true, 1, ['web ended before it was up again · logs: devwatch logs web', '  bye']],
])('describeResult describes %j (restart: %j)', (result, isRestart, code, lines) => {
  const options = { isRestart, pid: 7, describeNext: (next: string) => `next: ${next}` };
  expect(describeResult('web', result, options)).toEqual({ code, lines });
});
