/** A devwatch in the background: what it would print goes to logs, and it takes orders over a socket. */

import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { restartNotice } from '../config/affects.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { Settings } from '../config/options.ts';
import { ownIdentity } from '../process/tree/identity.ts';
import { foreignSignals, Runner } from '../run/runner.ts';
import { systemClock } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import { assumedRunningAfterMs, type Next } from '../shared/events.ts';
import { version } from '../shared/version.ts';
import { Reporter, type ReporterSettings } from '../terminal/reporter.ts';
import { type ControlHandler, openControl } from './control.ts';
import { type Log, openLog } from './log-writer.ts';
import { adoptName } from './name-lock.ts';
import { deleteRecord, newToken, writeRecord } from './records.ts';
import { socketPath } from './socket-path.ts';

/** An order to write is answered after this long in ms, read or not: who gives it waits for 5 s. */
const longestWrite = 2000;

export interface DaemonRequest {
  /** Handed to this process by `devwatch start`. */
  readonly name: string;
  /** What came after `devwatch start`. */
  readonly argv: readonly string[];
  readonly loaded: LoadedSettings;
  readonly program: readonly string[];
  readonly nodeArgs: readonly string[];
  readonly reload: () => LoadedSettings;
  /** Called when all is over and put away. */
  readonly onEnd: () => void;
}

/** How a start has turned out, as `devwatch start` asks for it. */
export type Start =
  | { readonly state: 'up'; readonly ms: number; readonly port: number | undefined }
  /** It runs; nobody knows whether it is up, for it does not listen and `ready` is not set. */
  | { readonly state: 'running' }
  /** `tail`: the last lines that it printed; `next`: what devwatch does now. */
  | { readonly state: 'failed'; readonly reason: string; readonly tail: readonly string[]; readonly next: Next['kind'] }
  | { readonly state: 'ended'; readonly next: Next['kind'] }
  /** devwatch was ended before it was known. */
  | { readonly state: 'gone' };

export interface Status {
  /** `running`: nobody knows whether it is up, as in Start. */
  readonly state: 'starting' | 'running' | 'up' | 'ended' | 'crashed' | 'stopping';
  /** Why it has crashed, such as "exit 1". */
  readonly reason?: string | undefined;
  readonly pid: number | undefined;
  readonly run: number;
  /** Epoch ms of the run's start. */
  readonly since: number;
  readonly port: number | undefined;
  /** Bytes, of the program's whole tree. */
  readonly memory: number | undefined;
  /** CPU time of the same so far, in ms. */
  readonly cpu: number | undefined;
  /** How long the program may take to end, in ms. */
  readonly killTimeout: number;
}

