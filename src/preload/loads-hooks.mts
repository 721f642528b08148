/** The part of loads.cts that runs in the thread of Node's module hooks, for Node before 22.15. */

import { createRequire } from 'node:module';
import type { Context, LoadReporter } from './loads.cts';
import type { LaunchOrders } from './protocol.ts';

let reporter: LoadReporter | undefined;

export function initialize({ orders, file }: { orders: LaunchOrders; file: string }): void {
  const loads = createRequire(import.meta.url)(file) as { LoadReporter: typeof LoadReporter };
  reporter = new loads.LoadReporter(orders);
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
    if (resolved === undefined) reporter?.missing(specifier, context);
    else reporter?.url(resolved.url);
  }
}
