/**
 * The guardian terminates the programs when devwatch itself is killed with SIGKILL, or crashes. It is a
 * shell that waits on a pipe which only devwatch holds. When the pipe ends without a `bye`, the shell
 * becomes a Node that terminates everything devwatch had started (guardian-main.ts). Until then it takes 1.6 MB.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../shared/clock.ts';
import { platform } from '../platform.ts';
import type { Orphans } from './orphans.ts';

const script = 'trap "" HUP INT QUIT TERM; while read -r line; do [ "$line" = bye ] && exit 0; done; exec "$@"';

/** A guardian that dies is replaced, unless it died sooner than this after its start. */
const minLifeMs = 1000;

/**
 * Starts a guardian, and a new one whenever it dies. Linux only; does nothing elsewhere. The returned function ends it,
 * to be called when devwatch exits in order.
 */
export function startGuardian(orphans: Orphans): () => void {
  const mainUrl = import.meta.url.endsWith('.ts') ? '../../../dist/guardian-main.js' : './guardian-main.js';
  const main = fileURLToPath(new URL(mainUrl, import.meta.url));
  let isDismissed = !platform.hasProc;
  let guardian: ChildProcess | undefined;

  function start(): void {
    if (isDismissed) return;
    const startedAt = systemClock.now();
    guardian = spawn('/bin/sh', ['-c', script, 'devwatch-guardian', process.execPath, main, JSON.stringify(orphans)], {
      // Neither the user's environment, whose NODE_OPTIONS would reach its Node process, nor a working folder to keep busy.
      env: {},
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    guardian.once('error', () => {});
    guardian.stdin?.on('error', () => {});
    guardian.once('exit', () => {
      if (systemClock.now() - startedAt > minLifeMs) start();
    });
    guardian.unref();
    (guardian.stdin as (NodeJS.WritableStream & { unref?: () => void }) | null)?.unref?.();
  }

  start();
  return () => {
    isDismissed = true;
    guardian?.stdin?.end('bye\n');
  };
}