/** @throws UsageError when the name was not handed to this process, or its files cannot be used */
export async function runInBackground(request: DaemonRequest): Promise<void> {
  const { name, loaded } = request;
  const { settings } = loaded;
  const lock = adoptName(name);
  const openLogFile = (file: string): Log =>
    openLog({
      file,
      maxSize: settings.logSize,
      maxFiles: settings.logFiles,
      timestamps: settings.logTimestamps,
      clock: systemClock,
      onProblem: complain,
    });
  const files = {
    out: settings.log ?? path.join(lock.folder, 'out.log'),
    err: settings.log ?? path.join(lock.folder, 'err.log'),
  };
  const out = openLogFile(files.out);
  const err = files.err === files.out ? out : openLogFile(files.err);
  const printed = new Printed();
  const into =
    (log: Log) =>
    (chunk: Buffer): Promise<void> | undefined => {
      printed.add(chunk);
      return log.write(chunk);
    };

  const runner = new Runner({
    loaded,
    program: request.program,
    nodeArgs: request.nodeArgs,
    reload: request.reload,
    output: { stdout: into(out), stderr: into(err) },
  });
  const reporterSettings = ({ logFormat, quiet, verbose }: Settings): ReporterSettings => ({
    format: logFormat,
    level: quiet ? 'quiet' : verbose ? 'verbose' : 'normal',
    color: false,
    clear: false,
    notify: false,
  });
  const reporter = new Reporter({
    stream: () => ({ write: (text) => void into(err)(Buffer.from(text)), on: () => {} }),
    folder: loaded.folder,
    version,
    env: {},
    ...reporterSettings(settings),
  });
  runner.observe(reporter.report);

  const starts = followStarts(runner, () => printed.tail(tailLines));
  runner.on('settings', (event) => {
    reporter.configure(reporterSettings(event.settings));
    const message = restartNotice(event.changed, 'backgroundStart', [settings, event.settings]);
    if (message !== undefined) reporter.report({ type: 'warning', message });
  });
  // Who asks twice by an order means no more by it than who asks once; signals do.
  let stopping: Promise<unknown> | undefined;

  const handlers: Record<string, ControlHandler> = {
    async status() {
      const { pid, memory, cpu } = runner;
      const { killTimeout } = runner.loaded.settings;
      return { ...starts.now, pid, memory, cpu, killTimeout } satisfies Status;
    },
    start: () => starts.outcome,
    async restart() {
      const next = starts.next();
      runner.restart({ escalates: false });
      await next;
      return starts.outcome;
    },
    async reload() {
      return runner.reload();
    },
    async stop() {
      starts.stop();
      stopping ??= runner.stop();
      await stopping;
      return {};
    },
    /** Answered when the program has read it: who is attached hands on no faster. */
    async write({ params }) {
      await new Promise<void>((resolve) => {
        const cancel = systemClock.after(longestWrite, resolve);
        runner.write(Buffer.from(String(params.data ?? ''), 'base64'), () => {
          cancel();
          resolve();
        });
      });
      return {};
    },
    attach: ({ signal }) => printed.from(signal),
  };
  const token = newToken();
  const control = await openControl({ path: socketPath(name), token, handlers });
  writeRecord(lock, {
    ...ownIdentity(),
    name,
    folder: loaded.folder,
    startedIn: process.cwd(),
    program: runner.program,
    argv: request.argv,
    token,
    socket: control.path,
    log: files,
    startedAt: Date.now(),
    version,
  });

  process.on('SIGHUP', () => {
    out.reopen();
    err.reopen();
  });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) {
    process.on(signal, () => void runner.stop({ kind: 'signal', signal }));
  }
  for (const signal of foreignSignals) process.on(signal, () => runner.signal(signal));
  runner.on('end', async () => {
    try {
      deleteRecord(lock, await starts.end());
    } catch (error) {
      complain(messageOf(error));
    }
    starts.giveUp();
    await Promise.all([control.close(), out.close(), err.close()]);
    lock.release();
    request.onEnd();
  });
  runner.start();
}

interface Starts {
  /** How the latest run is. */
  readonly now: Pick<Status, 'state' | 'reason' | 'run' | 'since' | 'port'>;
  /** How the latest start has turned out, once that is known. */
  readonly outcome: Promise<Start>;
  /** Resolves at the next start, or when there will be none. */
  next(): Promise<void>;
  /** The end has been asked for. */
  stop(): void;
  /** All is over. Returns how the latest start has failed, if it has: nobody may have asked yet. */
  end(): Promise<Start | undefined>;
  /** Tells those who still wait. */
  giveUp(): void;
}

