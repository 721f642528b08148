/**
 * The lines of a log. The one that devwatch keeps by default holds both streams in the order of their arrival, each line
 * behind its time, its stream and a mark, as in the logs of Kubernetes (CRI):
 *
 *     2026-01-31T12:00:00.000Z stdout F a line
 *     2026-01-31T12:00:00.210Z stderr P the beginning of a line, of which the rest follows in the next one of its stream
 *
 * A log in a place that the user has chosen (`--log`) holds the output as it is, or each line behind its time. Pure.
 */

export type StreamName = 'stdout' | 'stderr';

/** `F`: the line, or the rest of it, is complete; `P`: it goes on. */
export type Mark = 'F' | 'P';

export interface LogLine {
  /** When the line arrived, in epoch ms; undefined if the log does not tell. */
  readonly time: number | undefined;
  readonly stream: StreamName | undefined;
  /** Without the line feed. */
  readonly text: Buffer;
}

interface Entry extends LogLine {
  readonly goesOn: boolean;
}

const newline = 10;
/** `2026-01-31T12:00:00.000Z` */
const timeLength = 24;
const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
/** Length of the part before the text: the time, ` stdout `, the mark and a blank. */
const tagLength: number = timeLength + 10;

/** Returns what stands before the text of a line that arrives now. */
export const tagOf = (stream: StreamName, mark: Mark): string => `${new Date().toISOString()} ${stream} ${mark} `;

/** Returns a line that was made by `tagOf`, or has its time before the text, or neither. */
function parse(line: Buffer, isTagged: boolean): Entry {
  const stamp = line.toString('latin1', 0, timeLength);
  const time = timePattern.test(stamp) ? Date.parse(stamp) : undefined;
  const [, name, mark] = / (stdout|stderr) ([FP]) /.exec(line.toString('latin1', timeLength, tagLength)) ?? [];
  if (!isTagged || time === undefined || name === undefined)
    return { time, stream: undefined, text: line, goesOn: false };
  return { time, stream: name as StreamName, text: line.subarray(tagLength), goesOn: mark === 'P' };
}

/** Lines that are longer are passed on in pieces. */
export const maxLineBytes: number = 1024 * 1024;

/** Joins the lines of a log that were written in several pieces: of entries that come in their order. */
export class LineJoiner {
  readonly #isTagged: boolean;
  /** The beginnings of lines that go on. */
  readonly #begun = new Map<StreamName | undefined, LogLine>();

  constructor(isTagged: boolean, begun: readonly LogLine[] = []) {
    this.#isTagged = isTagged;
    for (const line of begun) this.#begun.set(line.stream, line);
  }

  /** Returns the line that this one completes. */
  add(line: Buffer): LogLine | undefined {
    const { goesOn, ...entry } = parse(line, this.#isTagged);
    const begun = this.#begun.get(entry.stream);
    const joined = begun === undefined ? entry : { ...begun, text: Buffer.concat([begun.text, entry.text]) };
    const isEnough = !goesOn || joined.text.length > maxLineBytes;
    if (isEnough) this.#begun.delete(entry.stream);
    else this.#begun.set(entry.stream, joined);
    return isEnough ? joined : undefined;
  }

  /** Returns the lines that have begun. */
  get begun(): readonly LogLine[] {
    return [...this.#begun.values()];
  }
}

/** Returns the streams of which the last line goes on; of a log with tags. */
export function begunStreams(lines: readonly Buffer[]): readonly StreamName[] {
  const joiner = new LineJoiner(true);
  for (const line of lines) joiner.add(line);
  return joiner.begun.flatMap(({ stream }) => stream ?? []);
}

/** Joins the lines of a log whose entries come in the opposite order, the last one first. */
export class BackwardJoiner {
  readonly #isTagged: boolean;
  /** Complete lines, the last one first; only those of the stream that is meant. */
  readonly lines: LogLine[] = [];
  readonly #stream: StreamName | undefined;
  readonly #begun = new Map<StreamName | undefined, LogLine>();
  /** The earliest line of each stream, of which an earlier entry may be the beginning: its place in `lines`. */
  readonly #earliest = new Map<StreamName | undefined, number>();

  constructor(isTagged: boolean, stream?: StreamName) {
    this.#isTagged = isTagged;
    this.#stream = stream;
  }

  /** Returns the time of the entry. */
  add(line: Buffer): number | undefined {
    const { goesOn, ...entry } = parse(line, this.#isTagged);
    const { stream, time, text } = entry;
    if (this.#stream !== undefined && stream !== undefined && stream !== this.#stream) return time;
    if (!goesOn) {
      this.#earliest.set(stream, this.lines.push(entry) - 1);
      return time;
    }
    const at = this.#earliest.get(stream);
    const rest = at === undefined ? this.#begun.get(stream) : this.lines[at];
    const joined = { stream, time, text: rest === undefined ? text : Buffer.concat([text, rest.text]) };
    if (at === undefined) this.#begun.set(stream, joined);
    else this.lines[at] = joined;
    return time;
  }

  /** Returns the lines that have begun at the end of the log. */
  get begun(): readonly LogLine[] {
    return [...this.#begun.values()];
  }
}

/** Puts the lines of several logs into one order: that of their times, and within a log that of its lines. */
export function mergeLines<Line extends { readonly time: number | undefined }>(
  logs: readonly (readonly Line[])[],
): Line[] {
  const timed = logs.flatMap((lines) => {
    // A line without a time belongs to the one before it.
    let last = Number.NEGATIVE_INFINITY;
    return lines.map((line) => {
      last = Math.max(last, line.time ?? last);
      return { line, at: last };
    });
  });
  return timed.sort((one, other) => (one.at === other.at ? 0 : one.at - other.at)).map(({ line }) => line);
}

/** Splits bytes into lines without their line feeds; the last one is what follows the last line feed. */
export function splitBytes(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let from = 0;
  for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, from)) {
    lines.push(bytes.subarray(from, end));
    from = end + 1;
  }
  lines.push(bytes.subarray(from));
  return lines;
}
