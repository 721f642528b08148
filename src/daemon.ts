/** A devwatch in the background: what it would print goes to logs, and it takes orders over a socket. */

import fs from 'node:fs';
import path from 'node:path';
import { type ControlHandler, openControl } from './background/control.ts';
import { type Log, openLog } from './background/logs.ts';
import { claimed, newToken, ownIdentity, socketPath } from './background/registry.ts';
import { systemClock } from './clock.ts';
import type { LoadedSettings } from './config/load.ts';
import { type Outcome, proofOfLife } from './events.ts';
import { cpuTimeOf } from './process/proc.ts';
import { Runner } from './runner.ts';
import { createReporter } from './terminal/reporter.ts';
import { version } from './version.ts';

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
  /** `tail`: the last lines that it printed. */
  | { readonly state: 'failed'; readonly reason: string; readonly tail: readonly string[] }
  | { readonly state: 'ended' };

export interface Status {
  /** `running`: nobody knows whether it is up, as in Start. */
  readonly state: 'starting' | 'running' | 'up' | 'ended' | 'crashed' | 'stopping';
  readonly pid: number | undefined;
  readonly run: number;
  /** Epoch ms of the run's start. */
  readonly since: number;
  readonly port: number | undefined;
  /** Bytes, of the program's whole tree. */
  readonly memory: number | undefined;
  /** CPU time of its root process so far, in ms. */
  readonly cpu: number | undefined;
  /** How long the program may take to end, in ms. */
  readonly killTimeout: number;
}

/** @throws UsageError when the name was not handed to this process, or its files cannot be used */
export async function runInBackground(request: DaemonRequest): Promise<void> {
  const { name, loaded } = request;
  const { settings } = loaded;
  const claim = claimed(name);
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
    out: settings.log ?? path.join(claim.folder, 'out.log'),
    err: settings.log ?? path.join(claim.folder, 'err.log'),
  };
  const out = openLogFile(files.out);
  const err = files.err === files.out ? out : openLogFile(files.err);
  const listeners = new Set<(chunk: Buffer) => void>();
  let recent = '';
  const into =
    (log: Log) =>
    (chunk: Buffer): undefined => {
      recent = `${recent}${chunk.toString()}`.slice(-longestTail);
      log.write(chunk);
      for (const hear of listeners) hear(chunk);
    };

  const runner = new Runner({
    loaded,
    program: request.program,
    nodeArgs: request.nodeArgs,
    reload: request.reload,
    output: { stdout: into(out), stderr: into(err) },
  });
  const reporter = createReporter({
    stream: { write: (text) => into(err)(Buffer.from(text)), on: () => {} },
    folder: loaded.folder,
    version,
    env: {},
    format: settings.logFormat,
    level: settings.quiet ? 'quiet' : settings.verbose ? 'verbose' : 'normal',
    color: false,
    clear: false,
    notify: false,
  });
  runner.observe(reporter.report);

  let state: Status['state'] = 'starting';
  let latest = { run: 0, since: Date.now(), port: undefined as number | undefined };
  let { killTimeout } = settings;
  runner.on('settings', (changed) => {
    killTimeout = changed.settings.killTimeout;
  });
  let told: Start | undefined;
  let tell: (start: Start) => void = () => {};
  let start = new Promise<Start>((resolve) => {
    tell = resolve;
  });
  const settle = (result: Start): void => {
    told = result;
    tell(result);
  };
  const whatFailed = ({ code, signal, error, reason }: Outcome): string =>
    reason ?? error ?? (signal === null ? `exit ${code}` : signal);
  let proof: NodeJS.Timeout | undefined;
  let failure: string | undefined;
  runner.on('start', ({ run }) => {
    state = 'starting';
    latest = { run, since: Date.now(), port: undefined };
    if (told !== undefined) {
      told = undefined;
      start = new Promise((resolve) => {
        tell = resolve;
      });
    }
    clearTimeout(proof);
    if (settings.ready !== undefined) return;
    proof = setTimeout(() => {
      state = 'running';
      settle({ state: 'running' });
    }, proofOfLife);
  });
  runner.on('ready', ({ ms, port }) => {
    clearTimeout(proof);
    state = 'up';
    latest = { ...latest, port };
    settle({ state: 'up', ms, port });
  });
  runner.on('crash', ({ outcome }) => {
    clearTimeout(proof);
    state = 'crashed';
    failure = whatFailed(outcome);
  });
  // What it printed last is read by then, or in the next turn.
  runner.on('gone', () => {
    const reason = failure;
    if (reason === undefined) return;
    failure = undefined;
    setImmediate(() =>
      setImmediate(() => settle({ state: 'failed', reason, tail: recent.trimEnd().split('\n').slice(-tailLines) })),
    );
  });
  runner.on('exit', () => {
    clearTimeout(proof);
    state = 'ended';
    settle({ state: 'ended' });
  });

  const handlers: Record<string, ControlHandler> = {
    async status() {
      const { pid, memory } = runner;
      const cpu = pid === undefined ? undefined : cpuTimeOf(pid);
      return { state, pid, ...latest, memory, cpu, killTimeout } satisfies Status;
    },
    start: () => start,
    async restart() {
      const next = new Promise<void>((resolve) => runner.once('start', () => resolve()));
      runner.restart();
      await next;
      return start;
    },
    async reload() {
      return runner.reload();
    },
    async stop() {
      state = 'stopping';
      await runner.stop();
      return {};
    },
    async write({ params }) {
      runner.write(Buffer.from(String(params.data ?? ''), 'base64'));
      return {};
    },
    async *attach({ signal }) {
      const chunks: Buffer[] = [];
      let wake: () => void = () => {};
      const hear = (chunk: Buffer): void => {
        // One who does not read loses what is old, and holds up nobody.
        if (chunks.length < mostChunks) chunks.push(chunk);
        wake();
      };
      listeners.add(hear);
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
        listeners.delete(hear);
      }
    },
  };
  const token = newToken();
  const control = await openControl({ path: socketPath(name), token, handlers });
  claim.write({
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
  runner.on('end', () => {
    clearTimeout(proof);
    claim.strike();
    void Promise.all([control.close(), out.close(), err.close()]).then(() => {
      claim.release();
      request.onEnd();
    });
  });
  runner.start();
}

/** Into devwatch's own log, which may lie on the very disk that is full. */
function complain(message: string): void {
  try {
    fs.writeSync(process.stderr.fd, `devwatch: ${message}\n`);
  } catch {
    // Nobody is left to tell.
  }
}

/** How much of what was printed last a failed start is told with. */
const tailLines = 20;
const longestTail = 8192;

/** What waits for somebody who is attached. */
const mostChunks = 1000;
