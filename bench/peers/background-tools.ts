/** The tools that `npm run compare:background` compares. */

import path from 'node:path';
import { cli, tools as own } from '../restart-tools.ts';
import { peers, versionOf } from '../support.ts';

export interface BackgroundTool {
  readonly name: string;
  readonly version: () => string;
  /** A command that runs before the first start and is not measured. */
  readonly prepare?: readonly string[];
  /** Starts server.js in the background, under a name. */
  readonly start: (name: string) => readonly string[];
  readonly list: readonly string[];
  /** Returns the state that the list shows for a program; undefined if the program is not listed. */
  readonly read: (list: string, name: string) => string | undefined;
  /** Matches the message that the name is taken. */
  readonly taken: RegExp;
  /** Keeps a standby process for each program. */
  readonly prepares?: true;
}

const node = process.execPath;
const devwatch = [node, process.env.DEVWATCH_CLI ?? cli];
const pm2 = [node, path.join(peers, 'node_modules/pm2/bin/pm2')];
const forever = [node, path.join(peers, 'node_modules/forever/bin/forever')];

/** Returns a function that finds a word in the line of the program, in any column. */
const wordIn =
  (words: RegExp) =>
  (list: string, name: string): string | undefined => {
    const line = list.split('\n').find((text) => text.split(/[^\w.-]+/).includes(name));
    return line === undefined ? undefined : (words.exec(line)?.[0] ?? 'something else');
  };

const devwatchBase = {
  version: own.devwatch.version,
  list: [...devwatch, 'list'],
  read: wordIn(/\b(starting|running|up|ended|crashed|stopping|dead|unknown)\b/),
  taken: /already running/,
} satisfies Partial<BackgroundTool>;

const pm2Base = {
  version: () => versionOf('pm2', peers),
  start: (name) => [...pm2, 'start', 'server.js', '--name', name],
  list: [...pm2, 'list', '--no-color'],
  read: wordIn(/\b(online|stopping|stopped|launching|errored|one-launch-status)\b/),
  taken: /already launched/,
} satisfies Partial<BackgroundTool>;

export const tools = {
  devwatch: {
    ...devwatchBase,
    name: 'devwatch',
    start: (name) => [...devwatch, 'start', '--name', name, 'server.js'],
    prepares: true,
  },
  noStandby: {
    ...devwatchBase,
    name: 'devwatch --no-standby',
    start: (name) => [...devwatch, 'start', '--no-standby', '--name', name, 'server.js'],
  },
  pm2: { ...pm2Base, name: 'pm2', prepare: [...pm2, 'ping'] },
  coldPm2: { ...pm2Base, name: 'pm2, its first start' },
  forever: {
    name: 'forever',
    version: () => versionOf('forever', peers),
    start: (name) => [...forever, 'start', '--no-colors', '--append', '--uid', name, 'server.js'],
    list: [...forever, 'list', '--no-colors'],
    // A running program shows its uptime instead of a word.
    read: (list, name) => wordIn(/STOPPED|\d+:\d+:\d+:/)(list, name)?.replace(/^\d.*/, 'running'),
    taken: /already/,
  },
} as const satisfies Readonly<Record<string, BackgroundTool>>;
