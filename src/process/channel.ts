/** What the preload tells devwatch from inside a Node program. */

import readline from 'node:readline';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** What devwatch does about it. */
export interface ProgramNotices {
  /**
   * The program is about to read its stdin, and waits. Returns what was typed before that, so that
   * nothing is lost: it gets that first.
   */
  onReadsInput(): string;
  /** The program loads this file (absolute), or would if it were there. */
  onLoad(file: string): void;
  /** The process is booted and waits to be released. */
  onParked(): void;
  /** The program dies because somebody else listens on this port. */
  onPortTaken(port: number): void;
}

/** The descriptor that the pipe has in the program: the first after stdin, stdout and stderr. */
export const channelDescriptor = 3;

export const channelVariable = 'DEVWATCH_CHANNEL';

/** The preload's file. In the sources' own tests it is the built one: Node 20 does not run TypeScript. */
export const preloadFile: string = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../dist/preload/preload.cjs' : '../preload/preload.cjs',
    import.meta.url,
  ),
);

/** Hands what the preload says to whoever listens then, one JSON object a line; what is none is passed over. */
export function readNotices(stream: Duplex, listener: () => Partial<ProgramNotices>): void {
  const lines = readline.createInterface({ input: stream });
  // A program that is killed before it has read an answer; readline hands the error on.
  lines.on('error', () => {});
  stream.on('error', () => {});
  lines.on('line', (line) => {
    const notice = parse(line);
    const { onReadsInput, onLoad, onPortTaken, onParked } = listener();
    if (notice.type === 'reads-stdin') stream.write(`${JSON.stringify(onReadsInput?.() ?? '')}\n`);
    else if (notice.type === 'parked') onParked?.();
    else if (notice.type === 'loads' && notice.file !== undefined) onLoad?.(notice.file);
    else if (notice.type === 'address-in-use' && notice.port !== undefined) onPortTaken?.(notice.port);
  });
}

function parse(line: string): { type?: string; port?: number; file?: string } {
  try {
    const notice: unknown = JSON.parse(line);
    return typeof notice === 'object' && notice !== null ? notice : {};
  } catch {
    return {};
  }
}
