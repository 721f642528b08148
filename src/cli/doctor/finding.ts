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
