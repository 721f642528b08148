/** Converts an ecosystem file of pm2 (7.0) to settings. */

import path from 'node:path';
import { flawOfName } from '../config/apps.ts';
import type { Converted, Missing } from '../config/nodemon.ts';
import { readValue } from '../config/option-kinds.ts';
import { type OptionKey, optionKeys, specOf } from '../config/options.ts';
import { ValueError } from '../config/read-values.ts';
import { splitWords } from '../process/shell-line.ts';
import { attempt } from '../shared/errors.ts';

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Returns the programs that an ecosystem file declares; undefined if it is none. */
export function appsOfPm2(content: unknown): readonly Fields[] | undefined {
  const found = isObject(content) ? (content.apps ?? content.pm2 ?? content) : content;
  const apps = [found].flat().filter(isObject);
  const hasPrograms = apps.every((app) =>
    ['script', 'exec', 'cmd', 'command'].some((key) => typeof app[key] === 'string'),
  );
  return apps.length > 0 && hasPrograms ? apps : undefined;
}

/** Converts the programs of an ecosystem file in `folder`, and keeps what they have in common at the top. */
export function convertPm2(content: unknown, folder: string): Converted {
  const missing: Missing[] = [];
  const remarks: string[] = [];
  const names = new Set<string>();
  const apps = (appsOfPm2(content) ?? []).map((fields) => {
    const app = new AppConversion(fields, folder);
    const name = freeName(app.name, names);
    names.add(name);
    if (name !== app.name) remarks.push(`the program ${JSON.stringify(app.name)} is named ${name}`);
    const { isNamed, settings, missing: lost } = app;
    return { name, isNamed, settings, lost };
  });
  const [only, ...others] = apps;
  const isSingle = only !== undefined && others.length === 0;
  for (const { name, lost } of apps) {
    missing.push(...lost.map(({ key, reason }) => ({ key: isSingle ? key : `${name}: ${key}`, reason })));
  }
  const top = isObject(content) ? Object.keys(content).filter((key) => key === 'deploy' || key === 'static') : [];
  missing.push(...top.map((key) => ({ key, reason: topReasons[key] ?? '' })));
  if (isSingle) return { settings: { ...(only.isNamed && { name: only.name }), ...only.settings }, missing, remarks };
  const common = commonOf(apps.map(({ settings }) => settings));
  const own = ({ settings }: { readonly settings: Fields }): Fields =>
    Object.fromEntries(Object.entries(settings).filter(([key]) => !(key in common)));
  return {
    settings: { apps: Object.fromEntries(apps.map((app) => [app.name, own(app)])), ...common },
    missing,
    remarks,
  };
}

const topReasons: Readonly<Record<string, string>> = {
  deploy: 'devwatch does not deploy',
  static: 'devwatch serves no files',
};

/** Returns a valid name that is not in use. */
function freeName(wanted: string, used: ReadonlySet<string>): string {
  const cleaned = wanted
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 60);
  const valid = flawOfName(cleaned) === undefined ? cleaned : 'app';
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? valid : `${valid}-${number}`;
    if (!used.has(name)) return name;
  }
}

/** Keys that belong to one program. */
const ownKeys: ReadonlySet<string> = new Set(['script', 'args', 'exec', 'cwd', 'env', 'nodeArgs', 'log']);

/** Returns the settings that all programs share. */
function commonOf([first = {}, ...others]: readonly Fields[]): Fields {
  const isShared = ([key, value]: [string, unknown]): boolean =>
    !ownKeys.has(key) && others.every((other) => JSON.stringify(other[key]) === JSON.stringify(value));
  return Object.fromEntries(Object.entries(first).filter(isShared));
}

type Row = (value: unknown, conversion: AppConversion) => void;

/** The conversion of one program. */
class AppConversion {
  readonly missing: Missing[] = [];
  readonly isNamed: boolean;
  readonly name: string;
  readonly #values = new Map<OptionKey, unknown>(defaults);
  readonly #given: ReadonlyMap<string, unknown>;
  readonly #folder: string;
  #key = '';

