/** The table of options in words: `--help`, the JSON Schema, the README's table. */

import { cac } from 'cac';
import {
  healthDefaults,
  hookNames,
  isSwitch,
  type OptionGroup,
  type OptionSpec,
  optionKeys,
  specOf,
} from './options.ts';

const groups: readonly OptionGroup[] = ['Program', 'Watching', 'Restarting', 'Health', 'Output'];

const isOnByDefault = (spec: OptionSpec): boolean => isSwitch(spec) && spec.default === true;

/** A flag as it is typed: `-w, --watch <glob>`; undefined for an option of the file only. */
function flagText(spec: OptionSpec): string | undefined {
  if (spec.flag === undefined) return undefined;
  const long = isOnByDefault(spec) ? `no-${spec.flag}` : spec.flag;
  return `${spec.short === undefined ? '' : `-${spec.short}, `}--${long}${spec.value === undefined ? '' : ` <${spec.value}>`}`;
}

function helpText(spec: OptionSpec): string {
  const text = isOnByDefault(spec) ? `no ${spec.help}` : spec.help;
  const choices = spec.choices === undefined ? '' : `: ${spec.choices.join(', ')}`;
  return `${text.replaceAll('`', '')}${choices}${defaultIsLeftOut(spec) ? '' : defaultText(spec)}`;
}

/** Too long for a line of the help, or said by the flag's name. */
const defaultIsLeftOut = ({ kind, default: value }: OptionSpec): boolean =>
  kind === 'switch' || kind === 'selection' || kind === 'port' || (Array.isArray(value) && value.length > 3);

function defaultText({ kind, default: value, byDefault }: OptionSpec): string {
  if (byDefault !== undefined) return ` (${byDefault})`;
  if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) return '';
  if (typeof value === 'object' && value !== null && Object.keys(value).length === 0) return '';
  if (kind === 'duration') return ` (${durationText(Number(value))})`;
  return ` (${Array.isArray(value) ? value.join(', ') : String(value)})`;
}

const durationText = (ms: number): string => (ms >= 1000 && ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`);

const commands = {
  init: ['init', 'Writes a .watchrc to start from.'],
  config: ['config', 'Shows the settings in force, as a .watchrc could have them, and where they come from.'],
  explain: ['explain <path>...', 'Says why a change of each path restarts the program, or why it does not.'],
  start: [
    'start [options] [script|command [args...]]',
    'Runs it in the background, or all "apps" of the settings, or one of them by its name. Returns when it is',
    'up, or says why it is not. Takes all options of devwatch, the usual ones here being',
    '  --name <name>      what it is called (default: of the package)',
    '  --no-watch         keep it alive and restart nothing at saves',
    '  --log <file>       one log for all that it prints',
    '  --ready <sign>     when it is up',
  ],
  stop: ['stop <name|folder|all>...', 'Ends them; returns when nothing of them is left.'],
  restart: ['restart <name|folder|all>...', 'Replaces them by fresh runs; returns when they are up.'],
  reload: ['reload <name|folder|all>...', 'Has them read their settings again.'],
  list: ['list [--json] [name|folder]...', 'Shows what runs in the background. Also: ls, status.'],
  logs: [
    'logs [options] <name|folder|all>...',
    'Prints the last lines of what they have printed.',
    '  -f, --follow       go on with what comes',
    '  -n, --lines <n>    so many lines of each log (default: 20)',
    '  --err              of stderr alone',
    '  --since <time>     not older than this: 5m, 1h; lines without a time (--log-timestamps) by that of their file',
    '  --clear            empty the logs instead',
  ],
  attach: ['attach <name>', 'Shows what it prints and hands on what is typed. Ctrl-C leaves it running.'],
  unit: [
    'unit [options] [name | script|command [args...]]',
    'Prints a systemd user unit for it. Takes all options of devwatch, and',
    '  --write            put it where systemd looks',
    '  --socket <port>    listen in its place, and start it at the first connection',
  ],
} as const;

export type Described = keyof typeof commands | 'ls' | 'status';

/** How one of the commands is used. */
export function commandHelp(word: Described): string {
  const [usage, ...lines] = commands[word === 'ls' || word === 'status' ? 'list' : word];
  return `devwatch ${usage}\n\n${lines.join('\n')}\n`;
}

/** Prints the help to stdout: the usual options, which fit into a terminal, or all. */
export function printHelp(version: string, which: 'usual' | 'all'): void {
  const cli = cac('devwatch');
  // cac gives every `--no-…` a default, which says nothing here.
  const tidy = (row: string): string => row.replace(/ \(default: true\)$/, '').trimEnd();
  cli.usage('[options] <script|command> [args...]');
  const grouped = new Map<string, string[]>();
  for (const group of groups) {
    const rows: string[] = [];
    for (const key of optionKeys) {
      const spec = specOf(key);
      const flag = flagText(spec);
      if (spec.group !== group || flag === undefined || (which === 'usual' && spec.rare === true)) continue;
      cli.option(flag, helpText(spec));
      rows.push(key);
    }
    grouped.set(group, rows);
  }
  cli.option('-c, --config <file>', 'read this settings file');
  if (which === 'all') cli.option('--only <names>', 'of several programs in "apps" these: web,worker');
  cli.version(version);
  cli.help((sections) => {
    const lines = sections.find(({ title }) => title === 'Options')?.body.split('\n') ?? [];
    const usage = sections.filter(({ title }) => title === 'Usage');
    let taken = 0;
    const parts = [...grouped].map(([title, rows]) => {
      const body = lines.slice(taken, taken + rows.length).map(tidy);
      taken += rows.length;
      return { title, body: body.join('\n') };
    });
    const rest = lines.slice(taken).map(tidy);
    return [
      {
        body: [
          ...usage.map(({ body }) => body.trim().replace('$ ', '')),
          'devwatch init | config | explain <path>  make, show, explain settings',
          'devwatch start|stop|restart|reload|list|logs|attach|unit  in the background',
          "Options go before the script, Node's (--inspect) too; the rest is the program's.",
        ].join('\n'),
      },
      ...parts,
      {
        title: 'Further',
        body: [...rest, ...(which === 'usual' ? ['', 'devwatch --help shows all options'] : [])].join('\n'),
      },
    ];
  });
  cli.outputHelp();
}

/** The option table as Markdown. */
export function markdownTable(): string {
  const rows = optionKeys.map((key) => {
    const spec = specOf(key);
    const flag = flagText(spec);
    const alias = spec.alias === undefined ? '' : `, \`--${spec.alias}\``;
    const choices = spec.choices === undefined ? '' : `: ${spec.choices.map((choice) => `\`${choice}\``).join(', ')}`;
    const help = `${spec.help}${choices}`.replaceAll('|', '\\|');
    const byDefault = defaultText(spec)
      .trim()
      .replace(/^\((.*)\)$/, '`$1`');
    return `| ${flag === undefined ? '' : `\`${flag}\`${alias}`} | \`${key}\` | ${help} | ${byDefault} |`;
  });
  return ['| flag | key in `.watchrc` | what it does | default |', '|---|---|---|---|', ...rows].join('\n');
}

