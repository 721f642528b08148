import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { affected, restartNotice } from '../../../src/config/affects.ts';
import { defaultSettings } from '../../../src/config/defaults.ts';
import { type OptionKey, optionKeys, specOf } from '../../../src/config/options.ts';

describe('a changed setting', () => {
  test.each(optionKeys)('%s has an effect', (key) => {
    expect(specOf(key).affects).not.toEqual([]);
  });

  test.each<[OptionKey, string[]]>([
    ['script', ['program', 'watch']],
    ['ignore', ['watch']],
    ['health', ['program', 'watchdog']],
    ['maxMemory', ['watchdog']],
    ['killTimeout', ['policy']],
    ['quiet', ['output']],
    ['verbose', ['output', 'watch']],
    ['keep', ['start']],
    ['log', ['backgroundStart']],
  ])('%s affects %j', (key, effects) => {
    expect(specOf(key).affects).toEqual(effects);
  });

  test('is either applied while devwatch runs or named in a notice', () => {
    const liveEffects = ['program', 'watch', 'watchdog', 'policy', 'output', 'nextUse'] as const;
    const withPort = { ...defaultSettings, hold: 8000 };
    fc.assert(
      fc.property(fc.subarray([...optionKeys], { minLength: 1 }), (changed) => {
        for (const key of changed) {
          const isApplied = liveEffects.some((effect) => affected([key], effect));
          const notices = (['start', 'backgroundStart'] as const).map((effect) =>
            restartNotice(changed, effect, [defaultSettings, withPort]),
          );
          const isAnnounced = notices.some((notice) => notice?.split(/, | takes? /).includes(key) === true);
          expect(isApplied || isAnnounced).toBe(true);
        }
      }),
    );
  });
});

describe('the notice that devwatch must be restarted', () => {
  test.each([
    [['keep'] as const, 'start', 'keep takes effect when devwatch is restarted'],
    [['log', 'logSize'] as const, 'backgroundStart', 'log, logSize take effect when devwatch is restarted'],
    [['hold', 'ext'] as const, 'start', undefined],
  ] as const)('of %j at %s is %j', (changed, effect, notice) => {
    expect(restartNotice([...changed], effect, [defaultSettings, defaultSettings])).toBe(notice);
  });

  test('names `hold` when a port is opened by number', () => {
    const settings = { ...defaultSettings, hold: 8000 };
    expect(restartNotice(['hold'], 'start', [defaultSettings, settings])).toContain('hold takes effect');
  });
});
