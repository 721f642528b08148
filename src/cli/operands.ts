/** Reads the words after a subcommand, with cac. */

import { type CAC, cac } from 'cac';
import { didYouMean, plain } from '../shared/did-you-mean.ts';
import { messageOf, UsageError } from '../shared/errors.ts';
import type { Invocation, Subcommand } from './subcommands.ts';

/** Describes a subcommand to cac. */
export function describeToCac({ name, usage = '[name|folder|all]...', options = {} }: Subcommand): CAC {
  const cli = cac('devwatch');
  const command = cli.command(`${name} [...operands]`).usage(`${name} ${usage}`.trimEnd());
  for (const [flag, help] of Object.entries(options)) command.option(flag, help);
  command.action(() => {});
  return cli;
}

/**
 * Reads options and operands; undefined if the words ask for help.
 *
 * @throws UsageError for an unknown option (with the nearest one), or a missing value
 */
export function readOperands(
  subcommand: Subcommand,
  words: readonly string[],
): Pick<Invocation, 'operands' | 'options'> | undefined {
  const cli = describeToCac(subcommand).option('-h, --help', '');
  const flags = Object.keys(subcommand.options ?? {});
  const end = words.includes('--') ? words.indexOf('--') : words.length;
  const head = words.slice(0, end).flatMap((word) => plainForm(word, flags));
  cli.parse(['', '', subcommand.name, ...head, ...words.slice(end)], { run: false });
  const { '--': rest = [], ...options } = cli.options;
  if (options.help === true) return undefined;
  try {
    cli.runMatchedCommand();
  } catch (error) {
    throw new UsageError(reword(messageOf(error), words, flags));
  }
  const values = Object.entries(options).map(([name, value]) => [name, value === true ? true : String(value)]);
  return { operands: [...cli.args, ...rest].map(String), options: Object.fromEntries(values) };
}

/** cac takes the word after a switch for its value, and reads `-n5` as two switches. */
function plainForm(word: string, flags: readonly string[]): readonly string[] {
  if (flags.some((flag) => !flag.includes('<') && flag.split(', ').includes(word))) return [`${word}=true`];
  const [, short, value] = /^(-\w)(\d+)$/.exec(word) ?? [];
  return short !== undefined && value !== undefined ? [short, value] : [word];
}

function reword(message: string, words: readonly string[], flags: readonly string[]): string {
  const [, name] = /^Unknown option `(.+)`$/.exec(message) ?? [];
  if (name === undefined) return message.replace(/^option `(.+)` value is missing$/, '$1 needs a value');
  // cac names the option in camel case and without `no-`.
  const plainName = (word: string): string => word.replaceAll(/^-+(no-)?|=.*|-/g, '').toLowerCase();
  const given = words.find((word) => word.startsWith('-') && plainName(word) === plainName(name)) ?? name;
  const known = flags.flatMap((flag) => flag.replace(/ <.*/, '').split(', '));
  return `unknown option ${given.replace(/=.*/, '')}${didYouMean(given, known, plain)}`;
}
