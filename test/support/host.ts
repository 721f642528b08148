/** A machine that consists of a table of files, for the description of commands. */

import path from 'node:path';
import type { Host } from '../../src/process/launch/host.ts';

/** Files by their path below `/app`, with their content. Two further facts of the machine can be replaced. */
export function createHost(
  files: Readonly<Record<string, string>>,
  facts: Partial<Pick<Host, 'stripsTypes'>> = {},
): Host {
  const texts = new Map(Object.entries(files).map(([name, text]) => [path.resolve('/app', name), text]));
  return {
    stripsTypes: false,
    read: (file) => texts.get(file),
    realPath: (file) => file,
    findPackage: () => undefined,
    ...facts,
  };
}
