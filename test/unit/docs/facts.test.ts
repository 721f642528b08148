/**
 * Numbers and lists in the documents are those of the source. For writers: a sentence that gives a time, a count or a
 * list of the source has a row here, so that it cannot become wrong unnoticed.
 */

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { defaultSettings, healthDefaults, hookNames, liveReloadPort } from '../../../src/config/defaults.ts';
import { javascript } from '../../../src/process/launch/tools.ts';
import { forwardedSignals } from '../../../src/run/runner.ts';
import { formatTime } from '../../../src/shared/format.ts';
import { shortcutHelp } from '../../../src/terminal/shortcuts.ts';
import { adaptiveWindow } from '../../../src/watch/debounce.ts';
import { ignoredFolderNames } from '../../../src/watch/default-ignores.ts';
import { adaptiveInterval } from '../../../src/watch/watcher.ts';

const pageText = (name: string): string => fs.readFileSync(`docs/${name}.md`, 'utf8');

/** Returns a number of a source file, exported or not: `const name = 10_000;`, or a property. */
function constantOf(file: string, name: string): number {
  const [, text] = new RegExp(`\\b${name}\\b(?: =|:) ([\\d_]+)`).exec(fs.readFileSync(`src/${file}`, 'utf8')) ?? [];
  if (text === undefined) throw new Error(`src/${file} has no constant ${name}`);
  return Number(text.replaceAll('_', ''));
}

const time = (file: string, name: string): string => formatTime(constantOf(file, name));
const { killTimeout, drain, minUptime, logSize, logFiles } = defaultSettings;
const maxRestarts = constantOf('supervise/policy.ts', 'defaultMaxRestarts');
const { interval, timeout, failures } = healthDefaults;

test.each([
  ['crashes', `The pause is ${time('supervise/state-machine.ts', 'initialBackoffMs')} after the first crash`],
  ['crashes', `up to ${time('supervise/state-machine.ts', 'maxBackoffMs')}`],
  ['crashes', `restarts it ${maxRestarts} times`],
  ['crashes', `after ${time('supervise/state-machine.ts', 'stableUptimeMs')} up the pause`],
  ['crashes', `within the next ${time('supervise/state-machine.ts', 'minReadyMs')}`],
  ['crashes', `it has lived for ${formatTime(minUptime)} (\`--min-uptime\`)`],
  ['crashes', `| \`--max-restarts <n>\` | ${maxRestarts} |`],
  ['crashes', `| \`--min-uptime <time>\` | ${formatTime(minUptime)} |`],
  ['crashes', `devwatch checks every ${formatTime(interval)}. ${failures === 2 ? 'Two' : failures} failures in a row`],
  ['crashes', `no answer within ${formatTime(timeout)}`],
  ['crashes', `for ${failures} × ${formatTime(timeout)}`],
  ['crashes', `in two samples ${time('supervise/watchdog.ts', 'memoryIntervalMs')} apart`],
  ['crashes', `ends after ${time('process/hooks.ts', 'maxRunMs')} at the latest`],
  ['crashes', `http://127.0.0.1:${liveReloadPort}/client.js`],
  ['crashes', `lived for ${constantOf('shared/events.ts', 'assumedRunningAfterMs') / 1000} seconds`],
  ['several-programs', `lived for ${constantOf('shared/events.ts', 'assumedRunningAfterMs') / 1000} seconds`],
  ['several-programs', `not come after ${time('run/program-set.ts', 'slowReadinessNoticeMs')}`],
  ['restarts', `| one file | ${adaptiveWindow(1, 1, {})} ms`],
  ['restarts', `| several files | ${adaptiveWindow(2, 2, {})} ms after`],
  ['restarts', `more than 100 changes | ${adaptiveWindow(9, 101, {})} ms after`],
  ['restarts', `| ${constantOf('watch/disk.ts', 'ofChunks')} ms, or until it is complete |`],
  ['restarts', `| ${constantOf('watch/disk.ts', 'ofNothing')} ms, or until it has content |`],
  ['restarts', `a multiple of ${constantOf('watch/disk.ts', 'minChunkBytes')} bytes`],
  ['restarts', `by ${time('watch/debounce.ts', 'maxBurstMs')} at most`],
  ['restarts', `\`--drain\` (${formatTime(drain)})`],
  ['restarts', `\`--kill-timeout\` (${formatTime(killTimeout)})`],
  ['restarts', `SIGTERM after ${formatTime(killTimeout)}, and SIGKILL after another ${formatTime(killTimeout)}`],
  ['restarts', `busy within the last ${time('preload/traffic.cts', 'freshMs')}`],
  [
    'restarts',
    constantOf('preload/unclaimed-sockets.cts', 'claimTimeoutMs') === 500 ? 'half a second' : 'another time',
  ],
  ['restarts', constantOf('process/sockets/held-ports.ts', 'maxUnusedRuns') === 2 ? 'two runs in a row' : 'other runs'],
  ['restarts', constantOf('process/standby/pool.ts', 'firstCheckMs') === 1000 ? 'a second after a start' : 'later'],
  ['terminal', `comes after ${time('run/stop-requests.ts', 'offerAfterMs')}`],
  ['terminal', constantOf('run/stop-requests.ts', 'minKeyPauseMs') === 500 ? 'after half a second' : 'later'],
  ['patterns', `${adaptiveInterval(200)} ms for up to 200 files, ${formatTime(adaptiveInterval(4000))} for 4,000`],
  ['background', `${time('cli/background-programs.ts', 'startTimeoutMs')} at most`],
  ['background', `After ${time('cli/background-programs.ts', 'slowStartNoticeMs')} it`],
  ['background', `| \`--log-size\` | ${logSize / 2 ** 20}M |`],
  ['background', `| \`--log-files\` | ${logFiles} |`],
  ['troubleshooting', `up to ${formatTime(killTimeout)} (\`--kill-timeout\`)`],
])('docs/%s.md gives the number of the source: %s', (page, sentence) => {
  expect(pageText(page)).toContain(sentence);
});

