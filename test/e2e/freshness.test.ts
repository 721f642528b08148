/** A few sequences of test/support/freshness.ts, always the same; test/stress has many. */

import { testSequences } from '../support/freshness.ts';

testSequences([1, 2, 3, 4, 5]);
