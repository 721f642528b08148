/**
 * Adversarial programs: each prints what it can see. A program must print the same whether its packages were loaded ahead of
 * time or not, whatever it does before it asks for them, and whatever they do.
 */

import type { Variation } from './compare.ts';

export interface Case extends Variation {
  readonly files: Readonly<Record<string, string>>;
  /** By default `main.js`. */
  readonly script?: string;
  /** Flags of Node behind which a standby waits, and those that come later. */
  readonly loaders?: readonly string[] | undefined;
  readonly flags?: readonly string[] | undefined;
}

export const say = (expression: string): string => `console.log(JSON.stringify(${expression}));\n`;

/** Packages that most programs use. */
export const packages: Readonly<Record<string, string>> = {
  'node_modules/plain/index.js': 'exports.value = 1; exports.parent = module.parent && module.parent.filename;',
  'node_modules/env/index.js': 'exports.mode = process.env.NODE_ENV; exports.has = "DEBUG" in process.env;',
  'node_modules/lists/index.js': 'exports.names = Object.keys(process.env).filter((name) => name.startsWith("APP_"));',
  'node_modules/uses-env/index.js': 'exports.env = require("env"); exports.plain = require("plain");',
  'node_modules/main/index.js':
    'exports.main = require.main; exports.same = process.mainModule === require.main; exports.parent = module.parent;',
  'node_modules/patches/index.js':
    'const { log } = console; Array.prototype.last = function () { return this[this.length - 1]; }; global.patched = 1; exports.log = log;',
  'node_modules/after/index.js': 'exports.seen = typeof [].last; exports.global = typeof patched;',
  'node_modules/listens/index.js': 'process.on("exit", () => console.log("bye"));',
  'node_modules/signals/index.js': 'process.once("SIGUSR2", () => console.log("reopened"));',
  'node_modules/sets/index.js':
    'require("dns").setDefaultResultOrder("ipv4first"); require("events").defaultMaxListeners = 20;',
  'node_modules/timer/index.js': 'let count = 0; setTimeout(() => { count += 1; }, 1); exports.count = () => count;',
  'node_modules/prints/index.js': 'console.log("printed"); exports.a = 1;',
  'node_modules/warns/index.js': 'process.emitWarning("careful", "Odd"); exports.a = 1;',
  'node_modules/throws/index.js': 'throw new Error("not today");',
  'node_modules/exits/index.js': 'if (process.env.GO) process.exit(3);',
  'node_modules/reads/index.js':
    'const file = process.cwd() + "/config.json"; exports.config = require("fs").existsSync(file) ? JSON.parse(require("fs").readFileSync(file, "utf8")) : null;',
  'node_modules/registry/index.js':
    'const plugins = []; exports.add = (name) => plugins.push(name); exports.plugins = plugins;',
  'node_modules/plugin/index.js': 'require("registry").add("plugin"); exports.done = true;',
  'node_modules/writes/index.js': 'process.env.WRITTEN = "yes"; exports.env = process.env.WRITTEN;',
  'node_modules/hooks/index.js':
    'const Module = require("module"); const { _load } = Module; Module._load = function (name, ...rest) { return name === "plain" ? { value: "hooked" } : _load.call(this, name, ...rest); };',
  'node_modules/changes/index.js': 'require("plain").extra = true; exports.a = 1;',
  'node_modules/lazy/index.js': 'exports.get = () => require("plain").value;',
  'node_modules/a/index.js': 'exports.early = true; exports.b = require("b"); exports.late = true;',
  'node_modules/b/index.js': 'const a = require("a"); exports.keys = Object.keys(a);',
  'node_modules/counts/index.js':
    'globalThis.counted = (globalThis.counted ?? 0) + 1; exports.count = globalThis.counted;',
  'node_modules/micro/index.js': 'exports.done = false; Promise.resolve().then(() => { exports.done = true; });',
  'node_modules/self/index.js': 'delete require.cache[__filename]; exports.random = Math.random();',
  'node_modules/stdin/index.js': 'exports.isTTY = process.stdin.isTTY === true;',
  'node_modules/emits/index.js':
    'const { emit } = process; process.emit = function (...args) { return emit.apply(this, args); };',
  'node_modules/symbol/index.js': 'globalThis[Symbol.for("known")] = { a: 1 }; exports.a = 1;',
  'node_modules/reflect/index.js':
    'Object.defineProperty(Reflect, "__meta__", { value: () => 1 }); exports.meta = typeof Reflect.__meta__;',
  'node_modules/optional/index.js':
    'for (const name of [process.cwd() + "/settings", "./made"]) try { exports[name] = require(name); } catch {}',
  'node_modules/keeps-env/index.js': 'const { env } = process; exports.get = (key) => env[key];',
  'node_modules/counts-keys/index.js': 'exports.keys = []; for (const key in [7]) exports.keys.push(key);',
  'node_modules/data/index.js':
    'exports.text = require("fs").readFileSync(__dirname + "/data.txt", "utf8"); exports.names = require("fs").readdirSync(__dirname);',
  'node_modules/data/data.txt': 'one',
  'node_modules/settings/index.js': 'exports.defaults = { url: null }; exports.plugins = new Set();',
  'node_modules/client/index.js':
    'const { defaults, plugins } = require("settings"); exports.now = [defaults.url, plugins.size];',
  'node_modules/adds/index.js': 'require("settings").plugins.add("more");',
  'node_modules/speaks/index.js':
    'let name = "en"; exports.set = (other) => { name = other; }; exports.get = () => name;',
  'node_modules/speaks/de.js': 'require("./index.js").set("de");',
  'node_modules/asks/index.js': 'exports.base = require("speaks").get();',
  'node_modules/keeps/index.js':
    'let base = "none"; exports.set = (other) => { base = other; }; exports.Keeper = class { constructor() { this.base = base; } };',
  'node_modules/makes/index.js': 'const { Keeper } = require("keeps"); exports.base = new Keeper().base;',
  'node_modules/folder/index.js':
    'exports.at = [require("path").resolve("a"), require("fs").existsSync("config.json")]; exports.later = () => process.cwd();',
  'node_modules/asks-folder/index.js': 'exports.folder = require("folder").later();',
  'node_modules/copies/index.js': 'exports.env = { ...process.env };',
  'node_modules/prepends/index.js': 'process.prependListener("exit", () => console.log("prepended")); exports.a = 1;',
  'node_modules/core/index.js': 'exports.speaks = require("speaks");',
  'node_modules/calls-back/index.js': 'const { hook } = module.parent.exports; if (hook) hook();',
  'node_modules/noisy/index.js': 'require("prints"); require("asks");',
  'node_modules/quiet/index.js': 'exports.base = require("asks").base;',
  'node_modules/shouts/index.js': 'console.log("loud"); require("speaks").set("fr");',
  'node_modules/opens/index.js':
    'const { set } = require("speaks"); Object.defineProperty(exports, "open", { enumerable: true, get() { set("it"); return 1; } });',
  'node_modules/holds/index.js': 'const speaks = require("speaks"); exports.get = () => speaks.get();',
  'node_modules/temporary/index.js': 'exports.folder = require("os").tmpdir();',
  'node_modules/agent/index.js': 'require("http").globalAgent.maxSockets = 5; exports.a = 1;',
};

