/** The small commands that print something and end. */

import fs from 'node:fs';
import path from 'node:path';
import { type LoadedProject, type LoadedSettings, packageMain } from '../config/load.ts';
import { optionKeys } from '../config/options.ts';
import { type Command, javascript } from '../process/launch/command.ts';
import { isReadByDevwatchAlone, type ProgramRequest, planCommand } from '../run/command-plan.ts';
import { planWatch } from '../run/watch-plan.ts';
import { codeOf, UsageError } from '../shared/errors.ts';
import type { Verdict } from '../shared/events.ts';
import { formatPath, formatVerdict } from '../terminal/format.ts';
import { type BackendChoice, chooseBackend } from '../watch/watcher.ts';
import type { NamedProgram } from './select-programs.ts';

const template = `{
  // Settings of devwatch; flags win over them. All keys: the README of devwatch
  "$schema": "./node_modules/devwatch/dist/schema.json",
  SCRIPT,
  "watch": ["."],
  "ignore": []
}
`;

const usualScripts = ['server.js', 'src/server.ts', 'src/index.ts', 'src/index.js', 'index.js', 'app.js', 'main.js'];

/** Writes a `.watchrc` to start from. */
export function init(folder: string): void {
  const file = path.join(folder, '.watchrc');
  // What package.json names is found without settings, too.
  const script = [packageMain(folder), ...usualScripts].find(
    (name) => name !== undefined && fs.existsSync(path.join(folder, name)),
  );
  const line = script === undefined ? '// "script": "server.js"' : `"script": ${JSON.stringify(script)}`;
  try {
    fs.writeFileSync(file, template.replace('SCRIPT', line), { flag: 'wx', mode: 0o644 });
  } catch (error) {
    const code = codeOf(error);
    throw new UsageError(
      code === 'EEXIST' ? '.watchrc: is there already' : `.watchrc: cannot be written (${code ?? 'unknown error'})`,
    );
  }
  process.stdout.write('wrote .watchrc · now run: devwatch\n');
}

/** Prints the settings in force, as JSON that could stand in a `.watchrc`; where they come from goes to stderr. */
export function showSettings({ common, apps }: LoadedProject): void {
  const { file, notes } = common;
  const valuesOf = ({ settings }: LoadedSettings) => Object.fromEntries(optionKeys.map((key) => [key, settings[key]]));
  const values =
    apps.length === 0
      ? valuesOf(common)
      : { apps: Object.fromEntries(apps.map((loaded) => [loaded.app, valuesOf(loaded)])) };
  const origin = notes.length > 0 ? notes : [file === undefined ? 'no settings file' : `settings from ${file}`];
  for (const line of origin) process.stderr.write(`devwatch: ${line}\n`);
  process.stdout.write(`${JSON.stringify(values, null, 2)}\n`);
}

/** What devwatch knows of one path. */
interface Explanation {
  /** Which of several programs it is about. */
  readonly app: string | undefined;
  readonly path: string;
  readonly verdict: Verdict;
  /** What a change of it does. */
  readonly effect: 'restart' | 'settings' | 'none';
  /** The outermost folder on the way to it that is not looked into; undefined when all are. */
  readonly pruned: string | undefined;
  readonly backend: BackendChoice['backend'];
}

/**
 * Prints why a change of each path restarts the program, or why it does not; of several programs, for
 * each. Of a folder it is said for a file in it that has an extension that counts.
 *
 * @throws UsageError without a path
 */
export async function explain(paths: readonly string[], programs: readonly NamedProgram[]): Promise<void> {
  if (paths.length === 0) throw new UsageError('explain needs a path: devwatch explain src/server.js');
  const told = new Set<string>();
  for (const program of programs) {
    const explanationOf = await explainer(program, (reason) => {
      if (!told.has(reason)) process.stderr.write(`devwatch: ${reason}\n`);
      told.add(reason);
    });
    for (const given of paths) {
      const explanation = explanationOf(path.resolve(given));
      const isJson = program.loaded.settings.logFormat === 'json';
      process.stdout.write(isJson ? `${JSON.stringify(explanation)}\n` : inWords(given, explanation));
    }
  }
}

async function explainer(
  request: NamedProgram,
  onReason: (reason: string) => void,
): Promise<(full: string) => Explanation> {
  const { loaded, app } = request;
  const scope = await planWatch(loaded, commandOrAny(request));
  const { filter } = scope;
  const { backend, reason } = chooseBackend(filter, scope);
  if (reason !== undefined) onReason(reason);
  return (full) => {
    const isFolder = fs.statSync(full, { throwIfNoEntry: false })?.isDirectory() === true;
    const verdict = filter.explain(isFolder ? path.join(full, `any.${filter.extensions?.[0] ?? 'js'}`) : full);
    const counts = isReadByDevwatchAlone(full, loaded) ? 'settings' : 'restart';
    const effect = verdict.watched ? counts : 'none';
    return { app, path: full, verdict, effect, pruned: prunedAt(full, filter), backend };
  };
}

/** Explaining needs no program: without one, the extensions are those of a Node program. */
function commandOrAny(request: ProgramRequest): Pick<Command, 'script' | 'extensions'> {
  const { script, exec } = request.loaded.settings;
  const isNamed = script !== undefined || exec !== undefined || request.program.length > 0;
  return isNamed ? planCommand(request) : { script: undefined, extensions: javascript };
}

function prunedAt(file: string, filter: { roots: readonly string[]; mayContain(folder: string): boolean }) {
  const root = filter.roots.find((folder) => file.startsWith(folder + path.sep));
  if (root === undefined) return undefined;
  const names = path.relative(root, path.dirname(file)).split(path.sep);
  return names
    .map((_, index) => path.join(root, ...names.slice(0, index + 1)))
    .find((folder) => folder !== root && !filter.mayContain(folder));
}

const effects: Readonly<Record<Explanation['effect'], string>> = {
  restart: 'restarts the program',
  settings: 'is read again as settings',
  none: 'does not count',
};

function inWords(given: string, { app, verdict, effect, pruned, backend }: Explanation): string {
  const where =
    pruned === undefined ? `watched by ${backend}` : `${formatPath(pruned, process.cwd())} is not looked into`;
  const whose = app === undefined ? '' : `${app}: `;
  return `${whose}${given}\n  ${effects[effect]} · ${formatVerdict(verdict)}\n${verdict.watched || pruned !== undefined ? `  ${where}\n` : ''}`;
}