/** The JSON Schema of `.watchrc`, for editors. */
export function jsonSchema(): object {
  const properties = Object.fromEntries(
    optionKeys.map((key) => {
      const spec = specOf(key);
      const byDefault = spec.default === undefined ? {} : { default: spec.default };
      return [key, { description: spec.help, ...schemaOf(spec), ...byDefault }];
    }),
  );
  const program = {
    anyOf: [
      { type: 'string', minLength: 1 },
      { type: 'object', properties, additionalProperties: false },
    ],
  };
  const apps = {
    description: appsHelp,
    anyOf: [
      { type: 'object', additionalProperties: program },
      { type: 'array', items: program, minItems: 1 },
    ],
  };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'devwatch settings',
    type: 'object',
    properties: { $schema: { type: 'string' }, apps, ...properties },
    additionalProperties: false,
  };
}

const appsHelp = 'several programs by their names, or a list of scripts; the keys beside it hold for each of them';

function schemaOf(spec: OptionSpec): object {
  const texts = { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] };
  switch (spec.kind) {
    case 'switch':
      return { type: 'boolean' };
    case 'selection':
      return { anyOf: [{ type: 'boolean' }, ...texts.anyOf] };
    case 'text':
    case 'path':
      return { type: 'string', minLength: 1 };
    case 'texts':
    case 'paths':
    case 'globs':
      return texts;
    case 'extensions':
      return {
        anyOf: [
          { type: 'string', minLength: 1 },
          { type: 'array', items: { type: 'string' }, minItems: 1 },
        ],
      };
    case 'duration':
      return {
        anyOf: [
          { type: 'number', minimum: 0 },
          { type: 'string', pattern: '^\\d+(\\.\\d+)?\\s*(ms|s|m)?$' },
        ],
      };
    case 'count':
      return { type: 'integer', minimum: 0 };
    case 'choice':
      return { enum: spec.choices ?? [] };
    case 'signal':
      return { type: 'string', pattern: '^([Ss][Ii][Gg])?[A-Za-z0-9]+$' };
    case 'commands':
      return { type: 'object', additionalProperties: texts };
    case 'size':
      return {
        anyOf: [
          { type: 'number', minimum: 1 },
          { type: 'string', pattern: '^\\d+(\\.\\d+)?\\s*[kKmMgG]?[bB]?$' },
        ],
      };
    case 'port':
      return { anyOf: [{ type: 'boolean' }, { type: 'integer', minimum: 0, maximum: 65_535 }] };
    case 'health': {
      const duration = { type: ['number', 'string'] };
      const probe = { type: 'string', pattern: '^(https?://|tcp://|event-loop$)' };
      const properties = {
        probe,
        interval: duration,
        timeout: duration,
        grace: duration,
        failures: { type: 'integer', minimum: 1 },
        failOn: { type: 'array', items: { enum: healthDefaults.failOn } },
      };
      return { anyOf: [probe, { type: 'object', properties, required: ['probe'], additionalProperties: false }] };
    }
    case 'readiness':
      return { type: 'string', pattern: '^(listen$|message$|exit$|https?://|tcp://|/)' };
    case 'hooks': {
      const shell = { type: 'object', properties: { shell: { type: 'string' } }, required: ['shell'] };
      return {
        type: 'object',
        propertyNames: { enum: hookNames },
        additionalProperties: { anyOf: [...texts.anyOf, shell] },
      };
    }
    case 'variables':
      return { type: 'object', additionalProperties: { type: ['string', 'number'] } };
  }
}
