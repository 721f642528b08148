/**
 * `node batch.cjs <file>`: runs programs one after the other in this process, as the tasks in the file say, and writes what
 * each has done to the file `into`. A program and its packages leave nothing behind for the next one.
 */

const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const querystring = require('node:querystring');
const { pathToFileURL } = require('node:url');
const { setTimeout: sleep } = require('node:timers/promises');

const { tasks, into, listing } = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const preload = path.resolve(__dirname, '../../../dist/preload/packages.cjs');
const { PackagePreloading } = require(preload);
const { loadedFiles } = require(listing);

// Some versions of Node reject a promise as well when a package requires an ES module in a cycle.
process.on('unhandledRejection', () => {});

/** Programs change these. */
const places = [globalThis, Array.prototype, Math, Error, querystring, Module, Module._extensions, Module.prototype];
const atFirst = {
  properties: places.map((object) => new Map(Reflect.ownKeys(object).map((key) => [key, descriptorOf(object, key)]))),
  variables: { ...process.env },
  files: new Set(Object.keys(Module._cache)),
  main: process.mainModule,
};

function descriptorOf(object, key) {
  return Reflect.getOwnPropertyDescriptor(object, key);
}

function cleanUp() {
  for (const [index, object] of places.entries()) {
    const before = atFirst.properties[index];
    for (const key of Reflect.ownKeys(object)) if (!before.has(key)) Reflect.deleteProperty(object, key);
    for (const [key, descriptor] of before) {
      if (descriptorOf(object, key)?.value !== descriptor.value) Reflect.defineProperty(object, key, descriptor);
    }
  }
  for (const key of Object.keys(process.env)) if (!(key in atFirst.variables)) delete process.env[key];
  Object.assign(process.env, atFirst.variables);
  for (const file of Object.getOwnPropertyNames(Module._cache)) {
    if (!atFirst.files.has(file)) Reflect.deleteProperty(Module._cache, file);
  }
  for (const event of process.eventNames()) if (/^ev\d/.test(event)) process.removeAllListeners(event);
  process.mainModule = atFirst.main;
  Module.syncBuiltinESMExports();
  process.chdir('/');
}

/** Describes a value: own properties, three levels deep. */
function shapeOf(value, depth = 3) {
  if (typeof value === 'function') return `function ${Object.keys(value).join()}`;
  if (typeof value !== 'object' || value === null || depth === 0) return attempt(() => String(value));
  if (value instanceof Map) return [...value.keys()].join();
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shapeOf(one, depth - 1)]));
}

function factsIn(folder, isCommonJs) {
  const isHere = ({ file }) => file.startsWith(folder);
  const { entries, late, own } = loadedFiles(isCommonJs);
  const variables = {};
  for (const [key, value] of Object.entries(process.env)) if (atFirst.variables[key] !== value) variables[key] = value;
  for (const key of Object.keys(atFirst.variables)) if (!(key in process.env)) variables[key] = null;
  return {
    ...{ isCommonJs, variables },
    ...{ entries: entries.filter(isHere), late: late.filter(isHere), own: own.filter(isHere) },
  };
}

/** All that a program could see now. */
function lookAround(folder, isCommonJs) {
  const nameOf = (module) => module && String(module.filename ?? module.id).replace(folder, '.');
  const modules = Object.values(Module._cache).filter((module) => module.filename?.startsWith(folder));
  // Node puts what ES modules import into the cache when it links them, in an order that is not determined.
  if (!isCommonJs) modules.sort((one, other) => one.filename.localeCompare(other.filename));
  return {
    modules: modules.map((module) => [
      ...[nameOf(module), module.loaded, nameOf(module.parent), module.children.map(nameOf), shapeOf(module.exports)],
      attempt(() => module.exports.items?.()),
    ]),
    globals: Object.keys(globalThis).filter((key) => /^g\d/.test(key)),
    values: [0, 1, 2].map((n) => String(globalThis[`g${n}`])),
    inherited: Reflect.ownKeys(Array.prototype).filter((key) => String(key).startsWith('ext')),
    builtins: [querystring.escape('a'), Math.cbrt(8), Error.stackTraceLimit, Object.keys(Module._extensions)],
    variables: Object.entries(process.env).filter(([key]) => /^V\d/.test(key)),
    listeners: [0, 1, 2].map((n) => process.listenerCount(`ev${n}`)),
    folder: process.cwd().replace(folder, '.'),
  };
}

