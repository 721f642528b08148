/** Runs callbacks that the loaders of the program have left for the end of the turn. */

import type { withoutDeprecation as WithoutDeprecation } from './internals.cts';

const { withoutDeprecation } = require('./internals.cjs') as { withoutDeprecation: typeof WithoutDeprecation };

interface Pending {
  /** The program is about to begin. */
  release(): void;
}

type Emit = (name: string, ...args: unknown[]) => boolean;

/**
 * Runs what is pending, so that it is not taken for something that a package does. Warnings are kept until the release: the
 * process that waits must not print.
 */
function runPending(): Pending {
  const { _tickCallback: drain } = process as { _tickCallback?: () => void };
  const target = process as unknown as { emit: Emit };
  const { emit } = target;
  const warnings: unknown[][] = [];
  const keep: Emit = (name, ...args) => {
    if (name !== 'warning') return emit.call(process, name, ...args);
    warnings.push(args);
    return true;
  };
  const isOwn = Object.hasOwn(process, 'emit');
  target.emit = keep;
  try {
    withoutDeprecation(() => drain?.call(process));
  } finally {
    if (isOwn) target.emit = emit;
    else Reflect.deleteProperty(process, 'emit');
  }
  return {
    release: () => {
      for (const args of warnings.splice(0)) process.nextTick(() => emit.call(process, 'warning', ...args));
    },
  };
}

export type { Pending, runPending };

module.exports = { runPending };
