/** Output and exit codes of the command line. */

import { codeOf, UsageError } from '../shared/errors.ts';
import { foldFor } from '../terminal/format.ts';

export const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;

/** Prints a line of a result to stdout. */
export const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** Prints a message of devwatch to stderr. */
export function fail(message: string): void {
  const name = 'devwatch: ';
  const rows = foldFor(process.stderr, message, name.length);
  process.stderr.write(`${name}${rows.join(`\n${' '.repeat(name.length)}`)}\n`);
}

/** Ignores that a reader of the output, such as `head`, has closed the pipe. */
export function ignoreClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (codeOf(error) !== 'EPIPE') throw error;
    });
  }
}

/** Returns rows as lines whose columns are aligned. */
export function table(rows: readonly (readonly string[])[]): string {
  const columns = rows[0]?.map((_, column) => column) ?? [];
  const widths = columns.map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}

/** @throws UsageError if there are operands */
export function refuseOperands(subcommand: string, [first]: readonly string[]): void {
  if (first !== undefined) throw new UsageError(`devwatch ${subcommand} takes no arguments: ${first}`);
}
