/**
 * Tests against patterns that somebody else wrote, within a limited time. V8 tries all ways to match one after the
 * other: `(a+)+$` takes a year for a text of 60 characters, and nothing else runs meanwhile, not even the handler of SIGTERM.
 */

import { require } from './require.ts';

/** Name of the global through which the timed script gets its work: only what the script itself runs is timed. */
const key = 'devwatch.test';
let script: import('node:vm').Script | undefined;

/** Runs a computation without side effects, and returns its result; undefined if it takes longer. It costs 50 µs more. */
function withTimeLimit<Result>(ms: number, compute: () => Result): Result | undefined {
  // Loaded at its first use: most patterns need no limit.
  const { Script } = require('node:vm') as typeof import('node:vm');
  script ??= new Script(`globalThis[Symbol.for('${key}')]()`);
  const holder = globalThis as { [name: symbol]: unknown };
  holder[Symbol.for(key)] = compute;
  try {
    return script.runInThisContext({ timeout: ms }) as Result;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return undefined;
    throw error;
  } finally {
    delete holder[Symbol.for(key)];
  }
}

/** Limit of one test, in ms. */
const testLimitMs = 100;
/** A test that takes longer is a slow one. */
const slowTestMs = 5;
/** The time, in ms, that slow tests may take together. */
const totalLimitMs = 300;

/** The CPU time that tests against one pattern, or one set of patterns, may take. */
export class TimeBudget {
  readonly #onSpent: () => void;
  #slowMs = 0;

  /** @param onSpent called once, when too much time has been lost: from then on nothing is tested any more */
  constructor(onSpent: () => void) {
    this.#onSpent = onSpent;
  }

  /** Returns the result of a test, which must have no side effects; undefined if that cannot be had in time. */
  run<Result>(test: () => Result): Result | undefined {
    if (this.#slowMs >= totalLimitMs) return undefined;
    const startedAt = cpuMs();
    let result = withTimeLimit(testLimitMs, test);
    // Where other processes have used the time, the test has another try.
    while (result === undefined && cpuMs() - startedAt < testLimitMs / 2) result = withTimeLimit(testLimitMs, test);
    const ms = cpuMs() - startedAt;
    if (ms > slowTestMs) this.#slowMs += ms;
    if (this.#slowMs >= totalLimitMs) this.#onSpent();
    return result;
  }
}

/** CPU time of this process, in ms. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
