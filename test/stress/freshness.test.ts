/** Freshness after many sequences; STRESS_SEED is the first of the seeds, or the one that has failed. */

import { testSequences } from '../support/freshness.ts';

const count = Number(process.env.STRESS_SEQUENCES ?? 500);
const first = Number(process.env.STRESS_SEED ?? Math.floor(Math.random() * 1e9));

console.log(`sequences ${first} to ${first + count - 1}`);
testSequences(Array.from({ length: count }, (_, index) => first + index));
