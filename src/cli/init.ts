/** `devwatch init`: writes a `.watchrc` to start from, or converts the settings of nodemon or pm2. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Converted, fromNodemon } from '../config/nodemon.ts';
import { type Document, inspectText, readDocument } from '../config/settings-file.ts';
import { realHost } from '../process/launch/host.ts';
import { findScript } from '../process/launch/search.ts';
import { attempt, codeOf, UsageError } from '../shared/errors.ts';
import { workingFolder } from '../shared/working-folder.ts';
import { appsOfPm2, convertPm2 } from './convert-pm2.ts';
import { defaultProgram } from './default-program.ts';
import { print } from './print.ts';
import type { Invocation } from './subcommands.ts';
import { formatWatchrc } from './watchrc-text.ts';

const usualScripts = ['server.js', 'src/server.ts', 'src/index.ts', 'src/index.js', 'app.js', 'main.js'];

/** Names of pm2's files, in the order in which they are looked for. */
const ecosystemFile = /^(?:ecosystem|pm2|process)(?:\.config)?\.(?:[cm]?js|json)$/;
const yamlFile = /^(?:ecosystem|pm2|process)(?:\.config)?\.ya?ml$/;

/** Settings of another tool. */
interface Source {
  /** The file's name, relative to the folder. */
  readonly name: string;
  readonly tool: 'nodemon' | 'pm2';
  readonly convert: () => Converted;
}

/** @throws UsageError if there are settings of devwatch, or nothing can be written, or the file to convert is broken */
export function execute({ operands }: Invocation): void {
  const [named, stray] = operands;
  if (stray !== undefined) throw new UsageError(`devwatch init takes one file at most: ${stray}`);
  const folder = workingFolder();
  const manifest = readManifest(folder);
  refuseSettings(folder, manifest);
  const sources = named === undefined ? findSources(folder, manifest) : [sourceAt(folder, named)];
  const [source, ...others] = sources;
  const converted = source?.convert();
  write(
    folder,
    formatWatchrc(folder, converted === undefined ? template(folder) : { ...converted, from: source?.name }),
  );
  print(
    `wrote .watchrc${source === undefined ? '' : ` from ${source.name}`} · now run: ${source?.tool === 'pm2' ? 'devwatch start' : 'devwatch'}`,
  );
  for (const { key, reason } of converted?.missing ?? []) print(`not taken over: ${key}: ${reason}`);
  for (const remark of converted?.remarks ?? []) print(`note: ${remark}`);
  for (const { name } of others) print(`note: ${name} was not read · devwatch init ${name} converts it`);
  for (const note of notesOn(folder, manifest)) print(`note: ${note}`);
}

/** Settings of devwatch in package.json would be replaced by a `.watchrc`. @throws UsageError if there are settings */
function refuseSettings(folder: string, manifest: Document | undefined): void {
  if (fs.lstatSync(path.join(folder, '.watchrc'), { throwIfNoEntry: false }) !== undefined) {
    throw new UsageError('.watchrc: already exists');
  }
  if (manifest?.child('devwatch') !== undefined) {
    throw new UsageError('package.json: already has settings ("devwatch"), which a .watchrc would replace');
  }
}

function readManifest(folder: string): Document | undefined {
  const file = path.join(folder, 'package.json');
  return fs.existsSync(file) ? readDocument(file) : undefined;
}

/** Returns settings with the program that devwatch would run by itself, or with a script that has a usual name. */
function template(folder: string): Converted {
  const words = attempt(() => defaultProgram(folder)) ?? [];
  const [script = usualScripts.find((name) => fs.existsSync(path.join(folder, name))), ...args] =
    words[0] === 'node' ? words.slice(1) : words;
  // A start script with variables or flags needs no settings.
  const isPlain = script !== undefined && findScript(script, folder, realHost) !== undefined;
  return { settings: isPlain ? { script, ...(args.length > 0 && { args }) } : {}, missing: [], remarks: [] };
}

