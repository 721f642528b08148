/** The texts of the files of a random program, before and after its edits. */

import type { BatchProgram } from './compare-programs.ts';
import type { Graph, Kind, Statement } from './graphs.ts';

/** A file of statements. */
interface Source {
  readonly self: string;
  readonly statements: readonly Statement[];
  readonly inProgram: boolean;
  readonly isModule: boolean;
}

/** The functions of each file that others call, and by which it looks at others. */
const common = `
const normal = (m) => m.default ?? m;
const seen = (m) => { try { return look(m); } catch (e) { return e.message.split('\\n')[0]; } };
const look = (m) => m && [Object.keys(m).join(), Object.hasOwn(m, 'extra') && m.extra, (m.list || []).join(), Object.keys((m.nested || {}).deep || {}).join(), [...(m.map || []).keys()].join(), (m.log || []).join().slice(0, 200)].join('|');
const nameOf = (module) => module && path.basename(module.filename || '');
let p0, p1, p2, p3, p4;
`;

const commonJsPrelude = (self: string): string => `
const self = ${JSON.stringify(self)}, log = exports.log = [], path = require('node:path');
exports.list = []; exports.map = new Map(); exports.nested = { deep: {} };
let items = [];
exports.add = (one) => { items.push(one); };
exports.items = () => items.join();
exports.Thing = class { constructor() { this.items = items.join(); } };
${common}`;

const modulePrelude = (self: string, requires: boolean): string => `
${requires ? "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);" : ''}
import path from 'node:path';
const { dirname: __dirname } = import.meta, self = ${JSON.stringify(self)};
export const log = [], list = [], map = new Map(), nested = { deep: {} }, lazies = {}, owned = [];
const all = [];
export const add = (one) => { all.push(one); };
export const items = () => all.join();
export class Thing { constructor() { this.items = all.join(); } }
${common}`;

/** Kinds that mean nothing in an ES module. */
const commonJsOnly: ReadonlySet<Kind> = new Set<Kind>(['replaceExports', 'forgetSelf', 'parent']);

/** Returns the expressions for a package and for an own file; `imports` gets what a module imports statically. */
function askingFor(one: Statement, { self, inProgram, isModule }: Source, at: string, imports: string[]) {
  const { to, n, flag, kind } = one;
  const name = `p${to}${n === 2 ? '/extra.js' : ''}`;
  if (!isModule) return { ask: `require('${name}')`, askOwn: `require('./o${n % 2}.js')` };
  const importAs = (what: string): string => {
    imports.push(`import * as i${at} from '${what}';`);
    return `i${at}`;
  };
  // Packages that wait for each other would wait for ever.
  const awaited = inProgram && flag && kind === 'require' && to % 2 === 0;
  const isNamed = kind === 'require' || !inProgram;
  const ask = !isNamed ? '' : awaited ? `normal(await import('${name}'))` : flag ? `require('${name}')` : undefined;
  const askOwn = self === 'main' && flag ? `await import('./o${n % 2}.mjs')` : undefined;
  return {
    get ask() {
      return ask ?? `normal(${importAs(name)})`;
    },
    get askOwn() {
      return askOwn ?? importAs(`./o${n % 2}.mjs`);
    },
  };
}

