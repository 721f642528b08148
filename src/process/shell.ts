import type { Invocation } from './tree.ts';

/** Runs a shell command, with `parameter` as `$0`, and then becomes the program, in the same process. */
export function throughShell(line: string, parameter: string, { file, args, env }: Invocation): Invocation {
  // dash drops variables whose names are none for it (`a-b`, `npm.x`): env puts them back.
  const odd = Object.entries(env).filter(([name]) => !/^[A-Za-z_]\w*$/.test(name));
  const restore = odd.length === 0 ? [] : ['env', ...odd.map(([name, value]) => `${name}=${value}`)];
  return { file: '/bin/sh', args: ['-c', `${line}; exec "$@"`, parameter, ...restore, file, ...args], env };
}
