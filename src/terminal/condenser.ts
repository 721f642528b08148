/** Condenses the events of a program into few lines: one for each run that works, and one for many ignored files. */

import type { CancelTimer, Clock } from '../shared/clock.ts';
import type { DevwatchEvent, EventOf } from '../shared/events.ts';
import { formatTime } from '../shared/format.ts';
import { formatAddress, formatChanges, formatCount } from './format.ts';
import { type Level, type Line, render, renderArmed, type View } from './render.ts';

export interface CondenserOptions {
  readonly clock: Clock;
  readonly view: View;
  /** Whether the event `watching` is expected. */
  readonly isWatching: () => boolean;
  /** Called once, when the program is up for the first time: returns how to get help, or undefined. */
  readonly hint: () => string | undefined;
  /** Prints lines that follow no event. */
  readonly print: (lines: readonly Line[]) => void;
}

/** A restart is reported without its result if that takes twice as long as in the run before, and this long. */
const minResultWaitMs = 1500;
/** The line about the first run that is up waits this long for the number of linked packages. */
const maxWatchingWaitMs = 1000;
/** After this many ignored files in a row, further ones are only counted. */
const maxIgnoredLines = 10;
/** The count is printed after this time without another ignored file. */
const ignoredPauseMs = 1000;

/** The parts of a line; absent ones are left out. */
type Parts = readonly (string | false | undefined)[];

const lineOf = (parts: Parts, level: Level = 'normal'): Line => ({
  text: parts.filter(Boolean).join(' · '),
  tone: level === 'normal' ? 'good' : 'plain',
  level,
});

/** Returns lines that are printed with `--verbose` only. */
const quietly = (lines: readonly Line[]): readonly Line[] => lines.map((line) => ({ ...line, level: 'verbose' }));

