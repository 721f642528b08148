/** Real servers under devwatch: the fixtures, in a project of their own, and what they answer. */

import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { createProject, type Project } from './project.ts';
import type { Text } from './text.ts';

/** A project that holds copies of these fixtures and can import what this repository has installed. */
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

/** The address that the next server to be ready announces. */
export async function nextAddress(stdout: Text): Promise<string> {
  const [, address = ''] = await stdout.next(/listening on (http:\/\/\S+)\n/);
  return address;
}

export interface Answer {
  readonly greeting: string;
  readonly pid: number;
}

/** What the server says, and the pid that it says it has. */
export async function ask(address: string): Promise<Answer> {
  const response = await fetch(address, { headers: { connection: 'close' } });
  const text = await response.text();
  const match = /^(\w+) from pid (\d+)\n$/.exec(text);
  if (match === null) throw new Error(`${address} answered ${JSON.stringify(text)}`);
  return { greeting: match[1] ?? '', pid: Number(match[2]) };
}

/** A free port that the kernel does not hand out by itself, so that nobody gets it meanwhile. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const server = net.createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** Does this process execute anything? A zombie does not: it only waits for its parent to take note. */
export function isRunning(pid: number): boolean {
  if (process.platform === 'linux') {
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
      return !'ZX'.includes(stat.charAt(stat.lastIndexOf(')') + 2));
    } catch {
      return false;
    }
  }
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
