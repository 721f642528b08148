/** `node --import file:///…/import.mjs?park.cjs script`: loads one of the other files here where devwatch waits in park.mjs. */

import { createRequire } from 'node:module';

const { steps } = createRequire(import.meta.url)(`./${new URL(import.meta.url).search.slice(1)}`);
if (steps !== undefined) {
  for (let step = steps.next(); !step.done; ) {
    const error = await import(step.value).then(
      () => undefined,
      (reason) => reason,
    );
    step = steps.next(error);
  }
}
