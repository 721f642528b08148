/** The small commands that print something and end. */

import fs from 'node:fs';
import path from 'node:path';
import type { LoadedSettings } from './config/load.ts';
import { optionKeys } from './config/options.ts';
import { codeOf, UsageError } from './errors.ts';

const template = `{
  // Settings of devwatch; flags win over them. All keys: the README of devwatch
  "$schema": "./node_modules/devwatch/dist/schema.json",
  "script": "SCRIPT",
  "watch": ["."],
  "ignore": []
}
`;

/** Writes a `.watchrc` to start from. */
export function init(folder: string): void {
  const file = path.join(folder, '.watchrc');
  const script = ['server.js', 'src/server.ts', 'src/index.ts', 'src/index.js', 'index.js', 'app.js', 'main.js'].find(
    (name) => fs.existsSync(path.join(folder, name)),
  );
  try {
    fs.writeFileSync(file, template.replace('SCRIPT', script ?? 'server.js'), { flag: 'wx', mode: 0o644 });
  } catch (error) {
    const code = codeOf(error);
    throw new UsageError(
      code === 'EEXIST' ? '.watchrc: is there already' : `.watchrc: cannot be written (${code ?? 'unknown error'})`,
    );
  }
  process.stdout.write('wrote .watchrc · now run: devwatch\n');
}

/** Prints the settings in force, as JSON that could stand in a `.watchrc`; where they come from goes to stderr. */
export function showSettings({ settings, file, notes }: LoadedSettings): void {
  const values = Object.fromEntries(optionKeys.map((key) => [key, settings[key]]));
  const origin = notes.length > 0 ? notes : [file === undefined ? 'no settings file' : `settings from ${file}`];
  for (const line of origin) process.stderr.write(`devwatch: ${line}\n`);
  process.stdout.write(`${JSON.stringify(values, null, 2)}\n`);
}
