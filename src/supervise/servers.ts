/**
 * The servers of a program: whether all that listened in the run before listen again, and which one is the program's
 * own, whose address people use.
 */

import type { CancelTimer, Clock } from '../shared/clock.ts';
import type { ServerAddress } from '../shared/events.ts';
import type { Server } from '../shared/server.ts';

export interface ServersListener {
  /** The program is up; its last server began to listen at `at`. Called once in a run. */
  onUp(at: number): void;
  /** Another server than before turned out to be the program's own after it was up. */
  onAddress(at: number): void;
}

/**
 * In the first run, time without a further server after which the program is up. A Fastify server and one that is
 * started when it listens have been measured 3 to 12 ms apart on a busy machine. If a server comes later, the
 * program's address may change, but nothing waits for it again.
 */
const settlingMs = 50;
/** The same as long as the program's own server is certainly not among them. */
const incompleteSettlingMs = 2000;
/** A server of the run before is waited for twice as long as it took then, and this long. */
const slackMs = 500;
/** A server that came this long after the first one is not a part of the start. */
const maxLagMs = 10_000;
/** Servers that listen within this time of each other were started together. */
const togetherMs = 250;

interface Listening {
  readonly server: Server;
  readonly at: number;
}

/** The servers of a run that came up. */
interface Memory {
  /** For each server of the start its key, and the time from the first server to it. */
  readonly lags: readonly (readonly [key: string, lagMs: number])[];
  /** The key of the program's own server. */
  readonly own: string | undefined;
}

export class Servers {
  readonly #clock: Clock;
  #listener: ServersListener | undefined;
  readonly #listening = new Map<string, Listening>();
  #before: Memory | undefined;
  #isRunning = false;
  #firstAt = 0;
  #isUp = false;
  #own: Listening | undefined;
  #cancel: CancelTimer = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The address of the program's own server; empty while no server listens. */
  get address(): ServerAddress {
    const { port, url } = this.#own?.server ?? {};
    return { port, url };
  }

  /** Replaces the listener; it is called at once if the program is up. */
  notify(listener: ServersListener): void {
    this.#listener = listener;
    if (this.#isUp) listener.onUp(this.#latestAt);
  }

  /** A run begins. */
  begin(): void {
    this.end();
    this.#isRunning = true;
  }

  /** The run is over, or is being stopped. */
  end(): void {
    this.#cancel();
    this.#isRunning = false;
    if (this.#isUp && this.#listening.size > 0) this.#before = this.#remember();
    this.#listening.clear();
    this.#isUp = false;
    this.#own = undefined;
  }

  listens(server: Server): void {
    if (!this.#isRunning) return;
    const at = this.#clock.now();
    if (this.#listening.size === 0) this.#firstAt = at;
    this.#listening.set(server.id, { server, at });
    const { previous, wasUp } = { previous: this.#own, wasUp: this.#isUp };
    this.#check();
    if (wasUp && this.#own !== undefined && !isSame(this.#own, previous)) this.#listener?.onAddress(at);
  }

  closes(id: string): void {
    if (!this.#listening.delete(id)) return;
    if (this.#isUp) this.#choose();
    else this.#check();
  }

  get #latestAt(): number {
    return Math.max(...[...this.#listening.values()].map(({ at }) => at));
  }

  #choose(): void {
    this.#own = chooseOwn([...this.#listening.values()], this.#before?.own);
  }

  #check(): void {
    this.#cancel();
    this.#choose();
    if (this.#isUp || this.#own === undefined) return;
    const waitMs = this.#before === undefined ? this.#settlingMs : this.#missingMs(this.#before);
    if (waitMs === 0) this.#reportUp();
    else this.#cancel = this.#clock.after(waitMs, () => this.#reportUp());
  }

  /** Time to wait for a further server in the first run. */
  get #settlingMs(): number {
    const servers = [...this.#listening.values()].map(({ server }) => server);
    const isIncomplete = servers.every(({ role }) => role === 'auxiliary' || role === 'other');
    return isIncomplete ? incompleteSettlingMs : settlingMs;
  }

  /** Time to wait for servers that listened in the run before; 0 if all do, or as many others. */
  #missingMs({ lags }: Memory): number {
    if (this.#listening.size >= lags.length) return 0;
    const keys = [...this.#listening.values()].map(({ server }) => server.key);
    const missing = lags.filter(([key]) => {
      const index = keys.indexOf(key);
      if (index >= 0) keys.splice(index, 1);
      return index < 0;
    });
    const elapsed = this.#clock.now() - this.#firstAt;
    const lag = Math.max(...missing.map(([, lagMs]) => lagMs));
    return Math.max(slackMs, 2 * lag + slackMs - elapsed);
  }

  #reportUp(): void {
    this.#isUp = true;
    this.#listener?.onUp(this.#latestAt);
  }

  #remember(): Memory {
    const all = [...this.#listening.values()];
    const lags = all.map(({ server, at }) => [server.key, at - this.#firstAt] as const);
    return { lags: lags.filter(([, lagMs]) => lagMs <= maxLagMs), own: this.#own?.server.key };
  }
}

/** Whether both are servers at the same address. */
const isSame = (one: Listening, other: Listening | undefined): boolean =>
  one.server.port === other?.server.port && one.server.url === other?.server.url;

/**
 * Chooses the program's own server, by the first of these rules that decides: its port is named by PORT or by an
 * argument; it serves HTTP; it is not auxiliary; it was the own one in the run before; it was started later than the
 * others, as a server is that waits for a database; its port is the lowest.
 */
function chooseOwn(all: readonly Listening[], before: string | undefined): Listening | undefined {
  const rules: readonly ((one: Listening) => boolean)[] = [
    ({ server }) => server.role === 'named',
    ({ server }) => server.url !== undefined,
    ({ server }) => server.role !== 'auxiliary',
    ({ server }) => server.key === before,
  ];
  const fitting = (left: readonly Listening[], rule: (one: Listening) => boolean): readonly Listening[] =>
    left.some(rule) ? left.filter(rule) : left;
  const portOf = ({ server: { port = Number.POSITIVE_INFINITY } }: Listening): number => port;
  return latestOf(rules.reduce(fitting, all)).toSorted((one, other) => portOf(one) - portOf(other))[0];
}

/** Returns those that were started together at last, during the start of the program. */
function latestOf(all: readonly Listening[]): readonly Listening[] {
  const inOrder = all.toSorted((one, other) => one.at - other.at);
  const firstAt = inOrder[0]?.at ?? 0;
  const ofStart = inOrder.filter(({ at }) => at - firstAt <= maxLagMs);
  const begin = ofStart.findLastIndex(({ at }, index) => at - (ofStart[index - 1]?.at ?? 0) > togetherMs);
  return ofStart.slice(Math.max(begin, 0));
}