const main = (code: string): Readonly<Record<string, string>> => ({ ...packages, 'main.js': code });
const esm = (code: string): Case => ({ files: { ...packages, 'main.mjs': code }, script: 'main.mjs' });

/** A program that calls no package between its imports, until it is edited. */
const asksInARow = (edits: Readonly<Record<string, string>>): Case => ({
  files: {
    ...main(
      `const speaks = require("speaks");\nconst { own } = require("./own");\nconst { base } = require("asks");\n${say('[speaks.get(), base, own(1)]')}`,
    ),
    'own.js': 'require("speaks"); exports.own = (one) => one;',
  },
  edits,
  guarded: true,
});

/** How a module looks from outside. */
const look = `const look = (m) => m && { id: m.id, loaded: m.loaded, parent: m.parent && m.parent.id, children: m.children.map((c) => c.id), keys: Reflect.ownKeys(m).map(String) };\n`;

export const cases: Readonly<Record<string, Case>> = {
  'asks for a package': { files: main(`${say('require("plain")')}`) },
  'asks twice, by different names': {
    files: main(say('[require("plain") === require("plain/index.js"), require("./node_modules/plain").value]')),
  },
  'sets NODE_ENV first': {
    files: main(`process.env.NODE_ENV = 'test';\n${say('[require("env"), require("uses-env")]')}`),
  },
  'sets NODE_ENV in the edit': {
    files: main(say('[require("env"), require("uses-env"), require("plain")]')),
    edits: {
      'main.js': `process.env.NODE_ENV = 'edited';\n${say('[require("env"), require("uses-env"), require("plain")]')}`,
    },
  },
  'no longer sets DEBUG': {
    files: main(`process.env.DEBUG = '1';\n${say('require("env")')}`),
    edits: { 'main.js': say('require("env")') },
  },
  'reads a file of variables, as dotenv does': {
    files: {
      ...main(
        `for (const line of require('fs').readFileSync('.env', 'utf8').split('\\n')) { const [key, value] = line.split('='); if (key) process.env[key] = value; }\n${say('[require("env"), require("lists")]')}`,
      ),
      '.env': 'NODE_ENV=dev\nAPP_A=1',
    },
    edits: { '.env': 'NODE_ENV=prod\nAPP_B=1' },
  },
  'adds a variable that a package lists': {
    files: main(say('require("lists")')),
    edits: { 'main.js': `process.env.APP_X = '1';\n${say('require("lists")')}` },
  },
  'replaces process.env': { files: main(`process.env = { NODE_ENV: 'own' };\n${say('require("env")')}`) },
  'compares the main module': {
    files: main(
      say(
        '[require("main").main === module, require("main").same, require("main").parent === module, require.main === module]',
      ),
    ),
  },
  'looks at all modules': {
    files: main(
      `${look}require("a"); require("uses-env");\n${say('[look(module), Object.entries(require.cache).map(([k, m]) => [k, look(m)])]')}`,
    ),
  },
  'looks at the module cache first': {
    files: main(
      `${say('[Object.keys(require.cache), Object.values(require.cache).length]')}require("a");\n${say('Object.keys(require.cache)')}`,
    ),
  },
  'asks whether a package is loaded': {
    files: main(
      `const f = require.resolve("plain");\n${say('[f in require.cache && false, require.cache[f] === undefined]')}require("plain");\n${say('Object.keys(require.cache).length')}`,
    ),
  },
  'has a cycle of packages': { files: main(say('[require("a"), require("b")]')) },
  'uses packages that patch prototypes': {
    files: main(
      `${say('[typeof [].last, typeof patched]')}require("patches");\n${say('[[1, 2].last(), patched, require("after")]')}`,
    ),
  },
  'asks for a package before one that patches': {
    files: main(`require("patches");\n${say('require("after")')}`),
    edits: { 'main.js': `${say('require("after")')}require("patches");\n${say('[1].last()')}` },
  },
  'no longer asks for a package that patches': {
    files: main(`require("patches");\n${say('require("after")')}`),
    edits: { 'main.js': `${say('[require("after"), typeof [].last, Object.keys(globalThis)]')}` },
  },
  'patches a prototype itself': { files: main(`Array.prototype.last = () => 'own';\n${say('require("after")')}`) },
  'patches a prototype itself, as it is known to': {
    files: main(`Array.prototype.last = () => 'own';\n${say('[require("after"), require("plain")]')}`),
    learned: ['Array.prototype.last'],
  },
  'replaces a function of fs first': {
    files: { ...main(`require('fs').existsSync = () => false;\n${say('require("reads")')}`), 'config.json': '{"a":1}' },
  },
  'has an ES module elsewhere, in whose folder something is put': {
    files: {
      'app/main.js': say('require("../out/node_modules/one")'),
      'out/node_modules/one/index.js': 'exports.two = require("./two.mjs").two;',
      'out/node_modules/one/two.mjs': 'export { two } from "./three.mjs";',
      'out/node_modules/one/three.mjs': 'export const two = 2;',
    },
    script: 'app/main.js',
    edits: { 'out/more.txt': '' },
  },
  'looks whether a global of Node has been read': {
    files: main(
      `require("plain");\n${say('Object.keys(Object.getOwnPropertyDescriptor(globalThis, "AbortController"))')}`,
    ),
  },
  'has a package that changes settings of Node': {
    files: main(
      `const settings = () => [require("dns").getDefaultResultOrder(), require("events").defaultMaxListeners];
${say('settings()')}require("sets");\n${say('settings()')}`,
    ),
  },
  'has a package that handles a signal': {
    files: main(
      `const count = () => process.listenerCount("SIGUSR2");
process.on("SIGUSR2", () => { ${say('["own", count()]')} clearInterval(alive); });
${say('count()')}require("signals");\n${say('count()')}
const alive = setInterval(() => {}, 1000);
process.kill(process.pid, "SIGUSR2");`,
    ),
  },
  'has a package that listens to process': {
    files: main(`${say('process.listenerCount("exit")')}require("listens");\n${say('process.listenerCount("exit")')}`),
  },
  'has a package with a timer': {
    files: main(`const { count } = require("timer");\nsetTimeout(() => console.log(count()), 20);\n${say('count()')}`),
  },
  'has a package that prints': { files: main(`console.log("before");\nrequire("prints");\nconsole.log("after");`) },
  'has a package that warns': {
    files: main(`process.on('warning', (w) => console.log(w.message));\nrequire("warns");\nconsole.log("after");`),
  },
  'has a package that throws': {
    files: main(`try { require("throws"); } catch (error) { console.log(error.message); }\n${say('require("plain")')}`),
  },
  'dies of a package that throws': {
    files: main('try { require("throws"); } catch {}\nrequire("throws");'),
    edits: { 'main.js': 'console.log(1);' },
  },
  'has a package that exits': {
    files: main(`if (process.env.GO) console.log('go');\nrequire("exits");\n${say('require("plain")')}`),
  },
  'reads a file at load': {
    files: { ...main(say('require("reads")')), 'config.json': '{"a":1}' },
    edits: { 'config.json': '{"a":2}' },
  },
  'reads a file at load that appears': { files: main(say('require("reads")')), edits: { 'config.json': '{"a":2}' } },
  'has a package that loads a file of the program, if there is one': {
    files: main(say('require("optional")')),
    edits: { 'settings.json': '{"a":1}' },
  },
  'has a package that loads a file of its own, if there is one': {
    files: main(say('require("optional")')),
    edits: { 'node_modules/optional/made.js': 'exports.a = 1;' },
  },
  'sets the folder for temporary files first': {
    files: main(`process.env.TMPDIR = '/elsewhere';\n${say('require("temporary").folder')}`),
  },
  'has a package that reads data of its own, which are edited': {
    files: main(say('require("data")')),
    edits: { 'node_modules/data/data.txt': 'two', 'node_modules/data/more.txt': '' },
  },
  'replaces the environment first': {
    files: main(`process.env = { ...process.env };\n${say('require("keeps-env").get("A") ?? null')}`),
    edits: {
      'main.js': `process.env = { ...process.env };\nconst { get } = require("keeps-env");\nprocess.env.A = '1';\n${say('get("A")')}`,
    },
  },
  'adds a property to all arrays, as it is known to': {
    files: main(`Array.prototype.remove = () => {};\n${say('require("counts-keys")')}`),
    learned: ['Array.prototype.remove'],
  },
  'configures a package, and asks for others that read that': {
    files: main(`require("settings").defaults.url = 'a';\n${say('require("client").now')}`),
    edits: { 'main.js': `require("settings").defaults.url = 'b';\n${say('require("client").now')}` },
  },
  'has a package that adds to a collection of another one': {
    files: main(
      `const { plugins } = require("settings");\n${say('plugins.size')}require("adds");\n${say('[plugins.size, require("client").now]')}`,
    ),
  },
  'asks for an addition to a package later, or not at all': {
    files: {
      ...main(
        `const { get } = require("speaks");\n${say('get()')}if (require("./wanted")) require("speaks/de");\n${say('get()')}`,
      ),
      'wanted.js': 'module.exports = true;',
    },
    edits: { 'wanted.js': 'module.exports = false;' },
  },
  'configures a package in a closure, and asks for one that calls it': {
    files: main(`require("speaks").set("de");\n${say('require("asks").base')}`),
  },
  'configures a package in a closure, and asks for one that makes an object of it': {
    files: main(`require("keeps").set("some");\n${say('require("makes").base')}`),
  },
  'configures a package that another one has loaded, and asks for one that calls it': {
    files: main(`require("core");\nrequire("speaks").set("de");\n${say('require("asks").base')}`),
  },
  'configures a package in a file between its imports': {
    files: {
      ...main(`require("speaks");\nrequire("./own");\n${say('require("asks").base')}`),
      'own.js': 'require("speaks").set("de");',
    },
  },
  'configures a package by an accessor that it reads between its imports': {
    files: main(`require("speaks");\nconst { open } = require("opens");\n${say('require("asks").base')}`),
  },
  'asks for a package that is not loaded ahead of time and configures another one': {
    files: main(`require("speaks");\nrequire("shouts");\nconst { base } = require("asks");\n${say('base')}`),
  },
  'configures a package, and asks for one that prints and for one that shares a file with it': {
    files: main(`require("speaks").set("de");\nrequire("noisy");\n${say('require("quiet").base')}`),
  },
  'has a package that calls what the program exports': {
    files: main(
      `const speaks = require("speaks");\nexports.hook = () => speaks.set("de");\nrequire("calls-back");\nconst { base } = require("asks");\n${say('base')}`,
    ),
  },
  'asks for packages that call each other, with nothing in between': asksInARow({}),
  'configures a package by an edit, between imports': asksInARow({
    'main.js': `const speaks = require("speaks");\nconst { own } = require("./own");\nspeaks.set("de");\nconst { base } = require("asks");\n${say('[speaks.get(), base, own(1)]')}`,
  }),
  'configures a package by an edit, in a file between imports': asksInARow({
    'own.js': 'require("speaks").set("de"); exports.own = (one) => one;',
  }),
  'configures a package in a closure, and asks for one that calls it later': {
    files: main(`require("speaks").set("de");\n${say('require("holds").get()')}`),
  },
  'changes its folder first': {
    files: { ...main(`process.chdir('sub');\n${say('require("reads")')}`), 'sub/config.json': '{"a":3}' },
  },
  'changes its folder first, and asks for packages that look where they are': {
    files: {
      ...main(`process.chdir('sub');\n${say('[require("folder"), require("plain"), require("asks-folder")]')}`),
      'sub/config.json': '{}',
    },
  },
  'changes its folder between packages': {
    files: {
      ...main(
        `require("folder");\nprocess.chdir('sub');\n${say('[require("folder").later(), require("asks-folder")]')}`,
      ),
      'sub/config.json': '{}',
    },
  },
  'has a package that puts its listener in front': {
    files: main(
      `process.on('exit', () => console.log('own'));\nrequire("prepends");\n${say('process.listenerCount("exit")')}`,
    ),
  },
  'has plugins that register': { files: main(`require("plugin");\n${say('require("registry").plugins')}`) },
  'has a package that sets a variable': {
    files: main(`${say('process.env.WRITTEN')}require("writes");\n${say('[process.env.WRITTEN, require("writes")]')}`),
  },
  'has a package that hooks the loader': { files: main(`require("hooks");\n${say('require("plain")')}`) },
  'hooks the loader first': {
    files: main(
      `const Module = require('module'); const { _load } = Module; const names = []; Module._load = function (name, ...rest) { names.push(name); return _load.call(this, name, ...rest); };\nrequire("uses-env");\n${say('names')}`,
    ),
  },
  'hooks an extension first': {
    files: main(
      `const old = require.extensions['.js']; const names = []; require.extensions['.js'] = (m, f) => { names.push(f); old(m, f); };\nrequire("uses-env");\n${say('names')}`,
    ),
  },
  'has a package that changes another one': {
    files: main(`${say('require("plain")')}require("changes");\n${say('require("plain")')}`),
  },
  'no longer asks for a package that changes another one': {
    files: main(`require("changes");\n${say('require("plain")')}`),
    edits: { 'main.js': say('require("plain")') },
    release: { dropsPackages: 'import lines have changed' },
  },
  'puts a mock into the cache': {
    files: main(
      `const f = require.resolve("plain"); require.cache[f] = { id: f, filename: f, loaded: true, exports: { value: 'mock' } };\n${say('[require("plain"), require("uses-env").plain]')}`,
    ),
  },
  'deletes from the cache and asks again': {
    files: main(
      `const one = require("counts"); delete require.cache[require.resolve("counts")]; const two = require("counts");\n${say('[one.count, two.count, counted]')}`,
    ),
  },
  'deletes from the cache first': {
    files: main(`delete require.cache[require.resolve("counts")];\n${say('[require("counts").count, counted]')}`),
  },
  'uses a lazy package later': {
    files: main(
      `const lazy = require("lazy");\nsetTimeout(() => console.log(lazy.get(), Object.keys(require.cache).length), 5);`,
    ),
  },
  'has a package that forgets itself': { files: main(say('[require("self") === require("self")]')) },
  'has a package that looks at stdin': { files: main(say('require("stdin")')) },
  'has a package that wraps process.emit': {
    files: main(
      `require("emits");\nprocess.on('mine', () => console.log('mine'));\nprocess.emit('mine');\n${say('Object.keys(process).includes("emit")')}`,
    ),
  },
  'has a package with a global symbol': {
    files: main(
      `${say('Symbol.for("known") in globalThis')}require("symbol");\n${say('globalThis[Symbol.for("known")]')}`,
    ),
  },
  'has a package that configures the http agent': {
    files: main(
      `${say('require("http").globalAgent.maxSockets === Infinity')}require("agent");\n${say('require("http").globalAgent.maxSockets')}`,
    ),
  },
  'throws, and shows a stack': { files: main(`require("plain");\nthrow new TypeError("broken");`) },
  'looks for a missing package': {
    files: main(
      `require("plain");\ntry { require("missing"); } catch (error) { console.log(error.message, error.requireStack); }`,
    ),
  },
  'edits a package': {
    files: main(say('require("uses-env")')),
    edits: { 'node_modules/plain/index.js': 'exports.value = 2;' },
    release: { changedFiles: ['node_modules/plain/index.js'] },
  },
  'changes its import lines': {
    files: main(`require("plugin");\n${say('require("registry").plugins')}`),
    edits: { 'main.js': say('require("registry").plugins') },
    release: { dropsPackages: 'import lines have changed' },
  },
  'runs its own files': {
    files: {
      ...main(say('[require("./own"), module.children.length]')),
      'own.js': 'module.exports = { plain: require("plain"), parent: module.parent.id };',
    },
  },
  'asks from a file of its own': {
    files: {
      ...main(say('require("./own")')),
      'own.js':
        'module.exports = [require("plain").parent, module.children.map((c) => c.id), require("main").main === module.parent];',
    },
  },
  'makes a sandbox and a worker': {
    files: main(
      `const { Worker } = require('worker_threads');\nrequire("plain");\nnew Worker('require("worker_threads").parentPort.postMessage([require("plain").value, Object.keys(process.env).length])', { eval: true }).on('message', (m) => console.log(m[0]));`,
    ),
  },
  'starts a child process': {
    files: main(
      `require("writes");\nconsole.log(require('child_process').execFileSync(process.execPath, ['-p', 'process.env.WRITTEN + " " + process.env.NODE_OPTIONS'], { encoding: 'utf8' }));`,
    ),
  },
  'prints its environment': {
    files: main(
      `require("env");\n${say('[Object.entries(process.env).sort(), require("util").types.isProxy(process.env), process.argv.length, process.execArgv]')}`,
    ),
  },
  'ends with a code': { files: main(`require("plain");\nprocess.exitCode = 4;`) },
  'has strange stack settings': {
    files: main(
      `Error.stackTraceLimit = 0;\nError.prepareStackTrace = () => 'mine';\n${say('[require("plain"), new Error("x").stack, Error.stackTraceLimit]')}`,
    ),
  },
  'freezes Error first': { files: main(`Object.freeze(Error);\n${say('require("plain")')}`) },
  'is an ES module with CommonJS packages': esm(
    `import plain from 'plain'; import { mode } from 'env'; import a from 'a';\n${say('[plain, mode ?? null, a]')}`,
  ),
  'is an ES module that imports names': esm(
    `import * as plain from 'plain'; import { env } from 'uses-env';\n${say('[Object.keys(plain), env]')}`,
  ),
  'is an ES module, and a variable changes': {
    ...esm(`import './set.mjs'; import env from 'env';\n${say('env')}`),
    files: { ...packages, 'main.mjs': `import './set.mjs'; import env from 'env';\n${say('env')}`, 'set.mjs': '' },
    edits: { 'set.mjs': 'process.env.NODE_ENV = "set";' },
  },
  'is an ES module that requires': esm(
    `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);\n${say('[require("plain"), require("main").main === undefined, require("a")]')}`,
  ),
  'imports dynamically': {
    files: main(`import('plain').then(({ default: plain }) => console.log(plain.value, plain === require("plain")));`),
  },
  'looks at Node itself': {
    files: main(
      `require("plain");\n${say('[process.chdir.name, process.getActiveResourcesInfo(), Reflect.ownKeys(globalThis).map(String), process.title]')}`,
    ),
  },
  'sets a variable that a package sets, too': {
    files: main(`process.env.WRITTEN = 'own';\n${say('[require("writes"), process.env.WRITTEN]')}`),
  },
};
