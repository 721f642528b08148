/** The small commands that print something and end. */

import fs from 'node:fs';
import path from 'node:path';
import type { LoadedSettings } from './config/load.ts';
import { optionKeys } from './config/options.ts';
import { UsageError } from './errors.ts';

const template = `{
  // Settings of devwatch; flags win over them. All keys: devwatch --help
  "$schema": "./node_modules/devwatch/dist/schema.json",
  "script": "SCRIPT",
  "watch": ["."],
  "ignore": []
}
`;

/** Writes a \`.watchrc\` to start from. */
export function init(folder: string): void {
  const file = path.join(folder, '.watchrc');
  const script = ['server.js', 'src/server.ts', 'src/index.ts', 'index.js', 'app.js', 'main.js'].find((name) =>
    fs.existsSync(path.join(folder, name)),
  );
  try {
    fs.writeFileSync(file, template.replace('SCRIPT', script ?? 'server.js'), { flag: 'wx' });
  } catch (error) {
    if (fs.existsSync(file)) throw new UsageError('.watchrc: is there already');
    throw error;
  }
  process.stdout.write(`wrote .watchrc · now run: devwatch\n`);
}

/** Prints the settings in force, as JSON that could stand in a \`.watchrc\`. */
export function showSettings({ settings, file }: LoadedSettings): void {
  const values = Object.fromEntries(optionKeys.map((key) => [key, settings[key]]));
  process.stdout.write(`// ${file ?? 'no settings file'}\n${JSON.stringify(values, null, 2)}\n`);
}
