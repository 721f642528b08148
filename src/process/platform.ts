/**
 * The operating system as a value: what differs between systems stands side by side in platform/. This is the only file
 * that asks for `process.platform`.
 */

import { darwin, unixNamed } from './platform/darwin.ts';
import type { Platform } from './platform/interface.ts';
import { linux } from './platform/linux.ts';
import { windows } from './platform/windows.ts';

/** Returns the platform with a name of Node's. Other systems of the Unix family are treated as macOS. */
export function platformNamed(name: NodeJS.Platform): Platform {
  if (name === 'linux') return linux;
  if (name === 'win32') return windows;
  return name === 'darwin' ? darwin : unixNamed(name);
}

/** The platform devwatch runs on. Tests replace its members: `Object.assign(platform, platformNamed('darwin'))`. */
export const platform: Platform = { ...platformNamed(process.platform) };
