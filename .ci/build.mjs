// Builds dist: declarations and the preload by tsc, everything else bundled into few files, for
// every further module would make each launch 0.5 ms slower; and the JSON Schema beside it.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

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
  entryPoints: { index: 'src/index.ts', sweep: 'src/process/sweep.ts' },
  format: 'esm',
  splitting: true,
  chunkNames: '[name]-[hash]',
});
// The command is one CommonJS file: 10 ms from launch to spawn that ES modules take longer.
await build({
  ...common,
  entryPoints: { cli: 'src/cli.ts' },
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  define: { 'import.meta.url': 'moduleUrl' },
  banner: { js: "'use strict';const moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
  minifyWhitespace: true,
  minifySyntax: true,
  // Node shows the line in which a program dies.
  lineLimit: 160,
});
const cli = `${next}/cli.cjs`;
// esbuild copies all properties of each of Node's own modules, which calls their getters and loads
// more of them (2 ms); one that inherits them does as well.
const lean = fs
  .readFileSync(cli, 'utf8')
  .replaceAll(/__toESM\((require\("node:\w+"\))(?:,1)?\)/g, '{__proto__:$1,default:$1}');
fs.writeFileSync(cli, lean, { mode: 0o755 });
fs.rmSync('dist', { recursive: true, force: true });
fs.renameSync(next, 'dist');
