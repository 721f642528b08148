import fs from 'node:fs';
import { expect, test } from 'vitest';
import { faultOfCode } from '../../../../src/process/launch/exit-codes.ts';
import { createProject } from '../../../support/project.ts';

test('a command that cannot be executed has a defect, unless its file is being written or has been written since', async () => {
  await using project = createProject({ program: '' });
  const file = project.at('program');
  const later = Date.now() + 60_000;
  expect(faultOfCode({ code: 126 }, { file, isNode: false }, later)).toBe('defect');
  expect(faultOfCode({ code: 126 }, { file, isNode: false }, Date.now() - 60_000)).toBe('shortage');
  const reader = fs.openSync(file, 'r');
  expect(faultOfCode({ code: 126 }, { file, isNode: false }, later)).toBe('defect');
  const writer = fs.openSync(file, 'a');
  expect(faultOfCode({ code: 126 }, { file, isNode: false }, later)).toBe('shortage');
  for (const descriptor of [reader, writer]) fs.closeSync(descriptor);
});

test.each([
  [127, 'defect'],
  [1, undefined],
  [null, undefined],
])('exit code %s of a command means: %s', (code, fault) => {
  expect(faultOfCode({ code }, { file: '/bin/none', isNode: false }, 0)).toBe(fault);
});
