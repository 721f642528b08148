/** Adversarial programs whose packages load files later, by functions: as those in cases.ts. */

import { type Case, packages, say } from './cases.ts';

const framework = 'node_modules/framework';

/** Another package is loaded last: it is clear that the framework had been loaded before it asks for its file. */
const header = 'const framework = require("framework"), { options } = framework; require("lazy");\n';

/** A framework whose function `start` loads `server.js`. */
const withServer = (server: string, code: string, rest: Partial<Case> = {}): Case => ({
  ...rest,
  files: {
    ...packages,
    [`${framework}/index.js`]:
      'const { options } = require("./options"); exports.options = options; exports.start = () => require("./server");',
    [`${framework}/options.js`]:
      'let mode = "none"; exports.set = (other) => { mode = other; }; exports.get = () => mode; exports.options = { a: { b: { c: { d: { e: 1 } } } }, seen: new Map(), hidden: {} };',
    [`${framework}/server.js`]: server,
    [`${framework}/part.js`]: 'exports.parent = module.parent.filename;',
    'main.js': `${header}${code}`,
    ...rest.files,
  },
});

const start = say('framework.start().found ?? null');
const reads = (what: string): string => `const { options } = require("./options"); exports.found = ${what};`;
const lookAround = say(
  '[Object.keys(require.cache), Object.values(require.cache).map((one) => [one.parent?.id, one.children.map(({ id }) => id), one.loaded])]',
);

export const lateCases: Readonly<Record<string, Case>> = {
  'has a package that loads files later': withServer(
    'exports.found = [require("./part"), require("./options").options.a, module.parent.filename, module.parent.children.length, process.env.NODE_ENV];',
    `${lookAround}${start}${lookAround}`,
  ),
  'changes a property that a file reads which is loaded later': withServer(
    reads('options.url'),
    `options.url = 1;\n${start}`,
  ),
  'changes a property far below the exports that a file reads which is loaded later': withServer(
    reads('options.a.b.c.d.e'),
    `options.a.b.c.d.e = 2;\n${start}`,
  ),
  'changes a map that a file reads which is loaded later': {
    ...withServer(reads('[...options.seen]'), `options.seen.set('a', 1);\n${start}`),
    edits: {
      'main.js': `${header}options.seen.set('a', 2);\n${start}`,
    },
  },
  'has a package that registers far below the exports when it loads a file later': withServer(
    'require("./options").options.a.b.c.d.e = "server"; require("./options").options.seen.set(1, 2); exports.found = 1;',
    `${say('[options.a.b.c.d.e, options.seen.size]')}${start}${say('[options.a.b.c.d.e, options.seen.size]')}`,
  ),
  'changes an address that a file reads which is loaded later': withServer(
    'exports.found = require("./address").url.href;',
    `const { url } = require("framework/address");\nurl.hash = "own";\n${start}`,
    { files: { [`${framework}/address.js`]: 'exports.url = new URL("http://localhost/");' } },
  ),
  'changes what another package exports, which a file reads that is loaded later': withServer(
    'exports.found = require("settings").defaults.url;',
    `require("settings").defaults.url = "own";\n${start}`,
  ),
  'configures a package in a closure, which a file asks that is loaded later': withServer(
    'exports.found = require("./options").get();',
    `require("framework/options").set("own");\n${start}`,
  ),
  'hides something in an object, which a file finds that is loaded later': withServer(
    'const { secrets, options } = require("./secrets"); exports.found = secrets.has(options) && secrets.get(options);',
    `const { secrets } = require("framework/secrets");\nsecrets.set(options, "own");\n${start}`,
    {
      files: {
        [`${framework}/secrets.js`]: 'exports.secrets = new WeakMap(); exports.options = require("./options").options;',
      },
    },
  ),
  'has a package that changes another one when it loads a file later': withServer(
    'require("plain").code = 2; exports.found = 1;',
    `const plain = require("plain");\n${say('plain.code ?? null')}${start}${say('[plain.code, require("uses-env").plain.code]')}`,
  ),
  'has a package that changes a prototype when it loads a file later': withServer(
    'Array.prototype.last = () => 1; exports.found = typeof [].last;',
    `${start}${say('require("after").seen')}`,
  ),
  'asks for a package behind a file that is loaded later and needs it': withServer(
    'exports.found = require("env").mode ?? null;',
    `${start}process.env.NODE_ENV = "later";\n${say('[require("uses-env").env, require("b").keys]')}`,
  ),
  'sets a variable that a file reads which is loaded later': withServer(
    'exports.found = process.env.NODE_ENV;',
    `process.env.NODE_ENV = 'own';\n${start}`,
    {
      edits: {
        'main.js': `${header}process.env.NODE_ENV = 'edited';\n${start}`,
      },
    },
  ),
  'no longer needs a file that was loaded later': {
    ...withServer('exports.found = require("env").mode ?? null;', `${start}${say('require("uses-env").plain.value')}`),
    edits: {
      'main.js': `${header}${say('require("uses-env").plain.value')}${lookAround}`,
    },
  },
  'asks itself for a file that was loaded later, and before': {
    ...withServer('exports.found = require("./part").parent;', start),
    edits: {
      'main.js': `${say('require("framework/part").parent')}${say('require("framework/server").found')}${header}${start}`,
    },
  },
  'has a package that loads a file later, and removes it from the cache': withServer(
    'exports.found = 1;',
    `const first = framework.start();\ndelete require.cache[require.resolve("framework/server")];\n${say('framework.start() === first')}`,
  ),
  'is an ES module with a package that loads files later': {
    ...withServer('exports.found = [require("./part"), module.parent.filename];', '', {
      files: {
        'main.mjs': `import framework from 'framework'; import 'uses-env'; import './own.mjs'; import asks from 'asks';\n${start}${say('asks.base')}`,
        'own.mjs': 'import speaks from "speaks"; speaks.set("de");',
      },
    }),
    script: 'main.mjs',
  },
};
