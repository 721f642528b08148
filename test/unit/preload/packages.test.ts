/** NODES names the binaries of Node versions, separated by commas; see test/nodes. */

import { describe, expect, test } from 'vitest';
import { rowsOf } from '../../support/exhaustive.ts';
import { type Case, cases } from '../../support/preloading/cases.ts';
import { compareIn } from '../../support/preloading/compare.ts';
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

    test.each([
      ['configures a package in a closure, and asks for one that calls it', ['asks']],
      ['configures a package in a closure, and asks for one that makes an object of it', ['makes']],
      ['configures a package that another one has loaded, and asks for one that calls it', ['asks']],
      ['configures a package in a file between its imports', ['asks']],
      ['configures a package by an accessor that it reads between its imports', ['asks']],
      ['configures a package in a closure, and asks for one that calls it later', []],
      ['asks for packages that call each other, with nothing in between', []],
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

    test.each(rowsOf(Object.entries(moduleCases), ([name]) => !variants.has(name)))('%s', async (_, one) => {
      await compare(one, node);
    });
  },
);
