import path from 'node:path';
import { realPathOf } from './disk.ts';
import { isAtOrBelow } from './paths.ts';

/** The watched roots by name and by real path: a root may be reached through a link. */
export class RootNames {
  readonly #roots: readonly { readonly root: string; readonly real: string }[];

  constructor(roots: readonly string[]) {
    this.#roots = roots.map((root) => ({ root, real: realPathOf(root) ?? root }));
  }

  /** Returns the path that a walk of the roots has for a real path; undefined outside of them. */
  nameOf(real: string): string | undefined {
    const over = this.#roots.find((one) => isAtOrBelow(real, one.real));
    return over === undefined ? undefined : path.join(over.root, path.relative(over.real, real));
  }

  /** Does one of the roots lie in this folder (a real path), or is it this folder? */
  isAbove(folder: string): boolean {
    return this.#roots.some(({ real }) => isAtOrBelow(real, folder));
  }
}
