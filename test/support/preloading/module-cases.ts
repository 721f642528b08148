/** Adversarial programs that are ES modules, as those in cases.ts: their imports are linked before anything is evaluated. */

import { type Case, packages, say } from './cases.ts';

/** Packages beside those of cases.ts. */
const more: Readonly<Record<string, string>> = {
  'node_modules/loads-env/index.js':
    'const fs = require("fs"); const file = process.cwd() + "/.env"; if (fs.existsSync(file)) for (const line of fs.readFileSync(file, "utf8").split("\\n")) { const [key, value] = line.split("="); if (key && !(key in process.env)) process.env[key] = value; }',
  'node_modules/modern/package.json': '{ "type": "module", "exports": "./index.js" }',
  'node_modules/modern/index.js':
    'import plain from "plain"; export const mode = process.env.NODE_ENV; export { plain }; export const state = { count: 0 };',
  'node_modules/module-patches/package.json': '{ "type": "module", "exports": "./index.js" }',
  'node_modules/module-patches/index.js':
    'Array.prototype.last = function () { return "module"; }; export const done = true;',
  'node_modules/module-sets/package.json': '{ "type": "module", "exports": "./index.js" }',
  'node_modules/module-sets/index.js': 'import speaks from "speaks"; speaks.set("de"); export const done = true;',
  'node_modules/module-awaits/package.json': '{ "type": "module", "exports": "./index.js" }',
  'node_modules/module-awaits/index.js':
    'import env from "env"; export const early = env.mode ?? null; await new Promise(setImmediate); export const late = true;',
  'node_modules/module-pure/package.json': '{ "type": "module", "exports": "./index.js" }',
  'node_modules/module-pure/index.js': 'import { value } from "./value.js"; export const pure = value + 1;',
  'node_modules/module-pure/value.js': 'import os from "node:os"; export const value = os.EOL.length;',
  'node_modules/uses-module/index.js': 'exports.mode = require("module-mode").mode;',
  'node_modules/module-mode/package.json': '{ "type": "module", "exports": "./index.js" }',
  'node_modules/module-mode/index.js': 'export const mode = process.env.NODE_ENV ?? "none";',
  'node_modules/dual/package.json':
    '{ "exports": { ".": { "import": "./index.mjs", "require": "./index.cjs" }, "./sub": "./sub.cjs" } }',
  'node_modules/dual/index.mjs': 'import sub from "./sub.cjs"; export const kind = "module"; export { sub };',
  'node_modules/dual/index.cjs': 'exports.kind = "script"; exports.sub = require("./sub.cjs");',
  'node_modules/dual/sub.cjs': 'exports.mode = process.env.NODE_ENV ?? "none";',
  'node_modules/reexports/index.js': 'module.exports = require("./lib/all");',
  'node_modules/reexports/lib/all.js': 'exports.one = 1; exports.two = require("./two").two;',
  'node_modules/reexports/lib/two.js': 'exports.two = process.env.NODE_ENV ?? "none";',
  'node_modules/json/package.json': '{ "main": "./data.json" }',
  'node_modules/json/data.json': '{ "a": 1 }',
  'node_modules/patches-fs/index.js':
    'const fs = require("fs"); const { existsSync } = fs; fs.existsSync = (name) => name === "odd" || existsSync(name);',
  'node_modules/patches-fs-for-all/index.js':
    'require("fs").existsSync = () => "all"; require("module").syncBuiltinESMExports();',
  'node_modules/loads-plugin/index.js': 'require("plugin"); exports.registry = require("registry");',
  'node_modules/names/index.js': 'require("registry").add(process.env.NODE_ENV ?? "none");',
  'node_modules/accumulates/index.js': 'exports.names ??= []; exports.names.push(require("env").mode ?? "none");',
};

/** A program of ES modules. */
const program = (code: string, rest: Readonly<Record<string, string>> = {}): Case => ({
  files: { ...packages, ...more, 'main.mjs': code, ...rest },
  script: 'main.mjs',
});

/** A program with only declarations between packages that call each other. */
const beforeCode = (edits: Readonly<Record<string, string>>): Case => ({
  ...program(
    `import speaks from 'speaks'; import { own } from './own.mjs'; import asks from 'asks';\n${say('[own, asks.base]')}`,
    { 'own.mjs': 'import speaks from "speaks"; export const own = 1;' },
  ),
  edits,
  guarded: true,
});

/** A program in TypeScript. */
const typed = (code: string, rest: Readonly<Record<string, string>> = {}): Case => ({
  files: { ...packages, ...more, 'package.json': '{ "type": "module" }', 'main.ts': code, ...rest },
  script: 'main.ts',
  loaders: ['--import', import.meta.resolve('tsx')],
});

