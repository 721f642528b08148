/**
 * A mistake in what the user gave us: a flag, a settings file, a missing script. Its message names what is wrong, where,
 * and what to do; it is shown without a stack trace, and the command line ends with exit code 2.
 */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
  /** A file or folder, absolute, whose absence is the mistake: it is none any more when that exists. */
  readonly lacks: string | undefined;

  constructor(message: string, { lacks, ...options }: ErrorOptions & { readonly lacks?: string | undefined } = {}) {
    super(message, options);
    this.lacks = lacks;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a system error (`ENOENT`, `EACCES`, …), or undefined. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Returns the result of an action; undefined when it throws. For system calls whose failure has one meaning only. */
export function attempt<Result>(action: () => Result): Result | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
