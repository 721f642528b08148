/** Flags and defaults as `--help` and docs/options.md show them, and the tables of that page. */

import { kindOf } from './option-kinds.ts';
import { type OptionKey, type OptionSpec, optionGroups, optionKeys, specOf } from './options.ts';

export const isOnByDefault = (spec: OptionSpec): boolean =>
  kindOf(spec).isSwitch === true && (spec.default === true || spec.default === 'auto');

/** Returns a flag as it is typed: `-w, --watch <glob>`; undefined if an option has no flag. */
export function flagText(spec: OptionSpec): string | undefined {
  if (spec.flag === undefined) return undefined;
  const long = isOnByDefault(spec) ? `no-${spec.flag}` : spec.flag;
  return `${spec.short === undefined ? '' : `-${spec.short}, `}--${long}${spec.value === undefined ? '' : ` <${spec.value}>`}`;
}

/** Returns the default for people, such as ` (5s)`; empty if there is none to show. */
export function defaultText(spec: OptionSpec): string {
  const { default: value, byDefault } = spec;
  if (byDefault !== undefined) return ` (${byDefault})`;
  if (value === undefined || value === false) return '';
  if (typeof value === 'object' && value !== null && Object.keys(value).length === 0) return '';
  const format = kindOf(spec).format ?? String;
  return ` (${Array.isArray(value) ? value.join(', ') : format(value)})`;
}

/** Returns the part of docs/options.md that lists the options: a table for each group. */
export const optionTables = (): string =>
  optionGroups
    .map((group) => `## ${group}\n\n${tableOf(optionKeys.filter((key) => specOf(key).group === group))}`)
    .join('\n\n');

function tableOf(keys: readonly OptionKey[]): string {
  const rows = keys.map((key) => {
    const spec = specOf(key);
    const flag = flagText(spec);
    const alias = spec.alias === undefined ? '' : `, \`--${spec.alias}\``;
    const choices = spec.choices === undefined ? '' : `: ${spec.choices.map((choice) => `\`${choice}\``).join(', ')}`;
    const off = flag !== undefined && isOnByDefault(spec) ? '; the flag turns this off' : '';
    const help = `${spec.help}${choices}${off}`.replaceAll('|', '\\|');
    const byDefault = defaultText(spec)
      .trim()
      .replace(/^\((.*)\)$/, '`$1`');
    return `| ${flag === undefined ? '' : `\`${flag}\`${alias}`} | \`${key}\` | ${help} | ${byDefault} |`;
  });
  return ['| flag | key in `.watchrc` | what it does | default |', '|---|---|---|---|', ...rows].join('\n');
}
