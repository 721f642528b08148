import { expect, test } from 'vitest';
import { lastingPath } from '../../../src/cli/unit.ts';

test.each([
  ['/tmp/xfs-0a154daf:/usr/local/bin:/usr/bin', '/usr/local/bin:/usr/bin'],
  ['/usr/bin:/var/tmp/x/xfs-12', '/usr/bin'],
  ['/home/ada/xfs-tools/bin:/usr/bin', '/home/ada/xfs-tools/bin:/usr/bin'],
  [undefined, undefined],
])('of the PATH %s a unit gets %s', (path, lasting) => {
  expect(lastingPath(path)).toBe(lasting);
});