/** The cells of the column of code that begin the rows of a section. */
function codesIn(page: string, heading: string): string[] {
  const [, section = ''] = pageText(page).split(new RegExp(`^#+ ${heading}$`, 'm'));
  return [...(section.split(/^#/m)[0] ?? '').matchAll(/^[|-] (`.*)$/gm)].flatMap(([, line = '']) =>
    [...(line.split('|')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, code = '']) => code),
  );
}

/** The types in the union of events. */
const eventTypes = [...fs.readFileSync('src/shared/events.ts', 'utf8').matchAll(/readonly type: '(\w+)'/g)].map(
  ([, type = '']) => type,
);

test.each([
  ['patterns', 'Ignored by default', [...ignoredFolderNames]],
  ['crashes', 'Hooks', [...hookNames]],
  ['api', 'Events', [...new Set(eventTypes)]],
])('docs/%s.md lists all of "%s"', (page, heading, names) => {
  const listed = new Set(codesIn(page, heading).filter((code) => /^[a-z_]\w*$/i.test(code) && !/^DEVWATCH/.test(code)));
  expect([...listed].sort()).toEqual([...names].sort());
});

test('docs/terminal.md lists the keys and the signals that are passed on', () => {
  const text = pageText('terminal');
  for (const part of shortcutHelp(false).replace(/ \(.*/, '').split(' · ')) {
    const keys = part.split(' or ').map((words) => words.split(' ')[0] ?? '');
    for (const key of keys) expect(codesIn('terminal', 'Keys')).toContain(key);
  }
  for (const signal of forwardedSignals) expect(text).toContain(signal);
});

test('docs/patterns.md gives the extensions of a Node program', () => {
  expect(pageText('patterns')).toContain(`| JavaScript | \`${javascript.join(' ')}\` |`);
});
