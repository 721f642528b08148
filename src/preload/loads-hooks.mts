/** The part of loads.cts that runs in the thread of Node's module hooks, for Node before 22.15. */

import { createRequire } from 'node:module';
import type { LaunchOrders } from './protocol.ts';

interface Reporter {
  url(url: string, context: Context): void;
  missing(specifier: string, context: Context): void;
}

interface Context {
  readonly parentURL?: string | undefined;
  readonly conditions?: readonly string[] | undefined;
}

let report: Reporter | undefined;

export function initialize({ orders, reporter }: { orders: LaunchOrders; reporter: string }): void {
  const loads = createRequire(import.meta.url)(reporter) as { createReporter(orders: LaunchOrders): Reporter };
  report = loads.createReporter(orders);
}

export async function resolve(
  specifier: string,
  context: Context,
  next: (specifier: string, context: Context) => Promise<{ url: string }>,
): Promise<{ url: string }> {
  let resolved: { url: string } | undefined;
  try {
    resolved = await next(specifier, context);
    return resolved;
  } finally {
    if (resolved === undefined) report?.missing(specifier, context);
    else report?.url(resolved.url, context);
  }
}
