/** Records which files packages read and write while they are loaded, below Node's own JavaScript. */

import type { bindingOf as BindingOf, isInstalled as IsInstalled, ModuleClass } from './internals.cts';
import type { Patches } from './patches.cts';
import type { FileRecord, Recorder } from './recorder.cts';

const fs = require('node:fs') as typeof import('node:fs');
const path = require('node:path') as typeof import('node:path');
const { bindingOf, isInstalled, nodeModule } = require('./internals.cjs') as {
  bindingOf: typeof BindingOf;
  isInstalled: typeof IsInstalled;
  nodeModule: ModuleClass;
};

const readers =
  'readFileUtf8 open openFileHandle stat lstat existsSync access readdir realpath readlink statfs internalReadFileSync';
const writers =
  'writeFileUtf8 rename rmdir mkdir symlink link unlink chmod chown lchown utimes lutimes mkdtemp copyFile rmSync cpSyncCopyDir';

/** The bits of the flags of open(2) that ask for more than reading. */
const writing = 3;

const nameOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : value instanceof Uint8Array ? Buffer.from(value).toString() : undefined;

/** Returns a text that changes with the file, even if its time and size are restored; empty if there is none. */
function stampOf(file: string): string {
  try {
    const stats = fs.statSync(file, { throwIfNoEntry: false });
    return stats === undefined ? '' : `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`;
  } catch {
    return '';
  }
}

/** Starts to record. `script`: of the program, whose folders are looked at by every start. */
function recordFileReads(recorder: Recorder, patches: Patches, script: string): void {
  const binding = bindingOf('fs');
  const isKnown = (file: string): boolean =>
    path.basename(file) === 'node_modules' ||
    file.startsWith('/proc/') ||
    script.startsWith(file + path.sep) ||
    file.startsWith(__dirname);
  noteLookups(recorder, patches, isKnown);
  for (const name of readers.split(' ')) {
    patches.add(binding, name, (args, proceed) => {
      const file = nameOf(args[0]);
      if (file !== undefined) {
        const isWrite = name === 'open' && typeof args[1] === 'number' && (args[1] & writing) !== 0;
        if (isWrite) recorder.blame(`writes ${file}`);
        // Node follows links on the way to each ES module. The folders on the way change with whatever is put there.
        else if (name !== 'lstat' || !isOnWay(file, recorder)) noteRead(recorder, file, isKnown);
      }
      return proceed();
    });
  }
  for (const name of writers.split(' ')) {
    patches.add(binding, name, (args, proceed) => {
      recorder.blame(`changes files (${name} ${nameOf(args[0]) ?? ''})`);
      return proceed();
    });
  }
  patches.add(binding, 'close', ([, request], proceed) => {
    // The file will be closed before the process parks.
    if (request !== undefined) recorder.excuse(startsRequest);
    return proceed();
  });
  for (const name of ['writeBuffer', 'writeBuffers', 'writeString']) {
    patches.add(binding, name, ([descriptor, data], proceed) => {
      if (descriptor !== 1 && descriptor !== 2) {
        recorder.blame('writes a file');
        return proceed();
      }
      recorder.blame('prints');
      return typeof data === 'string' ? Buffer.byteLength(data) : ((data as { length?: number })?.length ?? 0);
    });
  }
}

/** Whether it is a folder on the way to the file that is evaluated. */
const isOnWay = (folder: string, { evaluating, current }: Recorder): boolean =>
  (evaluating.at(-1) ?? current?.file)?.startsWith(folder + path.sep) === true;

/** As resources.cts blames an asynchronous call of `fs`. */
const startsRequest = 'starts a FSREQCALLBACK';

/**
 * Notes where Node looks for files outside of packages. What it reads for that, it reads past the functions that are replaced
 * here. The files of packages are known, with their folders.
 */
function noteLookups(recorder: Recorder, patches: Patches, isKnown: (file: string) => boolean): void {
  patches.add(nodeModule, '_resolveFilename', (args, proceed) => {
    const { isResolving } = recorder;
    for (const file of placesFor(args)) noteRead(recorder, file, isKnown);
    recorder.isResolving = true;
    try {
      const file = proceed();
      const [name, parent] = args;
      const { path: folder } = (parent ?? {}) as { readonly path?: string };
      if (typeof file === 'string' && folder !== undefined) recorder.noteLookup(file, folder, String(name));
      return file;
    } catch (error) {
      recorder.isResolving = isResolving;
      // It may be there later on.
      for (const file of missingPlaces(args)) noteRead(recorder, file, () => false);
      throw error;
    } finally {
      recorder.isResolving = isResolving;
    }
  });
}

/** Returns the places, in packages as well, where Node has not found a name. */
function missingPlaces([name, parent]: readonly unknown[]): string[] {
  if (typeof name !== 'string') return [];
  const { filename, paths = [] } = (parent ?? {}) as { readonly filename?: string | null; readonly paths?: string[] };
  if (!isPath(name)) return paths.map((folder) => path.join(folder, name));
  const file = path.resolve(path.dirname(filename ?? ''), name);
  return ['', ...Object.keys(nodeModule._extensions)].map((ending) => file + ending);
}

const isPath = (name: string): boolean => path.isAbsolute(name) || /^\.{1,2}(?:[\\/]|$)/.test(name);

/** Returns the files outside of packages that may be meant by a name. */
function placesFor([name, parent]: readonly unknown[]): string[] {
  if (typeof name !== 'string' || !isPath(name)) return [];
  const { filename } = (parent ?? {}) as { readonly filename?: string | null };
  const file = path.resolve(path.dirname(filename ?? ''), name);
  if (isInstalled(file)) return [];
  const endings = Object.keys(nodeModule._extensions);
  return ['', '/package.json', ...endings, ...endings.map((ending) => `/index${ending}`)].map((one) => file + one);
}

function noteRead(recorder: Recorder, name: string, isKnown: (file: string) => boolean): void {
  if (recorder.isResolving || name === recorder.evaluating.at(-1)) return;
  if (recorder.current !== undefined && !path.isAbsolute(name)) recorder.current.readsFolder = true;
  const file = path.resolve(name);
  if (isKnown(file)) return;
  // Before the file is read: what is saved later makes a difference.
  let stamp: string | undefined;
  const { current } = recorder;
  recorder.noteReaders(noteRead, ({ reads }) => {
    recorder.current = undefined;
    stamp ??= stampOf(file);
    recorder.current = current;
    if (!reads.has(file)) reads.set(file, stamp);
  });
}

/** Returns the first file that a file has read while it was loaded and that is different now. */
const differentFile = ({ reads }: FileRecord): string | undefined =>
  [...reads].find(([file, stamp]) => stampOf(file) !== stamp)?.[0];

export type { differentFile, recordFileReads };

module.exports = { differentFile, recordFileReads };
