import type { StopStage } from '../../shared/events.ts';

/** A started program. */
export interface RunningProgram {
  /** Undefined when it could not be started. */
  readonly pid: number | undefined;
  /** It had been booted before. */
  readonly fromStandby: boolean;
  /** Pushes the end of the whole tree to a stage. */
  end(stage: StopStage): void;
  /** Hands a signal to the root process, or to everything in the tree. */
  signal(name: NodeJS.Signals, to: 'root' | 'tree'): void;
  /** Calls back when its event loop has come round; false where it cannot be asked. */
  ping(answered: () => void): boolean;
  /** Resident memory of its tree in bytes; undefined where that cannot be known. */
  memory(): number | undefined;
  /** CPU time that its tree has used so far, in ms; undefined as for memory. */
  cpu(): number | undefined;
  /** Writes to a piped stdin; null ends it. `done`: the pipe has taken it, or it is lost, for nobody reads any more. */
  write(chunk: string | Buffer | null, done?: (isLost: boolean) => void): void;
}
