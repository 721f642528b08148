// Compiles src into dist and writes the JSON Schema beside it.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';

process.chdir(new URL('..', import.meta.url).pathname);
fs.rmSync('dist', { recursive: true, force: true });
const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc'], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);
fs.chmodSync('dist/cli.js', 0o755);
const { jsonSchema } = await import('../dist/config/describe.js');
fs.writeFileSync('dist/schema.json', `${JSON.stringify(jsonSchema(), null, 2)}\n`);
