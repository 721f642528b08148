/**
 * End-to-end tests that are left out when devwatch runs as if on macOS (DEVWATCH_TEST_AS=darwin), each with its reason.
 * vitest.config.ts reads them.
 */

export interface Exception {
  /** The file in test/e2e, without `.test.ts`. */
  readonly file: string;
  /** The beginnings of names of tests or groups, as they stand in the file; without them, the whole file. */
  readonly tests?: readonly string[];
  readonly reason: string;
}

export const exceptions: readonly Exception[] = [
  {
    file: 'pipes',
    reason:
      'It is about the named pipes that Linux needs for /dev/stderr, and about readers of output that only Linux can find.',
  },
];

/** Returns what vitest leaves out: whole files, and a pattern that no other name matches. */
export function leftOut(): { readonly exclude: readonly string[]; readonly testNamePattern: RegExp } {
  const names = exceptions.flatMap(({ tests = [] }) => tests).map((name) => name.replaceAll(/[^\w\s'"-]/g, '\\$&'));
  const files = exceptions.filter(({ tests }) => tests === undefined);
  return {
    exclude: files.map(({ file }) => `test/e2e/${file}.test.ts`),
    testNamePattern: new RegExp(names.length === 0 ? '' : `^(?!.*(?:${names.join('|')}))`),
  };
}
