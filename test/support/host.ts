/** A machine that consists of a table of files, for the description of commands. */

import path from 'node:path';
import type { Host } from '../../src/process/launch/host.ts';

/** Commands that are installed. */
const installed = ['node', 'env', 'sh', 'make', 'nice', 'python3', 'python3.11', 'ruby', 'uvicorn', 'go', 'tool'];

/**
 * Files by their path below `/app`, with their content; those whose content begins with `#!` and those in `bin` folders
 * are executable. Facts of the machine can be replaced.
 */
export function createHost(files: Readonly<Record<string, string>>, facts: Partial<Host> = {}): Host {
  const usual = installed.map((name): [string, string] => [`/usr/bin/${name}`, '\0']);
  const texts = new Map([
    ...usual,
    ...Object.entries(files).map(([name, text]): [string, string] => [path.resolve('/app', name), text]),
  ]);
  const isFolder = (place: string): boolean => [...texts.keys()].some((file) => file.startsWith(`${place}/`));
  return {
    node: '/usr/bin/node',
    isPosix: true,
    shell: 'C:\\Windows\\system32\\cmd.exe',
    env: { PATH: '/usr/bin' },
    stripsTypes: false,
    kindOf: (place) => (texts.has(place) ? 'file' : isFolder(place) ? 'folder' : undefined),
    flawOf: () => undefined,
    isExecutable: (file) => texts.get(file)?.startsWith('#!') === true || (/\/\.?bin\//.test(file) && texts.has(file)),
    read: (file) => texts.get(file),
    readStart: (file, bytes = 1024) => texts.get(file)?.slice(0, bytes),
    isOfProject: () => true,
    namesIn: (folder) => [
      ...new Set(
        [...texts.keys()].flatMap((file) =>
          file.startsWith(`${folder}/`) ? (file.slice(folder.length + 1).split('/')[0] ?? []) : [],
        ),
      ),
    ],
    writtenName: (file) => file,
    realPath: (file) => file,
    findPackage: () => undefined,
    ...facts,
  };
}
