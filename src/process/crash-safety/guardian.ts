/**
 * What is left when devwatch itself is killed with SIGKILL, or dies of a bug: a shell that waits
 * on a pipe which only devwatch holds. When the pipe ends without a `bye`, the shell becomes a
 * Node that ends everything devwatch had started (sweep.ts). Until then it takes 1.6 MB.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../shared/clock.ts';
import type { Leftovers } from './orphans.ts';

export interface Guardian {
  /** devwatch ends in order: nothing is left to guard. */
  dismiss(): void;
}

const script = 'trap "" HUP INT QUIT TERM; while read -r line; do [ "$line" = bye ] && exit 0; done; exec "$@"';

/** A guardian that dies is replaced, but not one that cannot live. Milliseconds. */
const shortestLife = 1000;

/** Starts a guardian, and another one should it die. Linux only; elsewhere nobody guards. */
export function startGuardian(leftovers: Leftovers): Guardian {
  const sweep = fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? '../../../dist/sweep.js' : './sweep.js', import.meta.url),
  );
  let dismissed = process.platform !== 'linux';
  let guardian: ChildProcess | undefined;

  function start(): void {
    if (dismissed) return;
    const startedAt = systemClock.now();
    guardian = spawn(
      '/bin/sh',
      ['-c', script, 'devwatch-guardian', process.execPath, sweep, JSON.stringify(leftovers)],
      {
        // Nothing of the user's: NODE_OPTIONS would reach the sweep, a working folder would be kept busy.
        env: {},
        cwd: '/',
        stdio: ['pipe', 'ignore', 'ignore'],
        detached: true,
      },
    );
    guardian.once('error', () => {});
    guardian.stdin?.on('error', () => {});
    guardian.once('exit', () => {
      if (systemClock.now() - startedAt > shortestLife) start();
    });
    guardian.unref();
    (guardian.stdin as (NodeJS.WritableStream & { unref?: () => void }) | null)?.unref?.();
  }

  start();
  return {
    dismiss() {
      dismissed = true;
      guardian?.stdin?.end('bye\n');
    },
  };
}
