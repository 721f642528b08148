/** `devwatch unit`: has systemd run this devwatch, at boot or at the first connection. */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { checkName } from '../background/names.ts';
import { type BackgroundRecord, listEntries } from '../background/records.ts';
import { parseArgv } from '../config/argv.ts';
import { planCommand } from '../run/command-plan.ts';
import { codeOf, messageOf, UsageError } from '../shared/errors.ts';
import { version } from '../shared/version.ts';
import { checkSocket, enablingCommands, type UnitFile, unitFiles, unitMark } from '../systemd/unit-file.ts';
import { nameOf, type StartRequest } from './manage.ts';

/**
 * Prints the units of what `devwatch start` would start with these words, one service for each program,
 * or of what runs in the background by that name; with `--write` puts them where systemd looks for them.
 *
 * @param read what a command line says, in the working folder
 * @throws UsageError when there is nothing that could be run, and when a file is in the way
 */
export function unit(given: readonly string[], read: (words: readonly string[]) => StartRequest): void {
  const { words, sockets, write } = takeOwnOptions(given);
  const record = recordOf(words);
  if (record !== undefined) enter(record);
  const { programs, argv, cli } = read(record?.argv ?? words);
  if (programs.length > 1 && sockets.length > 0) {
    throw new UsageError('--socket is for one program · devwatch unit --only <name> --socket <port>');
  }
  const names = new Map(programs.map((program) => [program.app, record?.name ?? nameOf(program)]));
  const files = programs.flatMap((program) => {
    const { app, loaded } = program;
    const { settings } = loaded;
    planCommand(program);
    return unitFiles({
      name: checked(names.get(app) ?? ''),
      command: [process.execPath, cli, ...argv, ...(programs.length === 1 ? [] : ['--only', app ?? ''])],
      folder: process.cwd(),
      path: process.env.PATH,
      after: settings.after.flatMap((awaited) => names.get(awaited) ?? []),
      stopTime: settings.killTimeout + settings.drain,
      exitsAsProgram: settings.exitOnCrash,
      sockets,
      version,
    });
  });
  if (cli.includes(`${path.sep}_npx${path.sep}`)) {
    process.stderr.write("devwatch: this one lies in npx's cache, which may be cleared · npm install -D devwatch\n");
  }
  if (!write) {
    process.stdout.write(files.map(({ text }) => text).join('\n'));
    return;
  }
  for (const file of writeUnits(files)) process.stdout.write(`wrote ${file}\n`);
  const commands = enablingCommands([...names.values()], sockets.length > 0);
  process.stdout.write(`now run:\n${commands.map((command) => `  ${command}\n`).join('')}`);
}

function checked(name: string): string {
  checkName(name);
  return name;
}

/** Takes out the options that no other command has; they stand, as all do, before the script. */
function takeOwnOptions(given: readonly string[]): { words: string[]; sockets: string[]; write: boolean } {
  const words = [...given];
  const sockets: string[] = [];
  let write = false;
  for (let index = 0; index < words.length; ) {
    const [, name, attached] = /^--(write|socket)(?:=(.*))?$/s.exec(words[index] ?? '') ?? [];
    if (name === undefined) {
      index += 1;
      continue;
    }
    const before = parseArgv(words.slice(0, index));
    if (before.literal || before.program.length > 0) break;
    const isWhole = name === 'write' || attached !== undefined;
    const [, next = ''] = words.splice(index, isWhole ? 1 : 2);
    if (name === 'write') {
      if (attached !== undefined) throw new UsageError('--write takes no value');
      write = true;
    } else {
      const address = attached ?? next;
      checkSocket(address);
      sockets.push(address);
    }
  }
  return { words, sockets, write };
}

/** What runs, or has run, in the background by this one word. A file of that name is a script. */
function recordOf(words: readonly string[]): BackgroundRecord | undefined {
  const [word = '', ...more] = words;
  if (more.length > 0 || !/^[\w.]/.test(word) || fs.existsSync(word)) return undefined;
  return listEntries().find(({ name }) => name === word)?.record;
}

/** What its words say is relative to where they were said. */
function enter({ name, startedIn }: BackgroundRecord): void {
  try {
    process.chdir(startedIn);
  } catch (error) {
    throw new UsageError(`${name} was started in ${startedIn}, which cannot be entered (${codeOf(error)})`);
  }
}

/** Puts them where the user's service manager looks; returns their paths. */
function writeUnits(files: readonly UnitFile[]): string[] {
  const { XDG_CONFIG_HOME = '' } = process.env;
  const config = path.isAbsolute(XDG_CONFIG_HOME) ? XDG_CONFIG_HOME : path.join(os.homedir(), '.config');
  const folder = path.join(config, 'systemd', 'user');
  const places = files.map(({ name, text }) => ({ file: path.join(folder, name), text }));
  for (const { file } of places) {
    if (!mayReplace(file)) {
      throw new UsageError(`${file}: is there already, and not devwatch's · remove it, or give --name`);
    }
  }
  try {
    fs.mkdirSync(folder, { recursive: true });
    for (const { file, text } of places) fs.writeFileSync(file, text);
  } catch (error) {
    throw new UsageError(`${folder}: the units cannot be written (${codeOf(error) ?? messageOf(error)})`);
  }
  return places.map(({ file }) => file);
}

function mayReplace(file: string): boolean {
  try {
    return fs.readFileSync(file, 'utf8').startsWith(unitMark);
  } catch (error) {
    return codeOf(error) === 'ENOENT' && fs.lstatSync(file, { throwIfNoEntry: false }) === undefined;
  }
}