const require = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);\n`;

/** How the program is to load packages, in a file that it reads: its import lines are the same. */
const ordered = (order: string, next: string, cases: Readonly<Record<string, string>>): Case => {
  const steps = Object.entries(cases).map(([name, code]) => `${name}: async () => { ${code} }`);
  const main = `import fs from 'node:fs';\nconst steps = { ${steps.join(', ')} };\nfor (const name of fs.readFileSync('order', 'utf8').split(' ')) await steps[name]();\n`;
  return { ...program(main, { order }), edits: { order: next } };
};

const speaking = {
  speaks: `(await import('speaks')).default.set('de');`,
  asks: `console.log((await import('asks')).default.base);`,
};
const registering = {
  plugin: `await import('plugin');`,
  registry: `console.log(JSON.stringify((await import('registry')).default.plugins));`,
};
/** Hooks that give Node the code of packages, which it then evaluates itself. */
const hooks = `import fs from 'node:fs'; import { fileURLToPath } from 'node:url';
export async function load(url, context, next) { const result = await next(url, context); return result.format === 'commonjs' ? { ...result, source: fs.readFileSync(fileURLToPath(url)) } : result; }
export async function resolve(name, context, next) { return next(name === 'alias' ? 'plain' : name, context); }`;

const importsBesideHook = program(
  `import plain from 'alias'; import all from 'accumulates'; import env from 'env';\n${say('[plain, all, env]')}`,
  {
    'hook.mjs': `import { register } from 'node:module'; register('./hooks.mjs', import.meta.url);`,
    'hooks.mjs': hooks,
  },
);

export const moduleCases: Readonly<Record<string, Case>> = {
  'imports a file of its own that configures a package in a closure, and one that reads it': program(
    `import './set.mjs'; import asks from 'asks';\n${say('asks.base')}`,
    { 'set.mjs': 'import speaks from "speaks"; speaks.set("de");' },
  ),
  'imports packages that call each other, before any code': beforeCode({}),
  'configures a package between imports that Node evaluates first': program(
    `import speaks from 'speaks'; speaks.set('de'); import asks from 'asks';\n${say('[asks.base, speaks.get()]')}`,
  ),
  'configures a package by an edit, in a file that it imports between others': beforeCode({
    'own.mjs': 'import speaks from "speaks"; speaks.set("de"); export const own = 1;',
  }),
  'configures a package by an edit, in a file that only exports what others have': {
    ...program(
      `import speaks from 'speaks'; import { own } from './all.mjs'; import asks from 'asks';\n${say('[own, asks.base]')}`,
      { 'all.mjs': 'export * from "./own.mjs";', 'own.mjs': 'import speaks from "speaks"; export const own = speaks;' },
    ),
    edits: { 'own.mjs': 'import speaks from "speaks"; export const own = speaks; own.set("de");' },
    guarded: true,
  },
  'configures a package in a function that another file calls first': program(
    `import './calls.mjs'; import speaks from 'speaks'; import asks from 'asks';\nexport function set() { speaks.set('de'); }\n${say('asks.base')}`,
    { 'calls.mjs': 'import { set } from "./main.mjs"; import "speaks"; set();' },
  ),
  'configures a package in a file that another package has told it to import': program(
    `import speaks from 'speaks'; import 'module-pure'; import './own.cjs'; import asks from 'asks';\n${say('asks.base')}`,
    { 'own.cjs': 'require("speaks").set("de");' },
  ),
  'imports an ES module that knows no other package, before packages that call each other': program(
    `import speaks from 'speaks'; import { pure } from 'module-pure'; import asks from 'asks';\n${say('[pure, asks.base]')}`,
  ),
  'configures a package in a module that is loaded before the script': {
    ...program(`import 'speaks'; import asks from 'asks';\n${say('asks.base')}`, {
      'set.mjs': 'import speaks from "speaks"; speaks.set("de");',
    }),
    flags: ['--import', './set.mjs'],
  },
  'is TypeScript that imports a type, and later the package, by tsx': typed(
    `import speaks from 'speaks'; import { type Base, asks } from 'asks';\nconst base = 'base' as unknown as typeof asks;\nspeaks.set('de'); const name = 'asks';\nconst found = await import(name);\n${say('[base, found.default.base]')}`,
  ),
  'is TypeScript with an alias for a file that has the name of a package, by tsx': typed(
    `import 'speaks'; import plain from 'plain'; import asks from 'asks';\n${say('[plain, asks.base]')}`,
    {
      'own.ts': 'import speaks from "speaks"; speaks.set("de"); export default 1;',
      'tsconfig.json': '{ "compilerOptions": { "paths": { "plain": ["./own.ts"] } } }',
    },
  ),
  'imports a package, a file that configures it, and one that reads it': program(
    `import speaks from 'speaks'; import './set.mjs'; import asks from 'asks';\n${say('[speaks.get(), asks.base]')}`,
    { 'set.mjs': 'import speaks from "speaks"; speaks.set("de");' },
  ),
  'imports one that reads a closure before the file that configures it': program(
    `import asks from 'asks'; import './set.mjs';\n${say('asks.base')}`,
    { 'set.mjs': 'import speaks from "speaks"; speaks.set("de");' },
  ),
  'configures by a file deep below another one': program(
    `import './a.mjs'; import makes from 'makes';\n${say('makes.base')}`,
    {
      'a.mjs': 'import "./b.mjs";',
      'b.mjs': 'import "./c.mjs"; import "plain";',
      'c.mjs': 'import keeps from "keeps"; keeps.set("deep");',
    },
  ),
  'imports many files that import packages in several orders': program(
    `import './a.mjs'; import './b.mjs'; import env from 'env'; import makes from 'makes'; import asks from 'asks';\n${say('[env.mode, makes.base, asks.base]')}`,
    {
      'a.mjs':
        'import asks from "./b.mjs"; import plain from "plain"; import a from "a"; process.env.NODE_ENV = "by a";',
      'b.mjs':
        'import keeps from "keeps"; import speaks from "speaks"; import uses from "uses-env"; keeps.set(uses.env.mode ?? "unset"); speaks.set("de"); export default 1;',
    },
  ),
  'sets a variable in the first file that it imports': program(
    `import './env.mjs'; import env from 'env'; import uses from 'uses-env';\n${say('[env, uses]')}`,
    { 'env.mjs': 'process.env.NODE_ENV = "first"; process.env.DEBUG = "1";' },
  ),
  'sets another variable in the first file, by an edit': {
    ...program(`import './env.mjs'; import lists from 'lists';\n${say('lists')}`, { 'env.mjs': '' }),
    edits: { 'env.mjs': 'process.env.APP_X = "1";' },
  },
  'sets a variable behind the packages that read it': program(
    `import env from 'env'; import './env.mjs'; import uses from 'uses-env'; import two from 'reexports';\n${say('[env, uses, two]')}`,
    { 'env.mjs': 'process.env.NODE_ENV = "later";' },
  ),
  'imports a package that reads .env first': {
    ...program(`import 'loads-env'; import env from 'env'; import lists from 'lists';\n${say('[env, lists]')}`, {
      '.env': 'NODE_ENV=dev\nAPP_A=1',
    }),
    edits: { '.env': 'NODE_ENV=prod\nAPP_B=1' },
  },
  'imports a package that sets a variable': program(
    `import before from 'env'; import writes from 'writes'; import lists from 'lists';\n${say('[before, writes, lists, process.env.WRITTEN]')}`,
  ),
  'awaits at the top level before it imports more': program(
    `import './late.mjs'; import env from 'env';\n${say('env')}const { default: asks } = await import('asks');\n${say('asks.base')}`,
    { 'late.mjs': 'import speaks from "speaks"; await null; process.env.NODE_ENV = "late"; speaks.set("de");' },
  ),
  'has siblings that await at the top level': program(
    `import one from './one.mjs'; import two from './two.mjs'; import plain from 'plain';\n${say('[one, two, plain]')}`,
    {
      'one.mjs': `${require}await new Promise((done) => setTimeout(done, 5)); process.env.NODE_ENV = 'one'; export default require('env').mode;`,
      'two.mjs': `import speaks from 'speaks'; await new Promise(setImmediate); speaks.set('two'); export default (await import('asks')).default.base;`,
    },
  ),
  'imports several packages at the same time': program(
    `const all = await Promise.all(['a', 'plain', 'uses-env', 'reexports', 'dual', 'modern'].map((name) => import(name)));\n${say('all.map((one) => Object.keys(one).sort())')}`,
  ),
  'imports packages in another order than in the last run': ordered('asks speaks', 'speaks asks', speaking),
  'imports packages in the order of the last run': ordered('asks speaks', 'asks speaks', speaking),
  'imports a plugin later than in the last run': ordered('plugin registry', 'registry plugin registry', registering),
  'no longer imports a plugin': ordered('plugin registry', 'registry', registering),
  'imports a plugin, and the package in which it registers': program(
    `import 'plugin'; import registry from 'registry'; import other from 'loads-plugin';\n${say('[registry.plugins, other.registry === registry]')}`,
  ),
  'imports a package that another one has needed before, configures it, and imports one that reads it': program(
    `import 'loads-plugin'; import './add.mjs'; import plugin from 'plugin'; import registry from 'registry';\n${say('[registry.plugins, plugin.done]')}`,
    { 'add.mjs': 'import registry from "registry"; registry.add("own");' },
  ),
  'has a plugin that registers by a variable, which an edit changes': {
    ...program(`import './env.mjs'; import 'names'; import registry from 'registry';\n${say('registry.plugins')}`, {
      'env.mjs': '',
    }),
    edits: { 'env.mjs': 'process.env.NODE_ENV = "edited";' },
  },
  'has a cycle of its own files': program(`import { a } from './a.mjs';\n${say('a()')}`, {
    'a.mjs': 'import { b } from "./b.mjs"; import one from "a"; export const a = () => [one, b()];',
    'b.mjs':
      'import { a } from "./a.mjs"; import env from "env"; import two from "b"; export const b = () => [typeof a, two, env];',
  }),
  'imports a script of its own': program(`import own from './own.cjs'; import env from 'env';\n${say('[own, env]')}`, {
    'own.cjs':
      'process.env.NODE_ENV = "script"; module.exports = [require("plain").parent, module.parent === undefined];',
  }),
  'imports the same package twice, and later again': program(
    `import one from 'counts'; import * as two from 'counts';\nconst three = await import('counts');\n${say('[one === two.default, three === two, counted]')}`,
  ),
  'imports JSON of a package': program(
    `${require}import data from 'json/data.json' with { type: 'json' };\n${say('[data, require("json"), require("json") === data]')}`,
  ),
  'requires JSON of a package, and imports it': program(
    `${require}const data = require('json');\nconst again = await import('json/data.json', { with: { type: 'json' } });\n${say('[data, again.default === data]')}`,
  ),
  'requires by createRequire, and imports the same': program(
    `${require}import plain from 'plain'; import './env.mjs';\n${say('[require("plain") === plain, require("env").mode, require("dual").kind]')}`,
    { 'env.mjs': 'import "a"; process.env.NODE_ENV = "set";' },
  ),
  'looks at the module cache before its packages are evaluated': program(
    `import './look.mjs'; import plain from 'plain';\n${say('plain')}`,
    {
      'look.mjs': `${require}const m = require.cache[require.resolve('plain')];\n${say('[Object.keys(require.cache), m && [m.loaded, m.exports, m.children.length, m.id, m.parent === undefined]]')}`,
    },
  ),
  'looks at the module cache when its packages are evaluated': program(
    `import 'uses-env'; ${require}const m = require.cache[require.resolve('uses-env')];\n${say('[Object.keys(require.cache), m.loaded, Object.keys(m.exports), m.children.map((one) => one.id), m.parent === undefined]')}`,
  ),
  'imports names, and what is exported again': program(
    `import { value } from 'plain'; import { one, two } from 'reexports'; import * as all from 'reexports';\n${say('[value, one, two, Object.keys(all).sort()]')}`,
  ),
  'imports a package that throws': program(
    `for (const round of [1, 2]) try { await import('throws'); } catch (error) { console.log(round, error.message); }\nimport plain from 'plain';\n${say('plain')}`,
  ),
  'dies of a package that throws': program(`import 'plain'; import 'throws';`),
  'patches a prototype in the first file that it imports': program(
    `import './patch.mjs'; import after from 'after';\n${say('after')}`,
    { 'patch.mjs': 'Array.prototype.last = () => 1;' },
  ),
  'patches a prototype by an edit': {
    ...program(`import './patch.mjs'; import after from 'after';\n${say('after')}`, { 'patch.mjs': '' }),
    edits: { 'patch.mjs': 'Array.prototype.last = () => 1;' },
  },
  'imports a package that patches prototypes between others': program(
    `import one from 'after'; import './look.mjs'; import 'patches'; import two from 'counts'; ${require}\n${say('[one, two, [1].last(), require("asks").base]')}`,
    { 'look.mjs': say('typeof [].last') },
  ),
  'imports an ES module that patches prototypes': program(
    `import 'module-patches'; import after from 'after';\n${say('[after, [1].last()]')}`,
  ),
  'imports an ES module that configures a package in a closure': program(
    `import 'module-sets'; import asks from 'asks';\n${say('asks.base')}`,
  ),
  'imports an ES module that awaits': program(
    `import './env.mjs'; import { early, late } from 'module-awaits'; import env from 'env';\n${say('[early, late, env]')}`,
    { 'env.mjs': 'process.env.NODE_ENV = "set";' },
  ),
  'requires an ES module, and imports it': program(
    `import './env.mjs'; import { mode, state } from 'modern'; import { plain } from 'modern'; ${require}\nstate.count += 1;\n${say('[mode, state, plain, require("module-mode").mode]')}`,
    { 'env.mjs': 'process.env.NODE_ENV = "set";' },
  ),
  'imports an ES module that a package requires': {
    ...program(
      `import './env.mjs'; import { mode } from 'module-mode'; import uses from 'uses-module';\n${say('[mode, uses.mode]')}`,
      {
        'env.mjs': '',
      },
    ),
    edits: { 'env.mjs': 'process.env.NODE_ENV = "edited";' },
  },
  'imports and requires a package that has two forms': {
    ...program(
      `import './env.mjs'; import { kind, sub } from 'dual'; ${require}\n${say('[kind, sub, require("dual").kind, require("dual/sub") === sub]')}`,
      {
        'env.mjs': '',
      },
    ),
    edits: { 'env.mjs': 'process.env.NODE_ENV = "edited";' },
  },
  'imports itself by its own name, and a package by a name of its own': program(
    `import own from 'own/sub'; import plain from '#plain'; import env from 'env';\n${say('[own, plain, env]')}`,
    {
      'package.json': '{ "name": "own", "exports": { "./sub": "./sub.mjs" }, "imports": { "#plain": "plain" } }',
      'sub.mjs': 'process.env.NODE_ENV = "sub"; export default import.meta.resolve("plain").slice(-30);',
    },
  ),
  'hooks the loader of ES modules in the first file': program(
    `import './hook.mjs';\nconst { default: plain } = await import('alias'); const { default: all } = await import('accumulates');\n${say('[plain, all]')}`,
    {
      'hook.mjs': `import { register } from 'node:module'; register('./hooks.mjs', import.meta.url);`,
      'hooks.mjs': hooks,
    },
  ),
  'hooks the loader of ES modules before the script': {
    ...importsBesideHook,
    flags: ['--import', './hook.mjs'],
  },
  'has a loader that gives Node the code of packages': {
    ...importsBesideHook,
    loaders: ['--import', './hook.mjs'],
  },
  'hooks the loader synchronously': program(
    `import './hook.mjs';\nconst { default: all } = await import('accumulates'); const { default: uses } = await import('uses-env');\n${say('[all, uses]')}`,
    {
      'hook.mjs': `import * as module from 'node:module'; const seen = []; module.registerHooks?.({ load: (url, context, next) => { seen.push(url.slice(-25)); return next(url, context); } }); process.on('exit', () => console.log(seen.join()));`,
    },
  ),
  'replaces a function of the loader in the first file': program(
    `import './hook.mjs'; import 'plain'; import uses from 'uses-env';\n${say('uses')}`,
    {
      'hook.mjs': `import Module from 'node:module'; const { _load } = Module; const names = []; Module._load = function (name, ...rest) { names.push(name.slice(-20)); return _load.call(this, name, ...rest); }; process.on('exit', () => console.log(names.join()));`,
    },
  ),
  'is TypeScript, by tsx': typed(
    `import './env.js'; import env from 'env'; import './set.js'; import asks from 'asks'; import { one } from 'reexports'; import { mode } from 'modern';\nconst text: string = asks.base;\n${say('[env, text, one, mode]')}`,
    {
      'env.ts': 'process.env.NODE_ENV = "typed" as string;',
      'set.ts': 'import speaks from "speaks"; speaks.set("de" as string);',
    },
  ),
  'imports functions of Node that a package replaces': program(
    `import { existsSync } from 'node:fs'; import fs from 'node:fs'; import './look.mjs'; import 'patches-fs';\n${say('[existsSync("odd"), fs.existsSync("odd")]')}`,
    { 'look.mjs': `import fs, { existsSync } from 'node:fs';\n${say('[existsSync("odd"), fs.existsSync("odd")]')}` },
  ),
  'imports functions of Node that a package replaces for ES modules, too': program(
    `import { existsSync } from 'node:fs'; import './look.mjs'; import 'patches-fs-for-all';\n${say('existsSync("odd")')}`,
    { 'look.mjs': `import { existsSync } from 'node:fs';\n${say('existsSync("odd")')}` },
  ),
  "imports Node's process": program(
    `import process, { env as variables } from 'node:process'; import env from 'env'; import keeps from 'keeps-env';\n${say('[process === globalThis.process, variables === process.env, keeps.get("A") ?? null, env]')}`,
  ),
};
