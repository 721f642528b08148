/** Reads the words after a subcommand. */

import { parseArgs } from 'node:util';
import { didYouMean, plain } from '../config/did-you-mean.ts';
import { messageOf, UsageError } from '../shared/errors.ts';
import type { Invocation, Subcommand } from './subcommands.ts';

/**
 * Reads options and operands; undefined if the words ask for help.
 *
 * @throws UsageError for an unknown option (with the nearest one), or a missing value
 */
export function readOperands(
  { options = {} }: Subcommand,
  words: readonly string[],
): Pick<Invocation, 'operands' | 'options'> | undefined {
  const flags = ['-h, --help', ...Object.keys(options)];
  const specs = flags.map((flag) => {
    const [, short, name = '', value] = /^(?:-(\w), )?--([\w-]+)( <)?/.exec(flag) ?? [];
    const type = value === undefined ? 'boolean' : 'string';
    return [name, { type, ...(short !== undefined && { short }) }] as const;
  });
  try {
    const args = [...words];
    const { values, positionals } = parseArgs({ args, options: Object.fromEntries(specs), allowPositionals: true });
    return values.help === true ? undefined : { operands: positionals, options: values };
  } catch (error) {
    throw new UsageError(reword(messageOf(error), flags));
  }
}

function reword(message: string, flags: readonly string[]): string {
  const [, kind, name = ''] = /^(Unknown option|Option) '([^',]+)/.exec(message) ?? [];
  const namesOf = (flag: string): readonly string[] => flag.replace(/ <.*/, '').split(', ');
  if (kind === 'Unknown option') return `unknown option ${name}${didYouMean(name, flags.flatMap(namesOf), plain)}`;
  const flag = flags.find((known) => namesOf(known).includes(name)) ?? name;
  return `${flag} ${message.includes('does not take') ? 'takes no' : 'needs a'} value`;
}
