/** A pool whose standbys load packages: from the facts of a run to the release of a standby. */

import fs from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import type { EntryReport, LoadFacts, PackageOrders } from '../../../../src/preload/protocol.ts';
import type { ChildOptions } from '../../../../src/process/launch/child.ts';
import type { ProgramEvent } from '../../../../src/process/launch/program-interface.ts';
import { StandbyPool } from '../../../../src/process/standby/pool.ts';
import { createClock } from '../../../support/clock.ts';
import { FakeChild, childOptions as options } from '../../../support/fake-child.ts';
import { createProject, type Project } from '../../../support/project.ts';

const files = {
  'server.js': "require('one');\nrequire('two');\n",
  'package-lock.json': '{}',
  'node_modules/one/index.js': '',
  'node_modules/one/package.json': '{}',
  'node_modules/two/index.js': '',
  'node_modules/two/package.json': '{}',
};

async function open(
  found: Readonly<Record<string, Partial<EntryReport>>> = {},
  {
    hasMemory = true,
    isCommonJs = true,
    loaded = [] as readonly string[],
    modules = [] as readonly string[],
    nodeArgs = [] as readonly string[],
  } = {},
) {
  const project = createProject(files);
  // Files that have just been saved may have been loaded with an older content.
  vi.spyOn(Date, 'now').mockImplementation(() => performance.timeOrigin + performance.now() + 1000);
  const clock = createClock();
  const started: FakeChild[] = [];
  const events: ProgramEvent[] = [];
  const start = (): FakeChild => {
    const child = new FakeChild(100 + started.length);
    started.push(child);
    return child;
  };
  const pool = new StandbyPool({ start, clock, cpuTime: () => 0, hasMemoryFor: () => hasMemory, held: () => [] });
  const run: ChildOptions = {
    ...options,
    folder: project.path,
    command: { ...options.command, nodeArgs, script: project.at('server.js') },
    env: { XDG_CACHE_HOME: project.at('cache') },
    prewarm: 'auto',
  };
  const entries = ['one', 'two'].map((name) => {
    return {
      file: project.at(`node_modules/${name}/index.js`),
      parent: project.at('server.js'),
      kind: 'require' as const,
    };
  });
  const facts: LoadFacts = {
    isCommonJs,
    entries,
    variables: {},
    own: [{ file: project.at('server.js'), entriesBefore: 0 }],
  };
  const launch = (more: Partial<LoadFacts> = {}): FakeChild | undefined => {
    const taken = pool.take(run, {}) as FakeChild | undefined;
    const onFacts = pool.launched(run, taken ?? start(), { onEvent: (event) => events.push(event) });
    clock.advance(2000);
    for (const child of started) if (child !== taken && child.isAlive) child.report({ type: 'parked', files: [] });
    onFacts({ ...facts, ...more });
    return taken;
  };
  /** Plays a process that loads what it was ordered to, up to `count` packages. */
  const load = (child: FakeChild, count = Number.POSITIVE_INFINITY): void => {
    const { packages } = child.answers[0] as { packages: PackageOrders };
    for (const [index, { file }] of packages.entries.entries()) {
      child.report({ type: 'loading', index });
      if (index >= count) return;
      const name = file.includes('one') ? 'one' : 'two';
      const report = { file, ms: 1, files: [file], blames: [], hasEffects: false, effects: [], touches: [] };
      const rest = { variables: [], isIncurable: false, isRuinous: false, ...found[name] };
      child.report({ type: 'loaded', index, report: { ...report, ...rest } });
    }
    const tainted = Object.keys(found).map((name) => project.at(`node_modules/${name}/index.js`));
    if (packages.isAudit)
      child.report({
        type: 'audited',
        tainted: tainted.filter((_, at) => found[tainted[at] ?? '']),
        modules: modules.map((name) => project.at(`node_modules/${name}/index.js`)),
      });
    else if (packages.modules.length === 0) child.report({ type: 'parked', files: [] });
  };
  launch();
  const [, standby, auditing] = started;
  if (standby === undefined || auditing === undefined) throw new Error('no standby, or no audit');
  auditing.report({ type: 'parked', files: loaded.map((name) => project.at(`node_modules/${name}/index.js`)) });
  load(auditing);
  const close = async (): Promise<void> => {
    vi.restoreAllMocks();
    await project[Symbol.asyncDispose]();
  };
  return { project, clock, pool, run, started, events, launch, load, standby, auditing, [Symbol.asyncDispose]: close };
}

