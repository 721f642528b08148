/** The help: all options and subcommands, or one subcommand. cac aligns the columns. */

import { cac } from 'cac';
import { kindOf } from '../config/option-kinds.ts';
import { defaultText, flagText, isOnByDefault } from '../config/option-text.ts';
import { type OptionSpec, optionGroups, optionKeys, specOf } from '../config/options.ts';
import { describeToCac } from './operands.ts';
import { table } from './print.ts';
import { type Subcommand, subcommands } from './subcommands.ts';

type Section = { title?: string; body: string };

/** Formats the rows of a table of options, which cac has aligned. */
function tidy(rows: readonly string[]): string[] {
  const cells = rows.map((row) => {
    // cac shows a default of `true` for each `--no-…`.
    const text = row.replace(/ \(default: true\)$|\s+$/, '').replace('Display', 'display');
    return /^ {2}(-.*?) {2,}(.*)$/.exec(text)?.slice(1) ?? [text];
  });
  // A longer flag stands on a line of its own, so that it leaves room for the texts of the others.
  const lengths = cells.map(([flag = '', text]) => (text === undefined ? 0 : flag.length));
  const width = Math.max(0, ...lengths.filter((length) => length <= maxFlagColumns));
  return cells.map(([flag = '', text]) => {
    if (text === undefined) return flag;
    if (flag.length <= width) return wrap(`  ${flag.padEnd(width)}  ${text}`);
    return `  ${flag}\n${wrap(' '.repeat(width + 4) + text, width + 4)}`;
  });
}

const maxFlagColumns = 24;
const maxColumns = 80;

function wrap(row: string, indent: number = /^ +-.*? {2,}/.exec(row)?.[0].length ?? 0): string {
  if (row.length <= maxColumns) return row;
  const end = row.lastIndexOf(' ', maxColumns);
  return `${row.slice(0, end)}\n${wrap(' '.repeat(indent) + row.slice(end + 1), indent)}`;
}

/** Prints the help of a subcommand to stdout. */
export function printSubcommandHelp(subcommand: Subcommand): void {
  const cli = describeToCac(subcommand);
  cli.help((sections) => {
    const bodyOf = (title: string): string => sections.find((section) => section.title === title)?.body ?? '';
    return [
      { body: bodyOf('Usage').trim().replace('$ ', '') },
      { body: [subcommand.help].flat().join('\n') },
      { title: 'Options', body: tidy(bodyOf('Options').split('\n')).join('\n') },
    ];
  });
  cli.parse(['', '', subcommand.name], { run: false });
  cli.outputHelp();
}

/** Prints the help to stdout: all options, or those that are used most, which fit into a terminal. */
export function printHelp(version: string, which: 'usual' | 'all'): void {
  const cli = cac('devwatch');
  cli.usage('[options] <script|command> [args...]');
  const counts = optionGroups.map((group) => {
    const specs = optionKeys.map(specOf).filter((spec) => spec.group === group && isShown(spec, which));
    for (const spec of specs) cli.option(flagText(spec) ?? '', helpText(spec));
    return { title: group, count: specs.length };
  });
  cli.option('-c, --config <file>', 'read this settings file');
  if (which === 'all') cli.option('--only <names>', 'run only these programs of "apps": web,worker');
  cli.version(version);
  cli.help((sections) => {
    const lines = tidy(sections.find(({ title }) => title === 'Options')?.body.split('\n') ?? []);
    const parts: Section[] = counts.map(({ title, count }) => ({ title, body: lines.splice(0, count).join('\n') }));
    const more = which === 'usual' ? ['', 'devwatch --help shows all options'] : [];
    const shown = { title: 'Examples', body: table(examples).join('\n').replaceAll(/^/gm, '  ') };
    return [{ body: intro() }, shown, ...parts, { title: 'Further', body: [...lines, ...more].join('\n') }];
  });
  cli.outputHelp();
}

const isShown = (spec: OptionSpec, which: 'usual' | 'all'): boolean =>
  spec.flag !== undefined && (which === 'all' || spec.rare !== true);

const examples: readonly (readonly [line: string, effect: string])[] = [
  ['devwatch server.js --port 8080', 'run it, and restart it at every save'],
  ['devwatch -w src -e ts,sql src/server.ts', 'watch these files only'],
  ['devwatch -- npm run serve', 'run a command with options of its own'],
  ['devwatch start server.js', 'keep it running without a terminal'],
];

function intro(): string {
  const namesOf = (group: Subcommand['group']): string =>
    subcommands.flatMap((subcommand) => (subcommand.group === group ? subcommand.name : [])).join('|');
  return [
    'devwatch [options] <script|command> [args...]',
    `devwatch ${namesOf('settings')}  settings, shells`,
    `devwatch ${namesOf('background')}`,
    "Options go before the script, Node's (--inspect) too; the rest is the program's.",
  ].join('\n');
}

function helpText(spec: OptionSpec): string {
  const text = isOnByDefault(spec) ? `do not ${spec.help}` : spec.help;
  const choices = spec.choices === undefined ? '' : `: ${spec.choices.join(', ')}`;
  return `${text.replaceAll('`', '')}${choices}${defaultIsLeftOut(spec) ? '' : defaultText(spec)}`;
}

/** Too long for a line of the help, or obvious from the flag's name. */
const defaultIsLeftOut = (spec: OptionSpec): boolean =>
  kindOf(spec).isSwitch === true || (Array.isArray(spec.default) && spec.default.length > 3);
