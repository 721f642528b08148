/** Options of similar tools that devwatch does not have, with what takes their place: advice in error messages. */

import { UsageError } from '../shared/errors.ts';

/** An option of devwatch, or a sentence. */
type Advice = string;

/** Returns advice on an option of nodemon, tsx, ts-node-dev, pm2, forever or watchexec; undefined if none has it. */
export function adviceOn(flag: string): string | undefined {
  const advice = adviceTable().find(([flags]) => flags.split(' ').includes(flag))?.[1];
  return advice?.startsWith('-') ? `here: ${advice}` : advice;
}

/** A function, so that launches without a mistake do not pay for the table. */
function adviceTable(): readonly (readonly [flags: string, advice: Advice])[] {
  return [
    // Watching
    ['--include', '--watch . --watch <glob>'],
    ['--watchDirectory', '--watch'],
    ['--filter -f', '--watch <glob>'],
    ['--watch-non-recursive -W', '--watch "folder/*"'],
    ['--watch-file -F --filter-file', 'list the patterns under "watch" in .watchrc'],
    ['--exclude --ignore-watch --watchIgnore', '--ignore'],
    ['--ignore-file', '--gitignore, or list the patterns under "ignore" in .watchrc'],
    ['--exts', '--ext'],
    ['--polling-interval -P --interval', '--poll-interval'],
    ['--force-poll', '--poll'],
    ['--debounce --watch-delay', '--delay'],
    ['--all-deps --deps-level', '--deps'],
    ['--no-deps', 'not needed: only --deps watches what the program loads'],
    ['--no-follow-symlinks', '--no-follow'],
    [
      '--no-vcs-ignore --no-project-ignore --no-global-ignore --no-discover-ignore',
      'not needed: .gitignore counts only with --gitignore',
    ],
    ['--no-default-ignore --ignore-nothing', 'name the folder that is ignored: --watch node_modules'],
    ['--no-meta', 'not needed: a change of permissions does not count'],
    ['--fs-events', '--events add,change,delete'],
    ['--filter-prog -j', 'not taken over: patterns decide'],
    ['--project-origin', '--cwd'],
    // The program
    ['--workdir --workingDir --sourceDir', '--cwd'],
    ['--interpreter --command', '--exec <command>'],
    ['--node-args --interpreter-args', "Node's flags go before the script: devwatch --inspect server.js"],
    ['--shell', '--exec "bash -c …"'],
    ['--env -E', '--env-file <file>, "env" in .watchrc, or NAME=value before devwatch'],
    ['--filter-env', 'not taken over: the program has the whole environment'],
    ['--instances', 'not taken over: a program is one process · node:cluster can start more'],
    ['--uid --gid --user -u', 'not taken over: run devwatch as that user (forever: --name)'],
    ['--source-map-support', '--enable-source-maps'],
    ['--tsconfig', 'options of tsx go behind it: devwatch tsx --tsconfig <file> <script>'],
    ['--no-cache', 'options of tsx go behind it: devwatch tsx --no-cache <script>'],
    [
      '--transpile-only -T --files --project --compiler-options -O --compiler --ignore-diagnostics -D --scope --scopeDir --emit --pretty --prefer-ts-exts --log-error --skip-project --skip-ignore --compiler-host -H',
      'options of ts-node go behind it: devwatch ts-node --files <script>',
    ],
    ['--prefer-ts --script-mode --transpiler', 'not taken over: ts-node reads it from tsconfig.json'],
    // Restarting
    ['--exitcrash --exit-on-error', '--exit-on-crash'],
    ['--postpone', '--on-change-only'],
    ['--no-autorestart', '--restart never'],
    ['--max -m', '--max-restarts'],
    ['--minUptime', '--min-uptime'],
    [
      '--restart-delay --exp-backoff-restart-delay --spinSleepTime',
      'not needed: pauses between crashes grow from 250 ms to 10 s',
    ],
    ['--stop-exit-codes', 'not taken over: only exit code 0 is an end in order'],
    ['--stop-signal --killSignal', '--signal'],
    ['--stop-timeout -k', '--kill-timeout'],
    ['--shutdown-with-message', '--signal message'],
    [
      '--killTree -t --tree-kill --wrap-process --no-process-group',
      'not needed: the whole process tree is ended, always',
    ],
    ['--no-treekill', 'not taken over: the whole process tree is ended; --keep names exceptions'],
    ['--map-signal', 'not taken over: SIGUSR1, SIGUSR2 and the like are passed on, the others end the program'],
    ['--respawn', 'not needed: a program that has ended is started again by a change, or at once after a crash'],
    ['--on-busy-update', 'not needed: a change restarts the program; --on-change signal:<name> signals it instead'],
    ['--delay-run', '--exec "sleep 1 && …"'],
    ['--cron --cron-restart', '--restart-at'],
    // Health and events
    ['--max-memory-restart', '--max-memory'],
    ['--wait-ready', '--ready message'],
    ['--listen-timeout', 'not needed: devwatch start waits until the program is up'],
    ['-N --bell', '--notify'],
    ['--emit-events-to --no-environment', 'the program finds the changed files in DEVWATCH_CHANGED'],
    ['--only-emit-events', '--log-format json'],
    // Terminal and output
    ['--no-stdin -I --interactive', 'not needed: the program has the terminal; rs restarts it when it does not read'],
    ['--rs', 'not needed: rs restarts'],
    ['--stdin-quit', 'not taken over: devwatch ends by q, a signal or the end of its terminal'],
    ['--cls --clear-screen', '--clear'],
    ['--no-clear-screen', 'not needed: the screen is cleared only with --clear'],
    ['--no-colours --no-colors --plain', '--no-color'],
    ['--print-events --timings --debug', '--verbose'],
    ['--silent', '--quiet'],
    ['--dump', 'devwatch config'],
    ['-?', '--help'],
    // Background
    ['-n --id', '--name'],
    ['--number', 'devwatch logs --lines <n> <name>'],
    ['--path', "not taken over: logs are in the user's state folder"],
    ['--write', 'devwatch init'],
    ['--hp --wait-ip --service-name', 'not taken over: devwatch unit prints the unit, which can be edited'],
    ['--socket', '--hold=<port>, for commands that take a socket'],
    ['--mini-list --sort', 'not needed'],
    ['--manual', '--help'],
    ['--completions -1', 'not taken over'],
    ['--namespace', 'not taken over: a name is all that a program has'],
    ['--output --error --logFile --outFile --errFile --log-file -o -l', '--log <file>'],
    ['--time --log-date-format', '--log-timestamps'],
    [
      '--log-type --merge-logs --combine-logs --append -a --disable-logs',
      'not needed: logs are appended to, and rotated',
    ],
    ['--pid --pidFile', 'devwatch list --json prints the pid'],
    ['--no-daemon --daemon', 'without start devwatch runs in the foreground'],
    ['--attach --fifo', 'devwatch attach <name>, or devwatch logs -f <name>'],
    ['--update-env', 'not needed: devwatch start takes the environment as it is'],
    ['--no-autostart', '--only names the programs to start'],
    // Services and updates of the tools themselves
    [
      '--trace --disable-trace --v8 --event-loop-inspector --deep-monitoring --no-pmx --no-automation --no-vizion',
      "not taken over: it belongs to pm2's monitoring service",
    ],
    [
      '--spawn --js --no-update-notifier --exit-child --dedupe --fork --exec-check --error-recompile --dir --cache-directory --compile-timeout --execute-command --force --parallel --disable-source-map-support --quote -Q',
      'not needed',
    ],
  ];
}

// Node's own watch mode

/** `--watch-path` and the like. `--watch` itself is an option of devwatch. */
export const isWatchFlag = (name: string): boolean => /^--watch-(?:path|preserve-output|kill-signal)$/.test(name);

/** Returns the error about a flag that makes Node watch files: a second watcher would get between devwatch and the program. */
export function watchesItself(name: string, value: string | undefined): UsageError {
  const given = value === undefined || value.startsWith('-') ? undefined : value;
  const advice: Readonly<Record<string, string>> = {
    '--watch-path': `: --watch ${given ?? '<folder>'}`,
    '--watch-kill-signal': ` and stops the program: --signal ${given ?? '<name>'}`,
    '--watch-preserve-output': ', and clears the screen only with --clear',
  };
  return new UsageError(`${name} is not needed · devwatch itself watches${advice[name] ?? ': --watch <folder>'}`);
}

// Units

/** Whether a number without a unit was probably meant in seconds, as nodemon's `--delay` takes them. In milliseconds it is hardly of use. */
export const isLikelySeconds = (ms: unknown): boolean => typeof ms === 'number' && ms > 0 && ms <= 60;
