/** `devwatch init`: writes a `.watchrc` to start from. */

import fs from 'node:fs';
import path from 'node:path';
import { packageMain } from '../config/load.ts';
import { codeOf, UsageError } from '../shared/errors.ts';
import { print, refuseOperands } from './print.ts';
import type { Invocation } from './subcommands.ts';

const template = `{
  // Settings of devwatch; flags override them. The README lists all keys
  "$schema": "./node_modules/devwatch/dist/schema.json",
  SCRIPT,
  "watch": ["."],
  "ignore": []
}
`;

const usualScripts = ['server.js', 'src/server.ts', 'src/index.ts', 'src/index.js', 'index.js', 'app.js', 'main.js'];

/** @throws UsageError if there is a `.watchrc`, or it cannot be written */
export function execute({ operands }: Invocation): void {
  refuseOperands('init', operands);
  const folder = process.cwd();
  const file = path.join(folder, '.watchrc');
  const script = [packageMain(folder), ...usualScripts].find(
    (name) => name !== undefined && fs.existsSync(path.join(folder, name)),
  );
  const line = script === undefined ? '// "script": "server.js"' : `"script": ${JSON.stringify(script)}`;
  try {
    fs.writeFileSync(file, template.replace('SCRIPT', line), { flag: 'wx', mode: 0o644 });
  } catch (error) {
    const code = codeOf(error) ?? 'unknown error';
    throw new UsageError(`.watchrc: ${code === 'EEXIST' ? 'already exists' : `cannot be written (${code})`}`);
  }
  print('wrote .watchrc · now run: devwatch');
}
