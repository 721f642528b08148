/** Real servers under devwatch: the fixtures in a project of their own, and their answers. */

import fs from 'node:fs';
import path from 'node:path';
import { createProject, type Project } from './project.ts';
import type { Text } from './text.ts';

/** Creates a project with copies of these fixtures, which can import the packages of this repository. */
export function projectOf(...fixtures: readonly string[]): Project {
  const project = createProject({ 'package.json': '{"type": "module"}' });
  for (const fixture of fixtures)
    fs.cpSync(path.resolve('fixtures', fixture), project.at(fixture), { recursive: true });
  fs.symlinkSync(path.resolve('node_modules'), project.at('node_modules'), 'junction');
  return project;
}

/** Replaces text in a file of the project, as one single event: the new file is renamed into place. */
export function edit(project: Project, file: string, from: string, to: string): void {
  const text = fs.readFileSync(project.at(file), 'utf8');
  if (!text.includes(from)) throw new Error(`${file} does not hold "${from}"`);
  project.replace(file, text.replaceAll(from, to));
}

/** Returns the address that the next server prints when it is ready. */
export async function nextAddress(stdout: Text): Promise<string> {
  const [, address = ''] = await stdout.next(/listening on (http:\/\/\S+)\n/);
  return address;
}

export interface Answer {
  readonly greeting: string;
  readonly pid: number;
}

/** Asks the server for its greeting and its pid. */
export async function ask(address: string): Promise<Answer> {
  const response = await fetch(address, { headers: { connection: 'close' } });
  const text = await response.text();
  const match = /^(\w+) from pid (\d+)\n$/.exec(text);
  if (match === null) throw new Error(`${address} answered ${JSON.stringify(text)}`);
  return { greeting: match[1] ?? '', pid: Number(match[2]) };
}
