/** The preload of child processes of the program (load-children.cts), and of their worker threads. */

import type { LoadOrders, ordersOfWorker } from './load-children.cts';
import type { reportLoads } from './loads.cts';

delete require.cache[__filename];

const { DEVWATCH_LOADS: text } = process.env;
delete process.env.DEVWATCH_LOADS;
const orders = text === undefined ? ordersOfThread() : (JSON.parse(text) as LoadOrders);

// The variables of a process may be passed on, but not its descriptors.
const isMeant =
  orders !== undefined && (text === undefined ? orders.parent === process.pid : orders.parent === process.ppid);
if (text !== undefined) {
  if (orders?.nodeOptions === undefined) delete process.env.NODE_OPTIONS;
  else process.env.NODE_OPTIONS = orders.nodeOptions;
}
if (orders !== undefined && isMeant) {
  const exports = require('./loads.cjs') as { reportLoads: typeof reportLoads };
  delete require.cache[require.resolve('./loads.cjs')];
  exports.reportLoads(orders, __filename);
}

function ordersOfThread(): LoadOrders | undefined {
  return (require('./load-children.cjs') as { ordersOfWorker: typeof ordersOfWorker }).ordersOfWorker();
}
