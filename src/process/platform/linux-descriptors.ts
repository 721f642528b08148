/** The descriptors of this process that its children inherit, from Linux's /proc. */

import fs from 'node:fs';
import { readProc } from '../tree/proc.ts';

/** O_CLOEXEC on all of Node's Linux platforms. */
const closeOnExecFlag = 0o2000000;

/** Returns the open descriptors without the flag close-on-exec. */
export const inheritableDescriptors = (): readonly number[] =>
  fs
    .readdirSync('/proc/self/fd')
    .map(Number)
    .filter((descriptor) => {
      const [, flags] = /^flags:\s*([0-7]+)$/m.exec(readProc(`/proc/self/fdinfo/${descriptor}`) ?? '') ?? [];
      return flags !== undefined && (Number.parseInt(flags, 8) & closeOnExecFlag) === 0;
    });
