/**
 * Live reload of one program: pages reload after each run that is up, and when files change that only pages load. While
 * the program is down after a crash they show why, and devwatch answers on its held ports.
 */

import { stripVTControlCharacters } from 'node:util';
import type { answerWithCrash as AnswerWithCrash } from '../live-reload/crash-page.ts';
import type { LiveReloadServer } from '../live-reload/server.ts';
import type { Launcher } from '../process/launch/launcher.ts';
import {
  type DevwatchEvent,
  describeError,
  describeOutcome,
  type EventOf,
  type Next,
  type ProgramError,
} from '../shared/events.ts';
import { formatTime } from '../shared/format.ts';
import { printable } from '../shared/printable.ts';
import type { RunPlan } from './command-plan.ts';

/** A request waits for the next try if that follows this soon; otherwise it is answered with the crash. */
const maxWaitMs = 1000;

/** The launcher, as far as it answers on held ports. */
type PortLauncher = Pick<Launcher, 'keepAnswerablePorts' | 'answerOnPorts' | 'releasePorts'>;

export class LiveReload {
  readonly #launcher: PortLauncher;
  readonly #plan: () => RunPlan;
  /** Loaded when the program has been started. */
  #opened: { readonly server: LiveReloadServer; readonly answerWithCrash: typeof AnswerWithCrash } | undefined;
  /** The text about the crash by which the program is down. */
  #crash: string | undefined;
  /** The program is down for longer once its process tree is gone. */
  #willAnswer = false;
  #isClosed = false;

  constructor(launcher: PortLauncher, plan: () => RunPlan) {
    this.#launcher = launcher;
    this.#plan = plan;
  }

  /**
   * Opens the port that pages connect to; returns the address of their script. Undefined after `close`.
   *
   * @throws UsageError if the port is taken or forbidden
   */
  async open(port: number): Promise<string | undefined> {
    const [{ LiveReloadServer }, { answerWithCrash }] = await Promise.all([
      import('../live-reload/server.ts'),
      import('../live-reload/crash-page.ts'),
    ]);
    const server = await LiveReloadServer.open(port);
    if (this.#isClosed) {
      void server.close();
      return undefined;
    }
    this.#opened = { server, answerWithCrash };
    this.#launcher.keepAnswerablePorts();
    if (this.#crash !== undefined) server.showCrash(this.#crash);
    return `${server.url}/client.js`;
  }

  /** Takes every event of the program, in order. */
  onEvent(event: DevwatchEvent): void {
    switch (event.type) {
      case 'ready':
      case 'address':
        this.#crash = undefined;
        this.#opened?.server.up();
        this.#opened?.server.reload();
        return;
      case 'change':
        // A program that takes up changes itself does not become ready once more.
        if (this.#plan().loaded.settings.onChange === 'nothing') this.#opened?.server.reload();
        return;
      case 'signal':
        this.#opened?.server.reload();
        return;
      case 'running':
      case 'exit':
        this.#crash = undefined;
        this.#opened?.server.up();
        return;
      case 'pages':
        if (event.styles) this.#opened?.server.swapStyles(event.paths);
        else this.#opened?.server.reload();
        return;
      case 'crash':
        this.#crash = describeCrash(event, this.#plan().command.display);
        this.#willAnswer = isDownForLonger(event.next);
        this.#opened?.server.showCrash(this.#crash);
        return;
      case 'gone':
        if (this.#willAnswer) this.#answerOnPorts(event.survivors.length > 0);
        this.#willAnswer = false;
        return;
      default:
    }
  }

  /** Ends the connections of all pages. */
  close(): void {
    this.#isClosed = true;
    void this.#opened?.server.close();
  }

  /** @param hasSurvivors processes that could not be ended, and may accept connections themselves */
  #answerOnPorts(hasSurvivors: boolean): void {
    const opened = this.#opened;
    if (opened === undefined) return;
    const { server, answerWithCrash } = opened;
    const page = () => ({ text: this.#crash ?? '', script: server.crashPageScript });
    if (hasSurvivors) this.#launcher.releasePorts();
    else this.#launcher.answerOnPorts((socket) => answerWithCrash(socket, page));
  }
}

const isDownForLonger = (next: Next): boolean =>
  next.kind === 'wait' || (next.kind === 'restart' && next.delay > maxWaitMs);

/** Describes a crash in several lines, which may be shown anywhere. */
function describeCrash({ outcome, next }: EventOf<'crash'>, program: string): string {
  const { reason, error, uncaught } = outcome;
  const end = reason ?? error ?? `${program} has crashed (${describeOutcome(outcome)})`;
  const lines = [...(uncaught === undefined ? [] : [...linesOf(uncaught), '']), `${end} · ${describeNext(next)}`];
  return lines
    .flatMap((text) => stripVTControlCharacters(text).split('\n'))
    .map(printable)
    .join('\n');
}

/** Returns the stack, after the place in the project's own code if the stack does not name it. */
function linesOf(error: ProgramError): readonly string[] {
  const { file, line, column } = error.location ?? {};
  const place = [file, line, column].filter((part) => part !== undefined).join(':');
  const stack = error.stack === '' ? describeError(error) : error.stack;
  return file === undefined || stack.includes(file) ? [stack] : [place, '', stack];
}

function describeNext(next: Next): string {
  if (next.kind === 'restart') return `restarting in ${formatTime(next.delay)}`;
  return next.kind === 'wait' ? `waiting for a ${next.for === 'change' ? 'change' : 'restart'}` : 'ending';
}
