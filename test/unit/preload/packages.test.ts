/** NODES names the binaries of Node versions, separated by commas; see test/nodes. */

import { describe, expect, test } from 'vitest';
import { rowsOf } from '../../support/exhaustive.ts';
import { cases } from '../../support/preloading/cases.ts';
import { compareIn } from '../../support/preloading/compare.ts';
import { variants } from '../../support/preloading/variants.ts';
import { createProject } from '../../support/project.ts';

const nodes = process.env.NODES?.split(',') ?? [process.execPath];

describe.concurrent.each(nodes)(
  'a program of %s cannot tell whether its packages were loaded ahead of time, if it',
  (node) => {
    test.each(rowsOf(Object.entries(cases), ([name]) => !variants.has(name)))(
      '%s',
      async (_, { files, script = 'main.js', ...variation }) => {
        await using project = createProject(files);
        const { plain, preloaded } = await compareIn({ folder: project.path, script, node }, variation);
        expect(preloaded).toEqual(plain);
      },
    );

    test.each([
      ['configures a package in a closure, and asks for one that calls it', ['asks']],
      ['configures a package in a closure, and asks for one that makes an object of it', ['makes']],
      ['configures a package in a closure, and asks for one that calls it later', []],
    ])('%s: the packages that it loads itself are %j', async (name, expected) => {
      await using project = createProject(cases[name]?.files ?? {});
      const { reports, excluded } = await compareIn({ folder: project.path, script: 'main.js', node });
      expect(excluded).toEqual(expected.map((one) => project.at(`node_modules/${one}/index.js`)));
      const blames = reports.flatMap((report) => report.blames.map(({ why }) => why));
      expect(blames).toEqual(
        expected.map(() =>
          expect.stringMatching(/^uses \w+ while it loads, which the program may have configured before$/),
        ),
      );
    });
  },
);
