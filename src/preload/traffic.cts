/** Knows which HTTP connections of this process are busy, or may become busy at any moment. */

type Socket = import('node:net').Socket;
type ServerResponse = import('node:http').ServerResponse;

const diagnostics = require('node:diagnostics_channel') as typeof import('node:diagnostics_channel');

/**
 * For this long after a connection was made, or after its last answer, the client may be about to send a request. On a
 * busy machine clients have been seen to take 60 ms.
 */
const freshMs = 100;
/** With more connections than this, stale ones are removed from time to time. */
const maxFresh = 256;

class Traffic {
  readonly #answering = new Set<ServerResponse>();
  /** The time at which the connection was made, or at which its last answer was complete. */
  readonly #fresh = new Map<Socket, number>();
  #hasBegun = false;
  #isDraining = false;
  #tidiedAt = 0;

  /** Starts to watch. To be called for each server; only the first call has an effect. */
  begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    diagnostics.subscribe('net.server.socket', (message) => this.#refresh((message as { socket: Socket }).socket));
    diagnostics.subscribe('http.server.request.start', (message) => {
      const { response, socket } = message as { response: ServerResponse; socket: Socket };
      this.#answering.add(response);
      this.#fresh.delete(socket);
      if (this.#isDraining) closeAfter(response);
    });
    diagnostics.subscribe('http.server.response.finish', (message) => {
      const { response, socket } = message as { response: ServerResponse; socket: Socket };
      this.#answering.delete(response);
      this.#refresh(socket);
    });
  }

  /** From now on each connection is closed after its answer. */
  drain(): void {
    this.#isDraining = true;
    for (const response of this.#answering) closeAfter(response);
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

/**
 * Returns a monotonic time, as `process.hrtime` counts. `performance` would load nine modules of Node, while the
 * program is being stopped.
 */
function milliseconds(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

module.exports = { Traffic, milliseconds };
