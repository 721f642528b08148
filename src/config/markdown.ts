/** The table of options for the README. */

import { defaultText, flagText } from './flag-text.ts';
import { optionKeys, specOf } from './options.ts';

/** Returns the README's table of options. */
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
