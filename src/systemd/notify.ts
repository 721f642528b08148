/**
 * Tells the service manager that started devwatch how its program is: sd_notify(3), for units of `Type=notify`.
 *
 * The manager reads datagrams from a Unix socket, which Node cannot send: systemd-notify does. That is
 * not the unit's main process, so the unit needs `NotifyAccess=all`. Since systemd 246 it ends only when
 * its message has been read; of an earlier one, which may be gone by then, the manager cannot tell to
 * which unit it belonged.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import { codeOf, messageOf } from '../shared/errors.ts';
import { assumedRunningAfterMs, type Emit, type Next, type Outcome } from '../shared/events.ts';

export interface NotifyOptions {
  /** Sends one message of `NAME=value` lines; never rejects. */
  readonly send: (lines: readonly string[]) => Promise<void>;
  readonly clock: Clock;
}

export interface ServiceNotices {
  /**
   * Hears of everything that happens to a program. READY is told when all programs have been up.
   *
   * @param hasSign the settings name a sign by which it is up
   * @param name of one of several
   */
  program(hasSign: boolean, name?: string): Emit;
  /** devwatch ends. Resolves when that, and all before it, has been sent. */
  stopped(): Promise<void>;
}

/** What says that the programs are up, or why they are not, in the order in which it happens. */
export function createServiceNotices({ send, clock }: NotifyOptions): ServiceNotices {
  let isReady = false;
  let isStopping = false;
  /** Programs that have not been up. */
  const expected = new Set<Emit>();
  const proofs = new Set<CancelTimer>();
  /** Of several messages that wait, the last one is true. */
  let waiting: string[] | undefined;
  let sending: Promise<void> | undefined;

  function tell(lines: readonly string[]): void {
    const kept = waiting?.filter((line) => !line.startsWith('STATUS=')) ?? [];
    waiting = [...kept, ...lines];
    sending ??= sendAll();
  }

  async function sendAll(): Promise<void> {
    for (let lines = waiting; lines !== undefined; lines = waiting) {
      waiting = undefined;
      await send(lines);
    }
    sending = undefined;
  }

  /** @returns what hears of the program */
  function program(hasSign: boolean, name?: string): Emit {
    let cancelProof: CancelTimer = () => {};
    let needsSign = hasSign;

    function status(text: string): void {
      if (isStopping) return;
      const isNewlyReady = !isReady && expected.size === 0;
      isReady ||= isNewlyReady;
      tell([...(isNewlyReady ? ['READY=1'] : []), statusLine(name === undefined ? text : `${name} ${text}`)]);
    }

    function up(text: string): void {
      cancelProof();
      expected.delete(observe);
      status(text);
    }

    function prove(): void {
      const cancel = clock.after(assumedRunningAfterMs, () => up('is running'));
      cancelProof = () => {
        cancel();
        proofs.delete(cancelProof);
      };
      proofs.add(cancelProof);
    }

    const observe: Emit = (event) => {
      switch (event.type) {
        case 'settings':
          needsSign = event.settings.ready !== undefined;
          break;
        case 'stopping':
          cancelProof();
          break;
        case 'start':
          cancelProof();
          if (!needsSign) prove();
          break;
        case 'ready': {
          const { port } = event;
          up(port === undefined ? 'is up' : `is up · port ${port}`);
          break;
        }
        case 'crash': {
          const { outcome, next } = event;
          cancelProof();
          status(`crashed: ${reasonOf(outcome)}${nextText(next)}`);
          break;
        }
        case 'exit': {
          const { next } = event;
          cancelProof();
          // Done, as far as a program that ends can be.
          if (next.kind === 'wait') up(`has run and ended${nextText(next)}`);
          else status(`has run and ended${nextText(next)}`);
          break;
        }
        case 'wait':
          if (event.reason === 'on-change-only') up('waits for a change');
          break;
        case 'end':
          // One that the settings no longer name: nobody waits for it. What ends by itself ends all.
          if (event.reason.kind === 'requested') up('has been taken out');
          break;
        default:
      }
    };
    expected.add(observe);
    return observe;
  }

  return {
    program,
    async stopped() {
      for (const cancel of [...proofs]) cancel();
      if (!isStopping) tell(['STOPPING=1', statusLine('is ending')]);
      isStopping = true;
      await sending;
    },
  };
}

const reasonOf = ({ reason, error, code, signal }: Outcome): string =>
  reason ?? error ?? (signal === null ? `exit ${code}` : signal);

const nextText = ({ kind }: Next): string =>
  kind === 'restart' ? ' · starts again' : kind === 'wait' ? ' · waits for a change' : '';

/** A line end in it would begin another assignment. */
const statusLine = (text: string): string => `STATUS=${text.replaceAll(/\p{Cc}/gu, ' ')}`;

/**
 * Notices for the manager whose socket the environment names; undefined without one. The variable is
 * taken out of the environment: the program would speak for devwatch, which runs before and after it.
 *
 * @param onProblem hears once why the manager cannot be told
 */
export function openNotifySocket(
  env: NodeJS.ProcessEnv,
  options: Omit<NotifyOptions, 'send'> & {
    readonly onProblem: (message: string) => void;
    /** A manager that does not read for so long, in ms, is not told: the end waits for it. Default 5 s. */
    readonly longestNotice?: number;
  },
): ServiceNotices | undefined {
  const { NOTIFY_SOCKET: socket, PATH } = env;
  if (socket === undefined) return undefined;
  delete env.NOTIFY_SOCKET;
  let isBroken = false;
  return createServiceNotices({
    ...options,
    async send(lines) {
      if (isBroken) return;
      const problem = await runSystemdNotify(lines, { NOTIFY_SOCKET: socket, PATH }, options.longestNotice ?? 5000);
      if (problem === undefined) return;
      isBroken = true;
      options.onProblem(`the service manager is not told that the program is up: ${problem}`);
    },
  });
}

/** @returns what went wrong, or undefined */
async function runSystemdNotify(
  lines: readonly string[],
  env: NodeJS.ProcessEnv,
  timeout: number,
): Promise<string | undefined> {
  try {
    const child = spawn('systemd-notify', lines, {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout,
      killSignal: 'SIGKILL',
    });
    let says = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      says += chunk;
    });
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return code === 0 ? undefined : says.trim().split('\n')[0] || `systemd-notify: ${signal ?? `exit ${code}`}`;
  } catch (error) {
    return codeOf(error) === 'ENOENT'
      ? 'systemd-notify is not in PATH · install the tools of systemd, or Type=exec in the unit'
      : `systemd-notify: ${messageOf(error)}`;
  }
}
