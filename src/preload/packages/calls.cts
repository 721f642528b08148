/**
 * Finds out, in an audit, which packages an entry calls while it is loaded: V8 counts calls. What a package keeps in a closure
 * cannot be seen from outside; whether another one may have asked for it can.
 */

import type { Session } from 'node:inspector';
import type { packageFolderOf as PackageFolderOf } from './internals.cts';

const { fileURLToPath } = require('node:url') as typeof import('node:url');
const { packageFolderOf } = require('./internals.cjs') as { packageFolderOf: typeof PackageFolderOf };

interface Calls {
  /** Counts from now on. */
  begin(): void;
  /** Returns the folders of packages that were loaded before `begin`, and whose functions have been called since. */
  end(): ReadonlySet<string>;
}

/** Begins to count. Returns undefined where V8 cannot: then it is not known which packages are called. */
function observeCalls(): Calls | undefined {
  try {
    const inspector = require('node:inspector') as typeof import('node:inspector');
    const session = new inspector.Session();
    session.connect();
    post(session, 'Profiler.enable');
    post(session, 'Profiler.startPreciseCoverage', { callCount: true, detailed: false, allowTriggeredUpdates: false });
    return new CallCounts(session);
  } catch {
    return undefined;
  }
}

class CallCounts implements Calls {
  readonly #session: Session;
  /** Scripts that have run before: what runs in them now is a function. */
  readonly #known = new Set<string>();

  constructor(session: Session) {
    this.#session = session;
  }

  begin(): void {
    this.#take();
  }

  end(): ReadonlySet<string> {
    return new Set(this.#take().flatMap((url) => packageFolderOf(pathOf(url)) ?? []));
  }

  /** Returns the addresses of known scripts that have run since the last time. */
  #take(): string[] {
    const called: string[] = [];
    try {
      for (const { scriptId, url, functions } of scriptsRun(this.#session)) {
        const hasRun = functions.some(({ ranges }) =>
          ranges.some(({ count, startOffset, endOffset }) => count > 0 && endOffset > startOffset),
        );
        if (!hasRun) continue;
        if (this.#known.has(scriptId)) called.push(url);
        this.#known.add(scriptId);
      }
    } catch {
      return []; // It is not known.
    }
    return called;
  }
}

interface ScriptRun {
  readonly scriptId: string;
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly { readonly count: number; readonly startOffset: number; readonly endOffset: number }[];
  }[];
}

/** Returns the scripts of which something has run since the last call. */
const scriptsRun = (session: Session): readonly ScriptRun[] =>
  (post(session, 'Profiler.takePreciseCoverage') as { readonly result: readonly ScriptRun[] }).result;

/** Sends a command to V8, which answers before `post` returns. */
function post(session: Session, method: string, parameters: object = {}): unknown {
  let answer: unknown;
  session.post(method, parameters, (error, result) => {
    if (error === null) answer = result;
  });
  if (answer === undefined) throw new Error(`${method} is not available`);
  return answer;
}

const pathOf = (url: string): string => {
  try {
    return url.startsWith('file:') ? fileURLToPath(url) : url;
  } catch {
    return url;
  }
};

export type { Calls, observeCalls };

module.exports = { observeCalls };
