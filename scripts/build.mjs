// Builds dist/, in dist.next/ first so that a failed build leaves the last good one in place.
//
//   cli.cjs           the package's bin (src/bin.ts): runs main.cjs from V8's code cache
//   main.cjs          the command (src/cli) and all that it loads, in parts (scripts/parts.mjs): function expressions
//   index.js          the API (src/index.ts) as an ES module
//   guardian.cjs      runs when devwatch has been killed, and ends what it has left
//   preload/          runs inside the user's programs
//   own-*.json        the files that run in other processes; part of main.cjs and index.js as well
//   schema.json       the JSON Schema of .watchrc
//   **/*.d.ts         declarations
//   THIRD-PARTY-LICENSES.txt
//
// The command and the API open no further file while they run: a reinstallation may remove all of them. That is why they
// contain the packages that they use. It is also faster: each module that is loaded costs 0.5 ms of a launch. The command
// is CommonJS because ES modules take 10 ms longer from launch to spawn.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import { build, transformSync } from 'esbuild';
import { divide } from './parts.mjs';
import { licensesOf, selfContained } from './self-contained.mjs';

process.chdir(path.resolve(import.meta.dirname, '..'));
const next = 'dist.next';

/**
 * Changes that make the command's bundles load less, as patterns over esbuild's minified output. esbuild loads every
 * imported module at the start of a bundle, copies all its properties, and leaves `import()` to Node.
 */
