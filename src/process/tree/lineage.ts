/**
 * The processes of a tree that have been found, and the groups and sessions that they lead. Such a group has the pid of
 * its leader as its number, and keeps it after the leader's end, until its last member has ended too. Then the number may
 * be given to a stranger.
 */

/** A process with its start time, which tells it from later ones with the same pid, and where it belongs. */
export interface Place {
  readonly pid: number;
  readonly startTime: string;
  readonly group: number;
  readonly session: number;
}

/** Above this number of processes those that have ended are forgotten. */
const maxKnown = 500;

export class Lineage {
  readonly #placeOf: (pid: number) => Place | undefined;
  readonly #known = new Map<number, Place>();
  /** Start times of the members that lead or led a group or session, by its number. */
  readonly #led = new Map<number, string>();
  /** The root's number counts until the first look after the root's end, which follows it at once. */
  #rootOnTrust: number | undefined;

  /** @param placeOf looks up the process with a pid, be it a zombie */
  constructor(placeOf: (pid: number) => Place | undefined, root?: Place) {
    this.#placeOf = placeOf;
    if (root === undefined) return;
    this.add(root);
    this.#led.set(root.pid, root.startTime);
    this.#rootOnTrust = root.pid;
  }

  /** Forgets the numbers that may have been given away. To be called at the beginning of each look for members. */
  revise(): void {
    if (this.#known.size > maxKnown) {
      for (const place of this.#known.values()) if (!this.#isAlive(place)) this.#known.delete(place.pid);
    }
    for (const [number, startTime] of this.#led) {
      if (this.#isAlive({ pid: number, startTime }) || this.#isHeld(number)) continue;
      if (this.#rootOnTrust === number) this.#rootOnTrust = undefined;
      else this.#led.delete(number);
    }
  }

  /** Whether the process was found to be a member before. */
  isKnown({ pid, startTime }: Pick<Place, 'pid' | 'startTime'>): boolean {
    return this.#known.get(pid)?.startTime === startTime;
  }

  /** Whether a member that was found before has this pid, and lives. */
  isAlive(pid: number): boolean {
    const place = this.#known.get(pid);
    return place !== undefined && this.#isAlive(place);
  }

  /** Whether the process is in a group or session that a member leads or led. */
  includes({ group, session }: Place): boolean {
    return this.#led.has(group) || this.#led.has(session);
  }

  /** Adds a member. */
  add({ pid, startTime, group, session }: Place): void {
    this.#known.set(pid, { pid, startTime, group, session });
    if (pid === group || pid === session) this.#led.set(pid, startTime);
  }

  #isAlive({ pid, startTime }: Pick<Place, 'pid' | 'startTime'>): boolean {
    return this.#placeOf(pid)?.startTime === startTime;
  }

  /** Whether a known member has been in the group since it was found: as long as it is, nobody else gets the number. */
  #isHeld(number: number): boolean {
    const isIn = ({ group, session }: Place): boolean => group === number || session === number;
    return [...this.#known.values()].some((place) => {
      const now = isIn(place) ? this.#placeOf(place.pid) : undefined;
      return now?.startTime === place.startTime && isIn(now);
    });
  }
}
