/** Which value is in force where several layers - flags, a program of `apps`, the rest of the file - have one. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseArgv } from '../../../src/config/argv.ts';
import { defaultSettings, healthDefaults, hookNames } from '../../../src/config/defaults.ts';
import { type Layer, mergeLayers } from '../../../src/config/layers.ts';
import { type LoadedProject, loadProject } from '../../../src/config/load.ts';
import { kindOf, readValue } from '../../../src/config/option-kinds.ts';
import { isOptionKey, type OptionKey, optionKeys, specOf } from '../../../src/config/options.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import { createProject, type Project } from '../../support/project.ts';

const groups = ['execMap', 'env', 'health', 'on'] as const;

test('these options consist of keys that are merged one by one; `ext` may add to a list; all others are replaced', () => {
  const merged = optionKeys.filter((key) => kindOf(specOf(key)).merge !== undefined);
  expect(merged.toSorted()).toEqual([...groups, 'ext'].toSorted());
});

type Values = Readonly<Partial<Record<OptionKey, unknown>>>;

const layerOf = (name: string, raw: Values): Layer => ({
  values: new Map(
    Object.entries(raw).flatMap(([key, value]) =>
      isOptionKey(key) && value !== undefined ? [[key, readValue(specOf(key), value)]] : [],
    ),
  ),
  folder: `/${name}`,
  origin: () => name,
  error: (key, message) => new UsageError(`${name}: ${key}: ${message}`),
});

const partOf = <Value>(shape: Record<string, fc.Arbitrary<Value>>) =>
  fc.option(fc.record(shape, { requiredKeys: [] }), { nil: undefined });
const word = fc.constantFrom('a', 'b', 'c');
const named = <Name extends string, Value>(names: readonly Name[], value: fc.Arbitrary<Value>) =>
  Object.fromEntries(names.map((name) => [name, value]));
const ms = fc.integer({ min: 1, max: 99_999 });

const values: fc.Arbitrary<Values> = fc.record({
  env: partOf(named(['A', 'B', 'C'], word)),
  on: partOf(named(hookNames, word)),
  execMap: partOf(named(['rb', 'py', 'ts'], word)),
  health: partOf<unknown>({
    probe: fc.constantFrom('http://a.test/', 'tcp://b.test:1', 'event-loop'),
    ...named(['interval', 'timeout', 'grace', 'failures'], ms),
    failOn: fc.subarray([...healthDefaults.failOn]),
  }),
  delay: fc.option(ms, { nil: undefined }),
  watch: fc.option(fc.uniqueArray(word, { minLength: 1 }), { nil: undefined }),
  maxMemory: fc.option(ms, { nil: undefined }),
  prewarm: fc.constantFrom(undefined, true, false, { except: ['a'] }, ['b']),
});

/** The flags set a probe or nothing, as `--health` does. */
const withProbeAlone = ({ health, ...others }: Values): Values => {
  const { probe } = (health ?? {}) as { probe?: string };
  return { ...others, health: probe === undefined ? undefined : { probe } };
};

test('each key of a group, and each option without keys, comes from the first layer that has it', () => {
  fc.assert(
    fc.property(values, values, values, (flags, app, common) => {
      const raw = [withProbeAlone(flags), app, common];
      const [first, second, third] = raw.map((one, index) => layerOf(String(index), one));
      const probes = raw.map(({ health }) => (health as { probe?: string } | undefined)?.probe);
      if (first === undefined || second === undefined || third === undefined) throw new Error('there are three layers');
      const isIncomplete = probes.every((probe) => probe === undefined) && app.health !== undefined;
      if (isIncomplete) {
        expect(() => mergeLayers([first, second], third)).toThrow('1: health: needs a "probe"');
        return;
      }
      const { settings } = mergeLayers([first, second], third);
      for (const key of groups) {
        const defaults = key === 'health' ? healthDefaults : {};
        const parts = raw.map((one) => (one[key] ?? {}) as Record<string, unknown>);
        const names = new Set(parts.flatMap((part) => Object.keys(part)));
        const expected = Object.fromEntries(
          [...names].map((name) => [name, parts.find((part) => part[name] !== undefined)?.[name]]),
        );
        const isOff = key === 'health' && probes.every((probe) => probe === undefined);
        expect(settings[key]).toEqual(isOff ? undefined : { ...defaults, ...expected });
      }
      for (const key of ['delay', 'watch', 'maxMemory', 'prewarm'] as const) {
        const given = raw.map((one) => one[key]).find((value) => value !== undefined);
        expect(settings[key]).toEqual(given ?? defaultSettings[key]);
      }
    }),
  );
});

