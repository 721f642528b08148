/** The way of changes from the watcher to the supervisor, on a virtual clock. */

import fs from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultSettings } from '../../../src/config/defaults.ts';
import { loadGiven } from '../../../src/config/load.ts';
import type { Settings } from '../../../src/config/settings-types.ts';
import { Changes } from '../../../src/run/changes.ts';
import { planRun } from '../../../src/run/command-plan.ts';
import { RestartTimeline } from '../../../src/run/restart-timeline.ts';
import type { Change, DevwatchEvent } from '../../../src/shared/events.ts';
import { createClock } from '../../support/clock.ts';
import { atGate, createWorktrees, startGit } from '../../support/git.ts';
import { createProject } from '../../support/project.ts';

const changed = (path: string): Change => ({ kind: 'change', path });

interface Options extends Partial<Settings> {
  readonly folder?: string;
  /** Files whose content does not change. */
  readonly unchanged?: readonly string[];
  readonly settingsFiles?: readonly string[];
  /** Counts the bytes that the program writes. */
  readonly written?: () => number | undefined;
  readonly isRunning?: () => boolean;
  readonly isUp?: () => boolean;
}

function open({
  folder = '/project',
  unchanged = [],
  settingsFiles = [],
  written = () => undefined,
  isRunning = () => true,
  isUp = () => true,
  ...settings
}: Options = {}) {
  const clock = createClock();
  const timeline = new RestartTimeline(clock);
  /** Calls and events, in order. */
  const seen: string[] = [];
  const events: DevwatchEvent[] = [];
  let isResyncing = false;
  const given = loadGiven({ exec: 'node server.js' }, '/');
  const planned = planRun({ loaded: given, program: [], nodeArgs: [] });
  const loaded = { ...given, folder, settingsFiles, settings: { ...defaultSettings, ...settings } };
  const changes = new Changes({
    clock,
    timeline,
    plan: () => ({ ...planned, loaded, command: { ...planned.command, script: `${folder}/server.js` } }),
    session: () => ({
      explain: () => ({ watched: true, pattern: '*.js' }),
      isResyncing: () => isResyncing,
      changed: (all) => all.filter(({ path }) => !unchanged.includes(path)),
    }),
    restOfSave: () => 0,
    cpuQueue: () => 1,
    written,
    sizeOf: () => 100,
    emit(event) {
      events.push(event);
      seen.push(event.type);
    },
    isRunning,
    isUp,
    signal: ({ signal, to }) => void seen.push(`→ ${signal} ${to}`),
    dispatch: (type) => void seen.push(`→ ${type}`),
  });
  return {
    clock,
    timeline,
    changes,
    seen,
    events,
    resync(isRunning: boolean) {
      isResyncing = isRunning;
    },
  };
}