function write(folder: string, text: string): void {
  try {
    fs.writeFileSync(path.join(folder, '.watchrc'), text, { flag: 'wx', mode: 0o644 });
  } catch (error) {
    const code = codeOf(error) ?? 'unknown error';
    throw new UsageError(`.watchrc: ${code === 'EEXIST' ? 'already exists' : `cannot be written (${code})`}`);
  }
}

// Settings of other tools

/** Finds the settings of other tools in a folder; those that are converted come first. */
function findSources(folder: string, manifest: Document | undefined): Source[] {
  const nodemonFile = fs.existsSync(path.join(folder, 'nodemon.json')) ? [sourceAt(folder, 'nodemon.json')] : [];
  const config = manifest?.child('nodemonConfig');
  const inManifest: Source[] =
    config === undefined || nodemonFile.length > 0
      ? []
      : [{ name: 'package.json (nodemonConfig)', tool: 'nodemon', convert: () => fromNodemon(config) }];
  const ecosystems = fs.readdirSync(folder).filter((name) => ecosystemFile.test(name));
  return [...nodemonFile, ...inManifest, ...ecosystems.sort().map((name) => sourceAt(folder, name))];
}

/** Returns the settings in a file, by its name. @throws UsageError if there is no such file, or it cannot be converted */
function sourceAt(folder: string, name: string): Source {
  const file = path.resolve(folder, name);
  if (!fs.existsSync(file)) throw new UsageError(`${name}: no such file`);
  if (/\.ya?ml$/.test(name)) {
    throw new UsageError(
      `${name}: devwatch reads no YAML · npx js-yaml ${name} > ecosystem.json, then devwatch init ecosystem.json`,
    );
  }
  if (/^nodemon\b.*\.json$/.test(path.basename(name))) {
    return { name, tool: 'nodemon', convert: () => fromNodemon(readDocument(file)) };
  }
  return { name, tool: 'pm2', convert: () => convertEcosystem(file, name) };
}

function convertEcosystem(file: string, name: string): Converted {
  const content = file.endsWith('.json') ? readDocument(file).value : load(file, name);
  if (appsOfPm2(content) === undefined) {
    throw new UsageError(`${name}: names no programs · pm2 expects {"apps": [{"script": "…"}]}`);
  }
  return convertPm2(content, path.dirname(file));
}

/** Prints the default export of a module as JSON to descriptor 3; regular expressions become objects. */
const printer = `
const { writeSync } = require('node:fs');
const replacer = (_, value) => (value instanceof RegExp ? { regexp: String(value) } : value);
import(process.argv[1]).then(
  ({ default: content }) => ({ content }),
  (error) => ({ error: error instanceof Error ? error.message : String(error) }),
).then((result) => {
  writeSync(3, JSON.stringify(result, replacer));
  process.exit();
});`;

/** Loads a module with settings of pm2, in a process of its own: it may do anything. @throws UsageError if it cannot be loaded */
function load(file: string, name: string): unknown {
  inspectText(file, 'chown it, or convert a copy')?.requireTrust();
  print(`running ${name} to read its settings, as pm2 does`);
  const { output, status, signal } = spawnSync(process.execPath, ['-e', printer, pathToFileURL(file).href], {
    encoding: 'utf8',
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
  });
  const text = output[3] ?? '';
  const result: { content?: unknown; error?: string } =
    text === '' ? { error: `it ended with ${signal ?? `exit code ${status}`}` } : JSON.parse(text);
  if (result.error !== undefined) throw new UsageError(`${name}: cannot be loaded: ${result.error}`);
  return result.content;
}

/** Returns what else the user has to do. */
function notesOn(folder: string, manifest: Document | undefined): string[] {
  const scripts = manifest?.child('scripts')?.entries() ?? [];
  const calls = scripts.flatMap(({ key, value }) => {
    const [tool] = /\b(?:nodemon|pm2)\b/.exec(String(value.value)) ?? [];
    return tool === undefined ? [] : `package.json: the script "${key}" still runs ${tool}`;
  });
  const yaml = fs.readdirSync(folder).filter((name) => yamlFile.test(name));
  return [...calls, ...yaml.map((name) => `${name} was not read: devwatch reads no YAML`)];
}
