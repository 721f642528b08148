#!/usr/bin/env node
/**
 * The command's first file: runs the others (cli.ts), all in main.cjs, from what V8 made of it at an
 * earlier launch. To compile it takes 13 ms of CPU time, of 57 for a whole launch.
 */

import fs from 'node:fs';
import path from 'node:path';
import { Script } from 'node:vm';
import { ownershipFlaw } from './shared/ownership.ts';
import { cacheFolder } from './shared/user-folders.ts';

/** Set by the build; another one whenever main.cjs is. */
declare const build: string;

const main = path.join(import.meta.dirname, 'main.cjs');
/**
 * What another V8 has compiled is of no use; nor is what was compiled under other flags, which V8 finds out by
 * itself. `node:v8` would name both in one number, and takes 2 ms to load.
 */
const tag = `${process.arch}-${process.versions.v8}`;

interface Main {
  exports: { run?: (argv: readonly string[], keepCompiled: () => void) => void };
}

/** What main.cjs is. */
type Wrapper = (module: Main, require: NodeJS.Require, filename: string, dirname: string) => void;

function boot(): void {
  const home = cacheFolder(process.env);
  const folder = home && path.join(home, 'own');
  const cache = folder === undefined ? undefined : path.join(folder, `${tag}-${build}`);
  const cachedData = cache === undefined ? undefined : readOwn(cache);
  // It holds nothing but ASCII, and Latin 1 takes the least time to read.
  const script = new Script(fs.readFileSync(main, 'latin1'), {
    // Other installations share what is compiled, and this name with it: stack traces show it.
    filename: 'devwatch/dist/main.cjs',
    ...(cachedData !== undefined && { cachedData }),
  });
  const isCompiled = cachedData !== undefined && script.cachedDataRejected !== true;
  const module: Main = { exports: {} };
  (script.runInThisContext() as Wrapper)(module, require, main, path.dirname(main));
  module.exports.run?.(process.argv.slice(2), () => {
    if (cache !== undefined && !isCompiled) keep(script, cache);
  });
}

/** The content of a file that nobody else can have written: it is as good as code. */
function readOwn(file: string): Buffer | undefined {
  let descriptor: number;
  try {
    descriptor = fs.openSync(file, 'r');
  } catch {
    return undefined;
  }
  try {
    const flaw = ownershipFlaw(fs.fstatSync(descriptor), { kind: 'file', forbidden: 0o022 });
    return flaw === undefined ? fs.readFileSync(descriptor) : undefined;
  } catch {
    return undefined;
  } finally {
    fs.closeSync(descriptor);
  }
}

/** For the next launch, with all functions that have run by now; in place of what an earlier build left. */
function keep(script: Script, cache: string): void {
  try {
    const folder = path.dirname(cache);
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    const older = fs.readdirSync(folder).filter((name) => name.startsWith(`${tag}-`));
    // Complete or not there, also when the machine goes down.
    const file = `${cache}.${process.pid}`;
    fs.writeFileSync(file, script.createCachedData(), { mode: 0o600, flush: true });
    fs.renameSync(file, cache);
    for (const name of older) if (name !== path.basename(cache)) fs.rmSync(path.join(folder, name), { force: true });
  } catch {
    // A full or read-only disk: it is compiled every time.
  }
}

boot();
