/**
 * The guardian terminates the programs when devwatch itself is killed with SIGKILL, or crashes. It is a
 * shell that waits on a pipe which only devwatch holds. When the pipe ends without a `bye`, the shell
 * becomes a Node that terminates everything devwatch had started (guardian-main.ts). Until then it takes 1.6 MB.
 *
 * On Linux it inherits Node and its program as open descriptors: their files may have been removed or replaced by then.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { type CancelTimer, type Clock, systemClock } from '../../shared/clock.ts';
import { attempt } from '../../shared/errors.ts';
import { guardianText } from '../../shared/own-texts.ts';
import { platform } from '../platform.ts';
import { shellFailure } from '../shell-line.ts';
import { type Orphans, orphansVariable } from './orphans.ts';

export interface GuardianOptions {
  readonly orphans: Orphans;
  /** Told when the guardian has ended or cannot be started: once until one has lived for a while. */
  readonly onProblem: (message: string) => void;
  readonly clock?: Clock;
  readonly shell?: string;
}

const script =
  'trap "" HUP INT QUIT TERM; while read -r line; do [ "$line" = bye ] && exit 0; done; input=$1; shift; exec "$@" <"$input"';

/** Returns the words of the guardian's shell, which has its program as descriptor 3 and Node as 4, where they could be opened. */
export function guardianWords(hasProgram: boolean, hasNode: boolean): string[] {
  const node = hasNode ? '/proc/self/fd/4' : process.execPath;
  const program = hasProgram ? ['/proc/self/fd/3', node, '-'] : ['/dev/null', node, '-e', guardianText()];
  return ['-c', script, 'devwatch-guardian', ...program];
}

/** A guardian that dies sooner after its start is replaced after a pause, which doubles each time. */
const minLifeMs = 1000;
const minPauseMs = 1000;
const maxPauseMs = 60_000;
/** Opens a file without a name: O_TMPFILE of Linux, which Node has no name for. */
const withoutName = 0o20000000 | fs.constants.O_DIRECTORY | fs.constants.O_RDWR;

/** Keeps a guardian alive. Does nothing on Windows. */
export class Guardian {
  readonly #options: GuardianOptions;
  readonly #clock: Clock;
  /** Descriptors of the guardian's program and of Node; undefined where they cannot be opened. */
  #program: number | undefined;
  #node: number | undefined;
  #process: ChildProcess | undefined;
  #pauseMs = 0;
  #hasReported = false;
  #isDismissed = platform.trees.guardian === 'none';
  #cancelStart: CancelTimer = () => {};

  constructor(options: GuardianOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    if (this.#isDismissed) return;
    if (platform.trees.guardian === 'from descriptors') {
      this.#program = openText(guardianText());
      this.#node = attempt(() => fs.openSync('/proc/self/exe', 'r'));
    }
    this.#start();
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Ends the guardian, because devwatch exits in order. */
  dismiss(): void {
    if (this.#isDismissed) return;
    this.#isDismissed = true;
    this.#cancelStart();
    this.#process?.stdin?.end('bye\n');
    for (const descriptor of [this.#program, this.#node]) if (descriptor !== undefined) fs.closeSync(descriptor);
  }

  #start(): void {
    const startedAt = this.#clock.now();
    let guardian: ChildProcess;
    try {
      guardian = this.#spawn();
    } catch (error) {
      this.#onEnd(startedAt, describeStartError(error));
      return;
    }
    this.#process = guardian;
    guardian.once('error', (error) => this.#onEnd(startedAt, describeStartError(error)));
    guardian.once('exit', (code, signal) => {
      this.#onEnd(startedAt, `${guardianName} has ended (${signal ?? `exit ${code}`}) · another one is started`);
    });
    guardian.stdin?.on('error', () => {});
    guardian.unref();
    (guardian.stdin as (NodeJS.WritableStream & { unref?: () => void }) | null)?.unref?.();
  }

  #spawn(): ChildProcess {
    const { orphans, shell = '/bin/sh' } = this.#options;
    return spawn(shell, guardianWords(this.#program !== undefined, this.#node !== undefined), {
      // Not the user's environment, whose NODE_OPTIONS would reach its Node process, nor a working folder to keep busy. The
      // names of what is kept are not among the arguments: `pkill -f chrome` would end the guardian.
      env: { [orphansVariable]: JSON.stringify(orphans) },
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore', this.#program ?? 'ignore', this.#node ?? 'ignore'],
      detached: true,
    });
  }

  #onEnd(startedAt: number, problem: string): void {
    if (this.#isDismissed) return;
    if (this.#clock.now() - startedAt >= minLifeMs) {
      this.#pauseMs = 0;
      this.#hasReported = false;
    }
    if (!this.#hasReported) this.#options.onProblem(problem);
    this.#hasReported = true;
    this.#cancelStart = this.#clock.after(this.#pauseMs, () => this.#start());
    this.#pauseMs = Math.min(Math.max(2 * this.#pauseMs, minPauseMs), maxPauseMs);
  }
}

/** Opens a file with this text that only descriptors lead to. Returns undefined if no folder takes one. */
function openText(text: string): number | undefined {
  for (const folder of ['/dev/shm', tmpdir()]) {
    try {
      const descriptor = fs.openSync(folder, withoutName, 0o600);
      if (attempt(() => fs.writeSync(descriptor, text)) === text.length) return descriptor;
      fs.closeSync(descriptor);
    } catch {
      // It is missing, read-only or full, or its file system cannot do this.
    }
  }
  return undefined;
}

const guardianName = 'the guardian, which ends the program if devwatch is killed,';

const describeStartError = (error: unknown): string =>
  `${guardianName} cannot be started: ${shellFailure(error)} · the next devwatch in this folder would end the program`;
