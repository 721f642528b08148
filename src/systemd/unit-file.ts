/** The text of systemd units that run a devwatch: systemd.service(5), systemd.socket(5), systemd.syntax(7). */

import { UsageError } from '../shared/errors.ts';

export interface UnitRequest {
  /** Of the units, without `.service`; as `checkName` has it. */
  readonly name: string;
  /** What is executed: absolute paths of Node and of devwatch, then what devwatch is told. */
  readonly command: readonly string[];
  /** Absolute working folder. */
  readonly folder: string;
  /** The program's PATH; what the user's service manager has of its own lacks most. */
  readonly path: string | undefined;
  /** Names of others that have to be up before it is started. */
  readonly after: readonly string[];
  /** From the order to end until devwatch kills the program, in ms. */
  readonly stopTime: number;
  /** devwatch ends with the program's own code, which then says nothing about devwatch. */
  readonly exitsAsProgram: boolean;
  /** What is listened on by systemd, which starts the service at the first connection: `3000`, `127.0.0.1:3000`, `/run/app.sock`. */
  readonly sockets: readonly string[];
  /** Of devwatch. */
  readonly version: string;
}

export interface UnitFile {
  /** `web.service` */
  readonly name: string;
  readonly text: string;
}

/** What a file that devwatch has written begins with, and no other. */
export const unitMark = '# Written by devwatch ';

/** Until systemd starts a devwatch that has failed again, in seconds. */
const restartPause = 1;
/** What systemd waits beyond that, in seconds: devwatch gives up 2 after SIGKILL what does not die. */
const stopSlack = 5;
/** devwatch's exit codes for a mistake that only people can mend, and for an end by SIGHUP, SIGINT or SIGTERM. */
const usageExitCode = 2;
const signalExitCodes = '129 130 143';

/**
 * The service, and with `sockets` the socket unit that starts it.
 *
 * @throws UsageError when systemd has no way to write a path down
 */
export function unitFiles(request: UnitRequest): UnitFile[] {
  const { name, sockets } = request;
  const service = { name: `${name}.service`, text: serviceText(request) };
  return sockets.length === 0 ? [service] : [service, { name: `${name}.socket`, text: socketText(request) }];
}

/** What a person types to have systemd start it at boot. */
export const enablingCommands = (names: readonly string[], isSocket: boolean): string[] => [
  'systemctl --user daemon-reload',
  `systemctl --user enable --now ${names.map((name) => `${name}.${isSocket ? 'socket' : 'service'}`).join(' ')}`,
  'loginctl enable-linger',
];

function serviceText(request: UnitRequest): string {
  const { name, command, folder, path, after, stopTime, exitsAsProgram, sockets, version } = request;
  const [file = '', ...args] = command;
  const [reload, enable, linger] = enablingCommands([name], sockets.length > 0);
  return lines([
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
    '# Up when the program is up; systemd-notify, which says so, is not the main process.',
    'Type=notify',
    'NotifyAccess=all',
    `WorkingDirectory=${folderText(folder)}`,
    ...(path === undefined ? [] : [`Environment=${quote(specifiers(`PATH=${path}`))}`]),
    `ExecStart=${executable(file)}${args.map((word) => ` ${argument(word)}`).join('')}`,
    '# devwatch restarts the program, and systemd devwatch.',
    'Restart=on-failure',
    `RestartSec=${restartPause}`,
    ...(exitsAsProgram ? [] : [`RestartPreventExitStatus=${usageExitCode}`]),
    `SuccessExitStatus=${signalExitCodes}`,
    '# devwatch ends the program; systemd kills what is left then.',
    'KillMode=mixed',
    `TimeoutStopSec=${Math.ceil(stopTime / 1000) + stopSlack}`,
    '# Each run of the program gets a cgroup below that of the service.',
    'Delegate=yes',
    ...(sockets.length > 0 ? [] : ['', '[Install]', 'WantedBy=default.target']),
  ]);
}

function socketText({ name, sockets, version }: UnitRequest): string {
  return lines([
    `${unitMark}${version} · ~/.config/systemd/user/${name}.socket`,
    '',
    '[Unit]',
    `Description=Starts ${name} at the first connection`,
    '',
    '[Socket]',
    ...sockets.map((address) => `ListenStream=${specifiers(address)}`),
    '',
    '[Install]',
    'WantedBy=sockets.target',
  ]);
}

const lines = (all: readonly string[]): string => `${all.join('\n')}\n`;

/**
 * What systemd listens on: a port, an address with a port, or the absolute path of a Unix socket.
 *
 * @throws UsageError when it is nothing of that
 */
export function checkSocket(address: string): void {
  const port = /^(?:\d+(?:\.\d+){3}:|\[[0-9a-fA-F:.]+\]:)?(\d{1,5})$/.exec(address)?.[1];
  const isPort = port !== undefined && Number(port) >= 1 && Number(port) <= 65_535;
  if (isPort || /^\/[^\s\p{Cc}\\]+$/u.test(address)) return;
  throw new UsageError(
    `--socket takes a port, an address such as 127.0.0.1:3000, or an absolute path, not ${JSON.stringify(address)}`,
  );
}

/** Some characters begin a specifier: `%h` is the home folder. */
const specifiers = (text: string): string => text.replaceAll('%', '%%');

/** The path of what is executed: `$` means nothing in it. */
function executable(file: string): string {
  requirePrintable(file);
  return word(specifiers(file));
}

/** A word after it, in which `${NAME}` would mean a variable, and so would `$NAME` for the whole of it. */
const argument = (text: string): string => word(specifiers(text).replaceAll('$', '$$$$'));

/** The rest of the line, as it is: there are no quotes, blanks at its end are cut off, and `\` there goes on in the next line. */
function folderText(folder: string): string {
  requirePrintable(folder);
  const text = specifiers(folder);
  return /[\s\\]$/.test(text) ? `${text}/` : text;
}

function requirePrintable(path: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what systemd takes in no path
  if (/[\u0000-\u001f\u007f]/.test(path)) {
    throw new UsageError(`${JSON.stringify(path)}: systemd takes no path with control characters`);
  }
}

const word = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : quote(text));

const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '"': '\\"', '\\': '\\\\' };

/** In double quotes, with C's escapes. */
function quote(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these end a line, or a file, for systemd
  const escaped = text.replace(/[\u0000-\u001f\u007f"\\]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(2, '0');
    return escapes[character] ?? `\\x${code}`;
  });
  return `"${escaped}"`;
}
