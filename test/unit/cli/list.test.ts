import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Status } from '../../../src/background/daemon.ts';
import type { BackgroundEntry, BackgroundRecord } from '../../../src/background/records.ts';
import { jsonVersion, ProgramStates, type Row } from '../../../src/cli/list/rows.ts';
import { listLines } from '../../../src/cli/list/table.ts';
import { createClock } from '../../support/clock.ts';

const plain = (text: string): string => text;
const folder = '/home/me/shop';

const up: Row = {
  ...{ name: 'web', state: 'up', pid: 5130, owner: 5120, uptime: 754_000, restarts: 3, cpu: 12.4, cpuTime: 5000 },
  ...{ memory: 87 * 2 ** 20, port: 3000, watching: 'yes', program: 'node server.js --cluster', folder },
};
const crashed: Row = { ...{ name: 'db', state: 'crashed', reason: 'exit 3', folder }, next: 'restart', retryIn: 3200 };

describe('the table of list', () => {
  test('shows a program as people know it from pm2', () => {
    expect(listLines([up, crashed], undefined, plain).map((line) => line.trimEnd())).toEqual([
      'name  state                             pid      up  restarts  cpu  memory  port  watching  script                    folder',
      'web   up                               5130  12 min         3  12%   87 MB  3000  yes       node server.js --cluster  /home/me/shop',
      'db    crashed (exit 3) · again in 4 s     –       –         –    –       –     –  –         –                         /home/me/shop',
    ]);
  });

  test.each([
    [{ ...crashed, next: 'gave up' }, 'crashed (exit 3) · gave up'],
    [{ ...crashed, next: 'wait' }, 'crashed (exit 3) · waiting'],
    [{ ...crashed, retryIn: 0 }, 'crashed (exit 3) · again in 1 s'],
    [{ ...up, state: 'waiting', awaited: `${folder}/dist/index.js` }, 'waiting for dist/index.js'],
    [{ ...up, state: 'ended', next: 'wait' }, 'ended'],
  ] as const)('shows the state of %o as %s', (row, state) => {
    expect(listLines([row], undefined, plain)[1]).toContain(`  ${state}  `);
  });

  test.each([
    [59_900, '59 s'],
    [119_000, '119 s'],
    [7_100_000, '118 min'],
    [47 * 3_600_000, '47 h'],
    [72 * 3_600_000, '3 d'],
  ])('shows %i ms as %s', (uptime, shown) => {
    expect(listLines([{ ...up, uptime }], undefined, plain)[1]).toContain(` ${shown} `);
  });

  test.each([
    [120, 'name state pid up restarts cpu memory port watching script'],
    [100, 'name state pid up restarts cpu memory port watching'],
    [76, 'name state pid up cpu memory port'],
    [60, 'name state up cpu port'],
    [30, 'name state'],
    [18, 'name state'],
  ])('fits into %i columns: %s', (width, heads) => {
    const [head = '', ...lines] = listLines([up, crashed], width, plain);
    expect(head.split(/ +/).filter(Boolean).join(' ')).toBe(heads);
    for (const line of [head, ...lines]) expect(line.length).toBeLessThanOrEqual(width);
  });

  test('shortens a long script, and shows control characters of names as text', () => {
    const [, line] = listLines([{ ...up, name: 'w\u001b[2Jeb' }], 92, plain);
    expect(line).toMatch(/^w\\u001b\[2Jeb .* node server.js --…$/);
  });
});

describe('the states that list reads', () => {
  const record = { pid: 5120, program: 'node server.js', folder } as BackgroundRecord;
  const entry: BackgroundEntry = { name: 'web', alive: true, record };
  const status: Status = {
    ...{ state: 'up', run: 4, since: Date.now() - 1000, port: 3000, watching: 'yes', killTimeout: 5000 },
    ...{ pid: 5130, memory: 1e7, cpu: 1000 },
  };

  test('have the keys that the documents promise', async () => {
    const states = new ProgramStates(async () => status, createClock());
    expect(await states.read([entry])).toEqual([
      {
        ...{ name: 'web', state: 'up', pid: 5130, owner: 5120, uptime: expect.any(Number), restarts: 3 },
        ...{ cpuTime: 1000, memory: 1e7, port: 3000, watching: 'yes', program: 'node server.js', folder },
      },
    ]);
  });

  test('have no other keys than those', () => {
    const keys: Readonly<Record<keyof Row, true>> = {
      ...{ name: true, state: true, reason: true, next: true, retryIn: true, awaited: true, pid: true, owner: true },
      ...{ uptime: true, restarts: true, cpu: true, cpuTime: true, memory: true, port: true, watching: true },
      ...{ program: true, folder: true, problem: true },
    };
    const [, rest = ''] = fs.readFileSync('docs/background.md', 'utf8').split('| in JSON | what it is |\n');
    const [table = ''] = rest.split('\n\n');
    const documented = table.split('\n').flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)]);
    expect(documented.map(([, key]) => key)).toEqual(Object.keys(keys));
    expect(jsonVersion).toBe(1);
  });

  test('know after a second reading how much of a core the tree uses', async () => {
    const clock = createClock();
    let cpu = 1000;
    let pid = 5130;
    const states = new ProgramStates(async () => ({ ...status, cpu, pid }), clock);
    const percentAfter = async (ms: number, cpuMs: number): Promise<number | undefined> => {
      clock.advance(ms);
      cpu += cpuMs;
      return (await states.read([entry]))[0]?.cpu;
    };
    expect(await percentAfter(0, 0)).toBeUndefined();
    expect(await percentAfter(500, 60)).toBe(12);
    expect(await percentAfter(2000, 3000)).toBe(150);
    // A process of the tree has ended, and its time counts no more.
    expect(await percentAfter(500, -40)).toBe(0);
    pid = 5131;
    expect(await percentAfter(500, -3000)).toBeUndefined();
  });

  test('tell a devwatch that does not answer', async () => {
    const states = new ProgramStates(() => Promise.reject(new Error('no answer in time')));
    expect(await states.read([entry])).toMatchObject([{ state: 'unknown', problem: 'no answer in time', owner: 5120 }]);
  });
});
