/** The part of loads.cts that Node before 22.15 runs in the thread of its module hooks. */

import { createRequire } from 'node:module';

interface Reporter {
  url(url: string): void;
  missing(specifier: string, parentUrl: string | undefined, error: unknown): void;
}

interface Context {
  readonly parentURL?: string | undefined;
}

let report: Reporter | undefined;

export function initialize({ channel, reporter }: { channel: number; reporter: string }): void {
  const loads = createRequire(import.meta.url)(reporter) as { reporter(channel: number): Reporter };
  report = loads.reporter(channel);
}

export async function resolve(
  specifier: string,
  context: Context,
  next: (specifier: string, context: Context) => Promise<{ url: string }>,
): Promise<{ url: string }> {
  try {
    const resolved = await next(specifier, context);
    report?.url(resolved.url);
    return resolved;
  } catch (error) {
    report?.missing(specifier, context.parentURL, error);
    throw error;
  }
}
