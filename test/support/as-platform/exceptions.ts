/**
 * End-to-end tests that are left out when devwatch runs as if on macOS (DEVWATCH_TEST_AS=darwin), each with its reason.
 * vitest.config.ts reads them.
 */

export interface Exception {
  /** The file in test/e2e, without `.test.ts`. */
  readonly file: string;
  /** Parts of the names of tests or groups, as they stand in the file; without them, the whole file. */
  readonly tests?: readonly string[];
  readonly reason: string;
}

export const exceptions: readonly Exception[] = [
  {
    file: 'pipes',
    reason:
      'It is about the named pipes that Linux needs for /dev/stderr, and about readers of output that only Linux can find.',
  },
  {
    file: 'unit',
    reason:
      'It is about systemd: its units, its notifications, and sockets that it passes on, whose addresses are read in /proc. ' +
      'LaunchAgents have unit tests.',
  },
  {
    file: 'boot',
    tests: ['a launch saves the code caches, readable by their user only'],
    reason:
      'The tree of `ps` belongs to the second part of the command, which is so loaded and saved before the program starts: ' +
      'its code cache holds less.',
  },
  {
    file: 'doctor',
    tests: [
      'finds nothing broken in a usual project, and prints a line for each topic',
      'names a limit on the watches of inotify, which the remedy raises',
      'no cgroup',
      'names at the start what is off, and not again after a restart',
    ],
    reason: 'The findings are about cgroups and inotify, which macOS does not have.',
  },
  {
    file: 'watching',
    tests: [
      'devwatch prints how to raise the limit when inotify runs out, and still restarts on a change',
      'prints the rule, the folder that is not entered and the backend',
      'names the link through which a file is watched, and says where links are not followed',
      'prints JSON, and applies the given flags',
      'answers for the command line after --',
    ],
    reason: 'The output names inotify; on the way the same tests compare texts that do not depend on it.',
  },
  {
    file: 'watching',
    tests: ['devwatch warns about a program that writes a watched file at every start'],
    reason: 'Which files a program writes is known on Linux only; docs/platforms.md says so.',
  },
  {
    file: 'output',
    tests: [
      '--verbose also prints the changes, the run and the end of the old tree',
      '--log-format json prints each event as one line of JSON',
    ],
    reason: 'Another line names that macOS has no cgroups.',
  },
  {
    file: 'port-tools',
    tests: [
      'finds it free until it listens, and no connection is refused',
      'finds it free, and no connection is refused or lost',
    ],
    reason: 'Programs that probe their port by a connection find it taken: a shared socket can be shut only on Linux.',
  },
  {
    file: 'standby',
    tests: ['leaves a pipe as it is that the program reads, and finds it as a first start does'],
    reason:
      'Whether reads of a shared pipe block is known on Linux only: beside a standby they may block. An open gap of macOS.',
  },
  {
    file: 'background',
    tests: ['list shows the CPU time of all processes, including those that have ended'],
    reason: '`ps` shows no CPU time of children that have ended; docs/platforms.md says so.',
  },
  {
    file: 'saves',
    tests: ['a change of attributes after the write is not a save: vim makes it late where the disk is slow'],
    reason: 'An event that comes late for a new file is at times taken for a second save. An open gap of macOS.',
  },
];

/** Returns what vitest leaves out: whole files, and a pattern that no other name matches. */
export function leftOut(): { readonly exclude: readonly string[]; readonly testNamePattern: RegExp } {
  const names = exceptions.flatMap(({ tests = [] }) => tests).map((name) => name.replaceAll(/[^\w\s'"-]/g, '\\$&'));
  const files = exceptions.filter(({ tests }) => tests === undefined);
  return {
    exclude: files.map(({ file }) => `test/e2e/${file}.test.ts`),
    testNamePattern: new RegExp(names.length === 0 ? '' : `^(?!.*(?:${names.join('|')}))`),
  };
}
