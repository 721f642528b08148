/** `devwatch unit`: prints or writes systemd units, or LaunchAgents of macOS, that run this devwatch at boot or at the first connection. */

import fs from 'node:fs';
import path from 'node:path';
import { checkName } from '../background/program-names.ts';
import { type BackgroundRecord, listEntries } from '../background/records.ts';
import { type CommandLine, parseArgv } from '../config/argv.ts';
import { platform } from '../process/platform.ts';
import { commandOf } from '../run/command-plan.ts';
import { attempt, codeOf, messageOf, UsageError } from '../shared/errors.ts';
import { describeFlaw, flawOnWay, withOpenFile } from '../shared/file-ownership.ts';
import { makeFolders } from '../shared/make-folders.ts';
import { homeFolder } from '../shared/user-folders.ts';
import { workingFolder } from '../shared/working-folder.ts';
import { launchAgent, loadingCommands } from '../systemd/launch-agent.ts';
import {
  checkSocket,
  enablingCommands,
  type UnitFile,
  type UnitRequest,
  unitFiles,
  unitMark,
} from '../systemd/unit-file.ts';
import { argvFor, nameOf } from './background-programs.ts';
import { fail, print, printText } from './print.ts';
import { programsOf } from './select-programs.ts';
import type { Invocation } from './subcommands.ts';

/**
 * Prints the units of the programs that `devwatch start` would start with the same words, one service for each
 * program, or of the program that has the given name in the background. With `--write`, writes them to the folder of
 * the user's service manager.
 *
 * @throws UsageError if there is nothing that could be run, or a file of another owner is in the way
 */
export function execute({ line: given }: Invocation): void {
  const manager = managerHere();
  const sockets = given.own.get('--socket') ?? [];
  sockets.forEach(checkSocket);
  const record = recordFor(given);
  if (record !== undefined) enterFolderOf(record);
  const line = record === undefined ? given : parseArgv(record.argv);
  const programs = programsOf(line);
  if (programs.length > 1 && sockets.length > 0) {
    throw new UsageError('--socket is for one program · devwatch unit --only <name> --socket <port>');
  }
  const names = new Map(programs.map((program) => [program.app, record?.name ?? nameOf(program)]));
  for (const name of names.values()) checkName(name);
  const cli = lastingCli(process.argv[1] ?? '');
  const files = programs.flatMap((program) => {
    const { settings } = program.loaded;
    commandOf(program);
    return manager.files({
      name: names.get(program.app) ?? '',
      command: [process.execPath, cli, ...argvFor(program, line)],
      folder: workingFolder(),
      path: lastingPath(process.env.PATH),
      // With Yarn's Plug'n'Play devwatch and all packages are in zip files, which Node can read only with these.
      nodeOptions: process.versions.pnp === undefined ? undefined : process.env.NODE_OPTIONS,
      after: settings.after.flatMap((awaited) => names.get(awaited) ?? []),
      stopTime: settings.killTimeout + settings.drain,
      exitsAsProgram: settings.exitOnCrash,
      sockets,
    });
  });
  const remark = remarkOn(cli);
  if (remark !== undefined) fail(remark);
  if (given.own.has('--write')) {
    for (const file of writeUnits(files, manager.folder)) print(`wrote ${file}`);
    print('now run:', ...manager.commands([...names.values()], sockets.length > 0).map((command) => `  ${command}`));
  } else {
    printText(files.map(({ text }) => text).join('\n'));
  }
}

/** A service manager: the files it takes, their folder, and the commands that make it read them. */
interface Manager {
  readonly folder: string;
  files(request: UnitRequest): UnitFile[];
  commands(names: readonly string[], isSocket: boolean): string[];
}

