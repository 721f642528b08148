/**
 * The tree on macOS and other Unix systems without /proc, from `ps`: the root's descendants by parent, the groups that
 * members lead, and the processes with the run's variable, where the system shows that.
 */

import type { Survivor } from '../../shared/events.ts';
import type { PsLine, PsReader } from '../platform/ps.ts';
import { Exemptions, type Keep } from './exemptions.ts';
import { Lineage } from './lineage.ts';
import { type Delivery, type Member, memberKey, type ProcessTree, type Root, type Scan, sendSignal } from './tree.ts';

export interface PsTreeOptions {
  /** The started process; undefined to find those that another devwatch started. */
  readonly root: Root | undefined;
  /** `NAME=value` and a NUL, or `NAME=` for those of all runs; empty where no process shows its variables. */
  readonly variable: string;
  readonly keep: Keep;
  /** `keep` applies to the root as well. */
  readonly mayBeKept?: boolean;
  readonly reader: PsReader;
}

/** A listing may be used again for this time, in ms: no pid can have been given away in between. */
const maxListingAgeMs = 50;

export class PsTree implements ProcessTree {
  readonly #options: PsTreeOptions;
  readonly #reader: PsReader;
  readonly #exemptions: Exemptions;
  readonly #lineage: Lineage;
  readonly #commandLines = new Map<string, string>();
  #listing: ReadonlyMap<number, PsLine> = new Map();
  /** When the latest list was begun that shows this process. */
  #listedAt = Number.NEGATIVE_INFINITY;
  /** The latest attempt to list the processes has succeeded. */
  #isListed = true;
  /** The members of the latest scan. */
  #members: readonly Member[];

  constructor(options: PsTreeOptions) {
    const { root, keep, mayBeKept = false, reader } = options;
    this.#options = options;
    this.#reader = reader;
    const placeOf = (pid: number): PsLine | undefined => this.#listing.get(pid);
    const commandLine = (pid: number): string | undefined => this.#commandLineOf(this.#listing.get(pid));
    this.#exemptions = new Exemptions(keep, mayBeKept ? undefined : root?.pid, { placeOf, commandLine });
    // As long as its exit has not been reported, nobody else has its pid. The first list shows when it was started.
    const pid = root?.pid ?? 0;
    this.#lineage = new Lineage(placeOf, root && { pid, startTime: '', group: pid, session: 0 });
    this.#members = root === undefined ? [] : [{ pid, startTime: '', command: '' }];
  }

  /** Notes the members so far, which are known even when their parents have ended. */
  prepare(): void {
    const begunAt = performance.now();
    this.#reader.listLater((lines) => {
      if (begunAt > this.#listedAt && this.#take(lines, begunAt)) this.#find();
    });
  }

  scan(onFound?: (member: Member) => void): Scan {
    const begunAt = performance.now();
    const isListed = this.#take(this.#reader.list(), begunAt);
    this.#members = isListed ? this.#find() : this.#unseen();
    for (const member of this.#members) onFound?.(member);
    return { members: this.#members, proven: isListed };
  }

  signal(member: Member, signal: NodeJS.Signals): Delivery {
    // No list is needed for it, and perhaps none can be made.
    if (this.#isRoot(member)) return sendSignal(member.pid, signal);
    const now = performance.now();
    if (now - this.#listedAt >= maxListingAgeMs) this.#take(this.#reader.list(), now);
    const isSame = this.#isListed && this.#listing.get(member.pid)?.startTime === member.startTime;
    return isSame ? sendSignal(member.pid, signal) : 'gone';
  }

  describe(member: Member, denied: boolean): Survivor {
    const known = this.#isListed ? 'does not end on SIGKILL' : 'may still run: ps shows no processes';
    const command = this.#commandLineOf(this.#listing.get(member.pid)) ?? member.command;
    return { pid: member.pid, command, reason: denied ? 'belongs to another user' : known };
  }

  /** Whether a member is the root, and its exit has not been reported yet: nobody else can have its pid. */
  #isRoot({ pid }: Member): boolean {
    return this.#options.root?.pid === pid && !this.#options.root.hasExited();
  }

  /**
   * Takes a list for true if it shows this process. Any other one proves nothing: `ps` could not be started, or writes in
   * another form.
   */
  #take(lines: readonly PsLine[], begunAt: number): boolean {
    this.#isListed = lines.some(({ pid }) => pid === process.pid);
    if (!this.#isListed) return false;
    this.#listing = new Map(lines.map((line) => [line.pid, line]));
    this.#listedAt = begunAt;
    const { root } = this.#options;
    const line = root && !root.hasExited() ? this.#listing.get(root.pid) : undefined;
    if (line !== undefined) this.#lineage.add(line);
    return true;
  }

  /** Returns the members in the latest list, and remembers them. */
  #find(): readonly PsLine[] {
    const { variable } = this.#options;
    this.#lineage.revise();
    const lines = [...this.#listing.values()].filter(({ pid }) => pid !== process.pid);
    const belonging = new Map<number, PsLine>();
    const add = (line: PsLine): void => {
      belonging.set(line.pid, line);
      this.#lineage.add(line);
    };
    const isMarked = ({ text, environment }: PsLine): boolean =>
      text.includes(variable.replace('\0', '')) && environment.includes(`\0${variable}`);
    for (const line of lines) if (variable !== '' && isMarked(line)) add(line);
    for (let known = -1; known < belonging.size; ) {
      known = belonging.size;
      for (const line of lines) {
        const belongs = this.#lineage.isKnown(line) || belonging.has(line.parent) || this.#lineage.includes(line);
        if (belongs && !belonging.has(line.pid)) add(line);
      }
    }
    const members = [...belonging.values()];
    this.#readCommandLines(members);
    const exempt = this.#exemptions.among(members);
    return members.filter(({ pid }) => !exempt.has(pid));
  }

  /** Returns the members that are taken for alive when no list can be made: those of the latest scan, and the root. */
  #unseen(): readonly Member[] {
    const { root } = this.#options;
    const others = this.#members.filter(({ pid }) => pid !== root?.pid);
    const [isAlone, hasExited] = [others.length === 0, root?.hasExited() !== false];
    // Its children may be left, and they are unknown. It stands for them.
    if (root === undefined || (hasExited && !isAlone)) return others;
    const known = this.#members.find(({ pid }) => pid === root.pid);
    return [known ?? { pid: root.pid, startTime: '', command: '' }, ...others];
  }

  /** Reads the command lines of new members, to which `keep` may apply, by one call for all. */
  #readCommandLines(members: readonly PsLine[]): void {
    const { keep, root, mayBeKept } = this.#options;
    if (keep.globs.length === 0) return;
    const fresh = members.filter(
      (member) => (mayBeKept || member.pid !== root?.pid) && !this.#commandLines.has(memberKey(member)),
    );
    if (fresh.length === 0) return;
    const lines = this.#reader.commandLines(fresh.map(({ pid }) => pid));
    for (const member of fresh) this.#commandLines.set(memberKey(member), lines.get(member.pid) ?? member.command);
  }

  #commandLineOf(line: PsLine | undefined): string | undefined {
    return line && this.#commandLines.get(memberKey(line));
  }
}