/** Returns the code of a statement. In a program, only some of them name the package that they are about. */
function codeOf(one: Statement, source: Source, at: string, imports: string[]): string {
  const { kind, to, n, flag, when, isGuarded } = one;
  const { inProgram, isModule } = source;
  if (isModule && commonJsOnly.has(kind)) return '';
  const asking = askingFor(one, source, at, imports);
  const lazies = isModule ? 'lazies' : 'exports';
  const it = (): string => (inProgram ? `p${to}` : asking.ask);
  const config = `{ const file = ${flag ? "path.join(process.cwd(), 'config.txt')" : "path.join(__dirname, __dirname.includes('node_modules') ? '../..' : '.', 'config.txt')"}; const text = require('node:fs').existsSync(file) && require('node:fs').readFileSync(file, 'utf8');`;
  const code: Readonly<Record<Kind, () => string>> = {
    require: () => `log.push(seen(p${to} = ${asking.ask}));`,
    own: () =>
      isModule
        ? `{ const own = ${asking.askOwn}; owned.push(own); log.push(seen(own)); }`
        : `log.push(seen(${asking.askOwn}));`,
    lazy: () => `${lazies}.lazy${at} = () => ${flag ? `seen(${asking.ask})` : `${asking.ask}.items()`};`,
    callLazy: () => {
      const code = it();
      return `{ const it = ${code}, lazies = it.lazies || it; for (const key of Object.keys(lazies)) if (key.startsWith('lazy')) log.push(lazies[key]()); }`;
    },
    await: () => (isModule ? 'await null;' : ''),
    getEnv: () => `log.push(process.env.V${n});`,
    hasEnv: () => `log.push('V${n}' in process.env);`,
    listEnv: () => `log.push(Object.keys(process.env).filter((key) => key.startsWith('V')).join());`,
    setEnv: () => `process.env.V${n} = ${flag ? 'self' : "'x'"};`,
    configEnv: () => `${config} process.env.V${n} = text; }`,
    deleteEnv: () => `delete process.env.V${n};`,
    getGlobal: () => `log.push(typeof g${n}, globalThis.g${n});`,
    setGlobal: () => `globalThis.g${n} = ${flag ? 'self' : "'x'"};`,
    addGlobal: () => `globalThis.g${n} = (globalThis.g${n} || '') + self;`,
    deleteGlobal: () => `delete globalThis.g${n};`,
    getInherited: () => `log.push([].ext${n} && [].ext${n}());`,
    enumerate: () => `for (const key in []) log.push(key);`,
    inherit: () =>
      `Object.defineProperty(Array.prototype, 'ext${n}', { value: () => self, enumerable: ${flag}, configurable: true, writable: true });`,
    callBuiltin: () => `log.push(${flag ? 'Math.cbrt(8)' : "require('node:querystring').escape('a')"});`,
    wrapBuiltin: () =>
      flag
        ? `{ const old = Math.cbrt; Math.cbrt = (x) => self + old(x); }`
        : `{ const q = require('node:querystring'), old = q.escape; q.escape = (x) => self + old(x); }`,
    readConfig: () => `${config} log.push(text); }`,
    folder: () => `log.push(path.basename(process.cwd()) === 'sub');`,
    changeFolder: () => `process.chdir('sub');`,
    countListeners: () => `log.push(process.listenerCount('ev${n}'));`,
    listen: () => `process.on('ev${n}', () => {});`,
    main: () => `log.push(nameOf(require.main), nameOf(process.mainModule));`,
    parent: () => `log.push(nameOf(module.parent));`,
    print: () => `console.log('printed by ' + self);`,
    throw: () => `throw new Error('thrown by ' + self);`,
    timer: () => `setTimeout(() => log.push('later'), 1);`,
    fix: () =>
      `Object.defineProperty(globalThis, 'fixed' + __dirname, { value: self }); log.push(globalThis['fixed' + __dirname]);`,
    look: () => `log.push(seen(${it()}));`,
    set: () => `${it()}.extra = self;`,
    push: () => `${it()}.list.push(self);`,
    put: () => `${it()}.map.set(self, 1);`,
    nest: () => `${it()}.nested.deep[self] = 1;`,
    add: () => `${it()}.add(self);`,
    items: () => `log.push(${it()}.items());`,
    make: () => `log.push(new (${it()}.Thing)().items);`,
    wrapMethod: () => `{ const it = ${it()}, old = it.items; it.items = () => self + old(); }`,
    freeze: () => `Object.freeze(${flag ? it() : `${it()}.list`});`,
    replaceExports: () => `module.exports = Object.assign(() => self, exports);`,
    forgetSelf: () => `delete require.cache[__filename];`,
    forget: () => `delete require.cache[require.resolve('p${to}')];`,
    hookLoader: () =>
      flag
        ? `{ const M = require('node:module'), old = M._load; M._load = function (name, ...rest) { return name === 'p${to}' ? { hooked: self } : old.call(this, name, ...rest); }; }`
        : `{ const M = require('node:module'), old = M._resolveFilename; M._resolveFilename = function (name, ...rest) { return old.call(this, name === 'p${to}' ? 'p${n}' : name, ...rest); }; }`,
    addExtension: () => `require.extensions['.x${n}'] = () => {};`,
    stackLimit: () => `Error.stackTraceLimit = ${11 + n};`,
  };
  const text = code[kind]();
  const whole = when === '' ? text : `if (${conditionIn(when, inProgram)}) { ${text} }`;
  return isGuarded && kind !== 'throw' ? `try { ${whole} } catch (e) { log.push(e.message.split('\\n')[0]); }` : whole;
}

const conditionIn = (when: string, inProgram: boolean): string => {
  if (when !== 'wanted') return when;
  return inProgram ? `require('./wanted.js')` : `process.env.V1`;
};

/** A package that removes modules from the cache in the midst of a cycle would be loaded for ever. */
const isLast = ({ kind }: Statement): boolean => kind === 'forgetSelf' || kind === 'forget';

function textOf(source: Source): string {
  const { self, statements, inProgram, isModule } = source;
  const ordered = inProgram
    ? statements
    : [...statements].sort((one, other) => Number(isLast(one)) - Number(isLast(other)));
  const imports: string[] = [];
  const lines = ordered.map((one, index) => codeOf(one, source, String(index), imports));
  const body = `${[...imports, ...lines].filter((line) => line !== '').join('\n')}\n`;
  return (isModule ? modulePrelude(self, body.includes('require')) : commonJsPrelude(self)) + body;
}

