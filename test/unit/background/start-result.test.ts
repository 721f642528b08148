import { expect, test } from 'vitest';
import { parseStartResult } from '../../../src/background/start-result.ts';

test.each([
  ['{"state":"up","ms":5}', { state: 'up', ms: 5 }],
  ['', undefined],
  ['{"state"', undefined],
])('parseStartResult reads %j', (line, result) => {
  expect(parseStartResult(line)).toEqual(result);
});
