import { describe, expect, test } from 'vitest';
import { hyperlink, locationUrl, supportsHyperlinks } from '../../../src/terminal/hyperlink.ts';

describe('a terminal', () => {
  test.each<[boolean, string, NodeJS.ProcessEnv]>([
    [true, 'iTerm2', { TERM_PROGRAM: 'iTerm.app', TERM_PROGRAM_VERSION: '3.5.0' }],
    [false, 'an iTerm2 without links', { TERM_PROGRAM: 'iTerm.app', TERM_PROGRAM_VERSION: '3.0.15' }],
    [true, 'Visual Studio Code', { TERM_PROGRAM: 'vscode', TERM_PROGRAM_VERSION: '1.90.0' }],
    [true, 'WezTerm', { TERM_PROGRAM: 'WezTerm', TERM_PROGRAM_VERSION: '20240203-110809-5046fc22' }],
    [false, 'Terminal of macOS', { TERM_PROGRAM: 'Apple_Terminal', TERM_PROGRAM_VERSION: '455' }],
    [true, 'tmux', { TERM: 'screen-256color', TERM_PROGRAM: 'tmux', TERM_PROGRAM_VERSION: '3.4' }],
    [
      false,
      'an older tmux',
      { TERM: 'screen', TERM_PROGRAM: 'tmux', TERM_PROGRAM_VERSION: '3.3a', VTE_VERSION: '7600' },
    ],
    [false, 'screen in iTerm2', { TERM: 'screen', TERM_PROGRAM: 'iTerm.app', TERM_PROGRAM_VERSION: '3.5.0' }],
    [true, 'kitty', { TERM: 'xterm-kitty' }],
    [true, 'GNOME', { TERM: 'xterm-256color', VTE_VERSION: '7600' }],
    [false, 'VTE 0.50.0, which crashes', { TERM: 'xterm-256color', VTE_VERSION: '5000' }],
    [true, 'Konsole', { TERM: 'xterm-256color', KONSOLE_VERSION: '230804' }],
    [true, 'Windows Terminal', { WT_SESSION: '4f1c' }],
    [false, 'an unknown terminal', { TERM: 'xterm-256color' }],
    [false, 'a dumb terminal', { TERM: 'dumb', VTE_VERSION: '7600' }],
    [false, 'a log of CI', { CI: 'true', VTE_VERSION: '7600' }],
    [true, 'one with FORCE_HYPERLINK', { FORCE_HYPERLINK: '1' }],
    [false, 'one with FORCE_HYPERLINK=0', { FORCE_HYPERLINK: '0', VTE_VERSION: '7600' }],
  ])('has links (%s): %s', (has, _, env) => {
    expect(supportsHyperlinks({ isTTY: true }, true, env)).toBe(has);
  });

  test('gets none without colours, unless they are forced', () => {
    expect(supportsHyperlinks({ isTTY: true }, false, { VTE_VERSION: '7600' })).toBe(false);
    expect(supportsHyperlinks({ isTTY: true }, false, { FORCE_HYPERLINK: '1' })).toBe(true);
  });

  test('is needed: a pipe never gets links', () => {
    expect(supportsHyperlinks({}, true, { FORCE_HYPERLINK: '1' })).toBe(false);
  });
});

test('a link leads to the line in the file; over ssh it names the machine', () => {
  const location = { file: '/my shop/a.js', line: 12, column: 5 };
  expect(locationUrl(location, {}, 'host')).toBe('file:///my%20shop/a.js#12');
  expect(locationUrl({ file: '/a.js' }, {}, 'host')).toBe('file:///a.js');
  const ssh = { SSH_CONNECTION: '10.0.0.1 1 10.0.0.2 22' };
  expect(locationUrl(location, ssh, 'host')).toBe('file://host/my%20shop/a.js#12');
  expect(locationUrl(location, { ...ssh, TERM_PROGRAM: 'vscode' }, 'host')).toBe('file:///my%20shop/a.js#12');
  expect(hyperlink('a.js', 'file:///a.js')).toBe('\u001b]8;;file:///a.js\u001b\\a.js\u001b]8;;\u001b\\');
});
