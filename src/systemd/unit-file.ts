/** Text of systemd units that run devwatch: systemd.service(5), systemd.socket(5), systemd.syntax(7). */

import { UsageError } from '../shared/errors.ts';
import { formatListenAddress, parseListenAddress } from '../shared/listen-address.ts';
import { printable } from '../shared/printable.ts';
import { version } from '../shared/version.ts';

export interface UnitRequest {
  /** Name of the units without `.service`; valid for `checkName`. */
  readonly name: string;
  /** Command line: absolute paths of Node and of devwatch, then arguments. */
  readonly command: readonly string[];
  /** Absolute working folder. */
  readonly folder: string;
  /** PATH of the program; the PATH of the user's service manager lacks most folders. */
  readonly path: string | undefined;
  /** NODE_OPTIONS for devwatch itself; undefined where it needs none. */
  readonly nodeOptions?: string | undefined;
  /** Names of services that have to be up before this one is started. */
  readonly after: readonly string[];
  /** Time that devwatch needs at most to terminate the program, in ms. */
  readonly stopTime: number;
  /** devwatch exits with the code of the program, which does not depend on devwatch then. */
  readonly exitsAsProgram: boolean;
  /** Addresses on which systemd listens to start the service at the first connection: `3000`, `127.0.0.1:3000`, `/run/app.sock`. */
  readonly sockets: readonly string[];
}

/** The file name of a unit, such as `web.service`, and its text. */
export interface UnitFile {
  readonly name: string;
  readonly text: string;
}

/** First words of each file that devwatch has written, and of no other. */
export const unitMark = '# Written by devwatch ';

/** Time after which systemd restarts a devwatch that has failed. */
const restartDelaySeconds = 1;
/** Time that systemd adds to `stopTime`: devwatch gives up 2 s after SIGKILL if a process does not die. */
const stopMarginSeconds = 5;
/** devwatch's exit codes after a usage error, which a restart does not fix, and after SIGHUP, SIGINT or SIGTERM. */
const usageExitCode = 2;
const signalExitCodes = '129 130 143';

/** Returns the service, and with `sockets` the socket unit. @throws UsageError if a path cannot be written in a unit */
export function unitFiles(request: UnitRequest): UnitFile[] {
  const { name, sockets } = request;
  const service = { name: `${name}.service`, text: serviceText(request) };
  return sockets.length === 0 ? [service] : [service, { name: `${name}.socket`, text: socketText(request) }];
}

/** Returns the commands that make systemd start the services at boot. */
export const enablingCommands = (names: readonly string[], isSocket: boolean): string[] => [
  'systemctl --user daemon-reload',
  `systemctl --user enable --now ${names.map((name) => `${name}.${isSocket ? 'socket' : 'service'}`).join(' ')}`,
  'loginctl enable-linger',
];

function serviceText(request: UnitRequest): string {
  const { name, command, folder, path, nodeOptions, after, stopTime, exitsAsProgram, sockets } = request;
  const [file = '', ...args] = command;
  const [reload, enable, linger] = enablingCommands([name], sockets.length > 0);
  const lines = [
    `${unitMark}${version} · ~/.config/systemd/user/${name}.service`,
    '#',
    `#   ${reload}`,
    `#   ${enable}`,
    `#   ${linger}    # at boot, not only when you log in`,
    `#   journalctl --user -fu ${name}    # what it prints`,
    '',
    '[Unit]',
    `Description=${name}, run by devwatch`,
    ...(sockets.length > 0 ? [`Requires=${name}.socket`, `After=${name}.socket`] : []),
    ...after.flatMap((other) => [`Wants=${other}.service`, `After=${other}.service`]),
    '',
    '[Service]',
    '# Started when the program is up; systemd-notify, which reports that, is not the main process.',
    'Type=notify',
    'NotifyAccess=all',
    `WorkingDirectory=${folderText(folder)}`,
    ...(path === undefined ? [] : [variable('PATH', path)]),
    ...(nodeOptions === undefined ? [] : [variable('NODE_OPTIONS', nodeOptions)]),
    `ExecStart=${executable(file)}${args.map((word) => ` ${argument(word)}`).join('')}`,
    '# devwatch restarts the program, and systemd restarts devwatch.',
    'Restart=on-failure',
    `RestartSec=${restartDelaySeconds}`,
    ...(exitsAsProgram ? [] : [`RestartPreventExitStatus=${usageExitCode}`]),
    `SuccessExitStatus=${signalExitCodes}`,
    '# devwatch terminates the program; systemd kills the processes that are left.',
    'KillMode=mixed',
    `TimeoutStopSec=${Math.ceil(stopTime / 1000) + stopMarginSeconds}`,
    '# Each run of the program gets a cgroup below that of the service.',
    'Delegate=yes',
    ...(sockets.length > 0 ? [] : ['', '[Install]', 'WantedBy=default.target']),
  ];
  return `${lines.join('\n')}\n`;
}

const socketText = ({
  name,
  sockets,
}: UnitRequest): string => `${unitMark}${version} · ~/.config/systemd/user/${name}.socket

[Unit]
Description=Starts ${name} at the first connection

[Socket]
${sockets.map((address) => `ListenStream=${specifiers(streamOf(address))}`).join('\n')}

[Install]
WantedBy=sockets.target
`;

/** @throws UsageError unless the address is a port, an address with a port, or the absolute path of a Unix socket */
export function checkSocket(address: string): void {
  if ((parseListenAddress(address)?.port ?? 0) > 0 || /^\/[^\s\p{Cc}\\]+$/u.test(address)) return;
  throw new UsageError(
    `--socket takes a port, an address such as 127.0.0.1:3000, or an absolute path, not ${JSON.stringify(address)}`,
  );
}

/** systemd takes a port without an address for one of all addresses. */
function streamOf(socket: string): string {
  const address = parseListenAddress(socket);
  return address === undefined ? socket : formatListenAddress(address);
}

/** Escapes specifiers: `%h` would be the home folder. */
const specifiers = (text: string): string => text.replaceAll('%', '%%');

/** Writes the path of the executable, in which `$` is an ordinary character. */
const executable = (file: string): string => word(printablePath(file));

/** Writes an argument, in which `${NAME}`, or `$NAME` as the whole of it, would be a variable. */
const argument = (text: string): string => word(specifiers(text).replaceAll('$', '$$$$'));

/** Writes a folder, which is the rest of the line without quotes: systemd drops blanks at its end, and `\` there continues the line. */
function folderText(folder: string): string {
  const text = printablePath(folder);
  return /[\s\\]$/.test(text) ? `${text}/` : text;
}

function printablePath(path: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: systemd accepts none of these in a path
  if (!/[\u0000-\u001f\u007f]/.test(path)) return specifiers(path);
  throw new UsageError(`${JSON.stringify(path)}: systemd does not accept paths with control characters`);
}

const variable = (name: string, value: string): string => `Environment=${quote(specifiers(`${name}=${value}`))}`;

const word = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : quote(text));

/** Writes a word in double quotes, with the escapes of C: a control would end the line, or the file, for systemd. */
function quote(text: string): string {
  return `"${printable(text.replace(/["\\]/g, '\\$&'))}"`;
}
