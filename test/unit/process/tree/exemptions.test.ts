import { describe, expect, test } from 'vitest';
import { keptGlobs, longLived } from '../../../../src/config/long-lived.ts';
import { Exemptions, keepFor } from '../../../../src/process/tree/exemptions.ts';

const root = 10;

interface Process {
  readonly pid: number;
  readonly startTime: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly command: string;
  readonly environment: string;
  /** Its command line. */
  readonly line: string;
}

const processOf = (pid: number, command: string, given: Partial<Process> = {}): Process => ({
  pid,
  startTime: '1',
  parent: root,
  group: pid,
  session: pid,
  command,
  environment: '\0',
  line: command,
  ...given,
});

/** The processes that live, and the exemptions of the tree whose root is one of them. */
function createTree(globs: readonly string[], program: readonly string[] = []) {
  let alive: readonly Process[] = [];
  const find = (pid: number): Process | undefined => alive.find((process) => process.pid === pid);
  const lookup = { placeOf: find, commandLine: (pid: number) => find(pid)?.line };
  const exemptions = new Exemptions({ globs, program }, root, lookup);
  return {
    /** Returns the exempt ones of the processes that live now. */
    among(...processes: readonly Process[]): number[] {
      alive = processes;
      return [...exemptions.among(processes)];
    },
    /** The same where these processes have been moved out of the tree. */
    amongWithout(kept: readonly number[], ...processes: readonly Process[]): number[] {
      return [...exemptions.among(processes, new Set(kept))];
    },
    /** Processes live that are not asked about. */
    live(...processes: readonly Process[]): void {
      alive = [...alive, ...processes];
    },
  };
}

const server = processOf(root, 'node', { parent: 1 });

describe('the exemptions', () => {
  test.each<[string, number[], readonly string[], readonly Process[]]>([
    ['include a process that a glob names', [20], ['fire*'], [processOf(20, 'firefox-esr')]],
    [
      'include one whose command line a glob names',
      [20],
      ['*my-daemon*'],
      [processOf(20, 'node', { line: 'node /a/my-daemon x' })],
    ],
    [
      'include a named process in the session of the program',
      [20],
      ['kate'],
      [processOf(20, 'kate', { session: root })],
    ],
    ['never include the program itself', [], ['node'], []],
    ['do not include a longer name', [], ['code'], [processOf(20, 'codegen')]],
    ['take globs with more than asterisks', [20], ['{a,b}?[cd]'], [processOf(20, 'b1d'), processOf(21, 'b1e')]],
    [
      'do not include what a glob excludes',
      [20],
      ['fire*', '!* -headless*'],
      [processOf(20, 'firefox'), processOf(21, 'firefox', { line: 'firefox -headless x' })],
    ],
    [
      'include the descendants of an exempt process, in whatever session',
      [20, 30, 31],
      ['tmux*'],
      [processOf(31, 'vim', { parent: 30 }), processOf(30, 'sh', { parent: 20 }), processOf(20, 'tmux: server')],
    ],
    [
      'include the session of an exempt process whose parents in it have ended',
      [20, 30],
      ['code'],
      [processOf(20, 'code'), processOf(30, 'helper', { parent: 1, session: 20 })],
    ],
    [
      'do not include the group of an exempt process, which may be a pipeline',
      [20],
      ['code'],
      [processOf(20, 'code', { session: root }), processOf(30, 'node', { group: 20, session: root })],
    ],
    ['do not include other sessions', [20], ['code'], [processOf(20, 'code'), processOf(30, 'helper')]],
    [
      'include an orphan that runs in a window of tmux',
      [20, 30],
      ['tmux*'],
      [
        processOf(20, 'tmux: server'),
        processOf(30, 'sleep', { parent: 1, environment: '\0TMUX=/tmp/tmux-0/default,20,0\0' }),
      ],
    ],
    [
      'include an orphan that runs in a window of screen',
      [20, 30],
      ['screen'],
      [processOf(20, 'screen'), processOf(30, 'sleep', { parent: 1, environment: '\0STY=20.pts-0.host\0' })],
    ],
    [
      'do not include what runs in a tmux outside',
      [],
      ['tmux*'],
      [processOf(30, 'sleep', { environment: '\0TMUX=/tmp/tmux-0/default,99,0\0' })],
    ],
    [
      'include a process with DEVWATCH_KEEP=1',
      [20],
      [],
      [processOf(20, 'x', { environment: '\0A=1\0DEVWATCH_KEEP=1\0' })],
    ],
    ['do not include one with another value', [], [], [processOf(20, 'x', { environment: '\0DEVWATCH_KEEP=10\0' })]],
  ])('%s', (_, expected, globs, processes) => {
    expect(
      createTree(globs)
        .among(server, ...processes)
        .sort(),
    ).toEqual(expected);
  });

  test('include a process that was exempt under an earlier name, and what it starts then', () => {
    const { among } = createTree(['xdg-open']);
    among(server, processOf(20, 'xdg-open'));
    expect(among(server, processOf(20, 'sh', { parent: 1 }), processOf(21, 'falkon', { parent: 20 }))).toEqual([
      20, 21,
    ]);
    expect(among(server, processOf(21, 'falkon', { parent: 1 }))).toEqual([21]);
  });

  test('include the children of an exempt process that has been moved elsewhere', () => {
    const { among, live } = createTree(['tmux*']);
    const tmux = processOf(20, 'tmux: server');
    among(server, tmux);
    live(tmux);
    expect(among(server, processOf(30, 'sh', { parent: 20 }))).toEqual([]);
    const again = createTree(['tmux*']);
    again.among(server, tmux);
    expect(again.among(server, tmux, processOf(30, 'sh', { parent: 20 }))).toEqual([20, 30]);
  });

  test('the exemptions include the child of a process that another devwatch has moved out of the tree', () => {
    const [editor, window] = [20, processOf(30, 'node', { parent: 20 })];
    expect(createTree(['code']).amongWithout([editor], server, window)).toEqual([30]);
    expect(createTree(['code']).amongWithout([21], server, window)).toEqual([]);
  });

  test('do not include the child of a process that has got the pid of an exempt one', () => {
    const { among } = createTree(['tmux*']);
    among(server, processOf(20, 'tmux: server'));
    const stranger = processOf(20, 'sh', { startTime: '2' });
    expect(among(server, stranger, processOf(30, 'sleep', { parent: 20, startTime: '3' }))).toEqual([]);
  });

  test('include what only has the interpreter of the program in common with it', () => {
    const daemon = processOf(20, 'node', { line: 'node /a/my-daemon' });
    expect(createTree(['*my-daemon'], ['node']).among(server, daemon)).toEqual([20]);
  });

  test('take a limited time, whatever the glob and the command line are', () => {
    const daemon = processOf(20, 'a'.repeat(15), { line: `${'a'.repeat(4000)}c` });
    const tree = createTree(['*a*a*a*a*a*a*{b,d}', 'code']);
    expect(tree.among(server, daemon, processOf(30, 'code'))).toEqual([30]);
  });

  test('do not include what the command of the program names', () => {
    const { globs, program } = keepFor(['chromium', 'code'], {
      file: '/bin/sh',
      args: ['-c', 'cd web && /usr/bin/chromium --kiosk'],
    });
    const processes = [server, processOf(20, 'chromium'), processOf(30, 'code')];
    expect(createTree(globs, program).among(...processes)).toEqual([30]);
  });
});

