/** From settings to what runs. */

import fs from 'node:fs';
import path from 'node:path';
import type { LoadedSettings } from '../config/load.ts';
import { isPattern } from '../config/output-pattern.ts';
import type { Settings } from '../config/settings-types.ts';
import type { LaunchOptions } from '../process/launch/child.ts';
import { type Command, resolveCommand } from '../process/launch/command.ts';
import { readEnvironment } from '../process/launch/environment.ts';
import type { Output } from '../process/launch/output.ts';
import type { HeldPort } from '../process/sockets/held-ports.ts';
import { attempt, UsageError } from '../shared/errors.ts';
import { cacheFolder, stateFolder } from '../shared/user-folders.ts';

/** A program to run, and its settings. */
export interface ProgramRequest {
  readonly loaded: LoadedSettings;
  /** The script or command with its arguments from the command line; empty: the settings name it. */
  readonly program: readonly string[];
  /** Node's flags from the command line; they come before those of the settings. */
  readonly nodeArgs: readonly string[];
}

/** A program to run, and its connections to devwatch. */
export interface RunRequest extends ProgramRequest {
  /** Name under `apps`, if there are several programs. */
  readonly app?: string | undefined;
  /** Relay IPC messages between the parent of this process and the program. */
  readonly relayMessages?: boolean;
  /** Destination of the program's output; by default devwatch's own stdout and stderr. */
  readonly output?: Output;
  /** Variables that the program has unless they are set elsewhere. */
  readonly defaultEnv?: (settings: Settings) => Readonly<Record<string, string>>;
  /** devwatch ends when nothing is watched and it starts no further run: nobody can request one through an API or a socket. */
  readonly endsWhenDone?: boolean;
  /** Sockets that a service manager has opened for the program; see systemd/socket-activation.ts. */
  readonly sockets?: readonly HeldPort[] | undefined;
}

/** Valid settings, with the command and the variables that follow from them. */
export interface RunPlan {
  readonly loaded: LoadedSettings;
  readonly command: Command;
  readonly env: NodeJS.ProcessEnv;
}

/** Resolves the command and the variables. @throws UsageError when there is nothing to run, or it cannot be run */
export function planRun(request: RunRequest): RunPlan {
  const env = readVariables(request);
  const command = planCommand(request, env);
  return { loaded: request.loaded, command, env: { ...env, ...command.variables } };
}

/** Reads the program's variables and their files. @throws UsageError when a file cannot be read */
export const readVariables = ({ loaded: { folder, settings }, defaultEnv }: RunRequest): NodeJS.ProcessEnv =>
  readEnvironment({ folder, files: settings.envFile, variables: settings.env, defaults: defaultEnv?.(settings) });

/** Resolves the command. @throws UsageError when there is nothing to run, or it cannot be run */
export function planCommand(request: ProgramRequest, env: NodeJS.ProcessEnv = readVariables(request)): Command {
  const { loaded, program: given, nodeArgs } = request;
  const { settings, folder } = loaded;
  const fromSettings = settings.script === undefined ? [] : [settings.script, ...settings.args];
  const program = given.length > 0 ? given : fromSettings;
  if (program.length === 0 && settings.exec === undefined) {
    throw new UsageError(
      'nothing to run · devwatch <script>, or "script" in .watchrc, or "main" in package.json (devwatch --help)',
    );
  }
  const { exec, execMap } = settings;
  const flags = [...nodeArgs, ...settings.nodeArgs];
  const command = resolveCommand({ folder, program, nodeArgs: flags, exec, execMap, env });
  if (!command.isNode) refuseNodeOnlySettings(settings, command.display);
  return command;
}

/** @throws UsageError when a setting works only for scripts that Node runs directly */
function refuseNodeOnlySettings({ signal, health, ready, liveReload, deps }: Settings, display: string): void {
  const fail = (setting: string, advice = ''): never => {
    throw new UsageError(`${setting} only works for scripts run directly by Node; "${display}" is not${advice}`);
  };
  if (signal === 'message') fail('signal "message"');
  if (health?.probe === 'event-loop') fail('health "event-loop"');
  if (ready === 'listen' || ready === 'message') {
    fail(`ready "${ready}"`, ' · use http://…, tcp://… or /output/, which work for every command');
  }
  if (liveReload !== false && ready === undefined) {
    throw new UsageError(
      `"liveReload" needs "ready" for commands that are not Node scripts, such as "${display}" · for example --ready http://localhost:8000`,
    );
  }
  if (deps) fail('"deps"');
}

/** Options of the launcher for one run, whose own variables are `variables`. */
export function launchOptionsFor(
  { loaded: { settings, folder }, command, env }: RunPlan,
  { output, relayMessages = false }: RunRequest,
  variables: Readonly<Record<string, string>>,
): LaunchOptions {
  const { signal, stdin, standby, drain, ready } = settings;
  return {
    ...{ command, folder, env, variables, signal, stdin, standby, drain, relay: relayMessages },
    reportLoads: settings.deps,
    prewarm: standby ? settings.prewarm : false,
    hold: settings.hold !== false,
    isPinged: settings.health?.probe === 'event-loop',
    sendsReady: ready === 'message',
    capturesOutput: output !== undefined || (ready !== undefined && isPattern(ready)),
  };
}

/** Whether only devwatch reads this file; the program may read package.json as well. */
export function isReadByDevwatchAlone(file: string, { settingsFiles, settings }: LoadedSettings): boolean {
  const name = path.basename(file);
  return (settingsFiles.includes(file) && name !== 'package.json') || (settings.gitignore && name === '.gitignore');
}

/** Whether Node or one of its loaders reads this file before the program; some loaders are configured by `.env`. */
export const isReadAtBoot = (file: string): boolean =>
  /^(?:(?:package(?:-lock)?|[tj]sconfig.*)\.json|\.env.*)$/.test(path.basename(file));

/** Files that count wherever they are: the script, its files of variables, and devwatch's settings. */
export function ownFiles({ settings, settingsFiles }: LoadedSettings, { script }: Pick<Command, 'script'>): string[] {
  return [...(script === undefined ? [] : [script]), ...settingsFiles, ...settings.envFile];
}

/**
 * Files and folders that devwatch itself writes: its state, its cache, its logs, rotated ones included, and the files that its
 * own output is redirected to. They must not cause restarts.
 */
export function writtenFiles({ log, logFiles }: Settings): string[] {
  const logs = log === undefined ? [] : [log, ...Array.from({ length: logFiles }, (_, index) => `${log}.${index + 1}`)];
  const folders = [stateFolder(process.env), cacheFolder(process.env)];
  return [...folders.filter((folder) => folder !== undefined), ...logs, ...redirectedOutput()];
}

/** Regular files to which the shell redirected stdout and stderr; none without /proc. */
const redirectedOutput = (): string[] =>
  [1, 2].flatMap((descriptor) => {
    const file = attempt(() => fs.readlinkSync(`/proc/self/fd/${descriptor}`));
    return file !== undefined && attempt(() => fs.statSync(file).isFile()) ? [file] : [];
  });
