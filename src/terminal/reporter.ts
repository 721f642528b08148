/** Renders facts. Nothing else in devwatch prints, and nothing else knows of colours. */

import type kleur from 'kleur';
import type { DevwatchEvent, Emit, EventOf, Next } from '../shared/events.ts';
import { require } from '../shared/require.ts';
import { unreachable } from '../shared/unreachable.ts';
import { notification } from './desktop-notification.ts';
import {
  formatChanges,
  formatClock,
  formatCount,
  formatOutcome,
  formatPath,
  formatTime,
  formatVerdict,
} from './format.ts';

/** What settings say of it. */
export interface ReporterSettings {
  readonly format: 'pretty' | 'json';
  readonly level: 'quiet' | 'normal' | 'verbose';
  readonly color: boolean;
  /** Clears the screen before each restart, if the stream is a terminal. */
  readonly clear: boolean;
  /** Notifications of the terminal, where the stream is one. */
  readonly notify: boolean;
}

export interface ReporterOptions extends ReporterSettings {
  /** Asked for once, when there is something to print: to open process.stderr takes 2.5 ms, which no program waits for. */
  readonly stream: () => ReporterStream;
  readonly env: NodeJS.ProcessEnv;
  /** Which of several programs it is that is told of. */
  readonly app?: AppLabel | undefined;
  /** Paths are shown relative to this folder. */
  readonly folder: string;
  readonly version: string;
}

export interface ReporterStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
  on(event: 'error', listener: () => void): unknown;
}

/** One of several programs. */
export interface AppLabel {
  readonly name: string;
  /** Its place among them: it decides the colour. */
  readonly index: number;
}

/**
 * Does this stream show colours? https://no-color.org and https://force-color.org first, then
 * whether it is a terminal that can.
 */
export function wantsColor(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false;
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '')
    return env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false';
  return stream.isTTY === true && env.TERM !== 'dumb';
}

type Tone = 'plain' | 'good' | 'bad' | 'warning';

interface Line {
  readonly text: string;
  readonly tone: Tone;
  readonly level: 'quiet' | 'normal' | 'verbose';
}

const ranks = { quiet: 0, normal: 1, verbose: 2 } as const;

export interface Reporter {
  readonly report: Emit;
  /** Prints a line for people; nothing where events are read by programs. */
  say(text: string): void;
  /** New settings are in force. */
  configure(options: Partial<ReporterOptions>): void;
}

/** Loaded with the first line that is printed: at the start the program comes first. */
function colors(enabled: boolean): typeof kleur {
  const loaded = require('kleur') as typeof kleur;
  loaded.enabled = enabled;
  return loaded;
}

/** None of them says that something is good or bad. */
const nameColors = ['cyan', 'magenta', 'blue', 'white', 'gray'] as const;

/** A program's name, in a colour that tells it from its neighbours. */
export function paintName({ name, index }: AppLabel, color: boolean): string {
  return colors(color)[nameColors[index % nameColors.length] ?? 'cyan'](name);
}

