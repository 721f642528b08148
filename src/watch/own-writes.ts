/**
 * Finds out which changes the program itself causes: its database, its reports, what it generates at each start. Such a
 * change must not restart the program for ever, and a person's save must always restart it. The kernel does not tell who
 * wrote a file. But it counts the bytes that a process has written to files (`write_bytes`; not to sockets, pipes or
 * terminals), so that a program that has written nothing cannot be the writer. Beside this evidence repetition is needed:
 * the same files, alone, in run after run, also when the restart comes later each time.
 */

import path from 'node:path';
import type { CancelTimer, Clock } from '../shared/clock.ts';
import type { Change } from '../shared/events.ts';

export interface OwnWritesOptions {
  readonly clock: Clock;
  /** Returns the bytes that the run has written to files so far; undefined where that is unknown. */
  readonly written: () => number | undefined;
  /** Returns the size of a file in bytes; undefined when it does not exist. */
  readonly sizeOf: (file: string) => number | undefined;
}

/** Answers the question what a burst of changes leads to. */
export type Judgement =
  /** It counts. */
  | { readonly kind: 'save' }
  /** The program has probably caused it: it restarts the program after a pause. */
  | { readonly kind: 'postponed'; readonly pauseMs: number }
  /** The program causes it in every run: it waits for another change. */
  | { readonly kind: 'own' };

/** A burst that the program itself has caused, seen for the first time or so often that it no longer counts. */
export interface OwnWriteNotice {
  /** The files, as an absolute pattern that can be ignored. A part that changes from run to run is `*`. */
  readonly files: string;
  /** The latest of them. */
  readonly example: string;
  readonly isFinal: boolean;
}

/** Evidence in this number of bursts is no coincidence: the restart is postponed. */
const minEvidence = 2;
/** Pauses before the restarts that follow. A write after each of them depends on the start of the program. */
const pausesMs = [500, 1000, 2000] as const;
/** Every so many bursts of the same files the evidence is gathered with more care, which takes the time of the debounce. */
const carefulRounds = 10;
/** The count is read this often: shortly after a start, later, and in a long run of a program that writes in every run. */
const samplePeriodsMs = { early: 20, late: 100, rare: 250 };
const earlyMs = 2000;
const lateMs = 30_000;
/** A burst of more changes is no single write: the count is read no more often. */
const maxReads = 20;
/** A program that has written to other files this shortly before the change may be no writer of this one. */
const calmMs = 150;
/** File systems count whole pages. */
const pageBytes = 4096;
/** A file system may write other pages along with those of the file. */
const maxExtraBytes = 16 * pageBytes;

interface Sample {
  readonly at: number;
  readonly bytes: number;
}

/** So many files of a burst are judged, so that a large one does not block devwatch. */
const maxJudged = 1000;

export class OwnWrites {
  readonly #options: OwnWritesOptions;
  /** For each pattern of files, the bursts in a row, and how many of them showed evidence. */
  readonly #rounds = new Map<string, number>();
  readonly #evidence = new Map<string, number>();
  readonly #reported = new Set<string>();
  #startedAt = 0;
  /** The count at the start of the run; undefined where nothing repeats. */
  #atStart: number | undefined;
  #samples: Sample[] = [];
  #cancelSample: CancelTimer | undefined;
  /** First change of the burst that is being debounced, and the count read at its changes. */
  #burst: { readonly at: number; readonly before: readonly Sample[]; bytes: number; reads: number } | undefined;

  constructor(options: OwnWritesOptions) {
    this.#options = options;
  }