  constructor(fields: Fields, folder: string) {
    this.#folder = folder;
    this.#given = new Map(Object.entries(fields).map(([key, value]) => [plainKey(key), value]));
    const script = String(this.get('script'));
    this.isNamed = typeof this.get('name') === 'string';
    this.name = this.isNamed ? String(this.get('name')) : path.parse(script.split(' ')[0] ?? '').name;
    for (const [key, value] of this.#given) {
      this.#key = key;
      if (value === undefined || value === null) continue;
      const row = rows.get(key);
      if (row !== undefined) row(value, this);
      else if (key.startsWith('env_')) this.lose('a file has one set of variables · "envFile", or VARIABLE=… devwatch');
      else this.lose('pm2 has no such key either');
    }
  }

  /** The settings in the order of the options. */
  get settings(): Fields {
    return Object.fromEntries(
      optionKeys.flatMap((key) => (this.#values.has(key) ? [[key, this.#values.get(key)]] : [])),
    );
  }

  /** Returns a value of pm2's. */
  get(key: string): unknown {
    return this.#given.get(key);
  }

  valueOf(option: OptionKey): unknown {
    return this.#values.get(option);
  }

  /** Sets an option; undefined means devwatch's default. A value that it does not take is lost. */
  set(option: OptionKey, value: unknown): void {
    const flaw = value === undefined ? undefined : flawOf(option, value);
    if (flaw !== undefined) this.lose(`${option} ${flaw}`);
    else if (value === undefined) this.#values.delete(option);
    else this.#values.set(option, value);
  }

  lose(reason: string, key = this.#key): void {
    this.missing.push({ key, reason });
  }

  /** Returns a path relative to the folder of the file, if it lies there. */
  relative(file: string): string {
    if (!path.isAbsolute(file)) return file;
    const relative = path.relative(this.#folder, file);
    return relative.startsWith('..') ? file : relative || '.';
  }
}

function flawOf(option: OptionKey, value: unknown): string | undefined {
  try {
    readValue(specOf(option), value);
    return undefined;
  } catch (error) {
    if (error instanceof ValueError) return error.message;
    throw error;
  }
}

/** pm2's behaviour where a file says nothing, as far as devwatch's is another. */
const defaults: readonly (readonly [OptionKey, unknown])[] = [
  ['watch', []],
  ['restart', 'always'],
  ['signal', 'SIGINT'],
];

/** Other names of pm2's keys; besides, each may be written in camel case. */
const aliases: Readonly<Record<string, string>> = {
  exec: 'script',
  cmd: 'script',
  command: 'script',
  interpreter: 'exec_interpreter',
  interpreter_args: 'node_args',
  out: 'out_file',
  output: 'out_file',
  out_log: 'out_file',
  error: 'error_file',
  err: 'error_file',
  err_file: 'error_file',
  err_log: 'error_file',
  log: 'log_file',
  pid: 'pid_file',
  cron: 'cron_restart',
  combine_logs: 'merge_logs',
  user: 'uid',
};

function plainKey(key: string): string {
  const snake = key === 'windowsHide' ? key : key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return aliases[snake] ?? snake;
}

const as =
  (option: OptionKey): Row =>
  (value, to) =>
    to.set(option, value);

const lost =
  (reason: string): Row =>
  (_, to) =>
    to.lose(reason);

/** Loses a key, unless its value is the one that devwatch always has. */
const lostUnless =
  (usual: unknown, reason: string): Row =>
  (value, to) => {
    if (value !== usual) to.lose(reason);
  };

const silent: Row = () => {};

const rows: ReadonlyMap<string, Row> = new Map(
  Object.entries({
    name: silent,
    script: convertScript,
    args: (value, to) => {
      if (!isShellLine(to)) to.set('args', wordsOf(value));
    },
    cwd: (value, to) => {
      const folder = to.relative(String(value));
      if (folder !== '.') to.set('cwd', folder);
    },
    exec_interpreter: convertInterpreter,
    node_args: (value, to) => {
      if (runsNode(to)) to.set('nodeArgs', wordsOf(value));
    },
    env: (value, to) => addVariables(to, isObject(value) ? value : {}),
    port: (value, to) => addVariables(to, { PORT: value }),
    watch: convertWatch,
    ignore_watch: convertIgnoreWatch,
    watch_options: convertWatchOptions,
    watch_delay: as('delay'),
    autorestart: (value, to) => {
      if (value === false || value === 'false') to.set('restart', 'never');
    },
    stop_exit_codes: (value, to) => {
      const codes = [value].flat().map(Number);
      if (codes.includes(0) && to.valueOf('restart') === 'always') to.set('restart', 'on-crash');
      if (codes.some((code) => code !== 0)) to.lose('only exit code 0 can be the end of a program');
    },
    max_restarts: as('maxRestarts'),
    min_uptime: (value, to) =>
      to.set(
        'minUptime',
        String(value).replace(/^(\d+)h$/, (_, hours) => `${Number(hours) * 60}m`),
      ),
    kill_timeout: as('killTimeout'),
    shutdown_with_message: (value, to) => {
      if (value === true && sendsMessages(to)) to.set('signal', 'message');
    },
    wait_ready: (value, to) => {
      if (value === true && sendsMessages(to)) to.set('ready', 'message');
    },
    max_memory_restart: as('maxMemory'),
    log_file: (value, to) => {
      if (typeof value === 'string') to.set('log', value);
    },
    out_file: convertLogs,
    error_file: convertLogs,
    time: (value, to) => to.set('logTimestamps', value),
    log_date_format: (_, to) => to.set('logTimestamps', true),
    source_map_support: (value, to) => {
      if (value === true && runsNode(to))
        to.set('nodeArgs', [...[to.valueOf('nodeArgs') ?? []].flat(), '--enable-source-maps']);
    },
    instances: lostUnless(1, 'devwatch runs one process of a program · node:cluster can start more'),
    exec_mode: (value, to) => {
      if (/^cluster/.test(String(value)) && to.get('instances') === undefined) {
        to.lose('devwatch runs one process of a program · node:cluster can start more');
      }
    },
    namespace: lostUnless('default', 'a name is all that a program has'),
    name_prefix: lost('a name is all that a program has'),
    append_env_to_name: lostUnless(false, 'a name is all that a program has'),
    cron_restart: (value, to) => {
      if (value !== false && value !== 0 && value !== '0') to.set('restartAt', value);
    },
    restart_delay: lost('pauses between crashes grow from 250 ms to 10 s'),
    exp_backoff_restart_delay: lost('pauses between crashes grow from 250 ms to 10 s, always'),
    listen_timeout: lost('devwatch start waits as long as the program needs'),
    autostart: lostUnless(true, 'devwatch start starts all · --only names some'),
    uid: lost('run devwatch as that user'),
    gid: lost('run devwatch as that user'),
    pid_file: lost('devwatch list --json prints the pid'),
    disable_logs: lostUnless(false, 'logs are always kept, and rotated'),
    log_type: lost('logs contain what the program prints'),
    filter_env: lostUnless(false, 'the program has the whole environment'),
    treekill: lostUnless(true, 'the whole process tree is ended; "keep" names exceptions'),
    instance_var: lost('there is one process'),
    increment_var: lost('there is one process'),
    install_url: lost('devwatch installs nothing'),
    post_update: lost('devwatch updates nothing'),
    ...Object.fromEntries(
      [
        ...['merge_logs', 'disable_source_map_support', 'vizion', 'force', 'write', 'windowsHide', 'username'],
        ...['kill_retry_time', 'execute_command', 'automation', 'pmx', 'disable_trace'],
      ].map((key) => [key, silent]),
    ),
    ...Object.fromEntries(
      ['trace', 'v8', 'event_loop_inspector', 'deep_monitoring', 'io'].map((key) => [
        key,
        lostUnless(false, "it belongs to pm2's monitoring service"),
      ]),
    ),
  } satisfies Record<string, Row>),
);

/** pm2 runs a script with a blank in its name by a shell, without `args`. */
const isShellLine = (app: AppConversion): boolean => String(app.get('script')).includes(' ');

function convertScript(value: unknown, to: AppConversion): void {
  if (isShellLine(to)) to.set('exec', value);
  else to.set('script', to.relative(String(value)));
}

const runsNode = (app: AppConversion): boolean =>
  /(?:^|\/)node(?:@.*)?$/.test(String(app.get('exec_interpreter') ?? 'node'));

/** Only a Node script can exchange messages with devwatch. */
function sendsMessages(to: AppConversion): boolean {
  const isPossible = runsNode(to) && !isShellLine(to);
  if (!isPossible) to.lose('only a script that Node runs can send and receive messages');
  return isPossible;
}

function convertInterpreter(value: unknown, to: AppConversion): void {
  const interpreter = String(value);
  if (isShellLine(to) || interpreter === 'none' || interpreter === 'node') return;
  if (runsNode(to)) to.lose('the script runs with the Node that runs devwatch');
  else to.set('exec', [interpreter, ...wordsOf(to.get('node_args'))].join(' '));
}

const wordsOf = (value: unknown): readonly string[] =>
  typeof value === 'string' ? (attempt(() => splitWords(value)) ?? [value]) : [value ?? []].flat().map(String);

function addVariables(to: AppConversion, variables: Fields): void {
  const env = to.valueOf('env');
  const texts = Object.entries(variables).map(([name, value]) => [name, textOf(value)]);
  to.set('env', { ...(isObject(env) ? env : {}), ...Object.fromEntries(texts) });
}

const textOf = (value: unknown): unknown =>
  typeof value === 'number' ? value : typeof value === 'object' ? JSON.stringify(value) : String(value);

/** pm2 watches files with every extension. */
function convertWatch(value: unknown, to: AppConversion): void {
  if (value === false) return;
  const patterns = [value].flat().map((pattern) => (pattern === true ? '.' : to.relative(String(pattern))));
  to.set('watch', patterns.length === 0 || patterns.includes('.') ? undefined : patterns);
  to.set('ext', '*');
}

function convertIgnoreWatch(value: unknown, to: AppConversion): void {
  const patterns: string[] = [];
  for (const pattern of [value].flat()) {
    // devwatch ignores these by default. A text with `[\\/\\\\]` is a regular expression for dotfiles.
    if (/^(?:\.\/)?(?:node_modules|\.git)\/?$/.test(String(pattern)) || String(pattern).startsWith('[\\/')) continue;
    if (isObject(pattern)) to.lose(`a regular expression (${pattern.regexp}) · write a glob into "ignore"`);
    // pm2's patterns begin at the folder, in devwatch names without a slash match at any depth.
    else
      patterns.push(
        /^(?:\.|\/|\*\*)/.test(String(pattern)) || /\/./.test(String(pattern))
          ? to.relative(String(pattern))
          : `./${pattern}`,
      );
  }
  if (patterns.length > 0) to.set('ignore', patterns);
}

function convertWatchOptions(value: unknown, to: AppConversion): void {
  for (const [key, option] of Object.entries(isObject(value) ? value : {})) {
    if (key === 'usePolling') to.set('poll', option);
    else if (key === 'interval') to.set('pollInterval', option);
    else if (key === 'followSymlinks') to.set('follow', option);
    else if (!['persistent', 'ignoreInitial', 'awaitWriteFinish'].includes(key)) {
      to.lose('devwatch has no such option', `watch_options.${key}`);
    }
  }
}

function convertLogs(value: unknown, to: AppConversion): void {
  const [out, error] = [to.get('out_file'), to.get('error_file')];
  if (out === error && to.get('log_file') === undefined) to.set('log', value);
  else to.lose('stdout and stderr have logs of their own, or share that of "log"');
}
