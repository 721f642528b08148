/** The sockets of the run before on which this run does not listen yet. They are released when their time is over. */

import type { Address, isRival as IsRival } from './addresses.cts';
import type { HeldSocket } from './protocol.ts' with { 'resolution-mode': 'import' };
import type { refuseConnections as RefuseConnections } from './refused-connections.cts';
import type { milliseconds as Milliseconds } from './traffic.cts';
import type { fileIdentityOf as FileIdentityOf } from './unix-socket-files.cts';

const { isRival } = require('./addresses.cjs') as { isRival: typeof IsRival };
const { refuseConnections } = require('./refused-connections.cjs') as { refuseConnections: typeof RefuseConnections };
const { milliseconds } = require('./traffic.cjs') as { milliseconds: typeof Milliseconds };
const { fileIdentityOf } = require('./unix-socket-files.cjs') as { fileIdentityOf: typeof FileIdentityOf };

interface Options {
  /** Refuse connections of the program itself to these sockets. */
  readonly refusesConnections: boolean;
  /** Closes a socket. */
  close(held: HeldSocket): void;
}

/** Servers start within this time of each other; a socket that is unclaimed by then is released. */
const claimTimeoutMs = 500;
/** The same for a program that does not listen at all. */
const firstClaimTimeoutMs = 30_000;

class UnclaimedSockets {
  readonly #options: Options;
  #sockets: readonly HeldSocket[] = [];
  /** Lets servers listen that only seem to, by port. */
  readonly #pretended = new Map<number, () => void>();
  /** Set while connections are refused. */
  #endRefusal: (() => void) | undefined;
  #releaseTimer: NodeJS.Timeout | undefined;
  /** When the program began, when its first server began to listen, and when the latest one did. */
  #beganAt = 0;
  #firstAt: number | undefined;
  #latestAt = 0;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Does in advance what a start with sockets needs. */
  warmUp(): void {
    if (this.#options.refusesConnections) refuseConnections(() => [])();
  }

  /** The program begins. */
  begin(sockets: readonly HeldSocket[]): void {
    this.#beganAt = milliseconds();
    this.#set(sockets);
    this.#releaseWhenDue();
  }

  /** A server of the program listens. */
  onListening(): void {
    this.#latestAt = milliseconds();
    this.#firstAt ??= this.#latestAt;
    this.#releaseWhenDue();
  }

  /** Returns the socket for this address, if there is one, which is claimed from now on. */
  claim({ key, file, canBeHeld }: Address): HeldSocket | undefined {
    if (!canBeHeld) return undefined;
    const held = this.#sockets.find(
      (one) => one.key === key && (one.path === undefined || one.path === fileIdentityOf(file)),
    );
    if (held !== undefined) this.#forget(held);
    return held;
  }

  /** The program has not used a socket that it has claimed. */
  putBack(held: HeldSocket): void {
    this.#set([...this.#sockets, held]);
    this.#releaseWhenDue();
  }

  /** Whether there are sockets on the same port or path as an address, which may block it. */
  hasRivals(address: Address): boolean {
    return this.#sockets.some((one) => isRival(one, address));
  }

  releaseRivals(address: Address): void {
    for (const one of this.#sockets) if (isRival(one, address)) this.release(one);
  }

  /** Closes a socket for good. */
  release(held: HeldSocket): void {
    this.#forget(held);
    this.#options.close(held);
  }

  /** `settle` is called before the program connects to the port. */
  onConnect(port: number, settle: () => void): void {
    this.#pretended.set(port, settle);
  }

  #forget(held: HeldSocket): void {
    this.#set(this.#sockets.filter((other) => other !== held));
  }

  #set(sockets: readonly HeldSocket[]): void {
    this.#sockets = sockets;
    if (sockets.length === 0) {
      this.#endRefusal?.();
      this.#endRefusal = undefined;
    } else if (this.#options.refusesConnections) {
      this.#endRefusal ??= refuseConnections((port = 0) => {
        this.#pretended.get(port)?.();
        return this.#sockets;
      });
    }
  }

  #releaseWhenDue(): void {
    clearTimeout(this.#releaseTimer);
    const now = milliseconds();
    for (const one of this.#sockets) if (this.#dueAt(one) <= now) this.release(one);
    if (this.#sockets.length === 0) return;
    const next = Math.min(...this.#sockets.map((one) => this.#dueAt(one)));
    this.#releaseTimer = setTimeout(() => this.#releaseWhenDue(), Math.ceil(next - now)).unref();
  }

  /**
   * The time at which a socket is released: it may take twice as long as in the run before, from the first server and
   * from the begin. A server that is new, such as one on a neighbouring port, may be the first.
   */
  #dueAt({ lagMs = 0, ageMs = 0 }: HeldSocket): number {
    if (this.#firstAt === undefined) return this.#beganAt + firstClaimTimeoutMs;
    const untilMs = Math.min(2 * lagMs + claimTimeoutMs, firstClaimTimeoutMs);
    const sinceBegin = Math.min(2 * ageMs + claimTimeoutMs, firstClaimTimeoutMs);
    return Math.max(this.#firstAt + untilMs, this.#latestAt + claimTimeoutMs, this.#beganAt + sinceBegin);
  }
}

export type { UnclaimedSockets };

module.exports = { UnclaimedSockets };
