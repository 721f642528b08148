/** NODES names the binaries of Node versions, separated by commas; see test/nodes. */

import { describe, expect, test } from 'vitest';
import { rowsOf } from '../../support/exhaustive.ts';
import { type Case, cases } from '../../support/preloading/cases.ts';
import { compareIn } from '../../support/preloading/compare.ts';
import { lateCases } from '../../support/preloading/late-cases.ts';
import { moduleCases } from '../../support/preloading/module-cases.ts';
import { variants } from '../../support/preloading/variants.ts';
import { createProject } from '../../support/project.ts';

/** Runs a program plainly and from a standby. */
async function compare({ files, script = 'main.js', loaders, flags, ...variation }: Case, node: string): Promise<void> {
  await using project = createProject(files);
  const { plain, preloaded } = await compareIn({ folder: project.path, script, node, loaders, flags }, variation);
  expect(preloaded).toEqual(plain);
}

const nodes = process.env.NODES?.split(',') ?? [process.execPath];

describe.concurrent.each(nodes)(
  'a program of %s cannot tell whether its packages were loaded ahead of time, if it',
  (node) => {
    test.each(rowsOf(Object.entries(cases), ([name]) => !variants.has(name)))('%s', async (_, one) => {
      await compare(one, node);
    });

    test.each(rowsOf(Object.entries(lateCases), ([name]) => !variants.has(name)))('%s', async (_, one) => {
      await compare(one, node);
    });

    test.each<[name: string, handedOver: readonly string[], left: readonly string[]]>([
      ['has a package that loads files later', ['index', 'server'], []],
      ['changes a property that a file reads which is loaded later', ['index'], []],
      ['configures a package in a closure, which a file asks that is loaded later', ['index'], ['server']],
    ])('%s: it takes over %j, and loads %j itself', async (name, handedOver, left) => {
      await using project = createProject(lateCases[name]?.files ?? {});
      const place = { folder: project.path, script: 'main.js', node };
      const { adoption, excluded } = await compareIn(place, { reportsAdoption: true });
      const at = (file: string): string => project.at(`node_modules/framework/${file}.js`);
      const [first, ...others] = handedOver.map(at);
      expect(adoption).toMatchObject({ entries: [first, project.at('node_modules/lazy/index.js'), ...others] });
      expect(excluded).toEqual(left.map(at));
    });

    test('asks for packages that copy the environment: they are left to it', async () => {
      await using project = createProject({ ...cases['asks for a package']?.files, 'main.js': 'require("copies");' });
      const { excluded } = await compareIn({ folder: project.path, script: 'main.js', node });
      // The copy would have no DEVWATCH_RUN.
      expect(excluded).toEqual([project.at('node_modules/copies/index.js')]);
    });

    test('changes its folder: it gets packages that do not look where they are', async () => {
      await using project = createProject({
        ...cases['asks for a package']?.files,
        'main.js': 'process.chdir(".."); require("plain"); require("folder"); require("asks-folder");',
      });
      const place = { folder: project.path, script: 'main.js', node };
      const { adoption } = await compareIn(place, { reportsAdoption: true });
      expect(adoption).toMatchObject({ files: 1, entries: [project.at('node_modules/plain/index.js')] });
    });

    test('asks for a package that makes another one load a file: it gets all of them', async () => {
      await using project = createProject({
        'node_modules/one/index.js': 'exports.load = () => require("./file");',
        'node_modules/one/file.js': 'exports.value = 1;',
        'node_modules/two/index.js':
          'const one = require("one"); require("./other"); exports.value = one.load().value;',
        'node_modules/two/other.js': '',
        'main.js': 'console.log(require("two").value);',
      });
      const place = { folder: project.path, script: 'main.js', node };
      const { adoption } = await compareIn(place, { reportsAdoption: true });
      expect(adoption).toMatchObject({ files: 4, cold: [] });
    });

    test('asks for packages when it has settled: it loads them itself', async () => {
      await using project = createProject(cases['compares the main module']?.files ?? {});
      const place = { folder: project.path, script: 'main.js', node };
      const variation = { reportsAdoption: true, hasSettled: true };
      const { plain, preloaded, adoption } = await compareIn(place, variation);
      expect(preloaded).toEqual(plain);
      expect(adoption).toMatchObject({ files: 0, cold: [] });
    });

    test.each([
      ['configures a package in a closure, and asks for one that calls it', ['asks']],
      ['configures a package in a closure, and asks for one that makes an object of it', ['makes']],
      ['configures a package that another one has loaded, and asks for one that calls it', ['asks']],
      ['configures a package in a file between its imports', ['asks']],
      ['configures a package by an accessor that it reads between its imports', ['asks']],
      ['configures a package in a closure, and asks for one that calls it later', []],
      ['asks for packages that call each other, with nothing in between', []],
      ['has a package that handles a signal', []],
      ['has a package that changes settings of Node', []],
    ])('%s: the packages that it loads itself are %j', async (name, expected) => {
      await using project = createProject(cases[name]?.files ?? {});
      const { excluded, reasons } = await compareIn({ folder: project.path, script: 'main.js', node });
      expect(excluded).toEqual(expected.map((one) => project.at(`node_modules/${one}/index.js`)));
      expect(reasons).toEqual(
        expected.map(() =>
          expect.stringMatching(/^uses \w+ while it loads, which the program may have configured before$/),
        ),
      );
    });
  },
);

