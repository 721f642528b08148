/** Renders events as lines for people. Pure: the condenser joins some of them, and the reporter prints them. */

import {
  type Change,
  type DevwatchEvent,
  describeError,
  describeOutcome,
  type EventOf,
  type Next,
  type SourceLocation,
} from '../shared/events.ts';
import { formatTime } from '../shared/format.ts';
import { linesByReason, shortList } from '../shared/package-reasons.ts';
import {
  formatChanges,
  formatClock,
  formatCommand,
  formatCount,
  formatLocation,
  formatPath,
  formatRule,
  formatVerdict,
} from './format.ts';
import { describeRemainder } from './slow-stop.ts';

export type Tone = 'plain' | 'good' | 'bad' | 'warning';
export type Level = 'quiet' | 'normal' | 'verbose';

export interface Line {
  readonly text: string;
  readonly tone: Tone;
  readonly level: Level;
  /** A part of the text that leads to a place in a file, where the terminal has links. */
  readonly link?: { readonly text: string; readonly location: SourceLocation } | undefined;
}

export interface View {
  /** Paths are shown relative to this folder. */
  readonly folder: string;
  readonly version: string;
  /** How a pause is ended; by default by the key. */
  readonly resumption?: string;
}

const line = (text: string, tone: Tone = 'plain', level: Level = 'normal'): Line[] => [{ text, tone, level }];
const detail = (text: string): Line[] => line(text, 'plain', 'verbose');
const warning = (text: string): Line[] => line(text, 'warning', 'quiet');

/** A checkout may have changed 100,000 files. */
const maxShownChanges = 100;

function linesOfChanges(changes: readonly Change[], folder: string): Line[] {
  const more = changes.length - maxShownChanges;
  return [
    ...changes.slice(0, maxShownChanges).flatMap(({ kind, path, rule }) => {
      const why = rule === undefined ? '' : ` · ${formatRule(rule, folder)}`;
      return detail(`${kind} ${formatPath(path, folder)}${why}`);
    }),
    ...(more > 0 ? detail(`and ${more} more`) : []),
  ];
}

/** Returns the lines that show an event, each with the least verbose level at which it is printed. */
export function render(event: DevwatchEvent, { folder, version, resumption = 'p resumes' }: View): readonly Line[] {
  switch (event.type) {
    case 'scanning':
      return line(describeWatched(event, version));
    case 'watching':
      return [...line(`${describeWatched(event, version)} · ${describeFiles(event)}`), ...detailsOfWatch(event)];
    case 'limitation': {
      const { features, reason, remedy, isUnexpected } = event;
      const text = [`no ${features.join(' and no ')}: ${reason}`, remedy].filter(Boolean).join(' · ');
      return isUnexpected ? line(text) : detail(text);
    }
    case 'watchingLoads':
      return detail(`also watching ${formatCount(event.files.length, 'file')} that the program loads`);
    case 'start':
      return renderStart(event);
    case 'ready':
    case 'address':
      return []; // The condenser prints these.
    case 'running':
      return detail(`counts as running after ${formatTime(event.ms)} · not ready yet`);
    case 'pages': {
      const files = event.paths.map((file) => formatPath(file, folder)).join(' ');
      return line(`${event.styles ? 'styles' : 'pages'} reloaded · ${files}`, 'good');
    }
    case 'liveReload':
      return line(`live reload · <script src="${event.url}"></script>`);
    case 'begin':
      return detail(`the program's own code begins after ${formatTime(event.ms)}`);
    case 'change':
      return linesOfChanges(event.changes, folder);
    case 'signal':
      return line(`change · ${formatChanges(event.changes, folder)} · ${event.signal} sent`, 'good');
    case 'pause':
      return line(`paused · ${describeWaiting(event.changes.length)} · ${resumption}`);
    case 'resume':
      return line(event.changes.length === 0 ? 'resumed · nothing to restart for' : 'resumed');
    case 'ignored':
      return detail(`ignored ${formatPath(event.path, folder)} · ${formatVerdict(event.verdict, folder)}`);
    case 'unwatched': {
      const file = formatPath(event.path, folder);
      // Its name has no extension that could be watched.
      const remedy = event.extension === 'env' ? `--env-file ${file}` : `--ext +${event.extension}`;
      return line(`${file} saved, but only ${event.watched.join(' ')} restart · ${remedy}`);
    }
    case 'crash':
      return renderCrash(event, folder);
    case 'exit':
      return line(`exited cleanly · ${formatNext(event.next)}`, 'good');
    case 'standby':
      return detail(`standby ready · pid ${event.pid}${describeLoaded(event.packages)}`);
    case 'packages':
      return renderPackages(event);
    case 'input':
      return [];
    case 'portTaken':
      return renderPortTaken(event);
    case 'wait':
      return line(describeWait(event, folder));
    case 'stopping':
      return renderStopping(event);
    case 'slowStop': {
      const sent = event.signal === 'message' ? '"shutdown"' : event.signal;
      const cause = describeRemainder(event);
      return [
        ...line(`the old run has not ended after ${sent} · killed in ${formatTime(event.killIn)}`),
        ...(cause === undefined ? [] : line(cause)),
      ];
    }
    case 'debugged':
      return renderDebugged(event);
    case 'gone':
      return [
        ...event.survivors.flatMap(({ pid, command, reason }) =>
          warning(`left running: pid ${pid} (${formatCommand(command)}) ${reason}`),
        ),
        ...detail(`the old tree is gone after ${formatTime(event.ms)}`),
      ];
    case 'settings':
      return line(`${formatPath(event.file, folder)} changed: ${event.changed.join(', ')}`);
    case 'warning':
      return warning(event.message);
    case 'problem':
      return line(event.message, 'bad', 'quiet');
    case 'end':
      return detail('ended');
  }
}