describe('a change', () => {
  test('is announced at once, and settled after the debounce', () => {
    const { clock, changes, seen, events, timeline } = open();
    changes.push(changed('/project/a.js'));
    expect(seen).toEqual(['→ changed']);
    clock.advance(4);
    expect(seen).toHaveLength(1);
    clock.advance(1);
    expect(seen).toEqual(['→ changed', 'change', '→ quiet']);
    expect(events).toEqual([{ type: 'change', changes: [changed('/project/a.js')] }]);
    timeline.launch();
    expect(timeline.start()).toEqual({ quiet: 5, ms: 5 });
  });

  test('names its pattern with `verbose`', () => {
    const { clock, changes, events } = open({ verbose: true });
    changes.push(changed('/project/a.js'));
    clock.advance(1000);
    expect(events).toMatchObject([{ changes: [{ rule: '*.js' }] }]);
  });

  test('settles together with those that follow, after a fixed `delay`', () => {
    const { clock, changes, seen } = open({ delay: 300 });
    changes.push(changed('/project/a.js'));
    clock.advance(200);
    changes.push(changed('/project/b.js'));
    clock.advance(299);
    expect(seen).toEqual(['→ changed', '→ changed']);
    clock.advance(1);
    expect(seen.at(-1)).toBe('→ quiet');
    expect(changes.runStarts('manual')).toEqual([changed('/project/a.js'), changed('/project/b.js')]);
    expect(changes.runRepeats()).toBe('manual');
    expect(changes.runStarts('manual')).toEqual([changed('/project/a.js'), changed('/project/b.js')]);
    expect(changes.runStarts()).toEqual([]);
  });

  test('with `skipUnchanged` is announced after the debounce, if contents have changed', () => {
    const { clock, changes, seen, events } = open({ skipUnchanged: true, unchanged: ['/project/same.js'] });
    changes.push(changed('/project/same.js'));
    changes.push(changed('/project/a.js'));
    expect(seen).toEqual([]);
    clock.advance(1000);
    expect(seen).toEqual(['ignored', '→ changed', 'change', '→ quiet']);
    expect(events[0]).toMatchObject({ path: '/project/same.js', verdict: { reason: 'unchanged' } });
  });

  test('that leaves every content as it was leads to nothing', () => {
    const { clock, changes, seen, timeline } = open({ skipUnchanged: true, unchanged: ['/project/a.js'] });
    changes.push(changed('/project/a.js'));
    clock.advance(1000);
    expect([seen, timeline.sinceCaused]).toEqual([['ignored'], 0]);
  });

  test('settles only when the files that lost events hid have been scanned', () => {
    const { clock, changes, seen, resync } = open();
    resync(true);
    changes.push(changed('/project/a.js'));
    clock.advance(1000);
    expect(seen).toEqual(['→ changed']);
    resync(false);
    clock.advance(1000);
    expect(seen.at(-1)).toBe('→ quiet');
  });

  test.each([
    ['in the folder', '.git/index.lock', {}],
    ['of a folder above', '../.git/index.lock', {}],
    ['where a file .git leads', '../git/worktrees/a/index.lock', { '../.git': 'gitdir: git/worktrees/a\n' }],
  ])('settles only when git has released its lock %s', async (_, lock, files) => {
    await using project = createProject();
    const folder = project.at('api');
    for (const [file, content] of Object.entries({ ...files, [lock]: '' })) project.write(`api/${file}`, content);
    const { clock, changes, seen } = open({ folder });
    changes.push(changed(`${folder}/a.js`));
    clock.advance(1000);
    expect(seen).toEqual(['→ changed']);
    project.remove(`api/${lock}`);
    clock.advance(1000);
    expect(seen.at(-1)).toBe('→ quiet');
  });

  test.each([
    ['.watchrc', 240],
    ['a.js', 120],
  ])('that git makes settles after the settings have been read, if git has written them: %s', async (file, ms) => {
    await using project = createProject({ '.git/index.lock': '' });
    const settingsFile = project.at('.watchrc');
    const { clock, changes, seen } = open({ folder: project.path, settingsFiles: [settingsFile] });
    project.write(file, '');
    changes.push(changed(project.at('a.js')));
    clock.advance(10);
    project.remove('.git/index.lock');
    clock.advance(ms - 10);
    expect(seen).toEqual(['→ changed']);
    clock.advance(10);
    expect(seen.at(-1)).toBe('→ quiet');
  });

  test('settles only after the end of a rebase, of which the user learns', async () => {
    await using project = createWorktrees();
    const folder = project.at('linked/api');
    const { clock, changes, seen, events } = open({ folder });
    await atGate(project, startGit(project.at('linked'), ['rebase', '-q', 'main', '-x', 'sh ../wait.sh']), () => {
      changes.push(changed(`${folder}/one.js`));
      clock.advance(20_000);
    });
    expect(seen).toEqual(['→ changed', 'warning']);
    expect(events).toMatchObject([
      { message: expect.stringMatching(/^the next run waits .* git rebase \(pid \d+\)$/) },
    ]);
    fs.utimesSync(project.at('main/.git/worktrees/linked'), 0, 0);
    clock.advance(200);
    expect(seen.at(-1)).toBe('→ quiet');
  });

  test('is forgotten when the program ends', () => {
    const { clock, changes, seen } = open();
    changes.push(changed('/project/a.js'));
    changes.close();
    changes.push(changed('/project/b.css'));
    clock.advance(1000);
    expect([seen.filter((entry) => entry !== '→ changed'), clock.pending]).toEqual([[], 0]);
  });
});

