/** From settings to what runs. */

import path from 'node:path';
import type { LoadedSettings } from '../config/load.ts';
import type { Settings } from '../config/options.ts';
import { type Command, resolveCommand } from '../process/launch/command.ts';
import { UsageError } from '../shared/errors.ts';
import { stateFolder } from '../shared/user-folders.ts';

/** What to run, and where its settings come from. */
export interface ProgramRequest {
  readonly loaded: LoadedSettings;
  /** The script or command with its arguments as given; empty: what the settings name. */
  readonly program: readonly string[];
  /** Node's flags as given; they come before those of the settings. */
  readonly nodeArgs: readonly string[];
}

/** @throws UsageError when there is nothing to run, or it cannot be run */
export function planCommand({ loaded, program: given, nodeArgs }: ProgramRequest): Command {
  const { settings, folder } = loaded;
  const fromSettings = settings.script === undefined ? [] : [settings.script, ...settings.args];
  const program = given.length > 0 ? given : fromSettings;
  if (program.length === 0 && settings.exec === undefined) {
    throw new UsageError(
      'nothing to run · devwatch <script>, or "script" in .watchrc, or "main" in package.json (devwatch --help)',
    );
  }
  const command = resolveCommand({
    folder,
    program,
    nodeArgs: [...nodeArgs, ...settings.nodeArgs],
    exec: settings.exec,
    execMap: settings.execMap,
  });
  if (settings.signal === 'message' && !command.isNode) {
    throw new UsageError(`signal "message" needs a program that Node runs directly, not: ${command.display}`);
  }
  const { health, ready, liveReload } = settings;
  if (health?.probe === 'event-loop' && !command.isNode) {
    throw new UsageError(`health "event-loop" needs a program that Node runs directly, not: ${command.display}`);
  }
  if ((ready === 'listen' || ready === 'message') && !command.isNode) {
    throw new UsageError(
      `ready "${ready}" needs a program that Node runs directly, not: ${command.display} · http://…, tcp://… and /output/ suit all`,
    );
  }
  if (liveReload !== false && ready === undefined && !command.isNode) {
    throw new UsageError(
      `"liveReload" needs "ready": when is ${command.display} up? · such as --ready http://localhost:8000`,
    );
  }
  if (settings.deps && !command.isNode) {
    throw new UsageError(`"deps" needs a program that Node runs directly, not: ${command.display}`);
  }
  return command;
}

/** Is this read by devwatch, and by nobody else? package.json also says something to the program. */
export function isReadByDevwatchAlone(file: string, { settingsFiles, settings }: LoadedSettings): boolean {
  const name = path.basename(file);
  return (settingsFiles.includes(file) && name !== 'package.json') || (settings.gitignore && name === '.gitignore');
}

/** Files that count wherever they are: what runs, what it is configured with, and what configures us. */
export function ownFiles({ settings, settingsFiles }: LoadedSettings, { script }: Pick<Command, 'script'>): string[] {
  return [...(script === undefined ? [] : [script]), ...settingsFiles, ...settings.envFile];
}

/** What devwatch itself writes, its logs with those that were rotated: it would restart because of itself. */
export function writtenFiles({ log, logFiles }: Settings): string[] {
  const logs = log === undefined ? [] : [log, ...Array.from({ length: logFiles }, (_, index) => `${log}.${index + 1}`)];
  const notes = stateFolder(process.env);
  return notes === undefined ? logs : [notes, ...logs];
}
