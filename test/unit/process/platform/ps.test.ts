/** The output of `ps` in the form that macOS gives to it: right-aligned numbers, start times of five words, text at the end. */

import { expect, test } from 'vitest';
import { createPsReader, isOwnChildSignal, parsePs, parseTime, runPs } from '../../../../src/process/platform/ps.ts';

const mac = `    1     0     1 Ss   Sun Nov 22 19:03:12 2026     /sbin/launchd
  501     1   501 S+   Sun Nov 22 20:03:12 2026     /usr/local/bin/node server.js PATH=/usr/bin HOME=/Users/a DEVWATCH_TREE_x=1
  502   501   501 Z    Sun Nov 22 20:03:13 2026     (gone)
  503     1   503 S    Sun Nov 22 20:03:13 2026     /Applications/Google Chrome.app/Contents/MacOS/Google Chrome --type=a
  504     1   504 S    Mon Nov  2 20:03:13 2026     /Applications/Zed.app/Contents/MacOS/zed /tmp/a USER=a
  505   501   501 S    Sun Nov 22 20:03:13 2026     -zsh
  506     1   506 S    Sun Nov 22 20:03:13 2026     sshd: a@ttys001
not a line of ps
`;

test('a list shows live processes with their names, whatever the paths contain', () => {
  expect(parsePs(mac).map(({ pid, parent, group, command }) => [pid, parent, group, command])).toEqual([
    [1, 0, 1, 'launchd'],
    [501, 1, 501, 'node'],
    [503, 1, 503, 'Google Chrome'],
    [504, 1, 504, 'zed'],
    [505, 501, 501, 'zsh'],
    [506, 1, 506, 'sshd'],
  ]);
});

test('a list tells processes apart by their start times, and shows their variables', () => {
  const [, node, , zed] = parsePs(mac);
  expect([node?.startTime, zed?.startTime]).toEqual(['Sun Nov 22 20:03:12 2026', 'Mon Nov  2 20:03:13 2026']);
  expect(node?.environment).toContain('\0HOME=/Users/a\0DEVWATCH_TREE_x=1\0');
});

test('a list of FreeBSD, for which several columns are one, shows no process', () => {
  expect(parsePs('PPID=,PGID=\n  501\n  502\n')).toEqual([]);
});

test.runIf(process.platform !== 'win32')('the list of this system shows this process, at once and later', async () => {
  const reader = createPsReader('-Aeww');
  const own = reader.list().find(({ pid }) => pid === process.pid);
  expect(own).toMatchObject({ parent: process.ppid });
  const later = await new Promise<readonly { readonly pid: number; readonly startTime: string }[]>((resolve) =>
    reader.listLater(resolve),
  );
  expect(later.find(({ pid }) => pid === process.pid)?.startTime).toBe(own?.startTime);
  expect(reader.commandLines([process.pid]).get(process.pid)).toContain(process.argv0);
});

test.each([
  ['0:01.25', 1250],
  ['12:34.56', 754_560],
  ['1234:00.00', 74_040_000],
  ['00:00:07', 7000],
  ['1-02:03:04', 93_784_000],
])('the CPU time %s is %d ms', (text, ms) => {
  expect(parseTime(text)).toBe(ms);
});

test.runIf(process.platform !== 'win32')('a call of ps explains one signal of its end, for a short time', () => {
  while (isOwnChildSignal());
  runPs('-o', 'pid=', '-p', String(process.pid));
  expect([isOwnChildSignal(), isOwnChildSignal()]).toEqual([true, false]);
});
