/** Each reason for which a feature is off, with what to do; a reason in the source has a row here. */

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseArgv } from '../../../src/config/argv.ts';
import { loadSettings } from '../../../src/config/load.ts';
import { planRun, type RunPlan } from '../../../src/run/command-plan.ts';
import { adviceOnObstacle, groupLimitations, limitationsOf } from '../../../src/run/limitations.ts';
import { type MachineFacts, machineFacts } from '../../../src/run/machine-facts.ts';
import type { Feature } from '../../../src/shared/events.ts';
import { createProject, type Project } from '../../support/project.ts';

const machine: MachineFacts = {
  system: 'Linux',
  canPass: true,
  hasGuardian: true,
  knowsWrites: true,
  tree: 'cgroup',
  hasPrlimit: true,
  hasSystemd: true,
  openFiles: 1024,
  canHold: true,
  measuresMemory: true,
  stateProblem: undefined,
  cacheProblem: undefined,
};

/** A project with scripts, and with the commands that are named in its node_modules. */
function createScripts(...commands: readonly string[]): Project {
  const scripts = { dev: 'node a.js', both: 'node a.js & node a.js' };
  const project = createProject({ 'package.json': JSON.stringify({ scripts }), 'a.js': '', 'a.ts': '', 'a.py': '' });
  for (const command of ['other/node', ...commands.map((name) => `node_modules/.bin/${name}`)]) {
    project.write(command, '#!/bin/sh\n');
    fs.chmodSync(project.at(command), 0o755);
  }
  return project;
}

function planIn(project: Project, words: readonly string[], variables: Readonly<Record<string, string>> = {}): RunPlan {
  const { flags, program, nodeArgs } = parseArgv(words);
  const plan = planRun({ loaded: loadSettings({ given: flags, folder: project.path }), program, nodeArgs });
  return { ...plan, env: { ...plan.env, NODE_OPTIONS: '', ...variables } };
}

const faster = 'restarts are several times faster';

interface Row {
  readonly words?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly machine?: Partial<MachineFacts>;
  /** `feature: reason → remedy`, of all limitations that are not for `devwatch doctor` only. */
  readonly told?: readonly string[];
  /** The same, of those that only `devwatch doctor` names. */
  readonly plain?: readonly string[];
  /** The features that are named without `--verbose`. */
  readonly always?: readonly Feature[];
}

