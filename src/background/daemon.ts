/** devwatch in the background: writes output to logs, and takes requests over a control socket. */

import fs from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LoadedSettings } from '../config/load.ts';
import { restartNotice } from '../config/options.ts';
import type { Settings } from '../config/settings-types.ts';
import { ownEnvironment } from '../process/launch/environment.ts';
import { ownIdentity } from '../process/tree/identity.ts';
import type { ProgramRequest } from '../run/command-plan.ts';
import type { ReadinessStatus, StartOutcome } from '../run/readiness.ts';
import { forwardedSignals, Runner } from '../run/runner.ts';
import { StopRequests } from '../run/stop-requests.ts';
import { systemClock } from '../shared/clock.ts';
import { withDeadline } from '../shared/deadline.ts';
import { createDeferred } from '../shared/deferred.ts';
import { attempt } from '../shared/errors.ts';
import { printable } from '../shared/printable.ts';
import { version } from '../shared/version.ts';
import { workingFolder } from '../shared/working-folder.ts';
import { Reporter, reporterSettingsOf } from '../terminal/reporter.ts';
import { AttachBuffer } from './attach-buffer.ts';
import { type ControlHandler, ControlServer } from './control-server.ts';
import type { StreamName } from './log-lines.ts';
import { Log } from './log-writer.ts';
import { adoptName, type NameLock } from './name-lock.ts';
import { socketPath } from './private-folder.ts';
import { type LogPlace, logPlaceOf, newToken } from './records.ts';
import { Registration } from './registration.ts';
import { closeLeakedDescriptors, type StartResult, sendStartResult } from './spawn-daemon.ts';

export interface DaemonRequest extends ProgramRequest {
  /** Transferred to this process by `devwatch start`. */
  readonly name: string;
  /** The program's name under `apps`. */
  readonly app: string | undefined;
  /** Arguments of `devwatch start`. */
  readonly argv: readonly string[];
  readonly reload: () => LoadedSettings;
  /** Called when the program has ended and everything is closed. */
  readonly onEnd: () => void;
}

/** Answer to the request `status`. */
export interface Status extends ReadinessStatus {
  readonly pid: number | undefined;
  /** Memory of the program's process tree, in bytes. */
  readonly memory: number | undefined;
  /** CPU time of the tree, in ms. */
  readonly cpu: number | undefined;
  /** Whether saves restart it. */
  readonly watching: 'yes' | 'no' | 'paused';
  /** Grace period between the stop signal and SIGKILL, in ms. */
  readonly killTimeout: number;
}

/** Answer to the request `pause`: false if no file is watched. */
export interface PauseResult {
  readonly isPaused: boolean;
}

/** Answer to the request `resume`: the number of changes that have waited; undefined if there was no pause. */
export interface ResumeResult {
  readonly waiting: number | undefined;
}

/** The request `write` is answered after this time even if the program does not read: the client waits for 5 s. */
const writeTimeoutMs = 2000;
/** Lines of output that a failed start shows. */
const tailLines = 30;

/**
 * Starts the program, and returns its handle.
 *
 * @throws UsageError if the name was not transferred to this process, or its files cannot be used
 */
export async function runInBackground(request: DaemonRequest): Promise<Runner> {
  closeLeakedDescriptors();
  const { name, loaded } = request;
  const { settings } = loaded;
  const lock = adoptName(name);
  const place = logPlaceOf(name, settings.log, settings.logTimestamps);
  const log = await openLog(place, settings);
  const daemon = new Daemon(request, log);
  await daemon.start(lock, place);
  return daemon.runner;
}

