/** The text of units, read back by a parser: systemd.syntax(7), systemd.service(5), systemd.unit(5). */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../../src/shared/errors.ts';
import { checkSocket, type UnitRequest, unitFiles } from '../../../src/systemd/unit-file.ts';

const plain: UnitRequest = {
  name: 'web',
  command: ['/usr/bin/node', '/opt/devwatch/dist/cli.cjs', 'server.js'],
  folder: '/home/ada/web',
  path: '/usr/local/bin:/usr/bin',
  after: [],
  stopTime: 5100,
  exitsAsProgram: false,
  sockets: [],
};

/** Returns the settings of a unit file in their order, as systemd reads them. */
function settingsOf(text: string): [name: string, value: string][] {
  const lines = text.split(/[\n\r\0]/);
  const settings: [string, string][] = [];
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    if (/^\s*(?:[#;]|$)/.test(line)) continue;
    while (line.endsWith('\\')) line = `${line.slice(0, -1)} ${lines.shift() ?? ''}`;
    const [, name, value] = /^(\w+)\s*=(.*)$/s.exec(line.trim()) ?? [];
    if (name === undefined || value === undefined) settings.push([line.trim(), '']);
    else settings.push([name, value.trim()]);
  }
  return settings;
}

function settingOf(text: string, name: string): string {
  const [found, ...more] = settingsOf(text).filter(([other]) => other === name);
  expect(more).toEqual([]);
  return found?.[1] ?? '';
}

const simpleEscapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  s: ' ',
  '\\': '\\',
  '"': '"',
  "'": "'",
};

/** Splits a value into words: quotes around whole words, C's escapes in and out of them. */
function unquote(value: string): string[] {
  const words: string[] = [];
  let rest = value;
  for (;;) {
    rest = rest.replace(/^[ \t]+/, '');
    if (rest === '') return words;
    const quote = /^["']/.exec(rest)?.[0];
    rest = rest.slice(quote?.length ?? 0);
    let word = '';
    for (;;) {
      const character = rest[0];
      if (character === quote || (quote === undefined && /^[ \t]$/.test(character ?? ''))) break;
      if (character === undefined) throw new Error('a quote is not closed');
      if (character !== '\\') {
        word += character;
        rest = rest.slice(1);
        continue;
      }
      const [sequence = '', code] = /^\\(?:u([0-9a-f]{4})|.)/s.exec(rest) ?? [];
      const simple =
        code === undefined ? simpleEscapes[sequence.slice(1)] : String.fromCharCode(Number.parseInt(code, 16));
      if (simple === undefined) throw new Error(`unknown escape ${sequence}`);
      word += simple;
      rest = rest.slice(sequence.length);
    }
    if (quote !== undefined) {
      rest = rest.slice(1);
      if (!/^(?:[ \t]|$)/.test(rest)) throw new Error('a quote ends within a word');
    }
    words.push(word);
  }
}

/** `%%` is a percent sign; all else behind one would be replaced. */
function unspecify(text: string): string {
  expect(text.replaceAll('%%', '')).not.toContain('%');
  return text.replaceAll('%%', '%');
}

/** `$$` is a dollar sign; a variable would be replaced. */
function unvary(text: string): string {
  expect(text.replaceAll('$$', '')).not.toMatch(/^\$|\$\{/);
  return text.replaceAll('$$', '$');
}

/** Returns the command of the unit, as systemd executes it. */
function commandOf(text: string): string[] {
  const value = settingOf(text, 'ExecStart');
  // A semicolon by itself, where a word begins, begins another command.
  expect(value.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')).not.toMatch(/(?:^|\s);(?:\s|$)/);
  const [file = '', ...args] = unquote(value).map(unspecify);
  return [file, ...args.map(unvary)];
}

const textOf = (request: Partial<UnitRequest>): string => unitFiles({ ...plain, ...request })[0]?.text ?? '';

test('the service unit has all settings', () => {
  expect(unitFiles(plain)).toEqual([{ name: 'web.service', text: expect.any(String) }]);
  expect(settingsOf(textOf({}))).toEqual([
    ['[Unit]', ''],
    ['Description', 'web, run by devwatch'],
    ['[Service]', ''],
    ['Type', 'notify'],
    ['NotifyAccess', 'all'],
    ['WorkingDirectory', '/home/ada/web'],
    ['Environment', '"PATH=/usr/local/bin:/usr/bin"'],
    ['ExecStart', '/usr/bin/node /opt/devwatch/dist/cli.cjs server.js'],
    ['Restart', 'on-failure'],
    ['RestartSec', '1'],
    ['RestartPreventExitStatus', '2'],
    ['SuccessExitStatus', '129 130 143'],
    ['KillMode', 'mixed'],
    ['TimeoutStopSec', '11'],
    ['Delegate', 'yes'],
    ['[Install]', ''],
    ['WantedBy', 'default.target'],
  ]);
});

test('the service unit names its path and the commands that enable it', () => {
  const text = textOf({});
  expect(text).toMatch(/^# Written by devwatch \d+\.\d+\.\d+\S* · ~\/\.config\/systemd\/user\/web\.service\n/);
  expect(text).toContain('#   systemctl --user daemon-reload\n#   systemctl --user enable --now web.service\n');
  expect(text).toContain('#   loginctl enable-linger ');
});

test('with sockets, the socket unit is enabled instead, and starts the service', () => {
  const [service, socket, ...others] = unitFiles({ ...plain, sockets: ['3000', '[::]:4000', '/run/a%b.sock'] });
  expect(others).toEqual([]);
  expect(settingsOf(service?.text ?? '')).toEqual(
    expect.arrayContaining([
      ['Requires', 'web.socket'],
      ['After', 'web.socket'],
    ]),
  );
  expect(service?.text).not.toContain('WantedBy');
  expect(service?.text).toContain('enable --now web.socket\n');
  expect(socket?.name).toBe('web.socket');
  expect(settingsOf(socket?.text ?? '')).toEqual([
    ['[Unit]', ''],
    ['Description', 'Starts web at the first connection'],
    ['[Socket]', ''],
    ['ListenStream', '127.0.0.1:3000'],
    ['ListenStream', '[::]:4000'],
    ['ListenStream', '/run/a%%b.sock'],
    ['[Install]', ''],
    ['WantedBy', 'sockets.target'],
  ]);
});

test('systemd waits longer than devwatch needs to stop', () => {
  expect(settingOf(textOf({ stopTime: 60_001 }), 'TimeoutStopSec')).toBe('66');
});

test('systemd restarts devwatch after any exit code if that is the program’s', () => {
  expect(textOf({ exitsAsProgram: true })).not.toContain('RestartPreventExitStatus');
});

test('the unit has no PATH if devwatch has none', () => {
  expect(textOf({ path: undefined })).not.toContain('Environment');
  const nodeOptions = '--require "/home/ada/my web/.pnp.cjs"';
  expect(unquote(settingOf(textOf({ path: undefined, nodeOptions }), 'Environment'))).toEqual([
    `NODE_OPTIONS=${nodeOptions}`,
  ]);
});

describe('systemd reads back', () => {
  const special = fc.constantFrom(
    '%',
    '%h',
    '$',
    '$HOME',
    '$\u007bA}',
    '"',
    "'",
    '\\',
    ' ',
    '\n',
    '\r',
    '\t',
    ';',
    '#',
    '\x01',
    'ü',
    '',
  );
  const text = fc
    .array(fc.oneof(special, fc.string({ unit: 'grapheme', maxLength: 5 })))
    .map((parts) => parts.join('').replaceAll('\0', ''));
  const path = text.map((name) => `/${name.replace(/\p{Cc}/gu, '')}`);

  test('any command', () => {
    fc.assert(
      fc.property(path, fc.array(text), (file, args) => {
        expect(commandOf(textOf({ command: [file, ...args] }))).toEqual([file, ...args]);
      }),
    );
  });

  test('any folder', () => {
    fc.assert(
      fc.property(path, (folder) => {
        const read = unspecify(settingOf(textOf({ folder }), 'WorkingDirectory'));
        // systemd ignores slashes at the end.
        expect(read.replace(/\/+$/, '')).toBe(folder.replace(/\/+$/, ''));
      }),
    );
  });

  test('any PATH', () => {
    fc.assert(
      fc.property(path, (value) => {
        expect(unquote(settingOf(textOf({ path: value }), 'Environment')).map(unspecify)).toEqual([`PATH=${value}`]);
      }),
    );
  });
});

test.each([{ folder: '/tmp/a\nb' }, { command: ['/usr/bin/no\x01de'] }])(
  'unitFiles refuses %j, which cannot be written in a unit',
  (request) => {
    expect(() => textOf(request)).toThrow(UsageError);
  },
);

describe('checkSocket', () => {
  test.each(['3000', '1', '65535', '127.0.0.1:3000', '[::1]:3000', '/run/user/1000/app.sock'])(
    'accepts %s',
    (address) => {
      expect(() => checkSocket(address)).not.toThrow();
    },
  );

  test.each(['', '0', '65536', '3000x', ':3000', 'app.sock', '/', '/run/a b', '/run/a\nb', '-1', '3000\n'])(
    'refuses %j',
    (address) => {
      expect(() => checkSocket(address)).toThrow(/^--socket takes a port/);
    },
  );
});