test('the origins of a setting are the layers that have given a part of it', () => {
  fc.assert(
    fc.property(values.map(withProbeAlone), values, (own, common) => {
      const { settings, origins } = mergeLayers(
        [layerOf('own', own)],
        layerOf('common', { ...common, health: undefined }),
      );
      for (const key of optionKeys) {
        if (origins.get(key) === undefined) expect(settings[key]).toEqual(defaultSettings[key]);
        if (own[key] === undefined) expect(origins.get(key) ?? []).not.toContain('own');
      }
      if (own.delay !== undefined) expect(origins.get('delay')).toEqual(['own']);
      if (own.env !== undefined && common.env !== undefined) expect(origins.get('env')).toEqual(['own', 'common']);
    }),
    {
      examples: [
        [
          { env: { A: 'a' }, delay: 5 },
          { env: { B: 'b' }, delay: 6 },
        ],
      ],
    },
  );
});

test.each([
  [['+sql'], ['ts'], ['ts', 'sql']],
  [['+sql'], ['+graphql'], ['+graphql', '+sql']],
  [['+sql'], undefined, ['+sql']],
  [['js'], ['ts'], ['js']],
  [['js'], ['+ts'], ['js']],
])('`ext` %j over %j is %j', (above, below, expected) => {
  const { settings } = mergeLayers([layerOf('0', { ext: above }), layerOf('1', { ext: below })]);
  expect(settings.ext).toEqual(expected);
});

describe('health', () => {
  const json = JSON.stringify;
  const load = (project: Project, ...words: readonly string[]): LoadedProject =>
    loadProject({ given: parseArgv(words).flags, folder: project.path });

  test('the probe of the flag keeps the times of the file', async () => {
    const health = { probe: 'http://127.0.0.1:1/', interval: '2s', failures: 5 };
    await using project = createProject({ '.watchrc': json({ health }) });
    const { settings, origins } = load(project, '--health', 'tcp://127.0.0.1:2').common;
    const times = { ...healthDefaults, interval: 2000, failures: 5 };
    expect(settings.health).toEqual({ ...times, probe: 'tcp://127.0.0.1:2' });
    expect(origins.get('health')).toEqual(['--health', '.watchrc']);
    expect(load(project).common.settings.health).toEqual({ ...times, probe: 'http://127.0.0.1:1/' });
  });

  test('programs share the times outside of `apps`, and have probes of their own or none', async () => {
    const apps = {
      web: { health: 'tcp://127.0.0.1:1' },
      api: { health: { interval: 7, probe: 'event-loop' } },
      job: {},
    };
    await using project = createProject({ '.watchrc': json({ health: { interval: 5, grace: 6 }, apps }) });
    expect(load(project).apps.map(({ settings }) => settings.health)).toEqual([
      { ...healthDefaults, probe: 'tcp://127.0.0.1:1', interval: 5, grace: 6 },
      { ...healthDefaults, probe: 'event-loop', interval: 7, grace: 6 },
      undefined,
    ]);
  });

  test.each([
    ['without programs', { health: { interval: 5 } }],
    ['of a program', { apps: { web: { health: { interval: 5 } } } }],
  ])('times %s without a probe are refused with their place', async (_, watchrc) => {
    await using project = createProject({ '.watchrc': json(watchrc) });
    expect(() => load(project)).toThrow(/\.watchrc:1:\d+: "health": needs a "probe"/);
  });
});
