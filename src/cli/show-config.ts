/** `devwatch config`: prints the settings in force, as JSON that could be a `.watchrc`. */

import { isDeepStrictEqual } from 'node:util';
import type { CommandLine } from '../config/argv.ts';
import { defaultSettings } from '../config/defaults.ts';
import type { LoadedSettings } from '../config/load.ts';
import { optionKeys } from '../config/options.ts';
import { UsageError } from '../shared/errors.ts';
import { describeRunning, labelsOf, programsInForce } from './in-force.ts';
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
  const valuesOf = ({ settings, origins }: LoadedSettings): object =>
    Object.fromEntries(
      optionKeys
        // A value without an origin is one of devwatch itself: several programs get stdin by a pipe.
        .filter((key) => showsAll || (origins.has(key) && !isDeepStrictEqual(settings[key], defaultSettings[key])))
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
  const [first] = running;
  if (first === undefined) return undefined;
  const labelOf = labelsOf(running);
  const origin = [`in force in what runs here: ${describeRunning(running).join(' · ')}`, ...problemsOf(line)];
  if (running.length === 1 && labelOf(first) === '') return { single: first.loaded, named: [], origin };
  return { named: running.map((program) => [labelOf(program), program.loaded]), origin };
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
  const names = new Map<string, string[]>();
  for (const [name, { origins }] of programs) {
    for (const [key, places] of origins) {
      if (!places.some((place) => place.startsWith('--'))) continue;
      const text = `${key} from ${places.join(' and ')}`;
      names.set(text, [...(names.get(text) ?? []), name]);
    }
  }
  const texts = [...names].map(([text, list]) =>
    list.length === programs.length ? text : `${list.join(', ')}: ${text}`,
  );
  return texts.length === 0 ? [] : [texts.join(' · ')];
}
