/** The one place where the platform's process tree is chosen. */

import type { OpenTree } from './tree.ts';
import { openTree as openLinuxTree } from './tree-linux.ts';
import { openTree as openPosixTree } from './tree-posix.ts';
import { openTree as openWindowsTree } from './tree-windows.ts';

export const openTree: OpenTree =
  process.platform === 'linux' ? openLinuxTree : process.platform === 'win32' ? openWindowsTree : openPosixTree;