/** @param tail the last lines that the program has printed */
function followStarts(runner: Runner, tail: () => readonly string[]): Starts {
  let now: Starts['now'] = { state: 'starting', run: 0, since: Date.now(), port: undefined };
  let told: Start | undefined;
  let tell: (start: Start) => void = () => {};
  const begin = (): Promise<Start> =>
    new Promise((resolve) => {
      tell = resolve;
    });
  let outcome = begin();
  const awaiting: (() => void)[] = [];
  const callAwaiting = (): void => {
    for (const call of awaiting.splice(0)) call();
  };
  let proof: NodeJS.Timeout | undefined;
  let failure: { readonly reason: string; readonly next: Next['kind'] } | undefined;

  function settle(result: Start, state = now.state): void {
    now = { ...now, state };
    told = result;
    tell(result);
  }

  runner.on('start', ({ run }) => {
    now = { state: 'starting', run, since: Date.now(), port: undefined };
    if (told !== undefined) outcome = begin();
    told = undefined;
    callAwaiting();
    clearTimeout(proof);
    if (runner.loaded.settings.ready === undefined)
      proof = setTimeout(() => settle({ state: 'running' }, 'running'), assumedRunningAfterMs);
  });
  runner.on('ready', ({ ms, port }) => {
    clearTimeout(proof);
    now = { ...now, port };
    settle({ state: 'up', ms, port }, 'up');
  });
  runner.on('crash', ({ outcome: { code, signal, error, reason }, next }) => {
    clearTimeout(proof);
    const why = reason ?? error ?? (signal === null ? `exit ${code}` : signal);
    now = { ...now, state: 'crashed', reason: why };
    failure = { reason: why, next: next.kind };
  });
  let failing: Promise<void> | undefined;

  async function fail(how: NonNullable<typeof failure>): Promise<void> {
    const { run } = now;
    // What it printed last is read by then, or in the next turn.
    await nextTurn();
    await nextTurn();
    // The next run may have begun.
    if (now.run === run) settle({ state: 'failed', ...how, tail: tail() });
  }

  runner.on('gone', () => {
    if (failure !== undefined) failing = fail(failure);
    failure = undefined;
  });
  runner.on('exit', ({ next }) => {
    clearTimeout(proof);
    settle({ state: 'ended', next: next.kind }, 'ended');
  });
  return {
    get now() {
      return now;
    },
    get outcome() {
      return outcome;
    },
    next: () => new Promise((resolve) => awaiting.push(resolve)),
    stop() {
      now = { ...now, state: 'stopping' };
    },
    async end() {
      clearTimeout(proof);
      await failing;
      return told?.state === 'failed' ? told : undefined;
    },
    giveUp() {
      tell({ state: 'gone' });
      callAwaiting();
    },
  };
}

/** What the program prints, for those who are attached, and the end of it. */
class Printed {
  readonly #listeners = new Set<(chunk: Buffer) => void>();
  #recent: Buffer = Buffer.alloc(0);

  add(chunk: Buffer): void {
    this.#recent = Buffer.concat([this.#recent, chunk]).subarray(-longestTail);
    for (const hear of this.#listeners) hear(chunk);
  }

  tail(lines: number): readonly string[] {
    const text = this.#recent.toString().trimEnd();
    return text === '' ? [] : text.split('\n').slice(-lines);
  }

  /** All that comes from now on, until nobody wants it any more. */
  async *from(signal: AbortSignal): AsyncGenerator<{ readonly data: string }> {
    const chunks: Buffer[] = [];
    let wake: () => void = () => {};
    const hear = (chunk: Buffer): void => {
      // One who does not read loses what is new, and holds up nobody.
      if (chunks.length < mostChunks) chunks.push(chunk);
      wake();
    };
    this.#listeners.add(hear);
    signal.addEventListener('abort', () => wake());
    try {
      while (!signal.aborted) {
        for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) {
          yield { data: chunk.toString('base64') };
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (chunks.length > 0 || signal.aborted) resolve();
        });
      }
    } finally {
      this.#listeners.delete(hear);
    }
  }
}

/** Into devwatch's own log, which may lie on the very disk that is full. */
function complain(message: string): void {
  try {
    fs.writeSync(process.stderr.fd, `devwatch: ${message}\n`);
  } catch {
    // Nobody is left to tell.
  }
}

/** How much of what was printed last a failed start is told with: lines, and bytes. */
const tailLines = 30;
const longestTail = 8192;

/** What waits for somebody who is attached. */
const mostChunks = 1000;
