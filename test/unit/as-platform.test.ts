/** The list of end-to-end tests that are left out as if on another system. */

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { exceptions, leftOut } from '../support/as-platform/exceptions.ts';

test('an end-to-end test that is left out as if on macOS exists, and has a reason', () => {
  for (const { file, tests = [], reason } of exceptions) {
    const text = fs.readFileSync(`test/e2e/${file}.test.ts`, 'utf8');
    for (const name of tests) expect(text).toContain(name);
    expect(reason).toMatch(/\.$/);
  }
});

test('only the named end-to-end tests are left out', () => {
  const { testNamePattern } = leftOut();
  expect(testNamePattern.test('a save replaces the program')).toBe(true);
  for (const name of exceptions.flatMap(({ tests = [] }) => tests)) {
    expect(testNamePattern.test(`a group ${name} and more`)).toBe(false);
  }
});
