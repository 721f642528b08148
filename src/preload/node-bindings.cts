/** What Node's own modules are built on, for what they do not offer. */

/**
 * Whatever `pick` takes of it; undefined where it is out of reach (`--permission`).
 *
 * `process.binding` is deprecated in words: with --pending-deprecation they are printed, and with
 * --throw-deprecation thrown, so it is called without any.
 */
function reach<Binding, Parts>(pick: (binding: Binding) => Parts): Parts | undefined {
  const { noDeprecation } = process;
  process.noDeprecation = true;
  try {
    return pick((process as unknown as { binding: Binding }).binding);
  } catch {
    return undefined;
  } finally {
    if (noDeprecation === undefined) Reflect.deleteProperty(process, 'noDeprecation');
    else process.noDeprecation = noDeprecation;
  }
}

module.exports = { reach };
