import { UsageError } from '../../src/shared/errors.ts';

/** Returns the message with which something is refused. @throws Error if it is not, or for another reason */
export function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new Error('it was not refused');
}
