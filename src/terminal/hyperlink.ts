/** Links in the terminal (OSC 8), which lead to a place in a file. Pure, except for the name of the machine. */

import os from 'node:os';
import { pathToFileURL } from 'node:url';
import type { SourceLocation } from '../shared/events.ts';

const esc = '\u001b';

/** Terminals by the value of TERM_PROGRAM, with the first version that has links. */
const programs: Readonly<Record<string, readonly [major: number, minor: number]>> = {
  'iTerm.app': [3, 1],
  WezTerm: [20200620, 0],
  // Also its relatives, such as Cursor.
  vscode: [1, 72],
  ghostty: [1, 0],
  rio: [0, 0],
  zed: [0, 0],
  mintty: [3, 1],
  // It passes links on to a terminal that has them, and hides them from others.
  tmux: [3, 4],
};

/** Terminals by the beginning of TERM. */
const terms = /^(?:xterm-kitty|xterm-ghostty|alacritty|foot|contour|wezterm)/;

/** VTE 0.50.0 has links, but crashes. */
const firstVte = 5001;
const firstKonsole = 201200;

/**
 * Returns whether to write links to a stream: never to a pipe or a file. FORCE_HYPERLINK decides; without it, whether
 * the terminal is known to have links. Without colours there are no links either: then plain text is wanted.
 */
export function supportsHyperlinks(
  { isTTY = false }: { readonly isTTY?: boolean },
  hasColor: boolean,
  env: NodeJS.ProcessEnv,
): boolean {
  if (!isTTY) return false;
  const { FORCE_HYPERLINK, CI, TERM = '', TERM_PROGRAM = '', WT_SESSION, VTE_VERSION, KONSOLE_VERSION } = env;
  if (FORCE_HYPERLINK) return FORCE_HYPERLINK !== '0' && FORCE_HYPERLINK !== 'false';
  if (!hasColor || CI || TERM === 'dumb') return false;
  // GNU screen has no links. tmux may set the same TERM.
  if (TERM.startsWith('screen') && TERM_PROGRAM !== 'tmux') return false;
  // Each sets TERM_PROGRAM or TERM; the other variables may be inherited from a terminal that started this one.
  if (TERM_PROGRAM !== '') return isSince(env.TERM_PROGRAM_VERSION, programs[TERM_PROGRAM]);
  if (terms.test(TERM)) return true;
  return Boolean(WT_SESSION) || Number(VTE_VERSION) >= firstVte || Number(KONSOLE_VERSION) >= firstKonsole;
}

function isSince(version = '', first: readonly [major: number, minor: number] | undefined): boolean {
  if (first === undefined) return false;
  const [major = 0, minor = 0] = version.split(/[.-]/).map((part) => Number.parseInt(part, 10) || 0);
  return major > first[0] || (major === first[0] && minor >= first[1]);
}

/** Returns a text as a link. It must not contain control characters. */
export const hyperlink = (text: string, url: string): string => `${esc}]8;;${url}${esc}\\${text}${esc}]8;;${esc}\\`;

/**
 * Returns the URL of a place in a file. Over ssh it names this machine, so that no file of the other one is opened; an
 * editor's own terminal knows where it runs. Editors take the line from the fragment.
 */
export function locationUrl(
  { file, line }: SourceLocation,
  env: NodeJS.ProcessEnv,
  host: string = os.hostname(),
): string {
  const url = pathToFileURL(file);
  const isRemote = Boolean(env.SSH_CONNECTION || env.SSH_TTY) && env.TERM_PROGRAM !== 'vscode';
  const place = isRemote ? url.href.replace('file://', `file://${host}`) : url.href;
  return line === undefined ? place : `${place}#${line}`;
}