describe('a file that only pages load', () => {
  test.each([
    [['/project/a.css', '/project/b.css'], true],
    [['/project/a.css', '/project/b.html'], false],
  ])('restarts nothing with live reload: %j', (paths, styles) => {
    const { clock, changes, seen, events } = open({ liveReload: true });
    for (const path of paths) changes.push(changed(path));
    clock.advance(1000);
    expect(seen).toEqual(['pages']);
    expect(events).toEqual([{ type: 'pages', paths, styles }]);
  });

  test.each<Options>([{ liveReload: false }, { liveReload: true, ext: ['css'] }])(
    'restarts the program with %j',
    (settings) => {
      const { clock, changes, seen } = open(settings);
      changes.push(changed('/project/a.css'));
      clock.advance(1000);
      expect(seen.at(-1)).toBe('→ quiet');
    },
  );
});

test('the changes of a restart that is under way add up until a run has learnt of them', () => {
  const { clock, changes } = open();
  for (const file of ['/project/a.js', '/project/b.js', '/project/a.js']) {
    changes.push(changed(file));
    clock.advance(1000);
  }
  expect(changes.runStarts()).toEqual([changed('/project/a.js'), changed('/project/b.js')]);
});

describe('a pause', () => {
  test('collects changes, and its end passes them on as one', () => {
    const { clock, changes, seen, events, timeline } = open();
    changes.pause();
    for (const name of ['a', 'b', 'a']) {
      changes.push(changed(`/project/${name}.js`));
      clock.advance(1000);
    }
    expect(seen).toEqual(['pause', 'pause', 'pause']);
    expect([changes.waiting, timeline.sinceCaused]).toEqual([2, 0]);
    changes.resume();
    expect(seen.slice(3)).toEqual(['resume', '→ changed', 'change', '→ quiet']);
    const both = [changed('/project/a.js'), changed('/project/b.js')];
    expect(events.slice(1)).toMatchObject([{ changes: [both[0]] }, { changes: both }, { changes: both }, {}]);
    expect([changes.runStarts(), changes.waiting]).toEqual([both, undefined]);
  });

  test('that ends in the middle of a save waits for the rest of it', () => {
    const { clock, changes, seen } = open({ delay: 100 });
    changes.pause();
    changes.push(changed('/project/a.js'));
    clock.advance(100);
    changes.push(changed('/project/b.js'));
    changes.resume();
    expect(seen.slice(2)).toEqual(['resume', '→ changed']);
    clock.advance(100);
    expect(seen.slice(4)).toEqual(['change', '→ quiet']);
    expect(changes.runStarts()).toHaveLength(2);
  });

  test('without a change leads to nothing, and neither does one whose changes a run has taken up', () => {
    const { clock, changes, seen, events } = open();
    changes.pause();
    changes.resume();
    changes.pause();
    changes.push(changed('/project/a.js'));
    clock.advance(1000);
    expect(changes.runStarts()).toEqual([changed('/project/a.js')]);
    changes.resume();
    clock.advance(1000);
    expect(seen).toEqual(['pause', 'resume', 'pause', 'pause', 'resume']);
    expect(events.at(-1)).toEqual({ type: 'resume', changes: [] });
  });

  test('leaves a restart alone that has begun before', () => {
    const { clock, changes, seen } = open();
    changes.push(changed('/project/a.js'));
    changes.pause();
    changes.push(changed('/project/b.js'));
    clock.advance(1000);
    expect(seen).toEqual(['→ changed', 'pause', '→ changed', 'change', '→ quiet']);
    expect(changes.runStarts()).toHaveLength(2);
  });

  test('loses no change, whatever happens during it', () => {
    const action = fc.constantFrom('save a', 'save b', 'pause', 'resume', 'run', 'wait 3', 'wait 50');
    fc.assert(
      fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
        const { clock, changes, seen } = open();
        /** Files that were saved, and no run has been started since. */
        const unseen = new Set<string>();
        const runs = () => {
          if (!seen.splice(0).includes('→ quiet')) return;
          changes.runStarts();
          unseen.clear();
        };
        for (const [word = '', argument = ''] of actions.map((one) => one.split(' '))) {
          if (word === 'pause') changes.pause();
          else if (word === 'resume') changes.resume();
          else if (word === 'wait') clock.advance(Number(argument));
          else if (word === 'save') {
            unseen.add(argument);
            changes.push(changed(`/project/${argument}.js`));
          } else {
            // After a crash, or by hand.
            changes.runStarts();
            unseen.clear();
          }
          runs();
        }
        changes.resume();
        clock.advance(10_000);
        runs();
        expect([...unseen]).toEqual([]);
      }),
    );
  });
});

