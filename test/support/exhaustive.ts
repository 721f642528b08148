/**
 * The exhaustive suite: `npm run test:exhaustive` runs all rows of the large matrices, `npm test` a row for each
 * promise.
 */

export const isExhaustive = process.env.DEVWATCH_EXHAUSTIVE === '1';

/** Returns all rows in the exhaustive suite, else those that `isRepresentative` selects. */
export const rowsOf = <Row>(rows: readonly Row[], isRepresentative: (row: Row) => boolean): readonly Row[] =>
  isExhaustive ? rows : rows.filter(isRepresentative);
