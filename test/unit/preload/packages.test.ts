/** NODES names the binaries of Node versions, separated by commas; see test/nodes. */

import { describe, expect, test } from 'vitest';
import { cases } from '../../support/preloading/cases.ts';
import { compare } from '../../support/preloading/compare.ts';

const nodes = process.env.NODES?.split(',') ?? [process.execPath];

describe.concurrent.each(nodes)(
  'a program of %s cannot tell whether its packages were loaded ahead of time, if it',
  (node) => {
    test.each(Object.entries(cases))('%s', async (_, program) => {
      const { plain, preloaded } = await compare(program, node);
      expect(preloaded).toEqual(plain);
    });
  },
);
