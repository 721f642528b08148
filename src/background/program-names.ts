/** Names of background programs. */

import path from 'node:path';
import { everything, flawOfName } from '../config/apps.ts';
import { attempt, UsageError } from '../shared/errors.ts';
import { readText } from '../shared/read-text.ts';

/** Throws a UsageError unless the text can be the name of a background program. */
export function checkName(name: string): void {
  const flaw = flawOfName(name);
  if (flaw !== undefined) throw new UsageError(`"${name.slice(0, 80)}" cannot be a name: ${flaw} · --name`);
}

/** Returns a valid name made from the name of the folder's package, or else of the folder: `@shop/web` becomes `shop-web`. */
export function defaultName(folder: string): string {
  const name = [packageName(folder), path.basename(path.resolve(folder))].map(fitName).find((fit) => fit !== '');
  return name === undefined || name === everything ? 'app' : name;
}

const fitName = (text: string): string =>
  text
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 64);

function packageName(folder: string): string {
  const { name } = attempt(() => JSON.parse(readText(path.join(folder, 'package.json')) ?? '')) ?? {};
  return typeof name === 'string' ? name : '';
}