/** Returns the standby's release. */
const releaseOf = (child: FakeChild | undefined): unknown => child?.answers.at(-1);

/** Names of the packages that a process was ordered to load. */
const ordersOf = (child: FakeChild): string[] =>
  (child.answers[0] as { packages?: { entries: LoadFacts['entries'] } } | undefined)?.packages?.entries.map(
    ({ file }) => file.replace(/^.*node_modules.(\w+).*$/, '$1'),
  ) ?? [];

describe('packages are loaded', () => {
  test('in the waiting standby once an audit, in a process that is ended, has looked at them', async () => {
    await using world = await open();
    const { standby, auditing, load, launch, events } = world;
    expect([auditing.isAlive, ordersOf(auditing)]).toEqual([false, ['one', 'two']]);
    expect(ordersOf(standby)).toEqual(['one', 'two']);
    load(standby);
    expect(events.at(-1)).toEqual({ type: 'standby', pid: standby.pid, packages: 2 });
    expect(launch()).toBe(standby);
    expect(releaseOf(standby)).toEqual({ variables: {}, held: [] });
  });

  test('without another audit for the next run that asks for the same ones', async () => {
    await using world = await open();
    world.load(world.standby);
    world.launch();
    const [next] = world.started.slice(3).filter(({ isAlive }) => isAlive);
    expect(world.started).toHaveLength(4);
    expect(next === undefined ? [] : ordersOf(next)).toEqual(['one', 'two']);
  });

  test('as far as they have come when a run begins', async () => {
    await using world = await open();
    world.load(world.standby, 1);
    expect(world.launch()).toBe(world.standby);
    expect(releaseOf(world.standby)).toEqual({ variables: {}, held: [] });
  });

  test('of an ES module program, too', async () => {
    await using world = await open({}, { isCommonJs: false });
    expect(ordersOf(world.standby)).toEqual(['one', 'two']);
    expect(world.standby.answers[0]).toMatchObject({ packages: { isCommonJs: false } });
  });

  test('but not those of a loader, which each process has before the program begins', async () => {
    await using world = await open({}, { isCommonJs: false, loaded: ['one'] });
    expect([ordersOf(world.auditing), ordersOf(world.standby)]).toEqual([['two'], ['two']]);
    expect(world.events.at(-1)).not.toMatchObject({ excluded: [expect.anything()] });
  });

  test('without a variable that the program sets only when they are loaded', async () => {
    await using world = await open({ one: { variables: ['LATE'] } });
    const { launch, load, started } = world;
    const parkAll = (): void => {
      for (const child of started) {
        if (child.isAlive && child.answers.length === 0) child.report({ type: 'parked', files: [] });
      }
    };
    const variablesAfter = (facts: Partial<LoadFacts>): unknown => {
      launch({ variables: { LATE: '1' }, ...facts });
      parkAll();
      const audit = started.findLast(({ isAlive, answers }) => isAlive && Object(answers[0]).packages?.isAudit);
      if (audit !== undefined) load(audit);
      parkAll();
      const latest = started.findLast(({ isAlive, answers }) => isAlive && Object(answers[0]).packages !== undefined);
      return Object(latest?.answers[0]).packages?.variables;
    };
    expect(variablesAfter({})).toEqual({ LATE: '1' });
    expect(variablesAfter({ differed: ['LATE'] })).toEqual({});
  });

  test('only while there is memory', async () => {
    await using world = await open({}, { hasMemory: false });
    expect(ordersOf(world.standby)).toEqual([]);
    expect(world.events).toContainEqual({
      ...{ type: 'limitation', features: ['packages'], reason: 'too little memory is free' },
      remedy: '--prewarm loads them in any case',
    });
  });
});

