/**
 * `node --require park.cjs script`: loads packages ahead of time as a standby does, by the orders in the file PARK_ORDERS,
 * changes files of the project as the orders say, and goes on with the program.
 */

const { readFileSync, writeFileSync, writeSync } = require('node:fs');
const path = require('node:path');

const { PARK_ORDERS: file } = process.env;
delete process.env.PARK_ORDERS;
const isRequired = process.execArgv.includes(__filename);
const { execArgv } = process;
execArgv.splice(execArgv.findIndex((word) => word.includes(__dirname)) - 1, 2);
delete require.cache[__filename];
// Worker threads load this file, too.
const steps = file === undefined ? undefined : park(JSON.parse(readFileSync(file, 'utf8')));
// import.mjs goes on with it where something has to be imported.
if (isRequired) steps?.next();
else module.exports = { steps };

function* park(orders) {
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
    const found = yield* packages.findModules();
    const end = { tainted: packages.blamedEntries, needs: packages.neededEntries, ...found };
    writeFileSync(orders.into, JSON.stringify({ reports, ...end }));
    process.reallyExit(0);
  }
  packages.arm();
  if (orders.modules.length > 0) yield* packages.linkModules(orders.modules);
  for (const [file, text] of Object.entries(orders.edits)) writeFileSync(file, text);
  packages.release(orders.release, []);
  if (orders.hasSettled) packages.close();
  // A program could see the listener.
  if (orders.reportsAdoption) {
    process.once('exit', () => writeFileSync(orders.into, JSON.stringify(packages.close())));
  }
}
