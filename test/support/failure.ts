/** Output that helps to understand a failed test. */

import { onTestFailed } from 'vitest';

/**
 * Prints a report when the current test fails. Hooks have no test, and concurrent tests no current one: there the
 * messages of failed waits must do.
 */
export function printOnFailure(report: () => readonly string[]): void {
  try {
    onTestFailed(() => console.error(report().join('\n  ')));
  } catch {
    // Not inside a test.
  }
}