export class Condenser {
  readonly #options: CondenserOptions;
  #program = '';
  /** The beginning of the line about a restart whose result is not known yet. */
  #restart: string | undefined;
  /** The latest result of a run; undefined if the next one may run for long without a result. */
  #latest: { readonly ms: number; readonly isUp: boolean } | undefined;
  /** Prints the line about the first run that is up, unless that is printed. */
  #introduce: (() => readonly Line[]) | undefined;
  #isIntroduced = false;
  #linkedPackages: number | undefined;
  /** The patterns have been printed, without the number of files. */
  #isScanning = false;
  #address = '';
  #hasReportedWait = false;
  /** The subject of the latest line about the watched files; undefined when settings have changed since. */
  #watching: string | undefined;
  /** Files ignored in a row. */
  #ignored = 0;
  readonly #cancel: Record<'restart' | 'introduction' | 'ignored', CancelTimer> = {
    restart() {},
    introduction() {},
    ignored() {},
  };

  constructor(options: CondenserOptions) {
    this.#options = options;
  }

  /** Returns the lines to print for an event. */
  linesFor(event: DevwatchEvent): readonly Line[] {
    return event.type === 'ignored' ? this.#onIgnored(event) : [...this.#endIgnored(), ...this.#onOther(event)];
  }

  #onOther(event: DevwatchEvent): readonly Line[] {
    const lines = render(event, this.#options.view);
    switch (event.type) {
      case 'start':
        return [...this.#flush(), ...this.#onStart(event), ...lines];
      case 'scanning':
        this.#isScanning = true;
        return [...(this.#watching === undefined ? lines : quietly(lines)), ...this.#flushIntroduction()];
      case 'watching':
        this.#linkedPackages = event.linkedPackages;
        return [...this.#onWatching(event, lines), ...this.#flushIntroduction()];
      case 'settings':
        this.#watching = undefined;
        return lines;
      case 'address':
        this.#latest = { ms: event.ms, isUp: true };
        return [
          ...this.#flushIntroduction(),
          ...this.#onUp(`answering in ${formatTime(event.ms)}`, formatAddress(event)),
        ];
      case 'ready':
        this.#latest = { ms: event.ms, isUp: true };
        return this.#onUp(`answering in ${formatTime(event.ms)}`, formatAddress(event));
      case 'running':
        this.#latest = undefined;
        return this.#isIntroduced ? lines : [...lines, ...this.#onUp('running', '')];
      case 'crash':
      case 'exit': {
        this.#latest = { ms: event.uptime, isUp: false };
        const introduction = this.#flushIntroduction();
        const restart = this.#takeRestart();
        return [...introduction, ...lines.map((line) => ({ ...line, text: lineOf([restart, line.text]).text }))];
      }
      case 'debugged':
        return this.#onDebugged(event, lines);
      case 'stopping':
      case 'end':
        return [...this.#flush(), ...lines];
      default:
        return lines;
    }
  }

  /** An installation, for example, may change which packages are linked: then the files are found once more. */
  #onWatching(event: EventOf<'watching'>, lines: readonly Line[]): readonly Line[] {
    const { program, patterns, extensions, backend } = event;
    const subject = JSON.stringify([program, patterns, extensions, backend]);
    const isKnown = this.#watching === subject;
    this.#watching = subject;
    const shown = this.#isScanning ? renderArmed(event) : lines;
    this.#isScanning = false;
    return isKnown ? quietly(shown) : shown;
  }

  /** With a debugger, each save may end a run that waits for it. */
  #onDebugged({ effect }: EventOf<'debugged'>, lines: readonly Line[]): readonly Line[] {
    if (effect !== 'killed') return lines;
    const isKnown = this.#hasReportedWait;
    this.#hasReportedWait = true;
    return isKnown ? quietly(lines) : lines;
  }

  #onStart({ program, run, cause, changes }: EventOf<'start'>): readonly Line[] {
    const { clock, print, view } = this.#options;
    this.#program = program;
    // The line about the watched files reports the first start, the line of the crash the start after it.
    if (cause === 'start' || cause === 'crash' || cause === 'exit') return [];
    const why = cause === 'schedule' && 'by schedule';
    this.#restart = lineOf([run === 1 ? 'started' : 'restarted', why, formatChanges(changes, view.folder)]).text;
    if (this.#latest === undefined) return this.#flush();
    const { ms, isUp } = this.#latest;
    this.#cancel.restart = clock.after(Math.max(2 * ms, minResultWaitMs), () =>
      print([lineOf([this.#takeRestart(), isUp && 'not answering yet'])]),
    );
    return [];
  }

  /** Returns the line of a run that is up. The first one also introduces the program. */
  #onUp(state: string, address: string): readonly Line[] {
    const newAddress = address !== this.#address && address;
    this.#address = address;
    if (this.#isIntroduced) return [lineOf([this.#takeRestart(), state, newAddress])];
    const { clock, isWatching, hint, print } = this.#options;
    this.#isIntroduced = true;
    const subject = this.#takeRestart() ?? this.#program;
    this.#introduce = () => {
      const { linkedPackages = 0 } = { linkedPackages: this.#linkedPackages };
      const linked = linkedPackages > 0 && `${formatCount(linkedPackages, 'linked package')} watched`;
      return [lineOf([subject, state, address, linked, hint()])];
    };
    if (!isWatching() || this.#isScanning || this.#linkedPackages !== undefined) return this.#flushIntroduction();
    this.#cancel.introduction = clock.after(maxWatchingWaitMs, () => print(this.#flushIntroduction()));
    return [];
  }

  #flush(): readonly Line[] {
    const introduction = this.#flushIntroduction();
    const restart = this.#takeRestart();
    return restart === undefined ? introduction : [...introduction, lineOf([restart])];
  }

  #flushIntroduction(): readonly Line[] {
    this.#cancel.introduction();
    const introduce = this.#introduce;
    this.#introduce = undefined;
    return introduce?.() ?? [];
  }

  #takeRestart(): string | undefined {
    this.#cancel.restart();
    const restart = this.#restart;
    this.#restart = undefined;
    return restart;
  }

  #onIgnored(event: EventOf<'ignored'>): readonly Line[] {
    const { clock, print, view } = this.#options;
    this.#ignored += 1;
    if (this.#ignored <= maxIgnoredLines) return render(event, view);
    this.#cancel.ignored();
    this.#cancel.ignored = clock.after(ignoredPauseMs, () => print(this.#endIgnored()));
    return [];
  }

  #endIgnored(): readonly Line[] {
    this.#cancel.ignored();
    const more = this.#ignored - maxIgnoredLines;
    this.#ignored = 0;
    return more > 0 ? [lineOf([`ignored ${more} more`], 'verbose')] : [];
  }
}
