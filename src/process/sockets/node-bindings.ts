/** Node's own modules for pipes and sockets, which send and receive descriptors. */

import { attempt } from '../../shared/errors.ts';

/**
 * Returns one of Node's own modules, or undefined where it is not available. `process.binding` is deprecated in the
 * documentation only: --pending-deprecation prints a warning, which --throw-deprecation throws. With --no-deprecation
 * the property is read-only.
 */
export function reachBinding<Binding>(name: string, is: (value: unknown) => value is Binding): Binding | undefined {
  const { noDeprecation = false } = process;
  if (!noDeprecation) process.noDeprecation = true;
  const binding = attempt((): unknown => Reflect.apply(Reflect.get(process, 'binding'), process, [name]));
  if (!noDeprecation) process.noDeprecation = noDeprecation;
  return is(binding) ? binding : undefined;
}
