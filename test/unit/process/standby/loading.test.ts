import { describe, expect, test } from 'vitest';
import type { EntryReport, PackageOrders } from '../../../../src/preload/protocol.ts';
import { Loading } from '../../../../src/process/standby/loading.ts';
import { createClock } from '../../../support/clock.ts';
import { FakeChild } from '../../../support/fake-child.ts';

const file = '/project/node_modules/one/index.js';
const orders: PackageOrders = {
  script: '/project/server.js',
  isCommonJs: true,
  entries: [{ file, parent: '/project/server.js', kind: 'require' }],
  variables: {},
  modules: [],
  learned: [],
  isAudit: false,
};
const report: EntryReport = {
  ...{ file, ms: 1, files: ['/missing.js'], blames: [], hasEffects: false },
  ...{ effects: [], touches: [], variables: [], isIncurable: false, isRuinous: false },
};

function open(expectedMs = 100, isIncurable = false) {
  const clock = createClock();
  const child = new FakeChild(1);
  const failures: string[] = [];
  const state: { isBusy: boolean; cpuMs?: number } = { isBusy: false };
  const loading = new Loading({
    ...{ child, orders, clock, expectedMs: [expectedMs], incurable: [isIncurable] },
    isBusy: () => state.isBusy,
    cpuTime: () => state.cpuMs,
    onFailure: (name, why) => failures.push(`${name} ${why}`),
  });
  return { clock, child, failures, state, loading };
}

describe('a process that loads packages', () => {
  test('gets its orders at once, and an answer to each question', () => {
    const { child, loading } = open();
    loading.onMessage({ type: 'loading', index: 0 });
    loading.onMessage({ type: 'loaded', index: 0, report });
    expect(child.answers).toEqual([{ packages: orders }, { next: true }]);
    expect(loading.fileCount).toBe(1);
  });

  test('waits while the program is busy, for five seconds at most', () => {
    const { child, clock, state, loading } = open();
    state.isBusy = true;
    loading.onMessage({ type: 'loading', index: 0 });
    clock.advance(1000);
    expect(child.answers).toHaveLength(1);
    state.isBusy = false;
    clock.advance(100);
    expect(child.answers).toHaveLength(2);
    loading.onMessage({ type: 'loaded', index: 0, report });
    state.isBusy = true;
    loading.onMessage({ type: 'loading', index: 0 });
    clock.advance(5000);
    expect(child.answers).toHaveLength(3);
  });

  test('is stuck, for a run that would wait for it, when a package takes three times as long as before', () => {
    const { clock, loading } = open(500);
    expect(loading.isStuck).toBe(false);
    loading.onMessage({ type: 'loading', index: 0 });
    clock.advance(1400);
    expect(loading.isStuck).toBe(false);
    clock.advance(200);
    expect(loading.isStuck).toBe(true);
  });

  test('is incurable from the beginning of a package on that was so in the audit', () => {
    const { loading } = open(100, true);
    expect(loading.isIncurable).toBe(false);
    loading.onMessage({ type: 'loading', index: 0 });
    expect(loading.isIncurable).toBe(true);
    loading.onMessage({ type: 'loaded', index: 0, report });
    expect(loading.isIncurable).toBe(false);
  });

  test('fails when a package hangs', () => {
    const { clock, failures, loading } = open();
    loading.onMessage({ type: 'loading', index: 0 });
    clock.advance(4900);
    expect(failures).toEqual([]);
    clock.advance(200);
    expect(failures).toEqual([`${file} has not been loaded after 5 s`]);
    expect(clock.pending).toBe(0);
  });

  test('does not fail while a busy machine lets it get on slowly, but when it has used the CPU for as long', () => {
    const { clock, failures, state, loading } = open();
    state.cpuMs = 1000;
    loading.onMessage({ type: 'loading', index: 0 });
    for (let seconds = 5; seconds <= 20; seconds += 5) {
      state.cpuMs += 1000;
      clock.advance(5000);
    }
    expect(failures).toEqual([]);
    state.cpuMs += 1000;
    clock.advance(5000);
    expect(failures).toEqual([`${file} has not been loaded after 5 s`]);
  });

  test('fails when a package waits and does not use the CPU', () => {
    const { clock, failures, state, loading } = open();
    state.cpuMs = 1000;
    loading.onMessage({ type: 'loading', index: 0 });
    state.cpuMs += 200;
    clock.advance(5000);
    expect(failures).toEqual([]);
    clock.advance(5000);
    expect(failures).toEqual([`${file} has not been loaded after 5 s`]);
  });

  test('fails when a package changes something for good that it did not change in the audit', () => {
    const { failures, loading } = open();
    loading.onMessage({ type: 'loading', index: 0 });
    const blames = [{ file, why: 'changes globalThis.fixed' }];
    loading.onMessage({ type: 'loaded', index: 0, report: { ...report, blames, isRuinous: true } });
    expect(failures).toEqual([`${file} changes globalThis.fixed`]);
  });

  test('fails when it ends before all packages are loaded, by the package that it was loading', () => {
    const one = open();
    one.loading.onMessage({ type: 'loading', index: 0 });
    one.child.exit();
    expect(one.failures).toEqual([`${file} ends the process`]);
    const other = open();
    other.child.exit();
    expect(other.failures).toEqual([' ends the process']);
  });

  test('no longer fails once it has been released', () => {
    const { child, clock, failures, loading } = open();
    loading.onMessage({ type: 'loading', index: 0 });
    loading.close();
    clock.advance(60_000);
    child.exit();
    expect(failures).toEqual([]);
  });
});
