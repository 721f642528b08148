/** The last resort: an error of devwatch itself ends the programs, is told in two lines, and leaves nothing behind. */

import { attempt } from '../shared/errors.ts';
import { exitCodes } from './print.ts';

export interface LastResortOptions {
  /** Prints a line. */
  readonly tell: (line: string) => void;
  /** Begins to stop everything. */
  readonly stop: () => void;
  /** Time for that in ms. Afterwards devwatch ends, and the guardian terminates what is left. */
  readonly timeoutMs: number;
  /** The process; tests replace it. */
  readonly target?: Pick<NodeJS.Process, 'on' | 'exit'>;
}

/** Takes over errors that nobody catches. The returned function tells whether there was one. */
export function installLastResort({ tell, stop, timeoutMs, target = process }: LastResortOptions): () => boolean {
  let hasFailed = false;
  const giveUp = (): never => target.exit(exitCodes.failed);
  // Rejections that nobody handles arrive here as well.
  target.on('uncaughtException', (error: unknown) => {
    // Something needed for an orderly end is broken, too.
    if (hasFailed) giveUp();
    hasFailed = true;
    for (const line of describeFailure(error)) attempt(() => tell(line));
    setTimeout(giveUp, timeoutMs);
    try {
      stop();
    } catch {
      giveUp();
    }
  });
  return () => hasFailed;
}

/** Returns two lines about an error of devwatch itself. */
export function describeFailure(error: unknown): readonly string[] {
  const [text = '', ...frames] = (error instanceof Error ? (error.stack ?? String(error)) : String(error)).split('\n');
  const place = frames.map((line) => line.trim()).find((line) => line.startsWith('at '));
  return [
    `internal error: ${text}${place === undefined ? '' : ` · ${place}`}`,
    'this is a bug in devwatch, which ends now, and its programs with it · please report it with the line above',
  ];
}
