import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultSettings } from '../../../src/config/defaults.ts';
import { affected, type OptionKey, optionKeys, restartNotice, specOf } from '../../../src/config/options.ts';

test('the flags are these, and the other options can only be set in a settings file', () => {
  const flags = `
    exec env-file env-file-if-exists stdin cwd watch ignore ext gitignore deps follow events skip-unchanged delay poll
    poll-interval watcher restart on-change max-restarts min-uptime restart-at exit-on-crash on-change-only signal kill-timeout standby hold drain
    prewarm keep health ready max-memory timeout on-ready notify live-reload name log log-size log-files
    log-timestamps prefix clear quiet verbose log-format color
  `;
  expect(optionKeys.flatMap((key) => specOf(key).flag ?? [])).toEqual(flags.trim().split(/\s+/));
  expect(optionKeys.filter((key) => specOf(key).flag === undefined)).toEqual(
    'script args nodeArgs execMap env after on'.split(' '),
  );
});

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
