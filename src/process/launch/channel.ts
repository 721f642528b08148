/** What the preload tells devwatch from inside a Node program. */

import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { PackageFile } from '../../preload/orders.ts';
import { splitLines } from '../../shared/lines.ts';

/** What devwatch does about it. */
export interface ProgramNotices {
  /**
   * The program is about to read its stdin, and waits. Returns what was typed before that, so that
   * nothing is lost: it gets that first.
   */
  onReadsInput(): string;
  /** It does not read it any more: what read was a child, which has ended. */
  onLeavesInput(): void;
  /** The program's own code begins. */
  onBegin(): void;
  /** The program loads this file (absolute), or would if it were there. */
  onLoad(file: string): void;
  /** A file of the program's own loads this file of a package (absolute) by `require` or `import`. */
  onPackage(item: PackageFile): void;
  /** The process is booted and waits to be released; it has loaded these files of packages (absolute). */
  onParked(files: readonly string[]): void;
  /** A package could not be loaded ahead of time; the process ends. */
  onPrewarmFailed(file: string, message: string): void;
  /** The program listens: on a port, or at this path; `id` names the socket (see process/hold.ts). */
  onListens(listening: Listening): void;
  /** A socket of the run before, which this one has no use for. */
  onUnclaimed(id: string): void;
  /** The program closes a socket, and waits until no duplicate is left. */
  onUnhold(id: string): Promise<void>;
  /** What was under way when the end was announced has been answered. `asked`: the root process sends itself the signal to end. */
  onDrained(asked: boolean): void;
  /** The program cannot be told anything while it runs. */
  onDeaf(): void;
  /** The program's event loop has answered the ping of this number. */
  onPong(ping: number): void;
  /** Somebody else listens on this port: the program dies of that, unless it handles the error. */
  onPortTaken(port: number, isHandled: boolean): void;
}

export interface Listening {
  readonly id: string;
  /** Undefined for a Unix socket. */
  readonly port?: number | undefined;
  readonly path?: string | undefined;
}

/** The descriptor that the pipe has in the program: the first after stdin, stdout and stderr. */
export const channelDescriptor = 3;

/** Holds the orders (preload/orders.ts). */
export const channelVariable = 'DEVWATCH_CHANNEL';

/** The preload's file. In the sources' own tests it is the built one: Node 20 does not run TypeScript. */
export const preloadFile: string = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../../dist/preload/preload.cjs' : './preload/preload.cjs',
    import.meta.url,
  ),
);

/** Hands what the preload says to whoever listens then, one JSON object a line; what is none is passed over. */
export function readNotices(stream: Duplex, listener: () => Partial<ProgramNotices>): void {
  const hear = (line: string): void => {
    const notice = parse(line);
    const heard = listener();
    const { onBegin, onReadsInput, onLoad, onPackage, onPortTaken, onParked, onPrewarmFailed } = heard;
    const { file = '', id = '' } = notice;
    if (notice.type === 'reads-stdin') stream.write(`${JSON.stringify(onReadsInput?.() ?? '')}\n`);
    else if (notice.type === 'leaves-stdin') heard.onLeavesInput?.();
    else if (notice.type === 'begins') onBegin?.();
    else if (notice.type === 'parked') onParked?.(notice.files ?? []);
    else if (notice.type === 'prewarm-failed') onPrewarmFailed?.(file, notice.message ?? '');
    else if (notice.type === 'package') onPackage?.({ file, kind: notice.kind ?? 'require' });
    else if (notice.type === 'loads') onLoad?.(file);
    else if (notice.type === 'listens') heard.onListens?.({ id, port: notice.port, path: notice.path });
    else if (notice.type === 'unclaimed') heard.onUnclaimed?.(id);
    else if (notice.type === 'unhold') void heard.onUnhold?.(id).then(() => stream.write('true\n'));
    else if (notice.type === 'drained') heard.onDrained?.(notice.asked === true);
    else if (notice.type === 'deaf') heard.onDeaf?.();
    else if (notice.type === 'pong') heard.onPong?.(notice.ping ?? 0);
    else if (notice.type === 'address-in-use' && notice.port !== undefined)
      onPortTaken?.(notice.port, notice.isHandled === true);
  };
  stream.setEncoding('utf8').on('data', splitLines(hear));
  // A program that is killed before it has read an answer.
  stream.on('error', () => {});
}

interface Notice {
  readonly type?: string;
  readonly port?: number;
  readonly file?: string;
  readonly files?: readonly string[];
  readonly id?: string;
  readonly path?: string;
  readonly ping?: number;
  readonly asked?: boolean;
  readonly isHandled?: boolean;
  readonly kind?: PackageFile['kind'];
  readonly message?: string;
}

function parse(line: string): Notice {
  try {
    const notice: unknown = JSON.parse(line);
    return typeof notice === 'object' && notice !== null ? notice : {};
  } catch {
    return {};
  }
}
