/**
 * Desktop notifications that the terminal shows: over ssh, on the user's own machine. Pure.
 *
 * Terminals use two sequences, and ignore the one that they do not know. OSC 9 takes one text: iTerm2, WezTerm, kitty,
 * Warp and most others; `OSC 9 ; number` is a command, since ConEmu. OSC 777 takes a title and a body: urxvt, Fedora's
 * VTE, Konsole, Windows Terminal (which has no texts in OSC 9) and contour know only that, foot and Ghostty both.
 */

/** Longer texts are cut, because some terminals drop long sequences. In characters. */
const maxTitleLength = 80;
const maxBodyLength = 250;

const esc = '\u001b';
const bell = '\u0007';

/**
 * Returns the sequences for a notification and a bell, or the bell alone if the terminal (`TERM` is `dumb` or `linux`)
 * has no notifications. tmux passes them on if `allow-passthrough` is on. The texts may contain any characters.
 */
export function notification(title: string, body: string, env: NodeJS.ProcessEnv): string {
  if (env.TERM === 'dumb' || env.TERM === 'linux') return bell;
  const [head, text] = [plainText(title, maxTitleLength), plainText(body, maxBodyLength)];
  const sequence = usesOsc777(env)
    ? `${esc}]777;notify;${head};${text}${esc}\\`
    : `${esc}]9;${withoutCommand([head, text].filter(Boolean).join(': '))}${bell}`;
  const passed = env.TMUX ? `${esc}Ptmux;${sequence.replaceAll(esc, esc + esc)}${esc}\\` : sequence;
  // The bell is for tmux itself.
  return passed + bell;
}

/** Returns whether this terminal supports OSC 777 better than OSC 9. */
function usesOsc777(env: NodeJS.ProcessEnv): boolean {
  const { TERM = '', TERM_PROGRAM = '' } = env;
  // Every terminal sets TERM. The other variables may be inherited from a terminal that started this one.
  if (/^(?:rxvt|foot|contour|xterm-ghostty)/.test(TERM)) return true;
  if (TERM.startsWith('xterm-kitty')) return false;
  if (TERM_PROGRAM !== '' && TERM_PROGRAM !== 'tmux') return /^(?:ghostty|foot|contour)$/i.test(TERM_PROGRAM);
  return Boolean(env.VTE_VERSION || env.KONSOLE_VERSION || env.WT_SESSION);
}

/**
 * Returns the text as one line that neither ends nor begins a sequence: without control characters (C1 included, of
 * which U+009C ends a sequence), without marks that change the direction of writing, and without `;`.
 */
function plainText(text: string, maxLength: number): string {
  const line = text
    .replace(/[\p{Cc}\u2028\u2029\s]+/gu, ' ')
    .replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\p{Cs}]/gu, '')
    .replaceAll(';', ',')
    .trim();
  const characters = [...line];
  return characters.length <= maxLength ? line : `${characters.slice(0, maxLength - 1).join('')}…`;
}

/** A text that begins with a number may be a command of ConEmu, even without a `;` (12 marks a prompt, 5 waits for Enter). */
const withoutCommand = (text: string): string => (/^\d/.test(text) ? `· ${text}` : text);