describe('a change that the program takes up itself', () => {
  test.each([
    ['signal:SIGHUP', ['change', '→ SIGHUP root', 'signal']],
    ['signal:SIGUSR2:tree', ['change', '→ SIGUSR2 tree', 'signal']],
    ['nothing', ['change']],
  ] as const)('leads with %s to %j', (onChange, expected) => {
    const { clock, changes, seen, timeline } = open({ onChange });
    changes.push(changed('/project/a.js'));
    expect(seen).toEqual([]);
    clock.advance(1000);
    expect(seen).toEqual(expected);
    expect([timeline.sinceCaused, changes.runStarts()]).toEqual([0, []]);
  });

  test('starts a program that does not run', () => {
    let isRunning = true;
    const { clock, changes, seen } = open({ onChange: 'nothing', isRunning: () => isRunning });
    // It crashes while the changes are coming.
    changes.push(changed('/project/a.js'));
    isRunning = false;
    clock.advance(1000);
    expect(seen).toEqual(['→ changed', 'change', '→ quiet']);
    changes.runStarts();
    changes.push(changed('/project/a.js'));
    expect(seen.at(-1)).toBe('→ changed');
  });

  test('is followed by a warning, once, if the signal ends the program', () => {
    const { clock, changes, events } = open({ onChange: 'signal:SIGHUP' });
    const warnings = () => events.flatMap((event) => (event.type === 'warning' ? event.message : []));
    changes.runEnded(null);
    changes.push(changed('/project/a.js'));
    clock.advance(500);
    changes.runEnded('SIGTERM');
    expect(warnings()).toEqual([]);
    changes.runEnded('SIGHUP');
    changes.runEnded('SIGHUP');
    expect(warnings()).toEqual([expect.stringContaining('does not handle SIGHUP, and has ended')]);
    const other = open({ onChange: 'signal:SIGHUP' });
    other.changes.push(changed('/project/a.js'));
    other.clock.advance(2000);
    other.changes.runEnded('SIGHUP');
    expect(other.seen).toEqual(['change', '→ SIGHUP root', 'signal']);
  });

  test('restarts a program that is still starting, instead of a signal', () => {
    const { clock, changes, seen } = open({ onChange: 'signal:SIGHUP', isUp: () => false });
    changes.push(changed('/project/a.js'));
    clock.advance(1000);
    expect(seen).toEqual(['→ changed', 'change', '→ quiet']);
  });

  test('during a pause waits for its end, with what is being saved then', () => {
    const { clock, changes, seen, events } = open({ onChange: 'signal:SIGHUP' });
    changes.pause();
    changes.push(changed('/project/a.js'));
    clock.advance(1000);
    changes.push(changed('/project/b.js'));
    changes.resume();
    expect(seen).toEqual(['pause', 'pause', 'resume']);
    clock.advance(1000);
    expect(seen.slice(3)).toEqual(['change', '→ SIGHUP root', 'signal']);
    expect(events.at(-1)).toMatchObject({ changes: [{ path: '/project/a.js' }, { path: '/project/b.js' }] });
  });
});

