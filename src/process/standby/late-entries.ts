/** The files that functions of packages load, when the packages themselves have been loaded: which of them are audited. */

import type { LoadFacts, PackageEntry } from '../../preload/protocol.ts';
import type { Audit, AuditedEntry } from './audits.ts';

/** Audits for further files: a run may load some that another one does not need. */
const maxAudits = 2;

export class LateEntries {
  #audits = 0;

  /** Whether an audit has looked at all that packages have loaded later in the last run; or enough of them have. */
  areKnown({ entries }: Audit, { late = [] }: LoadFacts): boolean {
    if (this.#audits >= maxAudits) return true;
    const known = new Set(entries.map(({ file }) => file));
    return late.every(({ file }) => known.has(file));
  }

  /**
   * Returns the files to audit: of this run, and of earlier ones.
   *
   * @param audit of a run that has asked for the same packages
   */
  toAudit({ late = [] }: LoadFacts, audit: Audit | undefined): readonly PackageEntry[] {
    const known = audit?.entries.filter((one) => one.isLate === true) ?? [];
    if (audit !== undefined) this.#audits += 1;
    const files = new Set(known.map(({ file }) => file));
    return [
      ...known.map(({ file, parent, kind }) => ({ file, parent, kind, isLate: true })),
      ...late.filter(({ file }) => !files.has(file)),
    ];
  }

  reset(): void {
    this.#audits = 0;
  }
}

/** Returns whether an entry is loaded ahead of time: a late one only if all that it needs are. */
export function selectEntries(
  entries: readonly AuditedEntry[],
  isKept: (one: AuditedEntry) => boolean,
): (one: AuditedEntry) => boolean {
  const others = new Set(entries.filter((one) => !isKept(one)).map(({ file }) => file));
  return ({ file, isLate, needs }) => !others.has(file) && (isLate !== true || !needs.some((one) => others.has(one)));
}
