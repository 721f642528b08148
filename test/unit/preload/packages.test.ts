/** NODES names the binaries of Node versions, separated by commas; see test/nodes. */

import { describe, expect, test } from 'vitest';
import { rowsOf } from '../../support/exhaustive.ts';
import { cases, variants } from '../../support/preloading/cases.ts';
import { compareIn } from '../../support/preloading/compare.ts';
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
  },
);