class Daemon {
  readonly runner: Runner;
  readonly #request: DaemonRequest;
  readonly #log: Log;
  readonly #buffer = new AttachBuffer();
  readonly #reporter: Reporter;
  readonly #requests = new StopRequests({
    clock: systemClock,
    isDirect: () => false,
    onStop: (reason) => {
      this.#stopping = this.runner.stop(reason);
    },
    onOffer() {},
    onKill: (reason) => void this.runner.stop(reason),
  });
  #stopping: Promise<unknown> | undefined;

  constructor(request: DaemonRequest, log: Log) {
    const { loaded, program, nodeArgs, reload } = request;
    this.#request = request;
    this.#log = log;
    this.runner = new Runner({
      loaded,
      program,
      nodeArgs,
      reload,
      onEvent: (event) => this.#reporter.report(event),
      output: { stdout: (chunk) => this.#write(chunk, 'stdout'), stderr: (chunk) => this.#write(chunk, 'stderr') },
    });
    this.#reporter = new Reporter({
      stream: () => ({ write: (text) => void this.#write(Buffer.from(text), 'stderr'), on: () => {} }),
      folder: loaded.folder,
      version,
      env: {},
      resumption: `devwatch resume ${request.name}`,
      ...reporterSettingsOf(loaded.settings, false),
    });
  }

  async start(lock: NameLock, log: LogPlace): Promise<void> {
    const { name, app, loaded, argv, onEnd } = this.#request;
    const runner = this.runner;
    runner.on('settings', ({ changed, settings }) => {
      this.#reporter.configure(reporterSettingsOf(settings, false));
      const message = restartNotice(changed, 'backgroundStart', [loaded.settings, settings]);
      if (message !== undefined) this.#reporter.report({ type: 'warning', message });
    });
    const token = newToken();
    const socket = socketPath(name);
    const control = await ControlServer.open({ path: socket, token, handlers: this.#handlers() });
    const program = runner.program.plan.command.display;
    const places = { folder: loaded.folder, startedIn: workingFolder(), socket, log };
    const { after } = loaded.settings;
    const startedAt = Date.now();
    const registration = new Registration({
      lock,
      record: { ...ownIdentity(), ...places, name, program, app, after, argv, token, startedAt, version },
      variables: ownEnvironment(),
      onRestored: () => {
        this.#log.reopen();
        void control.reopen();
      },
      onProblem: complain,
    });
    this.#handleSignals();
    const notified = this.#result(runner.program.readiness.outcome).then(sendStartResult);
    runner.on('end', async ({ reason }) => {
      await notified;
      const close = () => Promise.all([control.close(), this.#log.close()]);
      await registration.end(reason.kind === 'program' ? 'ended' : 'stopped', close);
      onEnd();
    });
    runner.start();
  }

  #write(chunk: Buffer, stream: StreamName): Promise<void> | undefined {
    this.#buffer.add(chunk);
    return this.#log.write(chunk, stream);
  }

  #handlers(): Readonly<Record<string, ControlHandler>> {
    const runner = this.runner;
    return {
      status: async () => {
        const { readiness, running, plan, changes } = runner.program;
        const { killTimeout, watch } = plan.loaded.settings;
        const usage = { pid: running?.pid, memory: running?.memory(), cpu: running?.cpu() };
        const watching = watch.length === 0 ? 'no' : changes.waiting === undefined ? 'yes' : 'paused';
        return { ...readiness.status, ...usage, watching, killTimeout } satisfies Status;
      },
      start: () => this.#result(runner.program.readiness.outcome),
      restart: () => {
        const outcome = runner.program.readiness.nextOutcome();
        runner.program.restart('manual', false);
        return this.#result(outcome);
      },
      reload: async () => runner.reload(),
      pause: async () => {
        runner.pause();
        return { isPaused: runner.program.changes.waiting !== undefined } satisfies PauseResult;
      },
      resume: async () => {
        const { waiting } = runner.program.changes;
        runner.resume();
        return { waiting } satisfies ResumeResult;
      },
      // A second `stop` request does not escalate; a second signal does.
      stop: async () => {
        this.#requests.stop('q');
        await this.#stopping;
        return {};
      },
      // Resolves once the program has read the input (back-pressure for `attach`).
      write: async ({ params }) => {
        const taken = createDeferred();
        runner.program.input.write(Buffer.from(String(params.data ?? ''), 'base64'), taken.resolve);
        await withDeadline(systemClock, writeTimeoutMs, taken.promise);
        return {};
      },
      attach: ({ signal }) => this.#buffer.stream(signal),
    };
  }

  /** Adds the pid of the program to the outcome of a start, and the last output to that of one that failed. */
  async #result(starting: Promise<StartOutcome>): Promise<StartResult> {
    const outcome = await starting;
    if (outcome.state === 'gone') return { ...outcome, tail: this.#buffer.tail(tailLines) };
    if (outcome.state !== 'failed') return { ...outcome, pid: this.runner.program.running?.pid };
    // The rest of the output is read within two turns, in which the next run may start: its outcome counts then.
    await nextTurn();
    await nextTurn();
    const { latestOutcome, outcome: next } = this.runner.program.readiness;
    return latestOutcome === undefined ? this.#result(next) : { ...outcome, tail: this.#buffer.tail(tailLines) };
  }

  #handleSignals(): void {
    process.on('SIGHUP', () => this.#log.reopen());
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) {
      process.on(signal, () => this.#requests.take(signal));
    }
    for (const signal of forwardedSignals) process.on(signal, () => this.runner.program.signal(signal, 'root'));
  }
}

function openLog({ file, isTagged, timestamps }: LogPlace, settings: Settings): Promise<Log> {
  const { logSize: maxSize, logFiles: maxFiles } = settings;
  const lineStart = isTagged ? 'tag' : timestamps ? 'time' : 'none';
  return Log.open({ file, maxSize, maxFiles, lineStart, clock: systemClock, onProblem: complain });
}

/** Writes to devwatch's own log. That may be on the very disk that is full, but there is no other place to report to. */
const complain = (message: string): void =>
  void attempt(() => fs.writeSync(process.stderr.fd, `devwatch: ${printable(message)}\n`));