function attempt(call) {
  try {
    return call();
  } catch (error) {
    return `throws ${firstLine(error)}`;
  }
}

const firstLine = (error) => String(error?.message ?? error).split('\n')[0];

/** Imports what the steps yield, as park.mjs does, and returns their result. */
async function follow(steps) {
  let step = steps.next();
  while (!step.done) {
    const error = await import(step.value).then(
      () => undefined,
      (reason) => reason,
    );
    step = steps.next(error);
  }
  return step.value;
}

/** Runs the script, and returns what it exports, if it is an ES module. */
function load(script, isCommonJs) {
  if (!isCommonJs) return import(pathToFileURL(script).href);
  Module._load(script, null, true);
  return undefined;
}

async function run({ folder, script, orders, count, edits, release, lazies }) {
  const isCommonJs = script.endsWith('.js');
  process.chdir(folder);
  if (!isCommonJs) process.mainModule = undefined;
  process.argv[1] = script;
  let packages;
  let misfit;
  if (orders !== undefined) {
    // devwatch ends the process here. Who asks for the package catches the error, and goes on without meaning.
    const onMisfit = ({ why }) => {
      misfit ??= why;
      throw new Error(`misfit ${why}`);
    };
    packages = new PackagePreloading({ script, ...orders }, onMisfit);
    const reports = orders.entries.slice(0, count).map((entry) => packages.load(entry));
    const ruin = reports.find(({ isRuinous }) => isRuinous);
    if (ruin !== undefined && !orders.isAudit) misfit = ruin.blames[0]?.why;
    const tainted = orders.isAudit ? packages.blamedEntries : [];
    const needs = orders.isAudit ? packages.neededEntries : {};
    const found = orders.isAudit ? await follow(packages.findModules()) : {};
    packages.arm();
    if (orders.isAudit) return { reports, tainted, needs, ...found };
    if (orders.modules.length > 0) await follow(packages.linkModules(orders.modules));
  }
  for (const [name, text] of Object.entries(edits)) {
    const file = path.join(folder, name);
    if (text === null) fs.rmSync(file, { recursive: true, force: true });
    else fs.writeFileSync(file, text);
  }
  packages?.release(release, []);
  const output = { thrown: undefined, states: [] };
  try {
    output.exports = await load(script, isCommonJs);
  } catch (error) {
    output.thrown = firstLine(error).replaceAll(folder, '.');
  }
  await sleep(3);
  output.exports = shapeOf(output.exports);
  output.states.push(lookAround(folder, isCommonJs));
  const facts = factsIn(folder, isCommonJs);
  const adoption = packages?.close();
  const modules = Object.entries(Module._cache).filter(([file]) => file.startsWith(folder));
  for (const [file, { exports }] of lazies ? modules : []) {
    for (const key of Object.keys(exports ?? {}).filter((one) => one.startsWith('lazy'))) {
      output.states.push([
        file.replace(folder, '.'),
        key,
        attempt(() => String(exports[key]())).replaceAll(folder, '.'),
      ]);
    }
  }
  output.states.push(lookAround(folder, isCommonJs));
  return { output, facts, adoption, misfit };
}

async function runAll() {
  const results = [];
  for (const [index, task] of tasks.entries()) {
    fs.writeSync(1, `~~~${index}\n`);
    try {
      results.push(await run(task));
    } catch (error) {
      results.push({ failure: String(error?.stack) });
    }
    cleanUp();
  }
  fs.writeFileSync(into, JSON.stringify(results));
  process.reallyExit(0);
}

delete require.cache[preload];
void runAll();
