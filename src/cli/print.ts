/** Output and exit codes of the command line. */

import { codeOf, UsageError } from '../shared/errors.ts';
import { printable, printableJson } from '../shared/printable.ts';
import { foldFor } from '../terminal/format.ts';

export const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;

/** Prints lines of a result to stdout. */
export const print = (...lines: readonly string[]): void =>
  printRaw(lines.map((line) => `${printable(line)}\n`).join(''));

/** Returns lines whose rows after the first one are indented like the text, which stands behind `before`. */
export const hang = (before: string, text: string): string[] =>
  foldFor(process.stdout, printable(text), before.length).map((row, index) =>
    index === 0 ? `${before}${row}` : `${' '.repeat(before.length)}${row}`,
  );

/** Prints a value to stdout, as JSON. */
export const printJson = (value: unknown, indent?: number): void => printRaw(`${printableJson(value, indent)}\n`);

/** Prints the content of a file to stdout: a terminal shows it, anything else gets it as it is. */
export function printText(text: string): void {
  if (process.stdout.isTTY) print(...text.trimEnd().split('\n'));
  else printRaw(text);
}

/** Prints output of a program as it is. */
export const printRaw = (content: string | Uint8Array): void => void process.stdout.write(content);

/** Prints a message of devwatch to stderr. */
export function fail(message: string): void {
  const name = 'devwatch: ';
  const rows = foldFor(process.stderr, printable(message), name.length);
  process.stderr.write(`${name}${rows.join(`\n${' '.repeat(name.length)}`)}\n`);
}

/** Prints to stderr what is said beside the output of a program. */
export const note = (text: string): void => void process.stderr.write(`${printable(text)}\n`);

/** Ignores that a reader of the output, such as `head`, has closed the pipe. */
export function ignoreClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (codeOf(error) !== 'EPIPE') throw error;
    });
  }
}

/** Returns rows as lines whose columns are aligned. */
export function table(given: readonly (readonly string[])[]): string[] {
  // A column is as wide as what is printed.
  const rows = given.map((row) => row.map(printable));
  const columns = rows[0]?.map((_, column) => column) ?? [];
  const widths = columns.map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return rows.map((row) => line(row).trimEnd());
}

/** @throws UsageError if there are operands */
export function refuseOperands(subcommand: string, [first]: readonly string[]): void {
  if (first !== undefined) throw new UsageError(`devwatch ${subcommand} takes no arguments: ${first}`);
}
