/** Prints events, as lines for people or as JSON. Only this room prints them, and only this file uses colours. */

import type kleur from 'kleur';
import type { Settings } from '../config/settings-types.ts';
import { type Clock, systemClock } from '../shared/clock.ts';
import type { DevwatchEvent, Emit } from '../shared/events.ts';
import { printable, printableJson } from '../shared/printable.ts';
import { require } from '../shared/require.ts';
import { Condenser } from './condenser.ts';
import { notification } from './desktop-notification.ts';
import { foldFor } from './format.ts';
import { hyperlink, locationUrl, supportsHyperlinks } from './hyperlink.ts';
import { describeEnd, type Level, type Line, type Tone, type View } from './render.ts';

/** The part that follows from a program's settings. */
export interface ReporterSettings {
  readonly format: 'pretty' | 'json';
  readonly level: Level;
  readonly color: boolean;
  /** Clears the screen before each restart, if the stream is a terminal. */
  readonly clear: boolean;
  /** Shows desktop notifications, if the stream is a terminal. */
  readonly notify: boolean;
  /** Whether files are watched. */
  readonly watches: boolean;
}

/** Returns the reporter's part of a program's settings, for an output that can show colours or cannot. */
export function reporterSettingsOf(settings: Settings, canColor: boolean): ReporterSettings {
  const { logFormat: format, quiet, verbose, color, clear, notify, watch } = settings;
  const level = quiet ? 'quiet' : verbose ? 'verbose' : 'normal';
  return { format, level, color: color && canColor, clear, notify, watches: watch.length > 0 };
}

interface ReporterOptions extends ReporterSettings, View {
  /** Called once, at the first output: opening process.stderr takes 2.5 ms, for which no program should wait. */
  readonly stream: () => ReporterStream;
  readonly env: NodeJS.ProcessEnv;
  /** The program that the events are about, if devwatch runs several. */
  readonly app?: AppLabel | undefined;
  /** Returns how to get help in the terminal, if that is possible. Called when the program is up for the first time. */
  readonly hint?: () => string | undefined;
  readonly clock?: Clock;
}

export interface ReporterStream {
  readonly isTTY?: boolean;
  readonly columns?: number | undefined;
  write(text: string): unknown;
  on(event: 'error', listener: () => void): unknown;
}

/** The label of one of several programs. */
export interface AppLabel {
  readonly name: string;
  /** Its place among the programs, from 0; decides the colour of the name. */
  readonly index: number;
}

/**
 * Returns whether to write colours to this stream. NO_COLOR (https://no-color.org) and FORCE_COLOR
 * (https://force-color.org) decide; without them, whether the stream is a terminal that can show colours.
 */
export function wantsColor(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = env;
  if (NO_COLOR) return false;
  return FORCE_COLOR ? FORCE_COLOR !== '0' && FORCE_COLOR !== 'false' : stream.isTTY === true && TERM !== 'dumb';
}

/** kleur is loaded with the first line that is printed, so that the program starts before. */
function colors(enabled: boolean): typeof kleur {
  const loaded = require('kleur') as typeof kleur;
  loaded.enabled = enabled;
  return loaded;
}

/** Returns a function that paints a text in the colour of a tone, or leaves it as it is. */
export function painterOf(color: boolean): (text: string, tone: Tone) => string {
  const { green, red, yellow } = colors(color);
  const painters = { plain: (text: string) => text, good: green, bad: red, warning: yellow };
  return (text, tone) => painters[tone](text);
}

/**
 * Colours of the palette of 256 (teal, magenta, blue, brown, violet) that mean neither success nor failure. On black and
 * on white their contrast is at least 3:1; themes do not change them, as they do the first 16.
 */
const nameColors = [30, 133, 32, 137, 99] as const;

/** Returns a program's name in a colour that distinguishes it from its neighbours. */
export const paintName = ({ name, index }: AppLabel, color: boolean): string =>
  color ? `\u001b[38;5;${nameColors[index % nameColors.length]}m${name}\u001b[39m` : name;

const ranks: Readonly<Record<Level, number>> = { quiet: 0, normal: 1, verbose: 2 };
/** Clears the screen, but not the scrollback. */
const clearScreen = '\u001b[2J\u001b[H';

export class Reporter {
  #options: ReporterOptions;
  readonly #condenser: Condenser;
  #stream: ReporterStream | undefined;
  /** The program has crashed and is not up again. */
  #hasCrashed = false;

  constructor(options: ReporterOptions) {
    const { clock = systemClock, hint = () => undefined } = options;
    this.#options = options;
    this.#condenser = new Condenser({
      ...{ clock, hint, view: options },
      isWatching: () => this.#options.watches,
      print: (lines) => this.#printLines(lines),
    });
  }

  readonly report: Emit = (event) => {
    const { format, clear } = this.#options;
    if (format === 'json') return this.#writeJson(event);
    if (event.type === 'start' && event.run > 1 && clear && this.#output.isTTY) this.#output.write(clearScreen);
    this.#notify(event);
    this.#printLines(this.#condenser.linesFor(event));
  };

  /** Prints a line for people; a JSON stream contains events only. */
  print(text: string): void {
    if (this.#options.format === 'pretty') this.#printLine({ text, tone: 'plain' });
  }

  /** Applies changed settings. */
  configure(changed: Partial<ReporterSettings>): void {
    this.#options = { ...this.#options, ...changed };
  }

  get #output(): ReporterStream {
    if (this.#stream === undefined) {
      this.#stream = this.#options.stream();
      // The reader of the output may go away (`devwatch … 2>&1 | head`); the program keeps running.
      this.#stream.on('error', () => {});
    }
    return this.#stream;
  }

  #printLines(lines: readonly Line[]): void {
    for (const { level, ...line } of lines) if (ranks[level] <= ranks[this.#options.level]) this.#printLine(line);
  }

  #printLine({ text, tone, link }: Omit<Line, 'level'>): void {
    const { app, color, env } = this.#options;
    const paint = painterOf(color);
    const name = app === undefined ? '' : `${paintName(app, color)} `;
    const indent = `[devwatch] ${app === undefined ? '' : `${app.name} `}`.length;
    const linked = link !== undefined && supportsHyperlinks(this.#output, color, env) ? printable(link.text) : '';
    const withLink = (row: string): string =>
      link === undefined || linked === ''
        ? row
        : row.replace(linked, () => hyperlink(linked, locationUrl(link.location, env)));
    const rows = foldFor(this.#output, printable(text), indent).map((row) => paint(withLink(row), tone));
    this.#output.write(`${colors(color).dim('[devwatch]')} ${name}${rows.join(`\n${' '.repeat(indent)}`)}\n`);
  }

  #writeJson({ type, ...details }: DevwatchEvent): void {
    const common = { event: type, app: this.#options.app?.name, time: new Date().toISOString() };
    this.#output.write(`${printableJson({ ...common, ...details, settings: undefined })}\n`);
  }

  /** Shows a crash, and that the program is up again afterwards. */
  #notify(event: DevwatchEvent): void {
    const { notify, app, env } = this.#options;
    if (!notify || !this.#output.isTTY) return;
    const title = app === undefined ? 'devwatch' : `devwatch ${app.name}`;
    const show = (body: string): void => void this.#output.write(notification(title, body, env));
    if (event.type === 'crash') {
      this.#hasCrashed = true;
      show(describeEnd(event, this.#options.folder));
    } else if (this.#hasCrashed && (event.type === 'ready' || event.type === 'exit')) {
      this.#hasCrashed = false;
      show(event.type === 'ready' ? 'the program is up again' : 'the program ended cleanly');
    }
  }
}
