/** What tells this boot, and this pid namespace, from others. */

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { readProc } from './proc.ts';

let knownBoot: string | undefined;

/** Differs after every boot; empty where that cannot be known. */
export function bootId(): string {
  knownBoot ??= (
    process.platform === 'darwin'
      ? execFileSync('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'latin1' })
      : (readProc('/proc/sys/kernel/random/boot_id') ?? '')
  ).trim();
  return knownBoot;
}

let knownNamespace: string | undefined;

/** Of this process; empty where there are none. In another one, the number of a process means another. */
export function pidNamespace(): string {
  knownNamespace ??= namespaceNumber();
  return knownNamespace;
}

function namespaceNumber(): string {
  try {
    return fs.readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, '');
  } catch {
    return '';
  }
}
