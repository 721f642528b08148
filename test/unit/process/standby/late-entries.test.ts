import { expect, test } from 'vitest';
import type { LoadFacts, PackageEntry } from '../../../../src/preload/protocol.ts';
import { type Audit, type AuditedEntry, auditFrom } from '../../../../src/process/standby/audits.ts';
import { LateEntries, selectEntries } from '../../../../src/process/standby/late-entries.ts';

const late = (file: string): PackageEntry => ({ file, parent: '/node_modules/a.js', kind: 'require', isLate: true });
const facts = (...files: readonly string[]): LoadFacts => ({
  ...{ isCommonJs: true, entries: [], variables: {}, own: [] },
  late: files.map(late),
});
const auditOf = (...files: readonly string[]): Audit =>
  auditFrom('x', files.map(late), new Map(), { tainted: [], needs: {} });

test('files that packages load later are audited, those of earlier runs as well; twice in all', () => {
  const entries = new LateEntries();
  const filesOf = (facts: LoadFacts, audit?: Audit): string =>
    entries
      .toAudit(facts, audit)
      .map(({ file }) => file)
      .join();
  expect(filesOf(facts('b', 'c'))).toBe('b,c');
  expect(entries.areKnown(auditOf('b', 'c'), facts('c'))).toBe(true);
  expect(entries.areKnown(auditOf('b', 'c'), facts('d'))).toBe(false);
  expect(filesOf(facts('c', 'd'), auditOf('b', 'c'))).toBe('b,c,d');
  expect(filesOf(facts('e'), auditOf('b', 'c', 'd'))).toBe('b,c,d,e');
  expect(entries.areKnown(auditOf('b'), facts('f'))).toBe(true);
});

test('a file that a package loads later is loaded ahead of time only with all that it needs', () => {
  const entries = auditOf('b', 'c', 'd').entries.map((one): AuditedEntry => ({ ...one, needs: ['b'] }));
  const selected = (kept: string): string =>
    entries
      .filter(selectEntries(entries, ({ file }) => kept.includes(file)))
      .map(({ file }) => file)
      .join();
  expect(selected('bc')).toBe('b,c');
  expect(selected('cd')).toBe('');
});