export function createReporter(initial: ReporterOptions): Reporter {
  let options = initial;
  let opened: ReporterStream | undefined;

  function stream(): ReporterStream {
    if (opened === undefined) {
      opened = options.stream();
      // Whoever read our lines has gone (`devwatch … 2>&1 | head`): the program goes on all the same.
      opened.on('error', () => {});
    }
    return opened;
  }

  function print(text: string, tone: Tone): void {
    const paint = colors(options.color);
    const painted = { plain: (s: string) => s, good: paint.green, bad: paint.red, warning: paint.yellow }[tone](text);
    const whose = options.app === undefined ? '' : `${paintName(options.app, options.color)} `;
    stream().write(`${paint.dim('[devwatch]')} ${whose}${painted}\n`);
  }

  let hasCrashed = false;

  function notify(event: DevwatchEvent): void {
    if (!options.notify || !stream().isTTY) return;
    const title = options.app === undefined ? 'devwatch' : `devwatch ${options.app.name}`;
    const tell = (body: string): void => void stream().write(notification(title, body, options.env));
    if (event.type === 'crash') {
      hasCrashed = true;
      tell(whatEnded(event));
    } else if (hasCrashed && (event.type === 'ready' || event.type === 'exit')) {
      hasCrashed = false;
      tell(event.type === 'ready' ? 'the program is up again' : 'the program ended cleanly');
    }
  }

  function report(event: DevwatchEvent): void {
    if (options.format === 'json') {
      const { type, ...details } = event;
      stream().write(
        `${JSON.stringify({ event: type, app: options.app?.name, time: new Date().toISOString(), ...details }, withoutSettings)}\n`,
      );
      return;
    }
    if (event.type === 'start' && options.clear && stream().isTTY && event.run > 1) {
      // The screen, not the scrollback: what was there can still be read.
      stream().write('\u001b[2J\u001b[H');
    }
    notify(event);
    for (const line of render(event, options)) {
      if (ranks[line.level] <= ranks[options.level]) print(line.text, line.tone);
    }
  }

  return {
    report,
    say(text) {
      // Whoever reads JSON reads nothing but events.
      if (options.format === 'pretty') print(text, 'plain');
    },
    configure(changed) {
      options = { ...options, ...changed };
    },
  };
}

const withoutSettings = (key: string, value: unknown): unknown => (key === 'settings' ? undefined : value);

/** The lines that a fact is worth; exported for the tests. */
export function render(event: DevwatchEvent, { folder, version }: Pick<ReporterOptions, 'folder' | 'version'>): Line[] {
  const line = (text: string, tone: Tone = 'plain', level: Line['level'] = 'normal'): Line[] => [{ text, tone, level }];
  switch (event.type) {
    case 'watching': {
      const { program, patterns, extensions, files, backend, directories, ms } = event;
      const what = extensions === null ? 'all files' : extensions.join(' ');
      const how = backend === 'inotify' ? '' : ` · by ${backend}`;
      return [
        ...line(
          `${version} · ${program} · watching ${patterns.join(' ')} (${what}) · ${formatCount(files, 'file')}${how}`,
        ),
        ...line(`armed in ${formatTime(ms)} · ${formatCount(directories, 'folder')} · ${backend}`, 'plain', 'verbose'),
      ];
    }
    case 'watchingLoads':
      return line(`also watching what it loads: ${formatCount(event.files.length, 'file')}`, 'plain', 'verbose');
    case 'start':
      return renderStart(event, folder);
    case 'ready':
      return line(
        `answering in ${formatTime(event.ms)}${event.port === undefined ? '' : ` · port ${event.port}`}`,
        'good',
        event.run === 1 ? 'verbose' : 'normal',
      );
    case 'running':
      return line(`running for ${formatTime(event.ms)} without a sign of readiness`, 'plain', 'verbose');
    case 'pages':
      return line(
        `${event.styles ? 'styles' : 'pages'} reloaded · ${event.paths.map((file) => formatPath(file, folder)).join(' ')}`,
        'good',
      );
    case 'liveReload':
      return line(`live reload · <script src="${event.url}"></script>`);
    case 'begin':
      return line(`its own code begins after ${formatTime(event.ms)}`, 'plain', 'verbose');
    case 'change':
      return event.changes.flatMap(({ kind, path, rule }) =>
        line(`${kind} ${formatPath(path, folder)}${rule === undefined ? '' : ` · watch ${rule}`}`, 'plain', 'verbose'),
      );
    case 'ignored':
      return line(
        `passed over ${formatPath(event.path, folder)} · ${formatVerdict(event.verdict)}`,
        'plain',
        'verbose',
      );
    case 'crash':
      return line(`${whatEnded(event)} · ${formatNext(event.next)}`, 'bad');
    case 'exit':
      return line(`exited cleanly · ${formatNext(event.next)}`, 'good');
    case 'standby':
      return line(`standby ready · pid ${event.pid}`, 'plain', 'verbose');
    case 'input':
      return [];
    case 'portTaken':
      return renderPortTaken(event);
    case 'wait':
      return line(event.reason === 'after' ? `waiting for ${event.programs.join(', ')}` : 'waiting for a change');
    case 'stopping':
      return renderStopping(event);
    case 'slowStop': {
      const { signal, killIn } = event;
      const asked = signal === 'message' ? '"shutdown"' : signal;
      return line(`the old run has not ended on ${asked} yet · killed in ${formatTime(killIn)}`);
    }
    case 'gone':
      return [
        ...event.survivors.flatMap(({ pid, command, reason }) =>
          line(`left running: pid ${pid} (${command}) ${reason}`, 'warning', 'quiet'),
        ),
        ...line(`the old tree is gone after ${formatTime(event.ms)}`, 'plain', 'verbose'),
      ];
    case 'settings':
      return line(`${formatPath(event.file, folder)} changed: ${event.changed.join(', ')}`);
    case 'warning':
      return line(event.message, 'warning', 'quiet');
    case 'problem':
      return line(event.message, 'bad', 'quiet');
    case 'end':
      return line('ended', 'plain', 'verbose');
    default:
      return unreachable(event);
  }
}

