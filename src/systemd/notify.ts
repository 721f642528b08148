/**
 * Notifies the service manager that started devwatch of the state of its programs: sd_notify(3), for units of
 * `Type=notify`.
 *
 * The manager reads datagrams from a Unix socket, which Node cannot send: systemd-notify does. It is not the main
 * process of the unit, so the unit needs `NotifyAccess=all`. Since systemd 246 it exits only when its message has been
 * read; an earlier one may be gone by then, and the manager cannot find out to which unit it belonged.
 */

import { execFile } from 'node:child_process';
import { type DevwatchEvent, describeOutcome, type Emit, type Next } from '../shared/events.ts';

/** Sends READY=1 when all programs have been up, STOPPING=1 when devwatch stops, and a STATUS with each change. */
export class ServiceNotifier {
  readonly #send: (lines: string[]) => Promise<void>;
  /** Programs that have not been up yet. */
  readonly #awaited = new Set<Emit>();
  #isReady = false;
  #isStopping = false;
  /** Lines that wait until the current message has been sent. */
  #pending: string[] = [];
  #sending: Promise<void> | undefined;

  /** @param send sends one message of `NAME=value` lines; never rejects */
  constructor(send: (lines: string[]) => Promise<void>) {
    this.#send = send;
  }

  /** Adds a program, one of several if it has a name, to be up before READY=1; returns a function that takes its events. */
  program(name?: string): Emit {
    const onEvent: Emit = (event) => {
      const status = statusOf(event);
      if (status === undefined || this.#isStopping) return;
      // Only a crash leaves a program not up.
      if (event.type !== 'crash') this.#awaited.delete(onEvent);
      const isNewlyReady = !this.#isReady && this.#awaited.size === 0;
      this.#isReady ||= isNewlyReady;
      this.#notify(isNewlyReady ? ['READY=1'] : [], name === undefined ? status : `${name} ${status}`);
    };
    this.#awaited.add(onEvent);
    return onEvent;
  }

  /** Sends STOPPING=1, once. Resolves when everything has been sent. */
  async stop(): Promise<void> {
    if (!this.#isStopping) this.#notify(['STOPPING=1'], 'is stopping');
    this.#isStopping = true;
    await this.#sending;
  }

  #notify(lines: readonly string[], status: string): void {
    // Only the last status of the messages that wait is true. A line feed would begin another assignment.
    const kept = this.#pending.filter((line) => !line.startsWith('STATUS='));
    this.#pending = [...kept, ...lines, `STATUS=${status.replaceAll(/\p{Cc}/gu, ' ')}`];
    this.#sending ??= this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    while (this.#pending.length > 0) await this.#send(this.#pending.splice(0));
    this.#sending = undefined;
  }
}

/** Describes the state that a program enters with an event; undefined for other events. */
function statusOf(event: DevwatchEvent): string | undefined {
  switch (event.type) {
    case 'ready':
    case 'address':
      return event.port === undefined ? 'is up' : `is up · port ${event.port}`;
    case 'running':
      return 'is running';
    case 'crash':
      return `crashed: ${describeOutcome(event.outcome)}${describeNext(event.next)}`;
    case 'exit':
      return `has run and ended${describeNext(event.next)}`;
    case 'wait':
      if (event.reason === 'after') return undefined;
      return event.reason === 'on-change-only' ? 'waits for a change' : 'waits for a file';
    case 'end':
      // The settings no longer name the program. A program that ends by itself ends devwatch as well.
      return event.reason.kind === 'requested' ? 'was removed' : undefined;
    default:
      return undefined;
  }
}

const describeNext = ({ kind }: Next): string =>
  kind === 'restart' ? ' · starts again' : kind === 'wait' ? ' · waits for a change' : '';

/**
 * Returns a notifier for the manager whose socket the environment names; undefined without one. Removes the variable
 * from the environment, because messages of the program would replace those of devwatch. Calls `onProblem` once if the
 * manager cannot be notified, or does not read a message in time, for which the end waits.
 */
export function openNotifySocket(
  env: NodeJS.ProcessEnv,
  onProblem: (message: string) => void,
  timeoutMs = 5000,
): ServiceNotifier | undefined {
  const { NOTIFY_SOCKET, PATH } = env;
  if (NOTIFY_SOCKET === undefined) return undefined;
  delete env.NOTIFY_SOCKET;
  let isBroken = false;
  return new ServiceNotifier(async (lines) => {
    const problem = isBroken ? undefined : await runSystemdNotify(lines, { NOTIFY_SOCKET, PATH }, timeoutMs);
    if (problem === undefined) return;
    isBroken = true;
    onProblem(`the service manager is not notified that the program is up: ${problem}`);
  });
}

/** Returns an error message, or undefined on success. */
function runSystemdNotify(lines: string[], env: NodeJS.ProcessEnv, timeout: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile('systemd-notify', lines, { env, timeout, killSignal: 'SIGKILL' }, (error, _, stderr) => {
      if (error === null) resolve(undefined);
      else if (error.code === 'ENOENT')
        resolve('systemd-notify is not in PATH · install the tools of systemd, or set Type=exec in the unit');
      else resolve(stderr.trim().split('\n')[0] || `systemd-notify: ${error.signal ?? `exit ${error.code}`}`);
    });
  });
}
