import { expect, test } from 'vitest';
import { minOpenFiles, openFileLimit, requireFacilities } from '../../../src/process/requirements.ts';
import { affordableSlots } from '../../../src/process/sockets/held-ports.ts';

test('devwatch refuses to run where too few files may be open, and says how to allow more', () => {
  expect(() => requireFacilities(20)).toThrow(
    'only 20 files may be open at once, and devwatch needs 32 · ulimit -n 1024',
  );
  requireFacilities(minOpenFiles);
  requireFacilities();
});

test.each([
  [Number.POSITIVE_INFINITY, 8],
  [64, 8],
  [48, 4],
  [minOpenFiles, 0],
  [20, 0],
])('with %d descriptors there are %d slots for sockets', (limit, slots) => {
  expect(affordableSlots(limit)).toBe(slots);
});

test.runIf(process.platform === 'linux')('openFileLimit returns the limit of this process', () => {
  expect(openFileLimit()).toBeGreaterThan(minOpenFiles);
});
