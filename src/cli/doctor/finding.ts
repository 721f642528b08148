/** A finding of `devwatch doctor`. */

export interface Finding {
  /** The subject, in a word or two. */
  readonly topic: string;
  /** `broken`: something does not work that should. `note`: something is off, or works in another way than usual. */
  readonly status: 'ok' | 'note' | 'broken';
  readonly text: string;
  /** How to change it; only where there is something to change. */
  readonly remedy?: string;
}

export const ok = (topic: string, text: string): Finding => ({ topic, status: 'ok', text });

export const note = (topic: string, text: string, remedy?: string): Finding => ({
  ...{ topic, status: 'note', text },
  ...(remedy === undefined ? {} : { remedy }),
});

export const broken = (topic: string, text: string, remedy: string): Finding => ({
  ...{ topic, status: 'broken', text, remedy },
});

/** Returns a note on a message of devwatch, which has its advice behind a dot. */
export const noteOf = (topic: string, message: string): Finding => note(topic, ...splitMessage(message));

/** Returns a finding on an error of the user's, with its own advice if it has any. */
export function mistake(topic: string, message: string): Finding {
  const [text, advice = 'correct it'] = splitMessage(message);
  return broken(topic, text, advice);
}

function splitMessage(message: string): [text: string, advice?: string] {
  const [text = message, ...advice] = message.split(' · ');
  return advice.length === 0 ? [text] : [text, advice.join(' · ')];
}