const rows: Readonly<Record<string, Row>> = {
  'nothing is off': {},
  'memory cannot be measured': {
    words: ['--max-memory', '500M', 'a.js'],
    machine: { system: 'Windows', measuresMemory: false },
    told: [
      'memory limit: devwatch cannot measure memory on Windows → node --max-old-space-size=<MB> limits a Node program',
    ],
    always: ['memory limit'],
  },
  'standby is turned off': {
    words: ['--no-standby', 'a.js'],
    plain: [
      `standby: turned off, so each start is a cold one → without --no-standby ${faster}`,
      'packages: there is no standby',
    ],
  },
  'saves restart nothing': {
    words: ['--on-change', 'nothing', 'a.js'],
    plain: ['standby: "onChange" is nothing, so saves restart nothing', 'packages: there is no standby'],
  },
  'packages are turned off': {
    words: ['--no-prewarm', 'a.js'],
    plain: ['packages: turned off → without --no-prewarm they are loaded ahead of time'],
  },
  'ports are not held': {
    words: ['--no-hold', 'a.js'],
    plain: ['held ports: turned off → without --no-hold connections wait during a restart'],
  },
  'a shell runs the line': {
    words: ['--exec', 'node a.js && true'],
    told: [
      'standby: a shell runs the line → name the script itself, with its flags: devwatch [flags] <script>',
      'held ports: a shell runs the line → name the script itself, with its flags: devwatch [flags] <script>',
      'readiness check: devwatch cannot see whether the program is up → --ready http://localhost:8000, or --ready /text/ of its output',
    ],
    plain: ['packages: there is no standby'],
    always: ['standby', 'held ports'],
  },
  'another language': {
    words: ['--exec', 'python3 a.py'],
    told: [
      'held ports: Node does not run the program → for a server that takes sockets from systemd: --hold=<port>',
      'readiness check: devwatch cannot see whether the program is up → --ready http://localhost:8000, or --ready /text/ of its output',
    ],
    plain: ['standby: Node does not run the program', 'packages: there is no standby'],
  },
  'another language with a port and a readiness check': {
    words: ['--hold=8000', '--ready', 'tcp://localhost:8000', '--exec', 'python3 a.py'],
    plain: ['standby: Node does not run the program', 'packages: there is no standby'],
  },
  'no script': {
    words: ['node', '-e', '0'],
    plain: ['standby: there is no script to wait for', 'packages: there is no standby'],
  },
  'a flag in NODE_OPTIONS': {
    env: { NODE_OPTIONS: '--heapsnapshot-signal=SIGUSR2' },
    told: [`standby: NODE_OPTIONS has --heapsnapshot-signal=SIGUSR2 → without it ${faster}: NODE_OPTIONS= devwatch …`],
    plain: ['packages: there is no standby'],
    always: ['standby'],
  },
  'a loader of ES modules': {
    words: ['--loader', './hooks.mjs', 'a.js'],
    told: [
      `standby: --loader has an effect before the script → with --import and module.register() instead, ${faster}`,
    ],
    plain: ['packages: there is no standby'],
    always: ['standby'],
  },
  'a profile': {
    words: ['--cpu-prof', 'a.js'],
    told: [`standby: --cpu-prof has an effect before the script → without it ${faster}`],
    plain: ['packages: there is no standby'],
  },
  'the inspector, with a health check': {
    words: ['--inspect=0', '--health', 'tcp://localhost:1', 'a.js'],
    told: [
      `standby: --inspect has an effect before the script → without it ${faster}; kill -USR1 <pid of the program> opens the inspector`,
      'health checks: a program at a breakpoint does not answer, and the inspector is open → without --inspect they run; kill -USR1 <pid of the program> opens the inspector',
    ],
    plain: ['packages: there is no standby'],
  },
  'few descriptors': {
    machine: { openFiles: 33 },
    told: ['held ports: at most 33 files may be open at once → ulimit -n 1024'],
  },
  'no slots': {
    machine: { canHold: false },
    told: ['held ports: this system makes no sockets for it'],
  },
  Windows: {
    machine: {
      system: 'Windows',
      canPass: false,
      hasGuardian: false,
      knowsWrites: false,
      tree: 'parents',
      canHold: false,
      hasSystemd: false,
    },
    told: [
      'held ports: Windows cannot pass sockets to other processes',
      'cgroup: Windows has none, and so processes are found by their parents',
      'guardian: Windows has none, and so the program survives if devwatch is killed',
      'written files: Windows does not show what a program writes, and so a file that restarts it again and again is named later',
    ],
  },
  macOS: {
    machine: { system: 'macOS', knowsWrites: false, tree: 'variables', hasSystemd: false },
    told: [
      'cgroup: macOS has none, and so processes are found by their parents, and by a variable, which programs of the system such as sh hide',
      'written files: macOS does not show what a program writes, and so a file that restarts it again and again is named later',
    ],
  },
  'no cgroup, with systemd': {
    machine: { tree: 'marks' },
    told: [
      'cgroup: this user cannot make cgroups here, and so processes are found by marks → systemd-run --user --scope devwatch …',
    ],
  },
  'no cgroup and no prlimit, in a container': {
    machine: { tree: 'marks', hasPrlimit: false, hasSystemd: false },
    told: [
      'cgroup: this user cannot make cgroups here, and so processes are found by marks',
      'mark by a limit: a process without the variables of the program is not found → install prlimit (util-linux), and ulimit -m unlimited',
    ],
  },
  'cgroups are turned off': {
    machine: { tree: 'disabled' },
    plain: ['cgroup: DEVWATCH_CGROUP is 0, and so processes are found by marks → unset DEVWATCH_CGROUP'],
  },
  'no state folder and no cache folder': {
    machine: { stateProblem: 'the state folder is full', cacheProblem: 'the cache folder is full' },
    told: [
      'records: the state folder is full, and so no program can run in the background, or be ended after devwatch and its guardian are killed → set XDG_STATE_HOME to a folder that only you can write to',
      'cache: the cache folder is full, and so starts are slower → set XDG_CACHE_HOME to a folder that only you can write to',
    ],
  },
};

