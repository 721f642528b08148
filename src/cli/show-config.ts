/** `devwatch config`: prints the settings in force, as JSON that could be a `.watchrc`. */

import { isDeepStrictEqual } from 'node:util';
import type { CommandLine } from '../config/argv.ts';
import { defaultSettings } from '../config/defaults.ts';
import type { LoadedSettings } from '../config/load.ts';
import { optionKeys } from '../config/options.ts';
import { UsageError } from '../shared/errors.ts';
import { programsInForce } from './in-force.ts';
import { fail, printJson, refuseOperands } from './print.ts';
import { readProject } from './select-programs.ts';
import type { Invocation } from './subcommands.ts';

/** Settings to print, those of several programs by their names, and where they come from. */
interface Shown {
  readonly single?: LoadedSettings;
  readonly named: readonly (readonly [name: string, loaded: LoadedSettings])[];
  readonly origin: readonly string[];
}

/**
 * Prints the settings to stdout, those that differ from their defaults or all, and to stderr where they come from: those
 * that are in force in the devwatch that runs here, unless the command line has settings. Throws as `programsOf` does.
 */
export function execute({ line, operands, options }: Invocation): void {
  refuseOperands('config', operands);
  const { single, named, origin } = inForce(line) ?? inFiles(line);
  const showsAll = options.all === true;
  const valuesOf = ({ settings }: LoadedSettings): object =>
    Object.fromEntries(
      optionKeys
        .filter((key) => showsAll || !isDeepStrictEqual(settings[key], defaultSettings[key]))
        .map((key) => [key, settings[key]]),
    );
  const own = named.map(([name, loaded]) => [name, valuesOf(loaded)]);
  const values = single === undefined ? { apps: Object.fromEntries(own) } : valuesOf(single);
  for (const message of [...origin, ...originsOf(single === undefined ? named : [['', single]])]) fail(message);
  if (!showsAll) {
    const hasOwn = named.length > 0 || Object.keys(values).length > 0;
    fail(
      hasOwn
        ? 'only what differs from the defaults · devwatch config --all shows all settings'
        : 'all settings have their default values · devwatch config --all shows them',
    );
  }
  printJson(values, 2);
}

function inForce(line: CommandLine): Shown | undefined {
  const running = programsInForce(line);
  const [first, ...others] = running;
  if (first === undefined) return undefined;
  const descriptions = running.map(({ running }) => running?.description ?? '');
  const origin = [`in force in what runs here: ${[...new Set(descriptions)].join(' · ')}`, ...problemsOf(line)];
  if (others.length === 0 && first.app === undefined) return { single: first.loaded, named: [], origin };
  const isOne = running.every(({ running }) => running?.pid === first.running?.pid);
  return {
    named: running.map(({ app, loaded }, index) => [(isOne ? app : undefined) ?? descriptions[index] ?? '', loaded]),
    origin,
  };
}

/** Returns the mistake in the files, because of which older settings stay in force. */
function problemsOf(line: CommandLine): string[] {
  try {
    readProject(line, true);
    return [];
  } catch (error) {
    if (error instanceof UsageError) return [`${error.message} · these settings stay in force`];
    throw error;
  }
}

function inFiles(line: CommandLine): Shown {
  const { common, apps } = readProject(line, true);
  const { file, notes } = common;
  const origin = notes.length > 0 ? notes : [file === undefined ? 'no settings file' : `settings from ${file}`];
  return {
    ...(apps.length === 0 && { single: common }),
    named: apps.map((loaded) => [loaded.app, loaded]),
    origin,
  };
}

/** Returns a message about the settings that do not come from the file alone. */
function originsOf(programs: readonly (readonly [name: string, loaded: LoadedSettings])[]): string[] {
  const texts = programs.flatMap(([name, { origins }]) =>
    [...origins]
      .filter(([, places]) => places.some((place) => place.startsWith('--')))
      .map(([key, places]) => `${name === '' ? '' : `${name}: `}${key} from ${places.join(' and ')}`),
  );
  return texts.length === 0 ? [] : [texts.join(' · ')];
}