describe('packages that are ES modules', () => {
  const modern = { isCommonJs: false, modules: ['modern'] };
  const modulesOf = (child: FakeChild | undefined): unknown => Object(child?.answers[0]).packages?.modules;

  /** Returns the latest process that was ordered to load packages. */
  const latestOf = ({ started }: { readonly started: readonly FakeChild[] }): FakeChild | undefined =>
    started.findLast(({ isAlive, answers }) => isAlive && answers.length > 0);

  test('are linked behind the others, and give a process up if they change', async () => {
    await using world = await open({}, modern);
    const { standby, project } = world;
    const file = project.at('node_modules/modern/index.js');
    expect(modulesOf(standby)).toEqual([file]);
    project.write('node_modules/modern/index.js', '');
    world.load(standby);
    standby.report({ type: 'loading', index: 2 });
    standby.report({ type: 'linked', index: 2, files: [] });
    standby.report({ type: 'parked', files: [] });
    expect(world.events.at(-1)).toEqual({ type: 'standby', pid: standby.pid, packages: 3 });
    project.write('node_modules/modern/index.js', 'edited();');
    expect(world.launch()).toBeUndefined();
    expect(standby.isAlive).toBe(false);
  });

  test.each([
    ['the program has preloads of its own', ['--import', './tracing.mjs'], []],
    ['only loaders come first', ['--import', 'tsx'], ['modern']],
  ])('are linked as far as nothing may change what the loader does: %s', async (_, nodeArgs, expected) => {
    await using world = await open({}, { ...modern, nodeArgs });
    expect(modulesOf(world.standby)).toEqual(expected.map((name) => world.project.at(`node_modules/${name}/index.js`)));
  });

  test('are left to the program from the one on for which it asks with hooks of the loader', async () => {
    await using world = await open();
    const at = world.project.at('node_modules/two/index.js');
    world.pool.onMisfit({ file: at, why: '', learned: ['Module.prototype.require', `module loader at ${at}`] });
    world.launch();
    const latest = latestOf(world);
    expect(latest && ordersOf(latest)).toEqual(['one']);
    world.launch();
    expect(world.events.findLast(({ type }) => type === 'packages')).toMatchObject({
      excluded: [{ package: 'two', why: 'is loaded behind hooks of the module loader' }],
    });
  });

  test('are linked no more when a program has hooked the loader', async () => {
    await using world = await open({}, modern);
    world.pool.onMisfit({ file: '', why: 'the program hooks the module loader', learned: ['module.register'] });
    world.launch();
    expect(modulesOf(latestOf(world))).toEqual([]);
  });

  test.each([
    ['that hang', (_: FakeChild, advance: (ms: number) => void) => advance(5000)],
    ['that end the process', (child: FakeChild) => child.exit()],
    [
      'that lead to a file of the program',
      (child: FakeChild) => child.report({ type: 'linked', index: 2, files: ['/project/own.js'] }),
    ],
  ])('%s are linked no more; the other packages are loaded', async (_, fail) => {
    await using world = await open({}, modern);
    world.load(world.standby);
    world.standby.report({ type: 'loading', index: 2 });
    fail(world.standby, (ms) => world.clock.advance(ms));
    expect(world.standby.isAlive).toBe(false);
    world.launch();
    expect([modulesOf(latestOf(world)), ordersOf(latestOf(world) as FakeChild)]).toEqual([[], ['one', 'two']]);
  });
});

describe('packages that were loaded are not handed over', () => {
  const save = (project: Project, file: string): void =>
    project.write(file, `${(files as Record<string, string>)[file]}// saved`);

  test('if they have changed', async () => {
    await using world = await open();
    world.load(world.standby);
    save(world.project, 'node_modules/one/index.js');
    world.launch();
    const changedFiles = [world.project.at('node_modules/one/index.js')];
    expect(releaseOf(world.standby)).toEqual({ variables: {}, held: [], changedFiles });
  });

  test.each(['package-lock.json', 'node_modules/one/package.json'])(
    'by a process that has read old manifests, if %s has changed: the run starts cold',
    async (manifest) => {
      await using world = await open();
      world.load(world.standby);
      world.project.write(manifest, '{ }');
      world.project.write('server.js', "require('two');\n");
      expect(world.launch()).toBeUndefined();
      expect(world.standby.isAlive).toBe(false);
    },
  );

  test('if import lines have changed, also while they are being loaded', async () => {
    for (const count of [0, 1, 2]) {
      await using world = await open();
      world.load(world.standby, count);
      world.project.write('server.js', "require('two');\n");
      world.launch();
      expect(releaseOf(world.standby)).toMatchObject({ dropsPackages: 'import lines have changed' });
    }
  });

  test('by a process that cannot load them a second time: the run starts cold', async () => {
    await using world = await open({ one: { isIncurable: true } });
    world.load(world.standby);
    world.project.write('server.js', "require('two');\n");
    expect(world.launch()).toBeUndefined();
    expect(world.standby.isAlive).toBe(false);
  });
});

