import type { ServerRole } from '../preload/protocol.ts';
import type { ServerAddress } from './events.ts';

/** A server of the program that listens. */
export interface Server extends ServerAddress {
  readonly id: string;
  /** The address as the program has requested it: the same in each run. */
  readonly key: string;
  readonly role: ServerRole | undefined;
}
