/**
 * Finds out, in an audit, which packages an entry calls while it is loaded: V8 counts calls. What a package keeps in a closure
 * cannot be seen from outside; whether another one may have asked for it can.
 */

import type { Session } from 'node:inspector';
import type { packageFolderOf as PackageFolderOf } from './internals.cts';

const { fileURLToPath } = require('node:url') as typeof import('node:url');
const { packageFolderOf } = require('./internals.cjs') as { packageFolderOf: typeof PackageFolderOf };

interface Called {
  /** Folders of packages that were loaded before. */
  readonly folders: ReadonlySet<string>;
  /** The working folder has been asked for, by `process.cwd` or with a relative path; undefined if that is not known. */
  readonly folderIsRead: boolean | undefined;
}

interface Calls {
  /** Counts from now on. */
  begin(): void;
  /** Returns what has been called since `begin`. */
  end(): Called;
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

  /** Whether V8 counts calls of `process.cwd`, and has counted one. */
  readonly #noticesFolder: boolean;
  #folderIsRead = false;

  constructor(session: Session) {
    this.#session = session;
    this.#take();
    process.cwd();
    this.#take();
    this.#noticesFolder = this.#folderIsRead;
  }

  begin(): void {
    this.#take();
  }

  end(): Called {
    const folders = new Set(this.#take().flatMap((url) => packageFolderOf(pathOf(url)) ?? []));
    return { folders, folderIsRead: this.#noticesFolder ? this.#folderIsRead : undefined };
  }

  /** Returns the addresses of known scripts that have run since the last time. */
  #take(): string[] {
    const called: string[] = [];
    this.#folderIsRead = false;
    try {
      for (const { scriptId, url, functions } of scriptsRun(this.#session)) {
        const hasRun = functions.some(({ ranges }) =>
          ranges.some(({ count, startOffset, endOffset }) => count > 0 && endOffset > startOffset),
        );
        if (!hasRun) continue;
        if (url === folderScript) this.#folderIsRead ||= functions.some(readsFolder);
        if (this.#known.has(scriptId)) called.push(url);
        this.#known.add(scriptId);
      }
    } catch {
      return []; // It is not known.
    }
    return called;
  }
}

/** The part of Node in which `process.cwd` is. */
const folderScript = 'node:internal/bootstrap/switches/does_own_process_state';
const readsFolder = ({ functionName, ranges }: ScriptRun['functions'][number]): boolean =>
  functionName === 'wrappedCwd' && ranges.some(({ count }) => count > 0);

interface ScriptRun {
  readonly scriptId: string;
  readonly url: string;
  readonly functions: readonly {
    readonly functionName: string;
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

export type { Called, Calls, observeCalls };

module.exports = { observeCalls };
