/** Text of LaunchAgents, by which launchd of macOS runs devwatch: launchd.plist(5), launchctl(1). */

import { UsageError } from '../shared/errors.ts';
import { version } from '../shared/version.ts';
import { type UnitFile, type UnitRequest, unitMark } from './unit-file.ts';

/** Time that launchd adds to `stopTime`: devwatch gives up 2 s after SIGKILL if a process does not die. */
const stopMarginSeconds = 5;

/** The label of a program's agent. */
const labelOf = (name: string): string => `devwatch.${name}`;

/**
 * Returns the agent of a program. Paths below the home folder are absolute: launchd expands nothing.
 *
 * @param home absolute path of the home folder
 * @throws UsageError for sockets, or if a text cannot be written in a property list
 */
export function launchAgent(request: UnitRequest, home: string): UnitFile {
  const { name, command, folder, path, nodeOptions, stopTime, sockets } = request;
  if (sockets.length > 0) {
    throw new UsageError('--socket is for systemd: launchd passes sockets in another way · leave it out');
  }
  const label = labelOf(name);
  const log = `${home}/Library/Logs/${label}.log`;
  const variables = { ...(path && { PATH: path }), ...(nodeOptions && { NODE_OPTIONS: nodeOptions }) };
  const entries: readonly (readonly [key: string, value: string])[] = [
    ['Label', text(label)],
    ['ProgramArguments', array(command.map(text))],
    ['WorkingDirectory', text(folder)],
    ['EnvironmentVariables', dict(Object.entries(variables).map(([key, value]) => [key, text(value)]))],
    ['RunAtLoad', '<true/>'],
    // devwatch restarts the program, and launchd restarts devwatch, unless that has ended in order.
    ['KeepAlive', dict([['SuccessfulExit', '<false/>']])],
    ['ExitTimeOut', `<integer>${Math.ceil(stopTime / 1000) + stopMarginSeconds}</integer>`],
    ['ProcessType', text('Interactive')],
    ['StandardOutPath', text(log)],
    ['StandardErrorPath', text(log)],
  ];
  const usage = [...loadingCommands([name]), `tail -f ~/Library/Logs/${label}.log`].join('\n  ');
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<!-- ${unitMark.slice(2)}${version} -->`,
    // A comment cannot contain two hyphens, and a name can.
    ...(usage.includes('--') ? [] : [`<!--\n  ${usage}\n-->`]),
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<plist version="1.0">',
    dict(entries, ''),
    '</plist>',
  ];
  return { name: `${label}.plist`, text: `${lines.join('\n')}\n` };
}

/** Returns the commands that make launchd run the agents, now and at each login. */
export const loadingCommands = (names: readonly string[]): string[] =>
  names.map((name) => `launchctl bootstrap gui/$UID ~/Library/LaunchAgents/${labelOf(name)}.plist`);

const indent = '  ';

const array = (items: readonly string[]): string =>
  `<array>\n${items.map((item) => `${indent.repeat(2)}${item}\n`).join('')}${indent}</array>`;

const dict = (entries: readonly (readonly [key: string, value: string])[], outer = indent): string =>
  `<dict>\n${entries.map(([key, value]) => `${outer}${indent}<key>${escaped(key)}</key>\n${outer}${indent}${value}\n`).join('')}${outer}</dict>`;

const text = (value: string): string => `<string>${escaped(value)}</string>`;

function escaped(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 has no way to write these
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(value)) {
    throw new UsageError(`${JSON.stringify(value)}: a property list cannot contain control characters`);
  }
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '\r': '&#13;' };
  return value.replaceAll(/[&<>\r]/g, (character) => entities[character] ?? character);
}