const changes = [
  {
    name: 'node:fs and node:path inherit instead of being copied',
    // Copying calls the getters of these modules, which load further modules of Node (2 ms).
    pattern: /__toESM\((require\("node:(?:fs|path)"\))(?:,1)?\)/g,
    replacement: '{__proto__:$1,default:$1}',
  },
  {
    name: 'other modules are loaded on first use',
    // Most are not used before the program has been started, some never: node:crypto alone takes 2 ms and 0.7 MB.
    pattern: /__toESM\((require\("[^"]+"\))(?:,1)?\)|(?<==)(require\("(?:node:|#(?!main\/))[^"]+"\))/g,
    replacement: 'lazy(()=>$1$2)',
  },
  {
    name: 'import() of another part becomes require()',
    pattern: /\bimport\(("#[^"]+")\)/g,
    replacement: 'Promise.resolve().then(()=>require($1))',
  },
  {
    name: 'import() of a Node module becomes require()',
    // The first import() starts Node's loader of ES modules (3 ms).
    pattern: /\bimport\(("node:[^"]+")\)/g,
    replacement: 'Promise.resolve(require($1))',
  },
];

const common = { bundle: true, platform: 'node', target: 'node20.19', outdir: next, metafile: true };
const commonjs = { ...common, format: 'cjs', outExtension: { '.js': '.cjs' }, minifyWhitespace: true };
const command = {
  ...commonjs,
  minifySyntax: true,
  plugins: [selfContained(next)],
  define: { 'import.meta.filename': '__filename', 'import.meta.dirname': '__dirname' },
  banner: {
    js: `'use strict';
const lazy = (load, loaded) => {
  const get = (_, key) => ((loaded ??= load()), key === 'default' ? loaded : loaded[key]);
  const set = (_, key, value) => Reflect.set((loaded ??= load()), key, value);
  return new Proxy({}, { get, set });
};`,
  },
};

fs.rmSync(next, { recursive: true, force: true });
compile();
await writeSchema();
await bundlePreload();
await bundleGuardian();
writeOwnTexts();
fs.writeFileSync(`${next}/THIRD-PARTY-LICENSES.txt`, licensesOf([await bundleModule(), ...(await bundleCommand())]));
fs.rmSync('dist', { recursive: true, force: true });
fs.renameSync(next, 'dist');

/** Checks the types; writes the declarations, the preload, and for `writeSchema` a JavaScript file per source file. */
function compile() {
  const tsc = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '--outDir', next], { stdio: 'inherit' });
  if (tsc.status !== 0) process.exit(tsc.status ?? 1);
}

/** Also removes the JavaScript files, which are bundled from now on. */
async function writeSchema() {
  const { jsonSchema } = await import(pathToFileURL(path.resolve(next, 'config/json-schema.js')).href);
  fs.writeFileSync(`${next}/schema.json`, `${JSON.stringify(jsonSchema(), null, 2)}\n`);
  for (const file of fs.readdirSync(next, { recursive: true, encoding: 'utf8' })) {
    if (file.endsWith('.js')) fs.rmSync(path.join(next, file));
  }
}

/**
 * Puts the files that preload.cts requires by name into preload.cjs, because every program waits 1 ms for each file, and
 * those that load packages ahead of time into packages.cjs, which a program never waits for.
 */
async function bundlePreload() {
  const { metafile } = await build({
    ...commonjs,
    // Of tsc's output: esbuild takes a file with `export type` for an ES module.
    entryPoints: { preload: `${next}/preload/preload.cjs`, packages: `${next}/preload/packages/packages.cjs` },
    outdir: `${next}/preload`,
    allowOverwrite: true,
    // Node prints the line of the source at which a program dies.
    lineLimit: 160,
  });
  for (const source of Object.keys(metafile.inputs)) if (!source.endsWith('/preload.cjs')) fs.rmSync(source);
}

/** The guardian's program is read from a descriptor, where there is no other file beside it. */
async function bundleGuardian() {
  const entryPoints = { guardian: 'src/process/crash-safety/guardian-main.ts' };
  await build({ ...commonjs, minify: true, plugins: [selfContained(next)], entryPoints });
}

/** Collects the files that run in other processes, so that they can be had when dist/ is gone. */
function writeOwnTexts() {
  const write = (name, value) => fs.writeFileSync(`${next}/own-${name}.json`, JSON.stringify(value));
  // In base64: the changes below must not reach into the texts.
  write('guardian', { text: fs.readFileSync(`${next}/guardian.cjs`, 'base64') });
  const all = fs.readdirSync(`${next}/preload`, { recursive: true }).map((name) => name.replaceAll(path.sep, '/'));
  const names = all.filter((name) => /\.[cm]js$/.test(name));
  const files = names.map((name) => [name, fs.readFileSync(`${next}/preload/${name}`)]);
  const mapped = (change) => Object.fromEntries(files.map(([name, bytes]) => [name, change(bytes)]));
  const texts = mapped((bytes) => deflateRawSync(bytes).toString('base64'));
  write('preload-texts', texts);
  write('preload-files', { id: hashOf(JSON.stringify(texts)), sizes: mapped(({ length }) => length) });
}

async function bundleModule() {
  // Packages in CommonJS call `require`. The other name cannot be one that the sources import.
  const js =
    "import { createRequire as requireOfBundle } from 'node:module';\nconst require = requireOfBundle(import.meta.url);";
  const plugins = [selfContained(next)];
  const { metafile } = await build({
    ...common,
    format: 'esm',
    banner: { js },
    plugins,
    entryPoints: ['src/index.ts'],
  });
  return metafile;
}

/** Writes main.cjs, part after part (scripts/parts.mjs), and then cli.cjs, which knows where each part is. */
async function bundleCommand() {
  const texts = [];
  const metafiles = [];
  for (const { part, entry, plugin } of await divide(command)) {
    const stdin = { contents: entry, resolveDir: '.', sourcefile: `${part}.js` };
    const options = { ...command, stdin, plugins: [plugin, ...command.plugins], write: false };
    const { metafile, outputFiles } = await build({ ...options, outdir: undefined, outfile: `${part}.cjs` });
    texts.push([part, outputFiles[0].text]);
    metafiles.push(metafile);
  }
  const bundles = texts.map(([, text]) => text).join('\n');
  const missing = changes.filter(({ pattern }) => bundles.search(pattern) < 0);
  for (const { name } of missing) {
    console.error(
      `build: "${name}" changes nothing in main.cjs · adapt its pattern in scripts/build.mjs to esbuild's output`,
    );
  }
  if (missing.length > 0) process.exit(1);
  const codes = texts.map(([part, text]) => [
    part,
    lean(`(function (module, require, __filename, __dirname) {${text}\n})`),
  ]);
  fs.writeFileSync(path.join(next, 'main.cjs'), codes.map(([, code]) => code).join(''));
  let at = 0;
  let line = 0;
  const parts = {};
  for (const [part, code] of codes) {
    parts[part] = { at, size: code.length, line };
    at += code.length;
    line += code.split('\n').length - 1;
  }
  // V8 accepts a code cache for any source of the same length, so the cache's file carries the hash of the source.
  const ofMain = { build: JSON.stringify(hashOf(codes.join(''))), parts: JSON.stringify(parts) };
  await build({ ...command, define: { ...command.define, ...ofMain }, entryPoints: { cli: 'src/bin.ts' } });
  fs.writeFileSync(path.join(next, 'cli.cjs'), lean(fs.readFileSync(`${next}/cli.cjs`, 'utf8')));
  fs.chmodSync(`${next}/cli.cjs`, 0o755);
  return metafiles;
}

function hashOf(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Returns a bundle with all changes applied, in ASCII: esbuild leaves other characters in regular expressions. */
function lean(bundle) {
  const changed = changes.reduce((text, { pattern, replacement }) => text.replaceAll(pattern, replacement), bundle);
  const { code } = transformSync(changed, { minifyWhitespace: true, lineLimit: 160 });
  return code.replace(/[^\n -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
