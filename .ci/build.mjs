// Builds dist: declarations and the preload by tsc, everything else bundled into few files, for
// every further module would make each launch 0.5 ms slower; and the JSON Schema beside it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { build, transformSync } from 'esbuild';

process.chdir(new URL('..', import.meta.url).pathname);
const next = 'dist.next';
fs.rmSync(next, { recursive: true, force: true });
const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '--outDir', next], {
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);
const { jsonSchema } = await import(`../${next}/config/describe.js`);
fs.writeFileSync(`${next}/schema.json`, `${JSON.stringify(jsonSchema(), null, 2)}\n`);

for (const file of fs.readdirSync(next, { recursive: true, encoding: 'utf8' })) {
  if (file.endsWith('.js')) fs.rmSync(path.join(next, file));
}
const common = { bundle: true, packages: 'external', platform: 'node', target: 'node20.19', outdir: next };
await build({
  ...common,
  entryPoints: { index: 'src/index.ts', sweep: 'src/process/crash-safety/sweep.ts' },
  format: 'esm',
  splitting: true,
  chunkNames: '[name]-[hash]',
});
// The command is CommonJS, of which it needs two files: ES modules take 10 ms longer from launch to spawn.
const commonjs = {
  ...common,
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  define: { 'import.meta.url': 'moduleUrl', 'import.meta.dirname': '__dirname' },
  banner: {
    js: `'use strict';const moduleUrl = require('node:url').pathToFileURL(__filename).href;
const lazy = (load) => new Proxy({}, { get: (_, key) => (key === 'default' ? load() : load()[key]) });`,
  },
  minifyWhitespace: true,
  minifySyntax: true,
};
await build({ ...commonjs, entryPoints: { main: 'src/cli/main.ts' } });
// Every start of a program waits for what is loaded before it: each file takes 1 ms.
await build({
  ...common,
  entryPoints: { preload: 'src/preload/preload.cts' },
  outdir: `${next}/preload`,
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  minifyWhitespace: true,
  lineLimit: 160,
  allowOverwrite: true,
});
for (const name of ['held-ports', 'tty', 'node-bindings']) fs.rmSync(`${next}/preload/${name}.cjs`);
const { version } = JSON.parse(fs.readFileSync('package.json', 'utf8'));
const main = makeLean(`${next}/main.cjs`, (code) => `(function (module, require, __filename, __dirname) {${code}\n})`);
await build({
  ...commonjs,
  entryPoints: { cli: 'src/bin.ts' },
  // V8 itself takes any source of the same length for the one that it has compiled.
  define: { ...commonjs.define, build: JSON.stringify(createHash('sha256').update(main).digest('hex').slice(0, 16)) },
});
makeLean(`${next}/cli.cjs`);
fs.chmodSync(`${next}/cli.cjs`, 0o755);
fs.rmSync('dist', { recursive: true, force: true });
fs.renameSync(next, 'dist');

/** Has a CommonJS bundle load less at its start; returns what it is then. */
function makeLean(file, wrap = (code) => code) {
  const lean = wrap(fs.readFileSync(file, 'utf8'))
    // esbuild copies all properties of each of Node's own modules, which calls their getters and loads
    // more of them (2 ms); one that inherits them does as well.
    .replaceAll(/__toESM\((require\("node:(?:fs|path)"\))(?:,1)?\)/g, '{__proto__:$1,default:$1}')
    // Any other module is loaded when it is first used, which most are not before the program has been
    // started, and some never: node:crypto alone takes 2 ms and 0.7 MB.
    .replaceAll(/__toESM\((require\("[^"]+"\))(?:,1)?\)|(?<==)(require\("node:[^"]+"\))/g, 'lazy(()=>$1$2)')
    // And none through Node's loader of ES modules, which takes 3 ms to come up, nor through node:module.
    .replaceAll(/\bimport\(("node:[^"]+")\)/g, 'Promise.resolve(require($1))')
    .replaceAll(/\(0,import_node_module\d*\.createRequire\)\(moduleUrl\)/g, 'require')
    .replaceAll('require("../../package.json").version', JSON.stringify(version));
  // Node shows the line in which a program dies.
  const { code } = transformSync(lean, { minifyWhitespace: true, lineLimit: 160 });
  fs.writeFileSync(file, code);
  return code;
}
