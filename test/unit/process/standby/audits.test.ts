import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { EntryReport, LoadFacts, PackageEntry } from '../../../../src/preload/protocol.ts';
import {
  auditFrom,
  hasSameConditions,
  isCurrent,
  readAudit,
  signatureOf,
  storeAudit,
} from '../../../../src/process/standby/audits.ts';
import { createProject } from '../../../support/project.ts';

const script = '/project/server.js';
const entry = (name: string): PackageEntry => {
  return { file: `/project/node_modules/${name}/index.js`, parent: script, kind: 'require' };
};

const report = (name: string, found: Partial<EntryReport> = {}): EntryReport => ({
  ...{ file: entry(name).file, ms: 10, files: [entry(name).file], blames: [], hasEffects: false },
  ...{ effects: [], touches: [], variables: ['NODE_ENV'], isIncurable: false, isRuinous: false },
  ...found,
});

const names = ['one', 'two', 'three'];
const entries = names.map(entry);

/** Audits three packages, of which the second one is reported as given. */
const auditOf = (second: Partial<EntryReport>, tainted: readonly string[] = []) =>
  auditFrom('x', entries, new Map(names.map((name, at) => [at, report(name, at === 1 ? second : {})])), { tainted });

describe('an audit', () => {
  test.each<[why: string | undefined, found: Partial<EntryReport>]>([
    [undefined, {}],
    [undefined, { calls: ['/project/node_modules/loader'], effects: ['one code'], hasEffects: true }],
    ['is loaded later by a package, and calls others', { calls: ['/project/node_modules/one'] }],
    ['is loaded later by a package, and cannot be loaded again', { changesOnlyExports: false }],
    ['is loaded later by a package, and cannot be loaded again', { isIncurable: true }],
    ['is not loaded later', { files: [] }],
  ])('of a file that a package loads later: the reason against it is %s, for %j', (why, found) => {
    const late = { ...entry('two'), isLate: true };
    const reports = new Map([
      [0, report('one')],
      [1, report('two', { changesOnlyExports: true, ...found })],
    ]);
    expect(auditFrom('x', [entry('one'), late], reports, { tainted: [] }).entries[1]?.why).toBe(why);
  });

  test('leaves to the program a package that is blamed, those that need it, and none else', () => {
    const blames = [{ file: entry('two').file, why: 'prints' }];
    const { entries: audited } = auditOf({ blames }, [entry('two').file, entry('three').file]);
    expect(audited.map(({ why }) => why)).toEqual([undefined, 'prints', 'prints']);
    expect(audited[2]?.culprit).toBe(entry('two').file);
  });

  test('leaves to the program everything behind a package that hooks the module loader', () => {
    const blames = [{ file: entry('two').file, why: 'hooks the module loader' }];
    const { entries: audited } = auditOf({ blames }, [entry('two').file]);
    expect(audited.map(({ why }) => why)).toEqual([
      undefined,
      'hooks the module loader',
      'is loaded behind hooks of the module loader',
    ]);
  });

  test('is that of another program if packages are asked for in another order', () => {
    const facts: LoadFacts = { isCommonJs: true, entries, variables: {}, own: [] };
    expect(signatureOf(facts)).toBe(signatureOf({ ...facts, own: [{ file: script, entriesBefore: 0 }] }));
    expect(signatureOf(facts)).not.toBe(signatureOf({ ...facts, entries: entries.toReversed() }));
  });

  test('is current as long as no file has changed', async () => {
    await using project = createProject({ 'node_modules/one/index.js': '' });
    const files = [project.at('node_modules/one/index.js')];
    const audit = auditFrom('x', [entry('one')], new Map([[0, report('one', { files })]]), { tainted: [] });
    expect(isCurrent(audit)).toBe(true);
    project.write('node_modules/one/index.js', 'changed');
    expect(isCurrent(audit)).toBe(false);
  });
});

test('an audit holds for the variables that its packages have read', () => {
  const reports = new Map([[0, report('one', { variables: ['NODE_ENV', 'POLL'] })]]);
  const audit = auditFrom('x', [entry('one')], reports, { tainted: [] }, { NODE_ENV: 'test', A: '1' });
  expect(hasSameConditions(audit, { NODE_ENV: 'test', A: '2' })).toBe(true);
  expect(hasSameConditions(audit, { NODE_ENV: 'test', POLL: '1' })).toBe(false);
  expect(hasSameConditions(audit, {})).toBe(false);
});

describe('a stored audit', () => {
  const audit = auditOf({});

  test('is read again, by this user and for this script alone', async () => {
    await using project = createProject();
    const env = { XDG_CACHE_HOME: project.path };
    storeAudit(script, env, audit);
    expect(readAudit(script, env)).toEqual({ ...audit, learned: [], left: {} });
    expect(readAudit('/project/other.js', env)).toBeUndefined();
    const folder = project.at('devwatch/packages');
    const [name = ''] = fs.readdirSync(folder);
    expect(fs.statSync(path.join(folder, name)).mode & 0o077).toBe(0);
    expect(fs.statSync(folder).mode & 0o077).toBe(0);
    fs.chmodSync(path.join(folder, name), 0o666);
    expect(readAudit(script, env)).toBeUndefined();
  });

  test.each([
    '',
    '{',
    'null',
    '{"format":0}',
    '{"format":2,"signature":"x","entries":[{}],"stamps":{},"conditions":""}',
    '[]',
  ])('is ignored if it is damaged: %s', async (text) => {
    await using project = createProject();
    const env = { XDG_CACHE_HOME: project.path };
    storeAudit(script, env, audit);
    const folder = project.at('devwatch/packages');
    for (const name of fs.readdirSync(folder)) fs.writeFileSync(path.join(folder, name), text);
    expect(readAudit(script, env)).toBeUndefined();
  });

  test.each([
    ['cut off', (text: string) => text.slice(0, -10)],
    ['without files', (text: string) => text.replace('"stamps":{', '"stamps":7,"x":{')],
    ['with an entry that is none', (text: string) => text.replace('"kind":"require"', '"kind":"other"')],
    ['of an older devwatch', (text: string) => text.replace(/"format":\d+/, '"format":1')],
  ])('is ignored if it is %s', async (_, damage) => {
    await using project = createProject();
    const env = { XDG_CACHE_HOME: project.path };
    storeAudit(script, env, audit);
    const folder = project.at('devwatch/packages');
    const [name = ''] = fs.readdirSync(folder);
    const text = fs.readFileSync(path.join(folder, name), 'utf8');
    fs.writeFileSync(path.join(folder, name), damage(text));
    expect(damage(text)).not.toBe(text);
    expect(readAudit(script, env)).toBeUndefined();
  });

  test('removes the oldest ones', async () => {
    await using project = createProject();
    for (let index = 0; index < 35; index += 1) storeAudit(`/${index}.js`, { XDG_CACHE_HOME: project.path }, audit);
    expect(fs.readdirSync(project.at('devwatch/packages'))).toHaveLength(30);
  });
});
