// Node programs: loaders, standbys, what they see of devwatch, the API.

import assert from 'node:assert/strict';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { caller, packageFolder } from '../rig.mjs';

const toESM = (code) =>
  `import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);\n${code}`;

/** Where the packages that scenarios need are installed. */
const packages =
  path.basename(path.dirname(packageFolder)) === 'node_modules'
    ? path.dirname(packageFolder)
    : path.join(packageFolder, 'node_modules');

export const scenarios = [
  {
    name: 'the second run comes from a standby',
    async run(rig) {
      rig.write('server.js', caller({ version: 1 }));
      const app = await rig.start(['server.js']);
      await rig.call();
      await app.event('standby');
      rig.write('server.js', caller({ version: 2 }));
      await rig.call(({ version }) => version === 2);
      await app.event('start', ({ run, standby }) => run === 2 && standby);
    },
  },
  {
    name: 'a standby has loaded the packages of the program',
    async run(rig) {
      const files = 30;
      const names = Array.from({ length: files }, (_, index) => `f${index}`);
      rig.write(
        'node_modules/lib/index.js',
        names.map((name) => `exports.${name} = require('./${name}.js');`).join('\n'),
      );
      for (const name of names) rig.write(`node_modules/lib/${name}.js`, `module.exports = '${name}';`);
      rig.write('server.js', `const lib = require('lib');\n${caller({ version: 1 })}`);
      const app = await rig.start(['server.js']);
      await rig.call();
      await app.event('standby', (standby) => standby.packages > files);
      rig.write('server.js', `const lib = require('lib');\n${caller({ version: 2 })}`);
      await rig.call(({ version }) => version === 2);
      const { adopted } = await app.event('packages', ({ run }) => run === 2);
      assert.equal(adopted, files + 1);
    },
  },
  {
    name: 'an ES module',
    async run(rig) {
      rig.write('server.mjs', toESM(caller({ version: 1 })));
      const app = await rig.start(['server.mjs']);
      await rig.call();
      await app.watches();
      await app.event('standby');
      rig.write('server.mjs', toESM(caller({ version: 2 })));
      await rig.call(({ version }) => version === 2);
    },
  },
  {
    name: 'TypeScript by tsx',
    async run(rig) {
      const tsx = JSON.stringify(path.join(packages, 'tsx', 'dist', 'loader.mjs'));
      const loader = pathToFileURL(JSON.parse(tsx)).href;
      rig.write('server.ts', `const version: number = 1;\n${caller({ version: 1 })}`);
      const app = await rig.start(['--import', loader, 'server.ts']);
      await rig.call();
      await app.watches();
      rig.write('server.ts', `enum Version { two = 2 }\n${caller({ version: 2 })}`);
      await rig.call(({ version }) => version === 2);
    },
  },
  {
    name: 'a program sees neither flags nor variables of devwatch that are not documented',
    async run(rig) {
      const facts =
        '{ execArgv: process.execArgv, names: Object.keys(process.env), loaded: Object.keys(require.cache) }';
      rig.write('server.js', `require(process.env.TEST_DIAL)(${facts});\n`);
      const app = await rig.start(['--stack-trace-limit=7', 'server.js']);
      const { says } = await rig.call();
      await app.event('standby');
      rig.write('server.js', `require(process.env.TEST_DIAL)(${facts}); // 2\n`);
      const { says: second } = await rig.call();
      for (const { execArgv, names, loaded } of [says, second]) {
        assert.deepEqual(execArgv, ['--stack-trace-limit=7']);
        const own = names.filter((name) => /^DEVWATCH_/.test(name) && !(name in process.env));
        const documented = ['DEVWATCH_CHANGED', 'DEVWATCH_REASON', 'DEVWATCH_RUN'];
        assert.deepEqual(own.filter((name) => !name.startsWith('DEVWATCH_TREE_')).sort(), documented);
        assert.deepEqual(
          loaded.filter((file) => file.includes('preload')),
          [],
        );
      }
    },
  },
  {
    name: 'a syntax error names its place, and a save repairs it',
    async run(rig) {
      rig.write('server.js', 'const a = 1;\nconst = 2;\n');
      const app = await rig.start(['server.js']);
      const { outcome } = await app.event('crash', ({ next }) => next.kind === 'wait');
      assert.equal(outcome.uncaught.location.file, rig.at('server.js'));
      assert.equal(outcome.uncaught.location.line, 2);
      rig.write('server.js', caller());
      await rig.call();
    },
  },
  {
    name: 'a module that is missing is waited for',
    async run(rig) {
      rig.write('server.js', `require('./lib/later');\n${caller()}`);
      const app = await rig.start(['--watch', 'server.js', 'server.js']);
      await app.event('crash', ({ next }) => next.kind === 'wait');
      rig.write('lib/later.js', '1');
      await rig.call();
    },
  },
  {
    name: '--deps watches files that the program loads',
    async run(rig) {
      const outside = rig.write(path.join(rig.scratch, 'lib', 'outside.js'), '1');
      rig.write('server.js', `require(${JSON.stringify(outside)});\n${caller()}`);
      const app = await rig.start(['--deps', 'server.js']);
      await rig.call();
      await app.event('watchingLoads', ({ files }) => files.includes(outside));
      rig.write(outside, '22');
      await rig.call();
    },
  },
  {
    name: 'the API',
    async run(rig) {
      rig.write('server.js', caller({ version: 1 }));
      const api = pathToFileURL(path.join(packageFolder, 'dist', 'index.js')).href;
      rig.write(
        'dev.mjs',
        `import { watch } from ${JSON.stringify(api)};
const watching = watch({ script: 'server.js', watch: ['server.js'] });
watching.on('watching', () => console.log('{"event":"watching"}'));
`,
      );
      const app = await rig.start([], { script: 'dev.mjs' });
      const first = await rig.call();
      await app.watches();
      rig.write('server.js', caller({ version: 2 }));
      await rig.call(({ version }) => version === 2);
      await first.gone;
    },
  },
];