describe('with `events`', () => {
  const added = (path: string): Change => ({ kind: 'add', path });
  const deleted = (path: string): Change => ({ kind: 'unlink', path });
  const file = '/project/a.js';
  const other = '/project/b.js';

  test.each<[string, readonly Change[], string]>([
    ['a write', [changed(file)], 'change'],
    ['a deletion', [deleted(file)], 'delete'],
    ['a new file', [added(file), changed(file)], 'add'],
    ['a save by deleting and creating', [deleted(file), added(file)], 'change'],
    ['a save by a rename over the file', [changed(file)], 'change'],
    ['a file that was replaced and deleted', [deleted(file), added(file), deleted(file)], 'delete'],
  ])('%s counts as its kind alone', (_, raw, kind) => {
    for (const event of ['add', 'change', 'delete'] as const) {
      const { clock, changes, seen, events } = open({ events: [event] });
      for (const change of raw) changes.push(change);
      expect(seen).toEqual([]);
      clock.advance(1000);
      if (event === kind) expect(seen).toEqual(['→ changed', 'change', '→ quiet']);
      else expect(events).toMatchObject([{ type: 'ignored', path: file, verdict: { reason: 'event', event: kind } }]);
    }
  });

  test('a save counts as a change although the file is missing for longer than the debounce', () => {
    const { clock, changes, seen } = open({ events: ['change'] });
    changes.push(deleted(file));
    clock.advance(1000);
    changes.push(added(file));
    clock.advance(1000);
    expect(seen).toEqual(['ignored', '→ changed', 'change', '→ quiet']);
    changes.push(deleted(file));
    clock.advance(3000);
    changes.push(added(file));
    clock.advance(3000);
    expect(seen.slice(4)).toEqual(['ignored', 'ignored']);
  });

  test('a move is a deletion and a new file, of which either may count', () => {
    const { clock, changes, events } = open({ events: ['add'] });
    changes.push(deleted(file));
    changes.push(added(other));
    clock.advance(1000);
    expect(events).toMatchObject([
      { type: 'ignored', path: file },
      { type: 'change', changes: [added(other)] },
    ]);
  });

  test('a file without which the program cannot go on counts in any case', () => {
    const { clock, changes, seen } = open({ events: ['change'] });
    changes.push(added(file), true);
    clock.advance(1000);
    expect(seen).toEqual(['→ changed', 'change', '→ quiet']);
  });
});

describe('a file that the program itself writes in every run', () => {
  /** Runs in which the program writes db.json after 300 ms. Returns what follows in each: a restart at once, later or never. */
  function openLoop() {
    let bytes = 0;
    const world = open({ written: () => bytes });
    const { clock, changes, seen } = world;
    const run = (): string => {
      changes.runStarts();
      changes.runStarted();
      clock.advance(300);
      bytes += 4096;
      seen.length = 0;
      changes.push(changed('/project/db.json'));
      clock.advance(5);
      const isAtOnce = seen.includes('→ quiet');
      clock.advance(5000);
      return isAtOnce ? 'at once' : seen.includes('→ quiet') ? 'later' : 'never';
    };
    return { ...world, results: Array.from({ length: 8 }, run) };
  }

  test('restarts the program later each time, and then no more', () => {
    const { results, events } = openLoop();
    expect(results).toEqual([...Array(3).fill('at once'), ...Array(3).fill('later'), 'never', 'never']);
    expect(events.filter(({ type }) => type === 'warning')).toEqual([
      {
        type: 'warning',
        message: 'db.json restarts the program, and is written by the program itself · use --ignore db.json',
      },
      {
        type: 'warning',
        message: 'db.json no longer restarts the program, because every run writes it · save another file to restart',
      },
    ]);
  });

  test('is among the changes of the next run, and any other change leads to that at once', () => {
    const { changes, clock, seen } = openLoop();
    changes.push(changed('/project/a.js'));
    expect(seen.at(-1)).toBe('→ changed');
    clock.advance(100);
    expect(seen.at(-1)).toBe('→ quiet');
    expect(changes.runStarts()).toEqual([changed('/project/db.json'), changed('/project/a.js')]);
  });
});

describe('a restart loop', () => {
  /** Lets a file change right after each of five starts, and returns the warnings. */
  function warningsAfter(path: string): readonly DevwatchEvent[] {
    const { clock, changes, events } = open();
    for (let run = 0; run < 5; run += 1) {
      changes.runStarts();
      changes.runStarted();
      changes.push(changed(path));
      clock.advance(500);
    }
    return events.filter(({ type }) => type === 'warning');
  }

  test('is reported once', () => {
    expect(warningsAfter('/project/out/data.json')).toEqual([
      {
        type: 'warning',
        message: 'out/data.json changes after every start: if the program itself writes it, use --ignore out/data.json',
      },
    ]);
  });

  test('is not suspected when the script itself changes', () => {
    expect(warningsAfter('/project/server.js')).toEqual([]);
  });
});