/** @throws UsageError if this system has none that devwatch knows */
function managerHere(): Manager {
  const home = homeFolder() ?? '/';
  switch (platform.service.manager) {
    case 'systemd': {
      const { XDG_CONFIG_HOME = '' } = process.env;
      const config = path.isAbsolute(XDG_CONFIG_HOME) ? XDG_CONFIG_HOME : path.join(home, '.config');
      return { folder: path.join(config, 'systemd', 'user'), files: unitFiles, commands: enablingCommands };
    }
    case 'launchd':
      return {
        folder: path.join(home, 'Library', 'LaunchAgents'),
        files: (request) => [launchAgent(request, home)],
        commands: loadingCommands,
      };
    case undefined:
      throw new UsageError(
        `devwatch unit writes units for systemd, which ${platform.title} does not have · let ${platform.isPosix ? 'cron (@reboot)' : 'the Task Scheduler'} run devwatch`,
      );
  }
}

/** Returns what can make a unit fail later that names this file as the bin. */
export function remarkOn(cli: string): string | undefined {
  if (cli.includes(`${path.sep}_npx${path.sep}`)) {
    return "devwatch runs from npx's cache, which npm may delete · npm install -D devwatch";
  }
  return cli.includes(`.zip${path.sep}`)
    ? 'devwatch is in a zip file of Yarn, which has another name after an update · run this command again then'
    : undefined;
}

/** Returns the path of the bin without the version that pnpm puts into it: the link in `node_modules` outlives an update. */
export function lastingCli(file: string): string {
  const link = file.replace(/[\\/]\.pnpm[\\/][^\\/]+[\\/]node_modules(?=[\\/])/, '');
  return attempt(() => fs.realpathSync(link)) === attempt(() => fs.realpathSync(file)) ? link : file;
}

/** Returns PATH without the folder that `yarn run` makes for itself in the temporary folder, where anybody could make it again. */
export const lastingPath = (text: string | undefined): string | undefined =>
  text
    ?.split(path.delimiter)
    .filter((folder) => !/\/xfs-[0-9a-f]+$/.test(folder))
    .join(path.delimiter);

/** Returns the record of the program that the only word names; a file of that name is a script. */
function recordFor({ optionWords, program }: CommandLine): BackgroundRecord | undefined {
  const [word = '', ...more] = program;
  if (optionWords.length > 0 || more.length > 0 || fs.existsSync(word)) return undefined;
  return listEntries().find(({ name }) => name === word)?.record;
}

/** Enters the folder that the words of the record are relative to. */
function enterFolderOf({ name, startedIn }: BackgroundRecord): void {
  try {
    process.chdir(startedIn);
    process.env.PWD = startedIn;
  } catch (error) {
    throw new UsageError(`${name} was started in ${startedIn}, which cannot be entered (${codeOf(error)})`);
  }
}

/** Writes the units to the folder of the user's service manager; returns their paths. */
function writeUnits(files: readonly UnitFile[], folder: string): string[] {
  const found = attempt(() => flawOnWay(folder));
  // They name commands, and a link of another user could lead to any file.
  if (found !== undefined) throw new UsageError(describeFlaw(found.place, found.flaw, found.stats));
  const places = files.map(({ name, text }) => ({ file: path.join(folder, name), text }));
  const foreign = places.find(({ file }) => !mayReplace(file))?.file;
  if (foreign !== undefined) {
    throw new UsageError(`${foreign}: exists and was not written by devwatch · delete it, or use another --name`);
  }
  try {
    makeFolders(folder, 0o777);
    for (const { file, text } of places) fs.writeFileSync(file, text);
  } catch (error) {
    throw new UsageError(`${folder}: the units cannot be written (${codeOf(error) ?? messageOf(error)})`);
  }
  return places.map(({ file }) => file);
}

/** Whether devwatch has written a file. */
const isOurs = (text: string): boolean => text.startsWith(unitMark) || text.includes(`\n<!-- ${unitMark.slice(2)}`);

function mayReplace(file: string): boolean {
  try {
    return withOpenFile(file, (descriptor, stats) => stats.isFile() && isOurs(fs.readFileSync(descriptor, 'utf8')));
  } catch (error) {
    return codeOf(error) === 'ENOENT' && fs.lstatSync(file, { throwIfNoEntry: false }) === undefined;
  }
}