test.each(Object.entries(rows))('a limitation has a reason and a remedy: %s', async (_, row) => {
  await using project = createScripts();
  const plan = planIn(project, row.words ?? ['a.js'], row.env);
  const found = limitationsOf(plan, { ...machine, ...row.machine });
  const linesOf = (isPlain: boolean): string[] =>
    found
      .filter(({ notice }) => (notice === 'doctor') === isPlain)
      .map(({ feature, reason, remedy }) => `${feature}: ${reason}${remedy === undefined ? '' : ` → ${remedy}`}`);
  expect(linesOf(false)).toEqual(row.told ?? []);
  expect(linesOf(true)).toEqual(row.plain ?? []);
  const always = found.filter(({ notice }) => notice === 'always').map(({ feature }) => feature);
  expect(always).toEqual(row.always ?? []);
});

test('each feature has a row', () => {
  const features: Readonly<Record<Feature, true>> = {
    ...{
      standby: true,
      packages: true,
      'held ports': true,
      'readiness check': true,
      'health checks': true,
      'memory limit': true,
    },
    ...{ cgroup: true, 'mark by a limit': true, guardian: true, records: true, cache: true, 'written files': true },
  };
  const named = Object.values(rows).flatMap(({ told = [], plain = [] }) => [...told, ...plain]);
  for (const feature of Object.keys(features)) {
    expect(named.filter((line) => line.startsWith(`${feature}: `))).not.toEqual([]);
  }
});

describe('an obstacle has a remedy', () => {
  test.each<[words: string[], obstacle: string, remedy: string]>([
    [['npm', 'run', 'dev'], 'npm starts it', 'name the script itself, with its flags: devwatch [flags] <script>'],
    [['npm', 'run', 'both'], 'npm starts it', 'name the script itself, with its flags: devwatch [flags] <script>'],
    [
      ['--exec', 'PROJECT/other/node a.js'],
      'PROJECT/other/node is not the Node that runs devwatch',
      'start devwatch with that Node',
    ],
    [['node', 'inspect', 'a.js'], 'it is a debugger', 'devwatch --inspect <script>, and connect the debugger to it'],
    [['node', '-'], 'it reads its program from stdin', 'write it to a file: devwatch <script>'],
    [['node', '--check', 'a.js'], '--check is used', 'leave the flag out'],
    [['node', '--watch', 'a.js'], '--watch is used · devwatch watches without it', 'leave the flag out'],
    [['node', '--permission', '--allow-fs-read=*', 'a.js'], '--permission is used', 'leave the flag out'],
    [['tsx', 'watch', 'a.ts'], 'it watches by itself', 'devwatch <script>'],
    [['ts-node', 'a.ts'], 'ts-node is not a package of the project', 'install it in the project'],
  ])('%j', async (words, obstacle, remedy) => {
    await using project = createScripts('tsx', 'ts-node');
    const real = words.map((word) => word.replace('PROJECT', project.path));
    const { command } = planIn(project, words[0] === '--exec' ? real : ['--', ...real]);
    expect(command.obstacle?.replace(project.path, 'PROJECT')).toBe(obstacle);
    expect(adviceOnObstacle(obstacle)).toBe(remedy);
  });

  test('except where the command runs no script', () => {
    expect(adviceOnObstacle('it runs no script')).toBeUndefined();
  });
});

test('limitations for one reason are one line', async () => {
  await using project = createScripts();
  const found = limitationsOf(planIn(project, ['--exec', 'node a.js && true']), machine);
  expect(groupLimitations(found.filter(({ notice }) => notice === 'always'))).toEqual([
    {
      features: ['standby', 'held ports'],
      reason: 'a shell runs the line',
      remedy: 'name the script itself, with its flags: devwatch [flags] <script>',
      isUnexpected: true,
    },
  ]);
});

test.each([
  ['a cgroup', { cgroup: '/sys/fs/cgroup/x', limit: '1' }, 'cgroup', true],
  ['marks', { cgroup: '', limit: '1' }, 'marks', true],
  ['marks without a limit', { cgroup: '', limit: '' }, 'marks', false],
])('the facts of the machine tell %s', (_, record, tree, hasPrlimit) => {
  const facts = machineFacts({ variable: 'X', ...record }, true);
  expect(facts).toMatchObject({ tree, hasPrlimit, canHold: true, stateProblem: undefined });
  expect(facts.openFiles).toBeGreaterThan(0);
});