const ownNames = ['main', 'o0', 'o1'];

const isModuleProgram = ({ forms }: Graph): boolean => forms.program === 'module';
const ownFileOf = (graph: Graph, name: string): string => `${name}.${isModuleProgram(graph) ? 'mjs' : 'js'}`;

const ownText = (graph: Graph, self: string, statements: readonly Statement[]): string =>
  textOf({ self, statements, inProgram: true, isModule: isModuleProgram(graph) });

/** Returns the files of a package; `entry` names that of the package itself. */
function packageFiles(
  { packages, forms }: Graph,
  index: number,
  statements: readonly Statement[] = packages[index]?.index ?? [],
  entry = 'index',
): Record<string, string> {
  const form = forms.packages[index] ?? 'commonjs';
  const { extra = [] } = packages[index] ?? {};
  const files: Record<string, string> = {};
  const folder = `node_modules/p${index}`;
  const add = (name: string, ending: string, isModule: boolean): void => {
    const mark = isModule && ending === '.mjs' ? 'm' : '';
    const source = { inProgram: false, isModule };
    const self = `${name === entry ? 'p' : 'e'}${index}${mark}${name === 'other' ? 'o' : ''}`;
    files[`${folder}/${name}${ending}`] = textOf({ ...source, self, statements: name === entry ? statements : extra });
  };
  for (const name of [entry, 'extra']) {
    if (form !== 'commonjs') add(name, form === 'both' ? '.mjs' : '.js', true);
    if (form !== 'module') add(name, '.js', false);
  }
  const target = (name: string): unknown =>
    form === 'both' ? { import: `./${name}.mjs`, require: `./${name}.js` } : `./${name}.js`;
  const manifest =
    form === 'commonjs'
      ? { main: `./${entry}.js` }
      : {
          ...(form === 'module' && { type: 'module' }),
          exports: { '.': target(entry), './extra.js': target('extra') },
        };
  if (form !== 'commonjs' || entry !== 'index') files[`${folder}/package.json`] = JSON.stringify(manifest);
  return files;
}

/** Returns the files of the program before its edits. */
export function filesOf(graph: Graph): Record<string, string> {
  const files: Record<string, string> = { 'sub/x': '', 'wanted.js': 'module.exports = false;' };
  for (const [index, name] of ownNames.entries()) {
    files[ownFileOf(graph, name)] = ownText(graph, name, graph.program[index] ?? []);
  }
  for (const index of graph.packages.keys()) Object.assign(files, packageFiles(graph, index));
  return files;
}

/** Returns the files that the edits change, with their new text; null stands for what they remove. */
export function editsOf(graph: Graph): Record<string, string | null> {
  const files: Record<string, string | null> = {};
  const lists = ownNames.map((_, index) => [...(graph.program[index] ?? [])]);
  for (const { kind, file, at, statement } of graph.edits) {
    const list = lists[file] ?? [];
    const { to } = statement;
    if (kind === 'insert') list.splice(at, 0, statement);
    else if (kind === 'remove') list.splice(at, 1);
    else if (kind === 'swap' && at + 1 < list.length) list.splice(at, 2, ...list.slice(at, at + 2).reverse());
    else if (kind === 'config') files['config.txt'] = `config ${at}`;
    else if (kind === 'wanted') files['wanted.js'] = 'module.exports = true;';
    else if (kind === 'package') {
      const changed = packageFiles(graph, to, [...(graph.packages[to]?.index ?? []), statement]);
      for (const [name, text] of Object.entries(changed)) if (name.includes('/index.')) files[name] = text;
    } else if (kind === 'manifest') Object.assign(files, packageFiles(graph, to, undefined, 'other'));
    else if (kind === 'removal') {
      for (const name of Object.keys(files)) if (name.startsWith(`node_modules/p${to}/`)) delete files[name];
      files[`node_modules/p${to}`] = null;
    }
  }
  for (const [index, list] of lists.entries()) {
    const name = ownNames[index] ?? '';
    const text = ownText(graph, name, list);
    if (text !== ownText(graph, name, graph.program[index] ?? [])) files[ownFileOf(graph, name)] = text;
  }
  // An edit of a removed package would bring it back.
  for (const name of Object.keys(files)) {
    const [folder = ''] = /^node_modules\/p\d/.exec(name) ?? [];
    if (folder !== name && files[folder] === null) delete files[name];
  }
  return files;
}

export const programOf = (graph: Graph): BatchProgram => ({
  ...{ files: filesOf(graph), edits: editsOf(graph) },
  script: ownFileOf(graph, 'main'),
  ...{ count: graph.count, learned: graph.learned },
});