describe('an early look at the files of packages, while the run before ends,', () => {
  const one = 'node_modules/one/index.js';
  const isRestarted = ({ events }: { readonly events: readonly ProgramEvent[] }): boolean =>
    events.some(({ type }) => type === 'misfit');

  test('is all that the release waits for', async () => {
    await using world = await open();
    world.load(world.standby);
    world.project.write(one, '// saved before');
    world.pool.lookAhead();
    const stat = vi.spyOn(fs, 'statSync');
    expect(world.pool.take(world.run, {})).toBe(world.standby);
    expect(stat.mock.calls.filter(([file]) => String(file).includes('node_modules'))).toEqual([]);
    expect(releaseOf(world.standby)).toMatchObject({ changedFiles: [world.project.at(one)] });
  });

  test('leads to no restart if nothing changes until the release', async () => {
    await using world = await open();
    world.load(world.standby);
    world.pool.lookAhead();
    world.launch();
    expect(isRestarted(world)).toBe(false);
  });

  test.each([one, 'node_modules/one/package.json'])(
    'starts the run again if %s was saved between it and the release',
    async (file) => {
      await using world = await open();
      world.load(world.standby);
      world.pool.lookAhead();
      world.project.write(file, '{ "saved": "between" }');
      expect(world.launch()).toBe(world.standby);
      expect(isRestarted(world)).toBe(true);
    },
  );

  test('counts for a short time only: the run before may take long to end', async () => {
    await using world = await open();
    world.load(world.standby);
    world.pool.lookAhead();
    world.project.write(one, '// saved');
    world.clock.advance(1000);
    world.launch();
    expect(releaseOf(world.standby)).toMatchObject({ changedFiles: [world.project.at(one)] });
    expect(isRestarted(world)).toBe(false);
  });

  test('does not count while packages are being loaded', async () => {
    await using world = await open();
    world.load(world.standby, 1);
    world.pool.lookAhead();
    world.project.write(one, '// saved');
    world.launch();
    expect(releaseOf(world.standby)).toMatchObject({ changedFiles: [world.project.at(one)] });
  });
});

test('packages behind one that is left out may make its changes instead', async () => {
  await using world = await open({ one: { hasEffects: true, isExtension: true } });
  const { packages } = world.standby.answers[0] as { packages: { entries: LoadFacts['entries'] } };
  expect(packages.entries).toEqual([
    {
      ...{ calls: [], file: world.project.at('node_modules/two/index.js'), parent: world.project.at('server.js') },
      kind: 'require',
      hasEffects: true,
      touches: [],
      readsFolder: true,
    },
  ]);
});

test('a package that ends the process is left out from then on', async () => {
  await using world = await open();
  world.standby.report({ type: 'loading', index: 0 });
  world.standby.exit();
  world.launch();
  const next = world.started.findLast(({ isAlive, answers }) => isAlive && answers.length > 0);
  expect(next === undefined ? undefined : ordersOf(next)).toEqual(['two']);
});

test('three packages that end the process are enough: none is loaded ahead of time any more in this session', async () => {
  await using world = await open();
  const parent = world.project.at('server.js');
  const entries = ['one', 'two', 'three', 'four'].map((name) => {
    return { file: world.project.at(`node_modules/${name}/index.js`), parent, kind: 'require' as const };
  });
  world.launch({ entries });
  const audits = [1, 2, 3].map(() => {
    const auditing = world.started.at(-1);
    auditing?.report({ type: 'parked', files: [] });
    auditing?.report({ type: 'loading', index: 0 });
    auditing?.exit();
    return auditing === undefined ? undefined : ordersOf(auditing);
  });
  expect(audits).toEqual([
    ['one', 'two', 'three', 'four'],
    ['two', 'three', 'four'],
    ['three', 'four'],
  ]);
  const before = world.started.length;
  expect(world.started.at(-1)?.isAlive).toBe(false);
  world.launch({ entries });
  world.launch({ entries });
  const later = world.started.slice(before).map(ordersOf);
  expect([later.length > 0, later.flat()]).toEqual([true, []]);
});
