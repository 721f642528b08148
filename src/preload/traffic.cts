/** Knows which HTTP connections of this process are busy, or may become busy at any moment. */

const diagnostics = require('node:diagnostics_channel') as typeof import('node:diagnostics_channel');

type Socket = import('node:net').Socket;
type ServerResponse = import('node:http').ServerResponse;
type Exchange = { readonly socket: Socket; readonly response: ServerResponse };

/**
 * For this long after a connection was made, or after its last answer, the client may be about to send a request. On a
 * busy machine clients have been seen to take 60 ms.
 */
const freshMs = 100;
/** With more connections than this, stale ones are removed from time to time. */
const maxFresh = 256;
const drainPollIntervalMs = 3;

class Traffic {
  readonly #answering = new Set<ServerResponse>();
  /** The time at which the connection was made, or at which its last answer was complete. */
  readonly #fresh = new Map<Socket, number>();
  #isDraining = false;
  #drainsUntil = 0;
  #tidiedAt = 0;

  constructor() {
    diagnostics.subscribe('net.server.socket', (message) => this.#refresh((message as Exchange).socket));
    diagnostics.subscribe('http.server.request.start', (message) => {
      const { response, socket } = message as Exchange;
      this.#answering.add(response);
      this.#fresh.delete(socket);
      if (this.#isDraining) closeAfter(response);
    });
    diagnostics.subscribe('http.server.response.finish', (message) => {
      const { response, socket } = message as Exchange;
      this.#answering.delete(response);
      this.#refresh(socket);
    });
  }

  /**
   * Closes each connection after its answer, and calls back once none is busy, or at the deadline. A second call only
   * changes the deadline.
   */
  drain(until: number, onEnd: (isInTime: boolean) => void): void {
    this.#drainsUntil = until;
    if (this.#isDraining) return;
    this.#isDraining = true;
    for (const response of this.#answering) closeAfter(response);
    const check = (): void => {
      const isInTime = milliseconds() < this.#drainsUntil;
      if (isInTime && this.isBusy()) setTimeout(check, drainPollIntervalMs);
      else onEnd(isInTime);
    };
    check();
  }

  isBusy(): boolean {
    const now = milliseconds();
    for (const response of this.#answering) if (!response.destroyed) return true;
    for (const [socket, at] of this.#fresh) if (!socket.destroyed && now - at < freshMs) return true;
    return false;
  }

  #refresh(socket: Socket): void {
    const now = milliseconds();
    // Checking thousands of connections takes as long as an answer, so it is done at intervals.
    if (this.#fresh.size > maxFresh && now - this.#tidiedAt > freshMs) {
      this.#tidiedAt = now;
      for (const [other, at] of this.#fresh) if (now - at > freshMs || other.destroyed) this.#fresh.delete(other);
      for (const response of this.#answering) if (response.destroyed) this.#answering.delete(response);
    }
    this.#fresh.set(socket, now);
  }
}

/** Asks the client to make another connection for its next request. */
function closeAfter(response: ServerResponse): void {
  if (!response.headersSent) response.shouldKeepAlive = false;
}

/** Returns a monotonic time. `performance` would load nine modules of Node while the program is being stopped. */
function milliseconds(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

export type { milliseconds, Traffic };

module.exports = { milliseconds, Traffic };
