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
await build({
  entryPoints: { cli: 'src/cli.ts', index: 'src/index.ts', sweep: 'src/process/sweep.ts' },
  bundle: true,
  splitting: true,
  packages: 'external',
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  outdir: next,
  chunkNames: '[name]-[hash]',
});
fs.chmodSync(`${next}/cli.js`, 0o755);
fs.rmSync('dist', { recursive: true, force: true });
fs.renameSync(next, 'dist');
