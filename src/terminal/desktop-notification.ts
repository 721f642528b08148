/**
 * Desktop notifications that the terminal shows, wherever that is: over ssh the user's own machine. Pure.
 *
 * Two sequences are in use, and a terminal swallows the one that it does not know. OSC 9 takes one
 * text: iTerm2, WezTerm, kitty, Warp and most others; ConEmu took `OSC 9 ; number` for commands of
 * its own, which many have adopted. OSC 777 takes a title and a body: urxvt, Fedora's VTE, Konsole,
 * Windows Terminal (which knows no texts in OSC 9) and contour understand that alone, foot and
 * Ghostty both.
 */

/** In characters; what is longer is cut, for some terminals drop a sequence that is too long. */
const longestTitle = 80;
const longestBody = 250;

const esc = '\u001b';
const bell = '\u0007';

/**
 * What to write to a terminal for a notification and a bell; where nothing can be shown (TERM is
 * `dumb` or `linux`) the bell alone. tmux passes it on if `allow-passthrough` lets it.
 *
 * @param title the texts may hold anything: what a terminal would obey is taken out
 * @param env tells which terminal it is
 */
export function notification(title: string, body: string, env: NodeJS.ProcessEnv): string {
  if (env.TERM === 'dumb' || env.TERM === 'linux') return bell;
  const [head, text] = [harmless(title, longestTitle), harmless(body, longestBody)];
  const sequence = wantsTitle(env)
    ? `${esc}]777;notify;${head};${text}${esc}\\`
    : `${esc}]9;${noCommand([head, text].filter(Boolean).join(': '))}${bell}`;
  const passed = env.TMUX ? `${esc}Ptmux;${sequence.replaceAll(esc, esc + esc)}${esc}\\` : sequence;
  // tmux itself hears the bell.
  return passed + bell;
}

/** Does this terminal understand OSC 777, and OSC 9 less well? */
function wantsTitle(env: NodeJS.ProcessEnv): boolean {
  const { TERM = '', TERM_PROGRAM = '' } = env;
  // TERM first: every terminal sets it, while the other variables may be those of one that this was started from.
  if (/^(?:rxvt|foot|contour|xterm-ghostty)/.test(TERM)) return true;
  if (TERM.startsWith('xterm-kitty')) return false;
  if (TERM_PROGRAM !== '' && TERM_PROGRAM !== 'tmux') return /^(?:ghostty|foot|contour)$/i.test(TERM_PROGRAM);
  return Boolean(env.VTE_VERSION || env.KONSOLE_VERSION || env.WT_SESSION);
}

/**
 * One line in which nothing ends or begins a sequence: no control characters (C1 ones included, of
 * which U+009C ends a sequence), nothing that turns the direction of writing, and no `;`.
 */
function harmless(text: string, longest: number): string {
  const line = text
    .replace(/[\p{Cc}\u2028\u2029\s]+/gu, ' ')
    .replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\p{Cs}]/gu, '')
    .replaceAll(';', ',')
    .trim();
  const characters = [...line];
  return characters.length <= longest ? line : `${characters.slice(0, longest - 1).join('')}…`;
}

/** A text that begins with a number may be a command of ConEmu's, even without a `;` (12 marks a prompt, 5 waits for Enter). */
const noCommand = (text: string): string => (/^\d/.test(text) ? `· ${text}` : text);
