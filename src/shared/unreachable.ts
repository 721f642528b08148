/** Marks a branch that the type checker proves impossible; throws if it is reached all the same. */
export function unreachable(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`);
}
