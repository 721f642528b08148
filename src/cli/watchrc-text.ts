/** The text of a new `.watchrc`. */

import fs from 'node:fs';
import path from 'node:path';
import type { Converted } from '../config/nodemon.ts';
import { printable } from '../shared/printable.ts';
import { upwards } from '../watch/disk.ts';
import { toPosix } from '../watch/paths.ts';

interface Content extends Converted {
  /** The file from which the settings were converted. */
  readonly from?: string | undefined;
}

/** Returns the text of a `.watchrc` in a folder; comments say where the settings come from, and what is missing. */
export function formatWatchrc(folder: string, { settings, missing, remarks, from }: Content): string {
  const installed = [...upwards(folder)].map((above) => path.join(above, 'node_modules', 'devwatch'));
  const fileOf = (name: string): string | undefined => {
    const found = installed.map((one) => path.join(one, name)).find((file) => fs.existsSync(file));
    return found === undefined ? undefined : toPosix(path.relative(folder, found));
  };
  const example = fileOf('.watchrc.example');
  const schema = fileOf('dist/schema.json');
  const all = example === undefined ? 'devwatch --help lists all options' : `${example} shows all keys`;
  const entries = Object.entries({
    ...(schema !== undefined && { $schema: `./${schema}`.replace('./..', '..') }),
    ...settings,
  });
  const head = [
    ...(from === undefined ? [] : [`Converted from ${from}, which has not been changed`]),
    `Settings of devwatch; flags override them. ${all}`,
    ...(entries.some(([key]) => key !== '$schema') ? [] : ['For example: "script": "server.js"']),
  ];
  const lost = missing.map(({ key, reason }) => `${key}: ${reason}`);
  const tail = lost.length === 0 ? [] : ['Not taken over:', ...lost.map((line) => `- ${line}`)];
  const comment = (text: string): string => `  // ${printable(text.replaceAll(/\s+/g, ' '))}`;
  const lines = entries.map(([key, value], index) => {
    const comma = index < entries.length - 1 ? ',' : '';
    return `  ${JSON.stringify(key)}: ${format(value, '  ')}${comma}`;
  });
  return ['{', ...[...head, ...remarks].map(comment), ...lines, ...tail.map(comment), '}', ''].join('\n');
}

const maxColumns = 100;

/** Formats a JSON value; what fits into a line stays on it. */
function format(value: unknown, indent: string): string {
  const isList = Array.isArray(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const parts = Object.entries(value).map(([key, each]) => [isList ? '' : `${JSON.stringify(key)}: `, each] as const);
  const [open, close] = isList ? '[]' : '{}';
  if (parts.length === 0) return `${open}${close}`;
  const short = parts.map(([name, each]) => name + format(each, '')).join(', ');
  const line = isList ? `[${short}]` : `{ ${short} }`;
  const isFlat = isList || parts.every(([, each]) => typeof each !== 'object');
  if (isFlat && !line.includes('\n') && indent.length + line.length <= maxColumns) return line;
  const rows = parts.map(([name, each]) => `${indent}  ${name}${format(each, `${indent}  `)}`);
  return `${open}\n${rows.join(',\n')}\n${indent}${close}`;
}
