/**
 * Programs that try to survive their termination. Each of their processes registers itself with a
 * line `pid` in a file, so that the tests know them without the code under test.
 */

import fs from 'node:fs';
import path from 'node:path';
import { isAlive } from './facts.ts';

const sleeperScript = path.resolve('test/support/adversaries/sleeper.sh');

export interface Adversary {
  readonly name: string;
  /** The command; REG stands for the path of the register, FOLDER for its folder, SLEEPER for a script. */
  readonly command: readonly string[];
  /** Number of lines in the register at which it is ready. */
  readonly ready: number;
  /** Number of lines in the register after it has reacted to the signal. */
  readonly afterwards?: number;
  /** Does a process of it survive `kill(-pgid)`? */
  readonly escapesGroup: boolean;
  /** Does a process of it survive one walk by parents that sends each a signal? */
  readonly escapesWalk: boolean;
  /** Only SIGKILL ends it. */
  readonly stubborn?: true;
}

const sh = (script: string): readonly string[] => ['/bin/sh', '-c', script];
const node = (script: string): readonly string[] => [process.execPath, '-e', script];

/** Registers the shell itself, and therefore also the program that it becomes. */
const reg = 'echo $$ >>REG;';
/** A command that registers itself and sleeps; it needs no environment. */
const sleeper = '/bin/sh SLEEPER REG';
const perlReg = 'open(F,">>","REG"); print F "$$\\n"; close F;';
const nodeReg = `require('fs').appendFileSync('REG', process.pid + '\\n');`;
const nodeStay = `${nodeReg} setInterval(() => {}, 1000);`;
const nodeDaemon = `require('child_process').spawn('/bin/sh', ['SLEEPER', 'REG'], { detached: true, stdio: 'ignore' }).unref();`;

export const adversaries: readonly Adversary[] = [
  {
    name: 'a shell with two children',
    command: sh(`${reg} ${sleeper} & ${sleeper} & wait`),
    ready: 3,
    escapesGroup: false,
    escapesWalk: false,
  },
  {
    name: 'a shell that ignores every signal but SIGKILL',
    command: sh(`trap "" TERM INT HUP; ${reg} exec sleep 500`),
    ready: 1,
    escapesGroup: true,
    escapesWalk: true,
    stubborn: true,
  },
  {
    name: 'a detached child of Node',
    command: node(`${nodeDaemon} ${nodeStay}`),
    ready: 2,
    escapesGroup: true,
    escapesWalk: false,
  },
  {
    name: 'a double fork while the root lives',
    command: sh(`${reg} (setsid sh -c '${sleeper} &' &); exec sleep 500`),
    ready: 2,
    escapesGroup: true,
    escapesWalk: true,
  },
  {
    name: 'a root that exits and leaves its daemon',
    command: sh(`${reg} (setsid ${sleeper} &)`),
    ready: 2,
    escapesGroup: true,
    escapesWalk: true,
  },
  {
    name: 'a daemon with an empty environment',
    command: sh(`${reg} (setsid env -i ${sleeper} &); exec sleep 500`),
    ready: 2,
    escapesGroup: true,
    escapesWalk: true,
  },
  {
    name: 'a daemon that overwrites its environment',
    command: sh(`${reg} (setsid perl -e '$0="x"x6000; ${perlReg} sleep 500' &); exec sleep 500`),
    ready: 2,
    escapesGroup: true,
    escapesWalk: true,
  },
  {
    name: 'a hopper: a process that is replaced by its child again and again',
    command: sh(
      `${reg} perl -e 'while(-e "FOLDER/on"){ exit if fork(); ${perlReg} select(undef,undef,undef,0.002) }' & exec sleep 500`,
    ),
    ready: 5,
    escapesGroup: false,
    escapesWalk: true,
  },
  {
    name: 'a hopper with a new session at each hop',
    command: sh(
      `${reg} perl -e 'use POSIX; while(-e "FOLDER/on"){ exit if fork(); POSIX::setsid(); ${perlReg} select(undef,undef,undef,0.002) }' & exec sleep 500`,
    ),
    ready: 5,
    escapesGroup: true,
    escapesWalk: true,
  },
  {
    name: 'a hopper with a new session and a new program at each hop',
    command: sh(`${reg} /bin/sh HOPPER.sh REG FOLDER/on & exec sleep 500`),
    ready: 5,
    escapesGroup: true,
    escapesWalk: true,
  },
  {
    name: 'a hopper in Node',
    command: sh(`${reg} ${process.execPath} HOPPER.cjs REG FOLDER/on & exec sleep 500`),
    ready: 3,
    escapesGroup: true,
    escapesWalk: true,
  },
  {
    name: 'a burst of forks',
    command: sh(`${reg} perl -e 'for(1..4){ for(1..2){ last unless fork() } } ${perlReg} sleep 500' & exec sleep 500`),
    ready: 82,
    escapesGroup: false,
    escapesWalk: false,
  },
  {
    name: 'a helper started by the signal handler',
    command: node(`process.on('SIGTERM', () => { ${nodeDaemon} setTimeout(() => process.exit(0), 50); }); ${nodeStay}`),
    ready: 1,
    afterwards: 2,
    escapesGroup: true,
    escapesWalk: true,
  },
  {
    name: 'a stopped child',
    command: sh(`${reg} sleep 500 & kill -STOP $!; echo $! >>REG; wait`),
    ready: 2,
    escapesGroup: true,
    escapesWalk: true,
  },
  {
    name: 'a parent of a zombie',
    command: ['/usr/bin/perl', '-e', `if(!fork){exit} ${perlReg} sleep 500`],
    ready: 1,
    escapesGroup: false,
    escapesWalk: false,
  },
  {
    name: 'a child of a worker thread',
    command: node(
      `const { Worker } = require('worker_threads'); new Worker(${JSON.stringify(`${nodeDaemon} setInterval(() => {}, 1000);`)}, { eval: true }); ${nodeStay}`,
    ),
    ready: 2,
    escapesGroup: true,
    escapesWalk: false,
  },
  {
    name: 'a child in a group of its own, in the same session',
    command: ['/bin/bash', '-c', `${reg} set -m; ${sleeper} & wait`],
    ready: 2,
    escapesGroup: true,
    escapesWalk: false,
  },
  {
    name: 'a command with parentheses in its name',
    command: sh(
      `${reg} cp /usr/bin/perl "FOLDER/) (x"; (setsid "FOLDER/) (x" -e '${perlReg} sleep 500' &); exec sleep 500`,
    ),
    ready: 2,
    escapesGroup: true,
    escapesWalk: true,
  },
  {
    name: 'a marker at the end of a large environment',
    command: sh(
      `${reg} (setsid perl -e 'my @e=map {"$_=$ENV{$_}"} keys %ENV; %ENV=(); exec("/usr/bin/env", (map {"V$_=" . ("y"x1000)} (1..90)), @e, "/bin/sh", "SLEEPER", "REG")' &); exec sleep 500`,
    ),
    ready: 2,
    escapesGroup: true,
    escapesWalk: true,
  },
  {
    name: 'an npm script: npm, a shell and a program',
    command: [
      '/bin/sh',
      '-c',
      `cd FOLDER && echo '{"scripts":{"x":"${sleeper} & ${sleeper}"}}' >package.json && exec npm run x`,
    ],
    ready: 2,
    escapesGroup: false,
    escapesWalk: false,
  },
];