describe.concurrent.each(nodes)(
  'an ES module of %s cannot tell whether its packages were loaded ahead of time, if it',
  (node) => {
    test('imports many files: packages are loaded in the order in which it has evaluated them', async () => {
      await using project = createProject(
        moduleCases['imports many files that import packages in several orders']?.files,
      );
      const { reports } = await compareIn({ folder: project.path, script: 'main.mjs', node });
      const order = ['keeps', 'speaks', 'uses-env', 'env', 'plain', 'a', 'makes', 'asks'];
      expect(reports.map(({ file }) => file)).toEqual(order.map((one) => project.at(`node_modules/${one}/index.js`)));
    });

    test('imports a package later than in the last run, behind its code: it starts anew', async () => {
      const { files = {} } = moduleCases['imports packages that call each other, before any code'] ?? {};
      const edited = `import speaks from 'speaks'; speaks.set('de'); console.log((await import('asks')).default.base);`;
      await using project = createProject(files);
      const place = { folder: project.path, script: 'main.mjs', node };
      const { preloaded } = await compareIn(place, { edits: { 'main.mjs': edited } });
      expect(preloaded).toMatchObject({
        stdout: '',
        stderr: 'misfit: asks/index.js is no longer imported before code runs\n',
      });
    });

    test.each(
      rowsOf<[name: string, expected: readonly string[]]>(
        [
          ['imports packages that call each other, before any code', []],
          ['configures a package between imports that Node evaluates first', []],
          ['imports a file of its own that configures a package in a closure, and one that reads it', ['asks']],
          ['configures a package in a function that another file calls first', ['asks']],
          ['configures a package in a file that another package has told it to import', ['asks']],
          ['imports an ES module that knows no other package, before packages that call each other', []],
          ['imports an ES module that configures a package in a closure', ['asks']],
          ['configures a package in a module that is loaded before the script', ['asks']],
          ['is TypeScript with an alias for a file that has the name of a package, by tsx', ['asks']],
        ],
        ([name]) => !variants.has(name),
      ),
    )('%s: the packages that it loads itself are %j', async (name, expected) => {
      const { files = {}, script = '', loaders, flags } = moduleCases[name] ?? {};
      await using project = createProject(files);
      const { excluded } = await compareIn({ folder: project.path, script, node, loaders, flags });
      expect(excluded).toEqual(expected.map((one) => project.at(`node_modules/${one}/index.js`)));
    });

    test.each(rowsOf(Object.entries(moduleCases), ([name]) => !variants.has(name)))('%s', async (_, one) => {
      await compare(one, node);
    });
  },
);
