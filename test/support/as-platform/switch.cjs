/**
 * Makes Node say that it runs on another system: DEVWATCH_TEST_AS=darwin. Linux's /proc, /sys and prlimit are hidden, the
 * commands that devwatch asks about the system answer in the form of that system, and its signals are those there. Only
 * the process that loads this file is concerned, and the guardian: programs are on Linux as before. Not a part of the
 * product.
 */

const fs = require('node:fs');
const childProcess = require('node:child_process');
const os = require('node:os');

// Some tests start devwatch with few variables.
const name = process.env.DEVWATCH_TEST_AS ?? 'darwin';
if (name !== 'darwin') throw new Error(`DEVWATCH_TEST_AS is ${name}, and only darwin is known`);
Object.defineProperty(process, 'platform', { value: name });
for (const signal of ['SIGPWR', 'SIGSTKFLT', 'SIGPOLL']) delete os.constants.signals[signal];

const { existsSync, readFileSync, readlinkSync } = fs;

const isHidden = (file) => typeof file === 'string' && /^\/(?:proc|sys)(?:\/|$)|\/prlimit$/.test(file);

fs.existsSync = (file) => !isHidden(file) && existsSync(file);
for (const call of 'access lstat mkdir open readFile readdir readlink realpath stat writeFile'.split(' ')) {
  const real = fs[`${call}Sync`];
  const replacement = function (file, ...rest) {
    if (!isHidden(file)) return Reflect.apply(real, this, [file, ...rest]);
    if (rest[0]?.throwIfNoEntry === false) return undefined;
    const message = `ENOENT: no such file or directory, ${call} '${file}'`;
    throw Object.assign(new Error(message), { code: 'ENOENT', errno: -2, syscall: call, path: file });
  };
  // realpathSync has a property of its own.
  fs[`${call}Sync`] = Object.assign(replacement, real);
}

/** macOS shows the variables of no program of its own. Python and the like come from elsewhere. */
function isProtected(pid) {
  try {
    const file = readlinkSync(`/proc/${pid}/exe`);
    return /^(?:\/usr)?\/s?bin\//.test(file) && !/\/(?:node|perl|python|ruby)[^/]*$/.test(file);
  } catch {
    return false;
  }
}

/** Removes the variables of protected programs from a list of `ps`, whose last column is the command. */
const withoutProtected = (output) =>
  output
    .split('\n')
    .map((line) => {
      const [, pid] = /^\s*(\d+) /.exec(line) ?? [];
      return pid === undefined || !isProtected(pid) ? line : line.replace(/ [A-Za-z_]\w*=.*/, '');
    })
    .join('\n');

/** Returns the table of mounts as `mount` of macOS prints it. */
function mounts() {
  const rows = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n');
  return rows
    .map((row) => {
      const [fields, rest] = row.split(' - ').map((part) => part.split(' '));
      return `${rest[1]} on ${fields[4]} (${rest[0]}, local)\n`;
    })
    .join('');
}

/** The output of commands that Linux lacks, or has in another form. */
const answers = new Map([
  ['/usr/sbin/sysctl', () => 'AAAAAAAA-0000-4000-8000-000000000000\n'],
  ['/sbin/mount', mounts],
]);

/** Returns the options of Linux's `ps` that do the same. */
const translated = (args) => args.map((word) => (word === '-AEww' ? 'axeww' : word));
const showsVariables = (file, args) => file === '/bin/ps' && args.includes('-AEww');

const { spawnSync, execFile, spawn } = childProcess;

childProcess.spawnSync = (file, args, options) => {
  const answer = answers.get(file)?.();
  if (answer !== undefined) return { status: 0, signal: null, stdout: answer, stderr: '' };
  if (!showsVariables(file, args)) return spawnSync(file, args, options);
  const result = spawnSync(file, translated(args), options);
  return { ...result, stdout: withoutProtected(result.stdout) };
};

childProcess.execFile = (file, args, options, onEnd) => {
  if (!showsVariables(file, args)) return execFile(file, args, options, onEnd);
  return execFile(file, translated(args), options, (error, stdout, stderr) =>
    onEnd(error, withoutProtected(stdout), stderr),
  );
};

/** The guardian becomes a Node that reads its program from a word. It is on macOS, too. */
childProcess.spawn = (file, args, options) => {
  const at = Array.isArray(args) && args.includes('devwatch-guardian') ? args.indexOf('-e') : -1;
  if (at < 0) return spawn(file, args, options);
  const words = [...args.slice(0, at), '--require', __filename, ...args.slice(at)];
  return spawn(file, words, { ...options, env: { ...options.env, DEVWATCH_TEST_AS: name } });
};

require('node:module').syncBuiltinESMExports();