const describeWatched = (
  { program, patterns, extensions }: EventOf<'scanning' | 'watching'>,
  version: string,
): string =>
  `${version} · ${program} · watching ${patterns.join(' ')} (${extensions === null ? 'all files' : extensions.join(' ')})`;

/** Is it a backend that knows less than the system could report? */
const isFallback = (backend: string): boolean => backend === 'chokidar' || backend === 'polling';

const describeFiles = ({ files, backend }: EventOf<'watching'>): string =>
  `${formatCount(files, 'file')}${isFallback(backend) ? ` · by ${backend}` : ''}`;

const detailsOfWatch = ({ directories, backend, ms }: EventOf<'watching'>): Line[] =>
  detail(`armed in ${formatTime(ms)} · ${formatCount(directories, 'folder')} · ${backend}`);

/** A count of files that comes sooner is worth no line of its own. */
const slowScanMs = 1000;

/** Returns the lines about a watch whose patterns have been printed before. */
export const renderArmed = (event: EventOf<'watching'>): readonly Line[] => [
  ...(event.ms < slowScanMs ? detail : line)(`watching ${describeFiles(event)} · after ${formatTime(event.ms)}`),
  ...detailsOfWatch(event),
];

function describeWait(event: EventOf<'wait'>, folder: string): string {
  switch (event.reason) {
    case 'after':
      return `waiting for ${event.programs.join(', ')}`;
    case 'missing':
      return `waiting for ${event.paths.map((file) => formatPath(file, folder)).join(', ')}`;
    case 'reinstallation':
      return 'devwatch is being reinstalled · waiting for its files';
    case 'on-change-only':
      return 'waiting for a change';
  }
}

function describeWaiting(changes: number): string {
  if (changes === 0) return 'saves are collected';
  return changes === 1 ? '1 change waits' : `${changes} changes wait`;
}

/** Says how a program ended that did not end well, and where in the project's code. */
export function describeEnd({ outcome, uptime }: EventOf<'crash'>, folder: string): string {
  const { reason, error, uncaught, code } = outcome;
  if (reason !== undefined || error !== undefined) return reason ?? error ?? '';
  // An error that is not caught ends a program with code 1.
  const how = uncaught !== undefined && code === 1 ? '' : ` (${describeOutcome(outcome)})`;
  const place = uncaught?.location && formatLocation(uncaught.location, folder);
  const what = uncaught && describeError(uncaught);
  return [`crashed${how} after ${formatTime(uptime)}`, place, what].filter(Boolean).join(' · ');
}

function renderCrash(event: EventOf<'crash'>, folder: string): Line[] {
  const location = event.outcome.uncaught?.location;
  const link = location && { text: formatLocation(location, folder), location };
  return line(`${describeEnd(event, folder)} · ${formatNext(event.next)}`, 'bad').map((one) => ({ ...one, link }));
}

function renderStart({ run, pid, cause, standby, gone, quiet, ms }: EventOf<'start'>): Line[] {
  const steps = [
    `run ${run}`,
    pid !== undefined && `pid ${pid}`,
    cause,
    standby && 'from standby',
    gone !== undefined && `old tree gone after ${formatTime(gone)}`,
    quiet !== undefined && `quiet after ${formatTime(quiet)}`,
    run > 1 && `started after ${formatTime(ms)}`,
  ];
  return detail(steps.filter(Boolean).join(' · '));
}

const describeLoaded = (files = 0): string =>
  files === 0 ? '' : ` · ${formatCount(files, 'file')} of packages loaded`;

/** Reasons that are shown; the others are counted. */
const maxReasons = 4;

function renderPackages({ adopted, packages, cold, excluded }: EventOf<'packages'>): Line[] {
  const reasons = [...cold, ...linesByReason(excluded)];
  const more = reasons.length > maxReasons ? detail(`and for ${reasons.length - maxReasons} more reasons`) : [];
  const names = packages.length === 0 ? '' : ` · ${shortList(packages)}`;
  return [
    ...(adopted === 0 && reasons.length === 0
      ? []
      : detail(`${formatCount(adopted, 'file')} of packages were ready${names}`)),
    ...reasons.slice(0, maxReasons).flatMap((why) => detail(`loaded by the program · ${why}`)),
    ...more,
  ];
}

function renderStopping({ run, stage, grace }: EventOf<'stopping'>): Line[] {
  if (stage !== 'killing') return detail(`stopping run ${run}`);
  return line(grace === null ? 'killing it' : `still running after ${formatTime(grace)} · killing it`, 'warning');
}

function renderDebugged(event: EventOf<'debugged'>): Line[] {
  if (event.effect === 'spared') return line(`not restarted, because a debugger is connected: ${event.reason}`);
  return line('the old run had ended, but waited for its debugger to disconnect: killed it');
}

function renderPortTaken({ port, holders }: EventOf<'portTaken'>): Line[] {
  if (holders.length === 0) return warning(`port ${port} is taken by another process`);
  return holders.flatMap(({ pid, command, user, since }) =>
    warning(`port ${port} is taken by pid ${pid} (${formatCommand(command)}) of ${user}, since ${formatClock(since)}`),
  );
}

const awaited = { change: 'a change', schedule: 'the next scheduled start', request: 'a restart' } as const;

function formatNext(next: Next): string {
  if (next.kind === 'restart') {
    const time = formatTime(next.delay);
    return next.limit === undefined ? `restarting in ${time}` : `restart ${next.attempt} of ${next.limit} in ${time}`;
  }
  const effort = next.gaveUp ? `gave up after ${formatCount(next.limit ?? 0, 'restart')} · ` : '';
  return `${effort}${next.kind === 'end' ? 'ending' : `waiting for ${awaited[next.for]}`}`;
}
