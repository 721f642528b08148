/**
 * Requests to a devwatch in the background, over a Unix socket: one connection per request, one JSON object per line.
 * The client sends `{"token", "verb", "params"}`. The answer is `{"result"}`, or `{"streaming": true}` followed by any
 * number of `{"item"}` and `{"end": true}`, or `{"error"}`.
 */

/** The line feed included. */
export const maxRequestBytes: number = 64 * 1024;
/** Characters in a line of an answer. */
export const maxAnswerLength: number = 16 * 1024 * 1024;
/** Time for a request to arrive, and for an answer or the beginning of a stream. */
export const defaultTimeoutMs = 5000;

export const encode = (message: object): string => `${JSON.stringify(message)}\n`;

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
