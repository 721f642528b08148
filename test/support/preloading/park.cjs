/**
 * `node --require park.cjs script`: loads packages ahead of time as a standby does, by the orders in the file PARK_ORDERS,
 * changes files of the project as the orders say, and goes on with the program.
 */

const { readFileSync, writeFileSync, writeSync } = require('node:fs');
const path = require('node:path');

const { PARK_ORDERS: file } = process.env;
delete process.env.PARK_ORDERS;
const { execArgv } = process;
execArgv.splice(execArgv.findIndex((word) => word.includes(__dirname)) - 1, 2);
delete require.cache[__filename];
// Worker threads load this file, too.
if (file !== undefined) park(JSON.parse(readFileSync(file, 'utf8')));

function park(orders) {
  const preload = path.resolve(__dirname, '../../../dist/preload/packages.cjs');
  const { PackagePreloading } = require(preload);
  const { _pathCache: paths } = require('node:module');
  for (const file of [__filename, preload]) {
    delete require.cache[file];
    for (const [key, found] of Object.entries(paths)) if (found === file) delete paths[key];
  }

  const packages = new PackagePreloading(orders, ({ why }) => {
    writeSync(2, `misfit: ${why}\n`);
    process.reallyExit(97);
  });
  const reports = orders.entries.map((entry) => packages.load(entry));
  if (orders.isAudit) {
    writeFileSync(
      orders.into,
      JSON.stringify({ reports, tainted: packages.blamedEntries, needs: packages.neededEntries }),
    );
    process.reallyExit(0);
  }
  packages.arm();
  for (const [file, text] of Object.entries(orders.edits)) writeFileSync(file, text);
  packages.release(orders.release, []);
}
