/** `devwatch list`: shows the programs in the background. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type BackgroundEntry, listEntries } from '../background/records.ts';
import { UsageError } from '../shared/errors.ts';
import { printable } from '../shared/printable.ts';
import { foldFor } from '../terminal/format.ts';
import { painterOf, wantsColor } from '../terminal/reporter.ts';
import { selectEntries } from './background-programs.ts';
import { jsonVersion, ProgramStates, type Row } from './list/rows.ts';
import { Screen } from './list/screen.ts';
import { listLines, type Paint } from './list/table.ts';
import { printJson, printRaw } from './print.ts';
import type { Invocation } from './subcommands.ts';

/** CPU usage is that of this time. */
const samplingMs = 500;
const refreshMs = 2000;

/** Prints the programs that are named, or all. */
export async function execute({ operands, options }: Invocation): Promise<void> {
  const find = (): readonly BackgroundEntry[] =>
    operands.length === 0 ? listEntries() : selectEntries(operands, 'list', true);
  if (options.watch === true) return watch(find, options.json === true);
  const states = new ProgramStates();
  let rows = await states.read(find());
  if (rows.some(({ pid }) => pid !== undefined)) {
    await sleep(samplingMs);
    rows = await states.read(find());
  }
  if (options.json === true) return printJson({ version: jsonVersion, programs: rows }, 2);
  const { isTTY, columns } = process.stdout;
  const lines = linesOf(rows, isTTY ? columns : undefined);
  printRaw(lines.map((line) => `${line}\n`).join(''));
}

/** Shows the table until the user ends it. @throws UsageError if there is no terminal */
async function watch(find: () => readonly BackgroundEntry[], isJson: boolean): Promise<void> {
  if (isJson) throw new UsageError('--watch shows a table, --json prints once: use one of them');
  if (!process.stdout.isTTY || process.env.TERM === 'dumb')
    throw new UsageError('--watch needs a terminal that it can redraw · devwatch list prints the table once');
  const states = new ProgramStates();
  let rows: readonly Row[] | undefined;
  const show = (): void => {
    if (rows === undefined) return;
    const lines = linesOf(rows, screen.columns);
    const room = Math.max(1, screen.rows - 2);
    const hidden = lines.length - room;
    const footer = `every ${refreshMs / 1000} s · q ends${hidden > 0 ? ` · ${hidden} more below` : ''}`;
    screen.show([...lines.slice(0, room), '', footer]);
  };
  const screen = new Screen(show);
  try {
    for (let pauseMs = samplingMs; !screen.ended.aborted; pauseMs = refreshMs) {
      rows = await states.read(find());
      show();
      await sleep(pauseMs, undefined, { signal: screen.ended }).catch(() => {});
    }
  } finally {
    screen.close();
  }
}

/** Returns the lines that show the programs, without control characters of theirs. */
function linesOf(rows: readonly Row[], width: number | undefined): readonly string[] {
  if (rows.length === 0) return ['nothing runs in the background · devwatch start <script>'];
  const paint: Paint = painterOf(wantsColor(process.stdout, process.env));
  const problems = rows.flatMap(({ name, problem }) => (problem === undefined ? [] : [`${name}: ${problem}`]));
  const remarks = problems.flatMap((text) => foldFor(process.stdout, printable(text), 0));
  return [...listLines(rows, width, paint), ...remarks.map((remark) => paint(remark, 'warning'))];
}