  /**
   * A run has just been launched. Samples are taken if the latest changes came from files that keep changing, and the run
   * before has written to files at all: most programs do not, and a person may save the same file again and again.
   */
  started(): void {
    this.#startedAt = this.#options.clock.now();
    this.#burst = undefined;
    this.#samples = [];
    this.stop();
    const rounds = Math.max(0, ...this.#rounds.values());
    const before = this.#atStart;
    this.#atStart = rounds > 0 ? this.#options.written() : undefined;
    const hasWritten = before !== undefined && this.#atStart !== undefined && this.#atStart > before;
    if (this.#evidence.size > 0 || (rounds >= 2 && hasWritten)) this.#sample();
  }

  /** Takes no more samples until the next start. */
  stop(): void {
    this.#cancelSample?.();
    this.#cancelSample = undefined;
  }

  /** Notes a change at once, before anything is done about it. Returns whether the judgement should be waited for. */
  notice(file: string): boolean {
    if (this.#samples.length === 0) return false;
    const { clock, written } = this.#options;
    this.#burst ??= { at: clock.now(), before: [...this.#samples], bytes: 0, reads: 0 };
    this.#burst.reads += 1;
    if (this.#burst.reads <= maxReads) this.#burst.bytes = Math.max(this.#burst.bytes, written() ?? 0);
    const pattern = patternOf(file, 'change');
    const added = patternOf(file, 'add');
    const rounds = Math.max(this.#rounds.get(pattern) ?? 0, this.#rounds.get(added) ?? 0);
    const isSuspect = (this.#evidence.get(pattern) ?? this.#evidence.get(added) ?? 0) > 0;
    return isSuspect || (rounds > 0 && rounds % carefulRounds === 0);
  }

  /** Judges a complete burst. `notices`: what a person should learn of it. */
  judge(burst: readonly Change[]): { readonly judgement: Judgement; readonly notices: readonly OwnWriteNotice[] } {
    // A checkout may have changed 100,000 files.
    const changes = burst.slice(0, maxJudged);
    const patterns = new Set(changes.map(({ path: file, kind }) => patternOf(file, kind)));
    const isEvident = this.#isEvident(changes);
    this.#burst = undefined;
    for (const pattern of [...this.#rounds.keys()]) if (!patterns.has(pattern)) this.#rounds.delete(pattern);
    // Files that the program is known to write explain the bytes; then nothing is known of the others.
    const isExplained = [...patterns].some((pattern) => (this.#evidence.get(pattern) ?? 0) > 0);
    let fewest = Number.POSITIVE_INFINITY;
    for (const pattern of patterns) {
      this.#rounds.set(pattern, (this.#rounds.get(pattern) ?? 0) + 1);
      const known = this.#evidence.get(pattern) ?? 0;
      // A burst without evidence is a person's save, or nothing is known: what was sure has to be shown again.
      const evidence = isEvident && (known > 0 || !isExplained) ? known + 1 : Math.min(known - 1, minEvidence - 1);
      if (evidence > 0) this.#evidence.set(pattern, evidence);
      else this.#evidence.delete(pattern);
      fewest = Math.min(fewest, isEvident ? evidence : 0);
    }
    const judgement = judgementFor(fewest);
    return { judgement, notices: changes.flatMap((change) => this.#noticeFor(change, judgement)) };
  }

  #noticeFor({ path: example, kind }: Change, judgement: Judgement): OwnWriteNotice[] {
    if (this.#evidence.size === 0) return [];
    const isFinal = judgement.kind === 'own';
    const pattern = patternOf(example, kind);
    const key = `${isFinal} ${pattern}`;
    if (!this.#evidence.has(pattern) || this.#reported.has(key)) return [];
    this.#reported.add(key);
    const { dir, name } = path.parse(pattern);
    return [{ files: name === '*' ? dir : pattern, example, isFinal }];
  }

  /** Whether the run has written as much as these files hold, shortly before their changes, and nothing just before. */
  #isEvident(changes: readonly Change[]): boolean {
    const burst = this.#burst;
    const latest = burst?.before.at(-1);
    if (burst === undefined || latest === undefined) return false;
    const bytes = Math.max(burst.bytes, this.#options.written() ?? 0) - latest.bytes;
    const calm = burst.before.findLast(({ at }) => at <= burst.at - calmMs);
    if (calm !== undefined && calm.bytes < latest.bytes) return false;
    const sizes = changes.map(({ path: file }) => this.#options.sizeOf(file));
    const expected = sizes.reduce<number>((sum, size) => sum + pageBytes * Math.ceil((size ?? 0) / pageBytes), 0);
    // A run that has just begun may still be built or compiled, and write other files.
    const extra = calm === undefined ? pageBytes : expected + maxExtraBytes;
    return expected > 0 && bytes >= pageBytes && bytes <= expected + extra;
  }

  #sample(): void {
    const { clock, written } = this.#options;
    const at = clock.now();
    const bytes = written();
    if (bytes !== undefined) this.#samples.push({ at, bytes });
    if (this.#burst === undefined) this.#samples = this.#samples.slice(-2 * (calmMs / samplePeriodsMs.early));
    const age = at - this.#startedAt;
    const { early, late, rare } = samplePeriodsMs;
    const isOwn = [...this.#evidence.values()].some((evidence) => judgementFor(evidence).kind === 'own');
    if (age < lateMs || isOwn) {
      const period = age < earlyMs ? early : age < lateMs ? late : rare;
      this.#cancelSample = clock.after(period, () => this.#sample());
    } else {
      this.#samples = [];
    }
  }
}

function judgementFor(evidence: number): Judgement {
  if (evidence < minEvidence) return { kind: 'save' };
  const pauseMs = pausesMs[evidence - minEvidence];
  return pauseMs === undefined ? { kind: 'own' } : { kind: 'postponed', pauseMs };
}

/**
 * Returns a pattern that fits the files which a program writes instead of this one in its next run: a word with a digit may
 * be a pid, a date or a random name, and so may the whole name of a new file without one.
 */
export function patternOf(file: string, kind: Change['kind']): string {
  const { dir, name, ext } = path.parse(file);
  const isRandom = kind === 'add' && !/\d/.test(name);
  return path.join(dir, (isRandom ? '*' : name.replace(/\w*\d\w*/g, '*')) + ext);
}
