/** The facilities of the operating system. This is the only file that asks for `process.platform`. */
export interface Platform {
  name: NodeJS.Platform;
  /** Linux: processes, mounts and cgroups can be read below /proc and /sys. */
  hasProc: boolean;
  /** All but Windows: signals, sessions, file modes and /bin/sh. */
  isPosix: boolean;
}

/** Returns the facilities of a platform by its name in Node. */
export function platformNamed(name: NodeJS.Platform): Platform {
  return { name, hasProc: name === 'linux', isPosix: name !== 'win32' };
}

/** The platform devwatch runs on. Tests replace its facts: `Object.assign(platform, platformNamed('darwin'))`. */
export const platform: Platform = platformNamed(process.platform);
