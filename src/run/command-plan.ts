/** From settings to what runs. */

import fs from 'node:fs';
import path from 'node:path';
import type { LoadedSettings } from '../config/load.ts';
import { watchesItself } from '../config/other-tools.ts';
import { isPattern } from '../config/output-pattern.ts';
import { signalOf } from '../config/reactions.ts';
import type { Settings } from '../config/settings-types.ts';
import type { LaunchOptions } from '../process/launch/child.ts';
import { type Command, resolveCommand } from '../process/launch/command.ts';
import { readEnvironment } from '../process/launch/environment.ts';
import { realHost } from '../process/launch/host.ts';
import { adviseLoader, splitOptions } from '../process/launch/loaders.ts';
import type { EnvironmentFile } from '../process/launch/node-words.ts';
import type { Output } from '../process/launch/output.ts';
import { findOnPath } from '../process/launch/search.ts';
import { platform } from '../process/platform.ts';
import type { PassedSocket } from '../process/sockets/passed-sockets.ts';
import { attempt, UsageError } from '../shared/errors.ts';
import { inspectorPort } from '../shared/node-flags.ts';
import { cacheFolder, stateFolder } from '../shared/user-folders.ts';

/** A program to run, and its settings. */
export interface ProgramRequest {
  readonly loaded: LoadedSettings;
  /** The script or command with its arguments from the command line; empty: the settings name it. */
  readonly program: readonly string[];
  /** Node's flags from the command line; they come before those of the settings. */
  readonly nodeArgs: readonly string[];
  /** Returns the command, if it has been planned already. Throws as `planCommand` does. */
  readonly planned?: (() => Command) | undefined;
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
  readonly sockets?: readonly PassedSocket[] | undefined;
}

/** Valid settings, with the command and the variables that follow from them. */
export interface RunPlan extends Pick<ProgramRequest, 'loaded' | 'program' | 'nodeArgs'> {
  readonly command: Command;
  readonly env: NodeJS.ProcessEnv;
}

/** Resolves the command and the variables. @throws UsageError when there is nothing to run, or it cannot be run */
export function planRun(request: RunRequest): RunPlan {
  const { loaded, program, nodeArgs, planned } = request;
  const command = planned?.() ?? planCommand(request);
  return { loaded, program, nodeArgs, command, env: readVariables(request, command) };
}

/** Returns a request whose command is planned when it is first needed, and not again. */
export function plannedOnce<Request extends ProgramRequest>(request: Request): Request {
  let command: Command | undefined;
  const planned = (): Command => {
    command ??= planCommand(request);
    return command;
  };
  return { ...request, planned };
}

/** Returns the command of a request. Throws as `planCommand` does. */
export const commandOf = (request: ProgramRequest): Command => request.planned?.() ?? planCommand(request);

/**
 * Reads the variables again, and resolves the command again if a file has changed that decides it. Where the Node of
 * devwatch has been removed (`nvm uninstall`, `brew upgrade`), that of PATH takes its place.
 *
 * @throws UsageError when that is impossible now
 */
export function refresh(plan: RunPlan, request: RunRequest, isCommandStale: boolean): RunPlan {
  const { loaded, program, nodeArgs } = plan;
  const current = { ...request, loaded, program, nodeArgs };
  const command = isCommandStale ? planCommand(current, true) : plan.command;
  const env = readVariables(current, command);
  const isThere = !command.isNode || fs.existsSync(command.file);
  const node = isThere ? undefined : findOnPath('node', loaded.folder, env);
  return { ...plan, command: node === undefined ? command : { ...command, file: node }, env };
}

/** Returns a message about another Node that runs the program from now on. */
export const nodeNotice = ({ command: before }: RunPlan, { command }: RunPlan): string | undefined =>
  before.isNode && command.isNode && before.file !== command.file
    ? `${before.file} is missing · ${command.file} runs the program`
    : undefined;

/** Returns whether the commands of two plans lead to the same watched files. */
export const watchesSame = ({ command: one }: RunPlan, { command: other }: RunPlan): boolean =>
  one === other ||
  [one, other]
    .map(({ script, extensions, envFiles }) => JSON.stringify([script, extensions, envFiles]))
    .every((text, _, [first]) => text === first);

/** Reads the program's variables and their files. @throws UsageError when a file cannot be read */
function readVariables(
  { loaded: { folder, settings }, defaultEnv }: RunRequest,
  command?: Pick<Command, 'variables' | 'envFiles'>,
): NodeJS.ProcessEnv {
  const files = [...environmentFilesOf(settings), ...(command?.envFiles ?? [])];
  const env = readEnvironment({ folder, files, variables: settings.env, defaults: defaultEnv?.(settings) });
  return { ...env, ...command?.variables };
}

const environmentFilesOf = ({ envFile, envFileIfExists }: Settings): EnvironmentFile[] => [
  ...envFile.map((file) => ({ file, isOptional: false })),
  ...envFileIfExists.map((file) => ({ file, isOptional: true })),
];

/**
 * Resolves the command. A script that does not exist is waited for, unless its name can be a slip: `isRunning` tells that
 * the name has been right before.
 *
 * @throws UsageError when there is nothing to run, or it cannot be run
 */
