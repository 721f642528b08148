#!/usr/bin/env node
/**
 * The package's bin. Runs the command (cli/main.ts, built as main.cjs) from the code that V8 compiled at an earlier
 * launch: compiling takes 13 ms of CPU time, of 57 for a whole launch.
 */

import fs from 'node:fs';
import path from 'node:path';
import { Script } from 'node:vm';
import { readTrusted } from './shared/file-ownership.ts';
import { openCache } from './shared/user-folders.ts';

/** Hash of main.cjs; set by the build. */
declare const build: string;

const main = path.join(import.meta.dirname, 'main.cjs');
/** The cache's V8; V8 itself checks its flags. `node:v8` has one number for both, but takes 2 ms to load. */
const tag = `${process.arch}-${process.versions.v8}`;

type Main = { exports: { run?: (argv: readonly string[], keepCompiled: () => void) => void } };
/** The value of main.cjs, which is one function expression. */
type Wrapper = (module: Main, require: NodeJS.Require, filename: string, dirname: string) => void;

const folder = openCache('own', process.env);
const cache = folder && path.join(folder, `${tag}-${build}`);
const cachedData = cache ? readCodeCache(cache) : undefined;
// The bundle is ASCII, and latin1 is decoded fastest.
const script = new Script(fs.readFileSync(main, 'latin1'), {
  // The name is stored in the cache, which all installations share, and appears in stack traces.
  filename: 'devwatch/dist/main.cjs',
  ...(cachedData && { cachedData }),
});
const isCached = cachedData !== undefined && script.cachedDataRejected !== true;
const loaded: Main = { exports: {} };
(script.runInThisContext() as Wrapper)(loaded, require, main, import.meta.dirname);
loaded.exports.run?.(process.argv.slice(2), () => {
  if (cache && !isCached) saveCodeCache(cache);
});

/** Its content is executed: no other user can have written it. */
function readCodeCache(file: string): Buffer | undefined {
  try {
    const content = readTrusted(file, { forbidden: 0o022 });
    return typeof content === 'string' ? undefined : content;
  } catch {
    return undefined; // There is none yet.
  }
}

/** Saves the code of all functions that have run so far, and removes the caches of earlier builds. */
function saveCodeCache(cache: string): void {
  try {
    const folder = path.dirname(cache);
    const older = fs.readdirSync(folder).filter((name) => name.startsWith(`${tag}-`));
    // Renaming a flushed file leaves no incomplete cache behind, even if the machine goes down.
    const file = `${cache}.${process.pid}`;
    fs.rmSync(file, { force: true });
    fs.writeFileSync(file, script.createCachedData(), { flag: 'wx', mode: 0o600, flush: true });
    fs.renameSync(file, cache);
    for (const name of older) if (name !== path.basename(cache)) fs.rmSync(path.join(folder, name), { force: true });
  } catch {
    // The disk is full or read-only: each launch compiles.
  }
}
