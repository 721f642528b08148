/** `npm run test:fuzz` compares thousands of random programs. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type BatchProgram, comparePrograms, differs } from '../../support/preloading/compare-programs.ts';
import { programOf } from '../../support/preloading/graph-texts.ts';
import { graphs } from '../../support/preloading/graphs.ts';
import { createProject } from '../../support/project.ts';

/** Small programs in which random ones have found a difference; the script is `main.js`. */
const found: Readonly<Record<string, BatchProgram>> = {
  // Node replaces `process.chdir` when it loads this module, so that threads notice a change of the folder.
  'has a package that uses worker_threads': {
    files: {
      'node_modules/threads/index.js': 'exports.isMain = require("node:worker_threads").isMainThread;',
      'main.js': 'exports.isMain = require("threads").isMain; exports.name = process.chdir.name;',
    },
  },
  'removes packages from the module cache before it asks for them': {
    files: {
      'node_modules/one/index.js': 'globalThis.g0 = 1; exports.two = require("two");',
      'node_modules/two/index.js': 'exports.one = require("one");',
      'main.js': 'require("one"); exports.count = Object.keys(require.cache).length;',
    },
    edits: {
      'main.js':
        'delete require.cache[__dirname + "/node_modules/one/index.js"]; require("one"); exports.isKept = require("one") === require("two").one;',
    },
  },
  'asks for a part of a package first, by an edit of a file that it reads': {
    files: {
      'node_modules/part/index.js':
        'const all = []; exports.add = (one) => all.push(one); exports.all = () => all.join();',
      'node_modules/whole/index.js': 'const part = require("part"); part.add("whole"); exports.all = part.all();',
      'node_modules/other/index.js': 'require("part").add("other");',
      'wanted.js': 'module.exports = false;',
      'main.js': 'if (require("./wanted")) require("other"); exports.all = require("whole").all;',
    },
    edits: { 'wanted.js': 'module.exports = true;' },
  },
  'needs a package that throws behind another one': {
    files: {
      'node_modules/has/index.js': 'try { require("throws"); } catch (error) { exports.why = error.message; }',
      'node_modules/throws/index.js': 'require("plain"); throw new Error(process.env.MODE);',
      'node_modules/plain/index.js': 'exports.parent = module.parent.filename;',
      'main.js': 'exports.why = require("has").why; exports.parent = require("plain").parent;',
    },
  },
  'sets a variable that a package reads before it throws': {
    files: {
      'node_modules/has/index.js': 'try { require("throws"); } catch (error) { exports.why = error.message; }',
      'node_modules/throws/index.js': 'throw new Error(process.env.MODE);',
      'main.js': 'exports.why = require("has").why;',
    },
    edits: { 'main.js': 'process.env.MODE = "x"; exports.why = require("has").why;' },
  },
  'has a package that removes another one from the cache': {
    files: {
      'node_modules/kept/index.js': 'exports.list = [];',
      'node_modules/forgets/index.js': 'delete require.cache[require.resolve("kept")];',
      'main.js': 'const kept = require("kept"); require("forgets"); exports.isKept = kept === require("kept");',
    },
  },
  'sets a variable, so that a package registers itself again': {
    files: {
      'node_modules/registry/index.js': 'const all = []; exports.add = (one) => all.push(one); exports.all = all;',
      'node_modules/plugin/index.js':
        'const { add, all } = require("registry"); add(process.env.MODE); exports.all = () => all.join();',
      'main.js': 'exports.all = require("plugin").all();',
    },
    edits: { 'main.js': 'process.env.MODE = "x"; exports.all = require("plugin").all();' },
  },
  'sets a variable that one of two packages reads which call each other': {
    files: {
      'node_modules/registry/index.js':
        'const all = []; exports.add = (one) => all.push(one); exports.all = () => all.join();',
      'node_modules/plugin/index.js': 'require("registry").add(process.env.MODE);',
      'main.js': 'const { all } = require("registry");\nrequire("plugin");\nexports.all = all();',
    },
    edits: {
      'main.js':
        'process.env.MODE = "x";\nconst { all } = require("registry");\nrequire("plugin");\nexports.all = all();',
    },
  },
  'asks for an addition to a package that another one has, too': {
    files: {
      'node_modules/speaks/index.js':
        'const all = []; exports.add = (one) => all.push(one); exports.all = () => all.join();',
      'node_modules/speaks/de.js': 'require("./index.js").add("de");',
      'node_modules/needs/index.js': 'require("speaks/de.js"); exports.all = require("speaks").all;',
      'main.js': 'require("speaks"); exports.x = 1; require("speaks/de.js"); exports.all = require("needs").all();',
    },
  },
  'configures a package behind other code, before it asks for one that uses it': {
    files: {
      'node_modules/registry/index.js':
        'let how = "not configured"; exports.configure = (one) => { how = one; }; exports.how = () => how;',
      'node_modules/plugin/index.js': 'exports.how = require("registry").how();',
      'main.js':
        'process.on("ev0", () => {});\nconst registry = require("registry");\nregistry.configure("configured");\nexports.how = require("plugin").how;',
    },
  },
  'has a package, by an edit, that changes a part of one that it needs, which another one uses': {
    files: {
      'node_modules/whole/index.js': 'require("part");',
      'node_modules/part/index.js': 'exports.map = new Map();',
      'node_modules/changes/index.js': 'require("whole"); require("part").map.set("changed", 1);',
      'node_modules/user/index.js': 'exports.keys = [...require("part").map.keys()];',
      'wanted.js': 'module.exports = false;',
      'main.js':
        'if (require("./wanted")) require("changes");\nrequire("whole");\nexports.keys = require("user").keys;',
    },
    edits: { 'wanted.js': 'module.exports = true;' },
  },
  'has a package that asks for the listeners of process, of which the program has added some': {
    files: {
      'node_modules/asks/index.js': 'exports.count = process.listenerCount("ev0");',
      'main.js': 'process.on("ev0", () => {});\nexports.count = require("asks").count;',
    },
  },
  'changes what an ES module has imported of a package that was loaded before': {
    files: {
      'node_modules/settings/index.js': 'exports.map = new Map();',
      'node_modules/user/package.json': '{ "main": "index.mjs" }',
      'node_modules/user/index.mjs': 'import { keys } from "./keys.mjs"; export { keys };',
      'node_modules/user/keys.mjs': 'import settings from "settings"; export const keys = [...settings.map.keys()];',
      'main.js': 'const settings = require("settings"); settings.map.set("x", 1); exports.keys = require("user").keys;',
    },
  },
  'changes what an ES module has required of a package that was loaded before': {
    files: {
      'node_modules/settings/index.js': 'exports.map = new Map();',
      'node_modules/user/package.json': '{ "main": "index.mjs" }',
      'node_modules/user/index.mjs':
        'import { createRequire } from "node:module"; const require = createRequire(import.meta.url); export const keys = [...require("settings").map.keys()];',
      'main.js': 'const settings = require("settings"); settings.map.set("x", 1); exports.keys = require("user").keys;',
    },
  },
  'awaits an ES module that imports a package, in a function of CommonJS': {
    files: {
      'node_modules/one/index.js': '',
      'own.mjs': 'import one from "one"; export { one };',
      'start.cjs': 'exports.start = async () => { await import("./own.mjs"); };',
      'main.mjs':
        'import { createRequire } from "node:module"; import { start } from "./start.cjs"; await start();\nexport const parent = createRequire(import.meta.url).cache[import.meta.dirname + "/node_modules/one/index.js"].parent?.filename;',
    },
    script: 'main.mjs',
  },
  'changes what the collections and dates of a package hold, before another one reads them': {
    files: {
      'node_modules/used/index.js':
        'exports.map = new Map([["a", 0]]); exports.set = new Set(["a"]); exports.date = new Date(0);',
      'node_modules/maps/index.js': 'exports.value = require("used").map.get("a");',
      'node_modules/sets/index.js': 'exports.value = [...require("used").set].join();',
      'node_modules/dates/index.js': 'exports.value = require("used").date.getTime();',
      'main.js':
        'const { map, set, date } = require("used"); map.set("a", 1); set.delete("a"); set.add("b"); date.setTime(1);\nexports.values = [require("maps").value, require("sets").value, require("dates").value];',
    },
  },
  'puts something else in the place of what a package exports, before another one uses it': {
    files: {
      'node_modules/used/index.js': 'exports.real = 1;',
      'node_modules/user/index.js': 'exports.keys = Object.keys(require("used")).join();',
      'mock.js': 'require.cache[require.resolve("used")].exports = { mock: 1 };',
      'main.js': 'require("used"); require("./mock"); exports.keys = require("user").keys;',
    },
  },
  'has a package that defines a property for good, where another one did': {
    files: {
      'node_modules/first/index.js': 'Object.defineProperty(globalThis, "fixedOnce", { value: 1 });',
      'node_modules/second/index.js':
        'try { Object.defineProperty(globalThis, "fixedOnce", { value: 2 }); } catch (error) { exports.why = error.message; }',
      'main.js': 'require("first"); exports.why = require("second").why;',
    },
  },
};

test('programs cannot tell whether their packages were loaded ahead of time: found ones, and 20 random ones', async () => {
  await using project = createProject({});
  const random = fc.sample(graphs, { seed: 1, numRuns: 20 }).map((graph) => ['random', programOf(graph)] as const);
  const all = [...Object.entries(found), ...random];
  const results = await comparePrograms(
    all.map(([, program]) => program),
    project.path,
  );
  const different = results.flatMap((result, index) => {
    const { plain, preloaded, why } = result;
    return differs(result) ? [{ program: all[index], plain, preloaded, why }] : [];
  });
  expect(different).toEqual([]);
  // A part of them gets something from the standby.
  expect(results.filter(({ adopted }) => adopted > 0).length).toBeGreaterThan(5);
});
