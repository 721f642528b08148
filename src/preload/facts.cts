/** Reports, once the program has settled, which packages it has loaded: the next standby loads them ahead of time. */

import type { loadedFiles as LoadedFiles } from './loaded-files.cts';
import type { PackagePreloading } from './packages/packages.cts';
import type { Channel, LoadFacts } from './protocol.ts' with { 'resolution-mode': 'import' };

const { loadedFiles } = require('./loaded-files.cjs') as { loadedFiles: typeof LoadedFiles };

const cache = require.cache as Readonly<Record<string, unknown>>;

/** A program has settled when it has loaded nothing for this long. */
const quietMs = 500;
const firstLookMs = 1000;
/** A program that loads files all the time is reported after this many looks. */
const maxLooks = 20;

/** Reports later on. `packages`: those that this process has loaded ahead of time. */
function reportFactsLater({ send }: Pick<Channel, 'send'>, packages?: PackagePreloading): void {
  const variables = { ...process.env };
  let count = -1;
  let looks = 0;
  const look = (): void => {
    try {
      lookOnce();
    } catch {
      // The program has changed Node in an unknown way. Its next run is loaded cold.
    }
  };
  const lookOnce = (): void => {
    const before = count;
    count = Object.keys(cache).length;
    looks += 1;
    if (count !== before && looks < maxLooks) setTimeout(look, quietMs).unref();
    else send({ type: 'facts', facts: gatherFacts(variables, packages) });
  };
  setTimeout(look, firstLookMs - quietMs).unref();
}

/** @param before the variables with which the program began */
function gatherFacts(before: NodeJS.ProcessEnv, packages: PackagePreloading | undefined): LoadFacts {
  const adoption = packages?.close();
  const isCommonJs = process.mainModule !== undefined;
  return {
    ...{ isCommonJs, ...loadedFiles(isCommonJs), variables: changedVariables(before) },
    ...(adoption && { adopted: adoption.files, handedOver: adoption.entries }),
    ...(adoption && { cold: adoption.cold, differed: [...adoption.differed], learned: adoption.learned }),
  };
}

function changedVariables(before: NodeJS.ProcessEnv): Record<string, string | null> {
  const changed: Record<string, string | null> = {};
  for (const [key, value] of Object.entries(process.env)) if (before[key] !== value) changed[key] = value ?? null;
  for (const key of Object.keys(before)) if (process.env[key] === undefined) changed[key] = null;
  return changed;
}

export type { reportFactsLater };

module.exports = { reportFactsLater };