const whatEnded = ({ outcome, uptime }: EventOf<'crash'>): string =>
  outcome.reason ?? outcome.error ?? `crashed (${formatOutcome(outcome)}) after ${formatTime(uptime)}`;

function renderStart({ run, pid, cause, changes, standby, gone, quiet, ms }: EventOf<'start'>, folder: string): Line[] {
  const steps = [
    gone === undefined ? '' : ` · old tree gone after ${formatTime(gone)}`,
    quiet === undefined ? '' : ` · quiet after ${formatTime(quiet)}`,
  ].join('');
  const process: Line = {
    text: `run ${run}${pid === undefined ? '' : ` · pid ${pid}`} · ${cause}${standby ? ' · from standby' : ''}${steps}`,
    tone: 'plain',
    level: 'verbose',
  };
  // The first start is told by the line about what is watched, one after a crash by the crash's own line.
  if (cause === 'start' || cause === 'crash' || cause === 'exit') return [process];
  const files = changes.length === 0 ? '' : ` · ${formatChanges(changes, folder)}`;
  const verb = run === 1 ? 'started' : 'restarted';
  return [{ text: `${verb} in ${formatTime(ms)}${files}`, tone: 'good', level: 'normal' }, process];
}

function renderStopping({ run, stage, grace }: EventOf<'stopping'>): Line[] {
  if (stage !== 'killing') return [{ text: `ending run ${run}`, tone: 'plain', level: 'verbose' }];
  const text = grace === null ? 'killing it' : `still running after ${formatTime(grace)} · killing it`;
  return [{ text, tone: 'warning', level: 'normal' }];
}

function renderPortTaken({ port, holders }: EventOf<'portTaken'>): Line[] {
  if (holders.length === 0) {
    return [
      { text: `port ${port} is taken by a process that is not visible from here`, tone: 'warning', level: 'quiet' },
    ];
  }
  return holders.map(({ pid, command, user, since }) => ({
    text: `port ${port} is taken by pid ${pid} (${command}) of ${user}, since ${formatClock(since)}`,
    tone: 'warning',
    level: 'quiet',
  }));
}

function formatNext(next: Next): string {
  switch (next.kind) {
    case 'restart':
      return `again in ${formatTime(next.delay)} (${next.attempt}/${next.limit})`;
    case 'wait':
      return next.gaveUp ? 'too many times in a row · waiting for a change' : 'waiting for a change';
    case 'end':
      return 'ending';
    default:
      return unreachable(next);
  }
}
