#!/usr/bin/env node
/**
 * The package's bin. Runs the command (cli/main.ts, built as a part of main.cjs) from the code that V8 compiled at an
 * earlier launch: compiling takes longer than everything else until the program is started. Other parts of main.cjs are
 * loaded at their first use.
 */

import fs from 'node:fs';
import path from 'node:path';
import { Script } from 'node:vm';
import { readTrusted } from './shared/file-ownership.ts';
import { openCache } from './shared/user-folders.ts';

/** Hash of main.cjs; set by the build. */
declare const build: string;
/** Where each part of main.cjs begins, its length in bytes, and the number of its first line; set by the build. */
declare const parts: Readonly<Record<string, { readonly at: number; readonly size: number; readonly line: number }>>;

const main = path.join(import.meta.dirname, 'main.cjs');
/** Stays open: a reinstallation may remove or replace the file. */
const source = fs.openSync(main, 'r');
/** The cache's V8; V8 itself checks its flags. `node:v8` has one number for both, but takes 2 ms to load. */
const tag = `${process.arch}-${process.versions.v8}`;

/** The exports of a part: modules, by the names under which other parts ask for them. */
type Exports = Readonly<Record<string, unknown>>;
interface Part {
  exports: Exports;
}
/** The value of a part, which is one function expression. */
type Wrapper = (part: Part, require: (name: string) => unknown, filename: string, dirname: string) => void;

/** The parts whose compiled code is kept: those that every run needs. */
const kept: readonly string[] = ['main', 'running'];
const folder = openCache('own', process.env);
/** The scripts of kept parts that have been compiled, and not taken from the cache. */
const compiled = new Map<string, Script>();
const loaded = new Map<string, Exports>();
/** Parts whose evaluation has begun. */
const begun = new Set<string>();
/** Modules of other parts, which exist once. */
const modules = new Map<string, unknown>();
const { run } = load('main') as {
  readonly run?: (argv: readonly string[], keepCompiled: () => void) => void;
};
run?.(process.argv.slice(2), saveCodeCaches);

function load(name: string): Exports {
  const isKept = kept.includes(name);
  const cachedData = isKept ? readCodeCache(cacheOf(name)) : undefined;
  const script = compile(name, cachedData);
  if (isKept && (cachedData === undefined || script.cachedDataRejected === true)) compiled.set(name, script);
  return evaluate(name, script);
}

/** @throws Error if main.cjs has been overwritten in place */
function compile(name: string, cachedData: Buffer | undefined): Script {
  const { at = 0, size = 0, line = 0 } = parts[name] ?? {};
  const text = Buffer.allocUnsafe(size);
  const length = fs.readSync(source, text, 0, size, at);
  // The parts are ASCII, and latin1 is decoded fastest.
  const code = text.toString('latin1');
  if (length < size || !code.startsWith('(function(')) throw new Error(`${main} has been overwritten`);
  return new Script(code, {
    // The name is stored in the cache, which all installations share, and appears in stack traces.
    filename: 'devwatch/dist/main.cjs',
    lineOffset: line,
    ...(cachedData && { cachedData }),
  });
}

/** @throws Error if a part needs itself to be evaluated: it would exist twice, and so would its classes */
function evaluate(name: string, script: Script): Exports {
  if (begun.has(name)) throw new Error(`the part ${name} needs itself to be loaded`);
  begun.add(name);
  const part: Part = { exports: {} };
  (script.runInThisContext() as Wrapper)(part, requireAny, main, import.meta.dirname);
  loaded.set(name, part.exports);
  return part.exports;
}

/** `require` for the parts: also of modules in other parts, as `#part/src/module.ts`. */
function requireAny(name: string): unknown {
  if (!name.startsWith('#')) return require(name);
  const known = modules.get(name);
  if (known !== undefined) return known;
  const part = name.slice(1, name.indexOf('/'));
  const exports = loaded.get(part) ?? load(part);
  const module = exports[name];
  modules.set(name, module);
  return module;
}

/** The file with the compiled code of a part. */
function cacheOf(name: string): string | undefined {
  return folder && path.join(folder, `${tag}-${build}-${name}`);
}

/** Its content is executed: no other user can have written it. */
function readCodeCache(file: string | undefined): Buffer | undefined {
  try {
    const content = file === undefined ? undefined : readTrusted(file, { forbidden: 0o022 });
    return typeof content === 'string' ? undefined : content;
  } catch {
    return undefined; // There is none yet.
  }
}

/** Saves the code of all functions that have run so far, and removes the caches of earlier builds. */
function saveCodeCaches(): void {
  for (const [name, script] of compiled) {
    const file = cacheOf(name);
    if (file !== undefined) saveCodeCache(file, script);
  }
  compiled.clear();
}

function saveCodeCache(cache: string, script: Script): void {
  try {
    const folder = path.dirname(cache);
    const isOlder = (name: string): boolean => name.startsWith(`${tag}-`) && !name.startsWith(`${tag}-${build}-`);
    const older = fs.readdirSync(folder).filter(isOlder);
    // Renaming a flushed file leaves no incomplete cache behind, even if the machine goes down.
    const file = `${cache}.${process.pid}`;
    fs.rmSync(file, { force: true });
    fs.writeFileSync(file, script.createCachedData(), { flag: 'wx', mode: 0o600, flush: true });
    fs.renameSync(file, cache);
    for (const name of older) fs.rmSync(path.join(folder, name), { force: true });
  } catch {
    // The disk is full or read-only: each launch compiles.
  }
}