/** Returns the command of an adversary for one register. */
export function commandFor(adversary: Adversary, register: string): { file: string; args: string[] } {
  const [file = '', ...args] = adversary.command.map((word) =>
    word
      .replaceAll('REG', register)
      .replaceAll('SLEEPER', sleeperScript)
      .replaceAll('HOPPER', path.resolve('test/support/adversaries/hopper'))
      .replaceAll('FOLDER', path.dirname(register)),
  );
  return { file, args };
}

/** The register of one adversary: its processes, and those still alive. */
export class Register implements Disposable {
  readonly file: string;
  /** A hopper continues only while this file exists. */
  readonly #leash: string;
  readonly #folder: string;
  readonly #watcher: fs.FSWatcher;
  #wake: () => void = () => {};

  constructor(folder: string) {
    this.file = path.join(folder, 'register');
    this.#leash = path.join(folder, 'on');
    this.#folder = folder;
    fs.writeFileSync(this.file, '');
    fs.writeFileSync(this.#leash, '');
    this.#watcher = fs.watch(folder, () => this.#wake());
  }

  pids(): number[] {
    return fs.readFileSync(this.file, 'utf8').split('\n').filter(Boolean).map(Number);
  }

  alive(): number[] {
    return this.pids().filter(isAlive);
  }

  /** Resolves when this number of processes has registered. */
  async holds(count: number): Promise<void> {
    while (this.pids().length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (this.pids().length >= count) resolve();
      });
    }
  }

  /** Kills all that are still alive. */
  [Symbol.dispose](): void {
    this.#watcher.close();
    fs.rmSync(this.#leash);
    // By their working folder: a hopper in flight has not registered yet.
    for (let left = processesIn(this.#folder); left.length > 0; left = processesIn(this.#folder)) {
      for (const pid of left) kill(pid, 'SIGKILL');
    }
  }
}

/** Returns the live processes whose working folder this is. */
export function processesIn(folder: string): number[] {
  return fs
    .readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && isAlive(pid) && workingFolder(pid) === folder);
}

function workingFolder(pid: number): string {
  try {
    return fs.readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone.
  }
}
