/** `devwatch config`: prints the settings in force, as JSON that could be a `.watchrc`. */

import { isDeepStrictEqual } from 'node:util';
import { defaultSettings } from '../config/defaults.ts';
import type { LoadedSettings } from '../config/load.ts';
import { optionKeys } from '../config/options.ts';
import { fail, printJson, refuseOperands } from './print.ts';
import { readProject } from './select-programs.ts';
import type { Invocation } from './subcommands.ts';

/**
 * Prints the settings to stdout, those that differ from their defaults or all, and to stderr where they come from. Throws
 * as `programsOf` does.
 */
export function execute({ line, operands, options }: Invocation): void {
  refuseOperands('config', operands);
  const { common, apps } = readProject(line, true);
  const { file, notes } = common;
  const showsAll = options.all === true;
  const valuesOf = ({ settings }: LoadedSettings): object =>
    Object.fromEntries(
      optionKeys
        .filter((key) => showsAll || !isDeepStrictEqual(settings[key], defaultSettings[key]))
        .map((key) => [key, settings[key]]),
    );
  const own = apps.map((loaded) => [loaded.app, valuesOf(loaded)]);
  const values = apps.length === 0 ? valuesOf(common) : { apps: Object.fromEntries(own) };
  const origin = notes.length > 0 ? notes : [file === undefined ? 'no settings file' : `settings from ${file}`];
  for (const note of origin) fail(note);
  if (!showsAll) {
    const hasOwn = apps.length > 0 || Object.keys(values).length > 0;
    fail(
      hasOwn
        ? 'only what differs from the defaults · devwatch config --all shows all settings'
        : 'all settings have their default values · devwatch config --all shows them',
    );
  }
  printJson(values, 2);
}
