/**
 * Environment variables on their way through a shell. Shells lose variables whose names they do not accept (`a-b`, `npm.x`)
 * and change some others. `env name=value` would restore them, but every user can read the arguments of a process: they
 * pass the shell as values of variables with plain names.
 */

/** Holds the number of variables that are packed. */
const countName = 'DEVWATCH_VARIABLES';
const carrierName = (index: number): string => `DEVWATCH_VARIABLE_${index}`;

const isShellName = (name: string): boolean => /^[A-Za-z_]\w*$/.test(name);

/** Variables that some shell sets or changes by itself. */
const shellVariables: readonly string[] =
  '_ PWD OLDPWD SHLVL IFS OPTIND OPTARG PPID LINENO PS1 PS2 PS4 SHELLOPTS BASHOPTS RANDOM SECONDS'.split(' ');

export interface PackedVariables {
  /** The environment for the shell. */
  readonly env: NodeJS.ProcessEnv;
  /** The names of the variables that hold `name=value` of another one. */
  readonly carriers: readonly string[];
}

/** Packs the variables that a shell would lose. */
export function packVariables(
  env: NodeJS.ProcessEnv,
  isPacked: (name: string) => boolean = (name) => !isShellName(name),
): PackedVariables {
  const defined = Object.entries(env).filter(([, value]) => value !== undefined);
  const carried = defined
    .filter(([name]) => isPacked(name))
    .map(([name, value], index) => [carrierName(index), `${name}=${value}`] as const);
  const plain = defined.filter(([name]) => !isPacked(name));
  return { env: Object.fromEntries([...plain, ...carried]), carriers: carried.map(([name]) => name) };
}

/** Packs, for `unpackVariables`, also those that a shell would change. */
export function packAllVariables(given: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { env, carriers } = packVariables(given, (name) => !isShellName(name) || shellVariables.includes(name));
  return { ...env, [countName]: String(carriers.length) };
}

/** Makes an environment what it was before it was packed, and passed a shell; leaves any other one as it is. */
export function unpackVariables(env: NodeJS.ProcessEnv): void {
  const { [countName]: count } = env;
  if (count === undefined) return;
  for (const name of [countName, ...shellVariables]) delete env[name];
  for (let index = 0; index < Number(count); index += 1) {
    const text = env[carrierName(index)] ?? '';
    delete env[carrierName(index)];
    const equals = text.indexOf('=');
    if (equals > 0) env[text.slice(0, equals)] = text.slice(equals + 1);
  }
}
