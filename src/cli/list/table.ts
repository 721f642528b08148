/** The table of `devwatch list`: as many columns as fit the terminal. Pure. */

import { formatBytes } from '../../shared/format.ts';
import { printable } from '../../shared/printable.ts';
import { formatPath } from '../../terminal/format.ts';
import type { Tone } from '../../terminal/render.ts';
import type { Row } from './rows.ts';

/** Colours a text. */
export type Paint = (text: string, tone: Tone) => string;

interface Column {
  readonly head: string;
  readonly cell: (row: Row) => string | number | undefined;
  /** Where the narrower cells of the column stand. */
  readonly side: 'left' | 'right';
  readonly tone?: (row: Row) => Tone;
  /** It is shortened down to this number of characters before a column is left out; by default it is not. */
  readonly least?: number;
}

const columns = {
  name: { head: 'name', side: 'left', cell: ({ name }) => name },
  state: { head: 'state', side: 'left', cell: describeState, tone: toneOf },
  pid: { head: 'pid', side: 'right', cell: ({ pid }) => pid },
  up: { head: 'up', side: 'right', cell: ({ uptime }) => uptime && formatUptime(uptime) },
  restarts: { head: 'restarts', side: 'right', cell: ({ restarts }) => restarts },
  cpu: { head: 'cpu', side: 'right', cell: ({ cpu }) => cpu?.toFixed(0).concat('%') },
  memory: { head: 'memory', side: 'right', cell: ({ memory }) => memory && formatBytes(memory) },
  port: { head: 'port', side: 'right', cell: ({ port }) => port },
  watching: { head: 'watching', side: 'left', cell: ({ watching }) => watching },
  script: { head: 'script', side: 'left', cell: ({ program }) => program, least: 12 },
  folder: { head: 'folder', side: 'left', cell: ({ folder }) => folder },
} as const satisfies Readonly<Record<string, Column>>;

type ColumnName = keyof typeof columns;

/** The columns that are left out of a narrow terminal, one after the other. */
const dispensable: readonly ColumnName[] = [
  ...(['folder', 'script', 'watching', 'restarts', 'pid', 'memory', 'port', 'up', 'cpu'] as const),
];

const gap = '  ';
/** Names and states are not shortened further. */
const leastWidth = 8;

/**
 * Returns the lines of the table, the head first.
 *
 * @param width of the terminal in characters; without it nothing is left out or shortened
 */
export function listLines(rows: readonly Row[], width: number | undefined, paint: Paint): string[] {
  const shown = Object.entries<Column>(columns).map(([name, column]) => {
    const cells = rows.map((row) => printable(String(column.cell(row) ?? '–')));
    return { ...column, name, cells, width: Math.max(...[column.head, ...cells].map(({ length }) => length)) };
  });
  const fitting = width === undefined ? shown : fitColumns(shown, width);
  const line = (texts: readonly string[], toneAt: (column: Column) => Tone): string =>
    fitting
      .map((column, index) => {
        const cell = cut(texts[shown.findIndex(({ name }) => name === column.name)] ?? '', column.width);
        const isLast = index === fitting.length - 1;
        const room = ' '.repeat(column.side === 'left' && isLast ? 0 : column.width - cell.length);
        const painted = paint(cell, toneAt(column));
        return column.side === 'left' ? painted + room : room + painted;
      })
      .join(gap);
  return [
    line(
      shown.map(({ head }) => head),
      () => 'plain',
    ),
    ...rows.map((row, index) =>
      line(
        shown.map(({ cells }) => cells[index] ?? ''),
        ({ tone }) => tone?.(row) ?? 'plain',
      ),
    ),
  ];
}

/** Leaves out and shortens columns until all of them fit. */
function fitColumns<Shown extends Column & { readonly name: string; readonly width: number }>(
  all: readonly Shown[],
  width: number,
): readonly Shown[] {
  const excessOf = (columns: readonly Shown[]): number =>
    columns.reduce((sum, column) => sum + column.width + gap.length, -gap.length) - width;
  let left = all;
  for (const name of dispensable) {
    const excess = excessOf(left);
    if (excess <= 0) return left;
    const column = left.find((one) => one.name === name);
    const shortened = Math.max(0, (column?.width ?? 0) - excess);
    const canShorten = column?.least !== undefined && shortened >= column.least;
    left = canShorten
      ? left.map((one) => (one.name === name ? { ...one, width: shortened } : one))
      : left.filter((one) => one.name !== name);
  }
  for (const name of ['state', 'name']) {
    const excess = Math.max(0, excessOf(left));
    left = left.map((one) =>
      one.name === name ? { ...one, width: Math.min(one.width, Math.max(leastWidth, one.width - excess)) } : one,
    );
  }
  return left;
}

const cut = (text: string, width: number): string => (text.length <= width ? text : `${text.slice(0, width - 1)}…`);

function describeState(row: Row): string {
  const { state, reason, awaited, folder = '' } = row;
  const shown = awaited === undefined ? state : `waiting for ${formatPath(awaited, folder)}`;
  return [reason === undefined ? shown : `${shown} (${reason})`, ...describePlan(row)].join(' · ');
}

/** Describes what follows from a crash; a program that has ended well needs no description. */
function describePlan({ state, next, retryIn }: Row): readonly string[] {
  if (next === 'restart') return [`again in ${Math.max(1, Math.ceil((retryIn ?? 0) / secondMs))} s`];
  if (state !== 'crashed' || next === undefined) return [];
  return [next === 'gave up' ? next : 'waiting'];
}

function toneOf({ state }: Row): Tone {
  switch (state) {
    case 'up':
    case 'running':
      return 'good';
    case 'crashed':
    case 'dead':
      return 'bad';
    case 'stopped':
    case 'ended':
      return 'plain';
    default:
      return 'warning';
  }
}

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** Formats how long a program has been running, in one unit: `45 s`, `12 min`, `3 h`, `9 d`. */
function formatUptime(ms: number): string {
  const units = [
    [2 * dayMs, dayMs, 'd'],
    [2 * hourMs, hourMs, 'h'],
    [2 * minuteMs, minuteMs, 'min'],
  ] as const;
  const [, unitMs, name] = units.find(([from]) => ms >= from) ?? [0, secondMs, 's'];
  return `${Math.floor(ms / unitMs)} ${name}`;
}
