/**
 * Returns what `pick` takes from `process.binding`, Node's internals, or undefined where that is forbidden
 * (`--permission`).
 *
 * `process.binding` is deprecated in the documentation only: --pending-deprecation prints a warning, which
 * --throw-deprecation throws. Both are switched off for the call. With --no-deprecation they are, and the property is
 * read-only.
 */
function reach<Binding, Parts>(pick: (binding: Binding) => Parts): Parts | undefined {
  const { noDeprecation } = process;
  if (noDeprecation !== true) process.noDeprecation = true;
  try {
    return pick((process as unknown as { binding: Binding }).binding);
  } catch {
    return undefined;
  } finally {
    if (noDeprecation === undefined) Reflect.deleteProperty(process, 'noDeprecation');
    else if (!noDeprecation) process.noDeprecation = noDeprecation;
  }
}

export type { reach };

module.exports = { reach };