describe('by default', () => {
  test.each([
    ['a browser', 'chrome', '/opt/google/chrome/chrome http://localhost:3000'],
    ['an editor', 'code', '/usr/share/code/code --unity-launch'],
    ['an editor with a long name', 'gnome-text-edit', '/usr/bin/gnome-text-editor a.js'],
    ['an IDE that a script starts', 'webstorm.sh', '/bin/sh /opt/webstorm/bin/webstorm.sh a.js'],
    ['an IDE in its Java', 'java', '/opt/idea/jbr/bin/java -cp x com.intellij.idea.Main a.js'],
    ['a terminal', 'gnome-terminal-', '/usr/libexec/gnome-terminal-server'],
    ['tmux', 'tmux: server', 'tmux new -d'],
    ['a linter that several projects share', 'node', 'node /p/node_modules/eslint_d/lib/daemon.js 0 15'],
    ['a formatter that several projects share', 'node', 'node /p/node_modules/core_d/lib/daemon.js'],
    ['the daemon of Gradle', 'java', '/usr/bin/java -cp x org.gradle.launcher.daemon.bootstrap.GradleDaemon 8.7'],
    ['the server of adb', 'adb', 'adb -L tcp:5037 fork-server server --reply-fd 4'],
    ['the daemon of turbo', 'turbo', '/p/node_modules/turbo-linux-64/bin/turbo --skip-infer daemon'],
    ['the daemon of pm2', 'PM2 v5.3.0: God', 'PM2 v5.3.0: God Daemon (/home/me/.pm2)'],
  ])('%s outlives the program', (_, command, line) => {
    expect(createTree(longLived).among(server, processOf(20, command, { line }))).toEqual([20]);
  });

  test.each([
    ['a browser without a window', 'chrome', '/opt/chrome/chrome --headless=new --user-data-dir=/tmp/x'],
    ['a browser that a test drives', 'chrome', '/opt/chrome/chrome --enable-automation about:blank'],
    ['a part of it', 'chrome', '/opt/chrome/chrome --type=gpu-process'],
    ['its driver', 'chromedriver', 'chromedriver --port=9515'],
    ['a client of adb', 'adb', 'adb logcat'],
    ['turbo without its daemon', 'turbo', '/p/bin/turbo run dev --no-daemon'],
    ['a worker with a similar name', 'codegen', 'codegen --watch'],
  ])('%s does not', (_, command, line) => {
    expect(createTree(longLived).among(server, processOf(20, command, { line }))).toEqual([]);
  });

  test('exclusions alone are exceptions from the default, and other globs replace it', () => {
    const { globs } = keepFor(keptGlobs(['!code']), { file: 'node', args: [] });
    const processes = [server, processOf(20, 'code'), processOf(30, 'cursor')];
    expect(createTree(globs).among(...processes)).toEqual([30]);
    expect(createTree(keptGlobs(['code'])).among(...processes)).toEqual([20]);
    expect(createTree(keptGlobs([])).among(...processes)).toEqual([]);
  });
});
