/** Another operating system for a test. */

import { platform, platformNamed } from '../../src/process/platform.ts';

/** Makes devwatch's code take this process for one on another system, to the end of the scope. */
export function asPlatform(name: NodeJS.Platform): Disposable {
  const before = { ...platform };
  Object.assign(platform, platformNamed(name));
  return { [Symbol.dispose]: () => void Object.assign(platform, before) };
}