function planCommand(request: ProgramRequest, isRunning = false): Command {
  const { loaded, program: given, nodeArgs } = request;
  const { settings, folder } = loaded;
  const fromSettings = settings.script === undefined ? [] : [settings.script, ...settings.args];
  const program = given.length > 0 ? given : fromSettings;
  refuseWatchFlags(settings);
  const flags = [...nodeArgs, ...settings.nodeArgs];
  // The test runner of Node finds its files itself.
  if (program.length === 0 && settings.exec === undefined && !flags.includes('--test')) {
    throw new UsageError(
      'nothing to run · devwatch <script>, or "script" in .watchrc, or in package.json "main" or a start script "node …"',
    );
  }
  const { exec, execMap } = settings;
  const env = readVariables(request);
  const onMissing = isRunning ? 'wait' : settings.exitOnCrash ? 'refuse' : undefined;
  const command = resolveCommand({ folder, program, nodeArgs: flags, exec, execMap, env, onMissing });
  if (!command.isNode) refuseNodeOnlySettings(settings, command);
  refuseHeldPort(settings);
  return command;
}

/** @throws UsageError for Node's own watch mode; the command line refuses its flags as well */
function refuseWatchFlags({ nodeArgs }: Settings): void {
  const at = nodeArgs.findIndex((flag) => /^--watch(?:$|[-=])/.test(flag));
  const [name = '', value = nodeArgs[at + 1]] = nodeArgs[at]?.split('=', 2) ?? [];
  if (name !== '') throw new UsageError(`"nodeArgs": ${watchesItself(name, value).message}`);
}

/** @throws UsageError if devwatch is to listen on a port, and cannot pass the socket to the program */
function refuseHeldPort({ hold }: Settings): void {
  if (typeof hold === 'boolean' || platform.sockets.canPass) return;
  throw new UsageError(
    `"hold": ${hold}: sockets cannot be passed to programs on ${platform.title} · leave "hold" out, and let the program itself listen`,
  );
}

/** @throws UsageError when a setting works only for scripts that Node runs directly */
function refuseNodeOnlySettings(
  { signal, health, ready, liveReload, deps, onChange }: Settings,
  command: Command,
): void {
  const { display, obstacle } = command;
  const why = obstacle === undefined ? '' : `: ${obstacle}`;
  const fail = (setting: string, advice = ''): never => {
    throw new UsageError(`${setting} only works for scripts run directly by Node; "${display}" is not${why}${advice}`);
  };
  if (signal === 'message') fail('signal "message"');
  if (health?.probe === 'event-loop') fail('health "event-loop"');
  if (ready === 'listen' || ready === 'message') {
    fail(`ready "${ready}"`, ' · use http://…, tcp://… or /output/, which work for every command');
  }
  // Where a change restarts nothing, pages reload at the change itself.
  if (liveReload !== false && ready === undefined && onChange === 'restart') {
    throw new UsageError(
      `"liveReload" needs "ready" for commands that are not Node scripts, such as "${display}" · for example --ready http://localhost:8000`,
    );
  }
  if (deps) fail('"deps"');
  if (!platform.programs.hasSignals && signalOf(onChange) !== undefined)
    fail(`on ${platform.title}, "onChange": "${onChange}"`);
}

/** Whether a process is booted ahead for the next run: saves are why there is one. */
export const keepsStandby = ({ standby, onChange }: Settings): boolean => standby && onChange === 'restart';

/** Options of the launcher for one run, whose own variables are `variables`. */
export function launchOptionsFor(
  { loaded: { settings, folder }, command, env }: RunPlan,
  { output, relayMessages = false }: RunRequest,
  variables: Readonly<Record<string, string>>,
): LaunchOptions {
  const { signal, stdin, drain, ready } = settings;
  const standby = keepsStandby(settings);
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

/** Returns a message about a program whose TypeScript Node itself cannot run. */
export const loaderAdviceFor = ({ loaded: { folder }, command, env }: RunPlan): string =>
  adviseLoader({ script: command.script ?? path.join(folder, 'index.ts'), folder, env }, realHost);

/** Returns the port on which Node opens the inspector with the program, 0 for any free one; undefined if it does not. */
export const inspectorPortOf = ({ nodeArgs }: Command, { NODE_OPTIONS = '' }: NodeJS.ProcessEnv): number | undefined =>
  inspectorPort([...splitOptions(NODE_OPTIONS).map(({ word }) => word), ...nodeArgs]);

/** Whether Node opens the inspector with the program. */
export const isDebugged = ({ command, env }: RunPlan): boolean => inspectorPortOf(command, env) !== undefined;

/** Whether only devwatch reads this file; the program may read package.json as well. */
export function isReadByDevwatchAlone(file: string, { settingsFiles, settings }: LoadedSettings): boolean {
  const name = path.basename(file);
  return (settingsFiles.includes(file) && name !== 'package.json') || (settings.gitignore && name === '.gitignore');
}

/** Whether Node or one of its loaders reads this file before the program; some loaders are configured by `.env`. */
export const isReadAtBoot = (file: string): boolean =>
  /^(?:(?:package(?:-lock)?|[tj]sconfig.*)\.json|\.env.*)$/.test(path.basename(file));

/** Files that count wherever they are: the script, its files of variables, and devwatch's settings. */
export function ownFiles(
  { settings, settingsFiles }: LoadedSettings,
  { script, envFiles }: Pick<Command, 'script' | 'envFiles'>,
): string[] {
  const variables = [...environmentFilesOf(settings), ...envFiles].map(({ file }) => file);
  return [...(script === undefined ? [] : [script]), ...settingsFiles, ...variables];
}

/** Whether a file decides how the program is run: which loader, or which interpreter. */
export const decidesCommand = (file: string, { script }: Command): boolean =>
  isReadAtBoot(file) || (file === script && path.extname(file) === '');

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
