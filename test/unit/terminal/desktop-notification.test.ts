import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { notification } from '../../../src/terminal/desktop-notification.ts';

const bell = '\x07';
const osc9 = (text: string): string => `\x1b]9;${text}\x07${bell}`;
const osc777 = (title: string, body: string): string => `\x1b]777;notify;${title};${body}\x1b\\${bell}`;

describe('a notification', () => {
  test.each<[string, NodeJS.ProcessEnv]>([
    ['iTerm2', { TERM: 'xterm-256color', TERM_PROGRAM: 'iTerm.app' }],
    ['WezTerm', { TERM: 'xterm-256color', TERM_PROGRAM: 'WezTerm' }],
    ['WezTerm, started from GNOME Terminal', { TERM: 'wezterm', TERM_PROGRAM: 'WezTerm', VTE_VERSION: '7600' }],
    ['kitty', { TERM: 'xterm-kitty' }],
    ['kitty, started from GNOME Terminal', { TERM: 'xterm-kitty', VTE_VERSION: '7600' }],
    ['ConEmu', { ConEmuANSI: 'ON' }],
    ['an unknown terminal', { TERM: 'xterm-256color' }],
    ['a terminal without a name', {}],
  ])('uses OSC 9 for %s', (_, env) => {
    expect(notification('devwatch', 'server.js crashed', env)).toBe(osc9('devwatch: server.js crashed'));
  });

  test.each<[string, NodeJS.ProcessEnv]>([
    ['urxvt', { TERM: 'rxvt-unicode-256color' }],
    ['foot', { TERM: 'foot' }],
    ['foot, started from iTerm2', { TERM: 'foot-extra', TERM_PROGRAM: 'iTerm.app' }],
    ['Ghostty', { TERM: 'xterm-ghostty', TERM_PROGRAM: 'ghostty' }],
    ['Ghostty with another TERM', { TERM: 'xterm-256color', TERM_PROGRAM: 'ghostty' }],
    ['GNOME Terminal', { TERM: 'xterm-256color', VTE_VERSION: '7600' }],
    ['Konsole', { TERM: 'xterm-256color', KONSOLE_VERSION: '240802' }],
    ['Windows Terminal', { WT_SESSION: 'b5c9' }],
  ])('uses OSC 777 for %s', (_, env) => {
    expect(notification('devwatch', 'server.js crashed', env)).toBe(osc777('devwatch', 'server.js crashed'));
  });

  test.each(['dumb', 'linux'])('is the bell alone for TERM=%s', (TERM) => {
    expect(notification('devwatch', 'crashed', { TERM })).toBe(bell);
  });
});

describe('a notification in tmux', () => {
  const TMUX = '/tmp/tmux-1000/default,1,0';

  test('passes OSC 9 through and rings the bell of tmux', () => {
    expect(notification('a', 'b', { TMUX, TERM: 'tmux-256color', TERM_PROGRAM: 'tmux' })).toBe(
      `\x1bPtmux;\x1b\x1b]9;a: b\x07\x1b\\${bell}`,
    );
  });

  test('passes OSC 777 through and rings the bell of tmux', () => {
    expect(notification('a', 'b', { TMUX, TERM: 'screen', TERM_PROGRAM: 'tmux', VTE_VERSION: '7600' })).toBe(
      `\x1bPtmux;\x1b\x1b]777;notify;a;b\x1b\x1b\\\x1b\\${bell}`,
    );
  });
});

describe('the text of a notification', () => {
  test('becomes one line', () => {
    expect(notification('devwatch', ' Error: a\r\n\tat b\u0085c\u2028d ', {})).toBe(
      osc9('devwatch: Error: a at b c d'),
    );
  });

  test('has no separator if the title or the body is empty', () => {
    expect(notification('devwatch', '\n', {})).toBe(osc9('devwatch'));
    expect(notification('', 'crashed', {})).toBe(osc9('crashed'));
  });

  test('is not a command of ConEmu', () => {
    expect(notification('', '4;1;50', {})).toBe(osc9('· 4,1,50'));
    expect(notification('12', '', {})).toBe(osc9('· 12'));
  });

  test('keeps the title and the body apart', () => {
    expect(notification('a;b', 'c;d', { TERM: 'foot' })).toBe(osc777('a,b', 'c,d'));
  });

  test('does not change the direction of writing', () => {
    expect(notification('a', 'x\u202ey\u2066z\u200f', {})).toBe(osc9('a: xyz'));
  });

  test('is cut by characters if it is long', () => {
    expect(notification('😀'.repeat(81), 'b'.repeat(251), { TERM: 'foot' })).toBe(
      osc777(`${'😀'.repeat(79)}…`, `${'b'.repeat(249)}…`),
    );
    expect(notification('😀'.repeat(80), 'b'.repeat(250), { TERM: 'foot' })).toBe(
      osc777('😀'.repeat(80), 'b'.repeat(250)),
    );
  });
});

/** Texts full of characters that terminals interpret. */
const hostile = fc
  .array(fc.oneof(fc.constantFrom('\x1b', '\x07', '\x9c', '\x9d', '\x1b\\', ';', '\n', '4', '\ud800'), fc.string()))
  .map((parts) => parts.join(''));

test.each<[string, NodeJS.ProcessEnv, string, string, RegExp]>([
  ['OSC 9', {}, '\x1b]9;', '\x07\x07', /^(?!\d)[^\p{Cc};]*$/u],
  ['OSC 777', { TERM: 'foot' }, '\x1b]777;notify;', '\x1b\\\x07', /^[^\p{Cc};]*;[^\p{Cc};]*$/u],
  ['OSC 9 in tmux', { TMUX: '1' }, '\x1bPtmux;\x1b\x1b]9;', '\x07\x1b\\\x07', /^(?!\d)[^\p{Cc};]*$/u],
])('no text breaks out of %s', (_, env, before, after, shape) => {
  fc.assert(
    fc.property(hostile, hostile, (title, body) => {
      const written = notification(title, body, env);
      expect(written.startsWith(before) && written.endsWith(after)).toBe(true);
      expect(written.slice(before.length, -after.length)).toMatch(shape);
    }),
    { numRuns: 1000 },
  );
});
