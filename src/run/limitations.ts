/**
 * Features that are off for a program: which, why, and what to do. `--verbose` names each of them once, `devwatch doctor`
 * always. Pure: the facts of the machine come from machine-facts.ts.
 */

import { without } from '../config/advice.ts';
import type { LoadedSettings } from '../config/load.ts';
import { affordableSlots } from '../process/sockets/held-ports.ts';
import { flagBeforeScript, flagOfEnvironment } from '../process/standby/parking-plan.ts';
import type { Feature, Limitation } from '../shared/events.ts';
import { inspectorPortOf, keepsStandby, type RunPlan } from './command-plan.ts';
import type { MachineFacts } from './machine-facts.ts';

/** A feature that is off. */
export interface KnownLimitation extends Omit<Limitation, 'features' | 'isUnexpected'> {
  readonly feature: Feature;
  /**
   * `always`: it is printed, because the command line looks as if the feature were on; `verbose`: with `--verbose`;
   * `doctor`: by `devwatch doctor` only, because the user has turned it off, or the kind of the program rules it out.
   */
  readonly notice: 'always' | 'verbose' | 'doctor';
}

/** Returns the features that are off for a plan on a machine. */
export const limitationsOf = (plan: RunPlan, machine: MachineFacts): readonly KnownLimitation[] => [
  ...standbyLimits(plan),
  ...packageLimits(plan),
  ...holdLimits(plan, machine),
  ...readinessLimits(plan),
  ...healthLimits(plan),
  ...memoryLimits(plan, machine),
  ...machineLimits(machine),
];

/** Returns the features that are off for every program on a machine. */
export const machineLimits = (machine: MachineFacts): readonly KnownLimitation[] => [
  ...treeLimits(machine),
  ...guardianLimits(machine),
  ...writeLimits(machine),
  ...cacheLimits(machine),
];

const limit = (feature: Feature, reason: string, remedy?: string): KnownLimitation => ({
  ...{ feature, reason, notice: 'verbose' },
  ...(remedy === undefined ? {} : { remedy }),
});

const plainly = (limitation: KnownLimitation): KnownLimitation => ({ ...limitation, notice: 'doctor' });
const unexpectedly = (limitation: KnownLimitation): KnownLimitation => ({ ...limitation, notice: 'always' });

const faster = 'restarts are several times faster';
const otherCommand = 'Node does not run the program';

/** Returns the limitations for one reason as one. */
export function groupLimitations(limitations: readonly KnownLimitation[]): Limitation[] {
  const groups = new Map<string, Limitation>();
  for (const { feature, notice, ...rest } of limitations) {
    const key = JSON.stringify(rest);
    const { features = [] } = groups.get(key) ?? {};
    groups.set(key, { ...rest, features: [...features, feature], ...(notice === 'always' && { isUnexpected: true }) });
  }
  return [...groups.values()];
}

/** Reasons for which devwatch does not start a Node program itself (`Command.obstacle`), and what to do. */
const obstacleRemedies: readonly (readonly [RegExp, string])[] = [
  [/ starts it$|^a shell runs the line$/, 'name the script itself, with its flags: devwatch [flags] <script>'],
  [/is not the Node that runs devwatch$/, 'start devwatch with that Node'],
  [/^it is a debugger$/, 'devwatch --inspect <script>, and connect the debugger to it'],
  [/^it reads its program from stdin$/, 'write it to a file: devwatch <script>'],
  [/^it watches by itself$/, 'devwatch <script>'],
  [/is not a package of the project$/, 'install it in the project'],
  [/ is used/, 'leave the flag out'],
];

/** Returns what to do about an obstacle; undefined where nothing helps. */
export const adviceOnObstacle = (obstacle: string): string | undefined =>
  obstacleRemedies.find(([reason]) => reason.test(obstacle))?.[1];

function standbyLimits({ command, env, loaded }: RunPlan): KnownLimitation[] {
  const { settings } = loaded;
  if (!settings.standby) {
    return [
      plainly(
        limit('standby', 'turned off, so each start is a cold one', `${without('standby', 'false', loaded)} ${faster}`),
      ),
    ];
  }
  if (!keepsStandby(settings)) {
    return [plainly(limit('standby', `"onChange" is ${settings.onChange}, so saves restart nothing`))];
  }
  const { isNode, obstacle, nodeArgs, script } = command;
  if (!isNode && obstacle !== undefined) return [unexpectedly(limit('standby', obstacle, adviceOnObstacle(obstacle)))];
  if (!isNode) return [plainly(limit('standby', otherCommand))];
  if (script === undefined) return [plainly(limit('standby', 'there is no script to wait for'))];
  const inherited = flagOfEnvironment(env);
  if (inherited !== undefined) {
    const remedy = `without it ${faster}: ${howToClearOptions(loaded)}`;
    return [unexpectedly(limit('standby', `NODE_OPTIONS has ${inherited}`, remedy))];
  }
  const flag = flagBeforeScript(nodeArgs);
  if (flag !== undefined) {
    const limitation = limit('standby', `${flag} has an effect before the script`, adviceOnFlag(flag));
    return [isLoaderFlag(flag) ? unexpectedly(limitation) : limitation];
  }
  return [];
}

/** Returns how to start without NODE_OPTIONS, which the settings or the shell set. */
export const howToClearOptions = ({ settings }: Pick<LoadedSettings, 'settings'>): string =>
  settings.env.NODE_OPTIONS === undefined ? 'NODE_OPTIONS= devwatch …' : 'take NODE_OPTIONS out of "env"';

const isLoaderFlag = (flag: string): boolean => flag.endsWith('loader');

function adviceOnFlag(flag: string): string {
  if (/^--inspect/.test(flag)) return `without it ${faster}; kill -USR1 <pid of the program> opens the inspector`;
  if (isLoaderFlag(flag)) return `with --import and module.register() instead, ${faster}`;
  return `without it ${faster}`;
}

function packageLimits(plan: RunPlan): KnownLimitation[] {
  const { loaded } = plan;
  if (loaded.settings.prewarm === false) {
    return [
      plainly(limit('packages', 'turned off', `${without('prewarm', 'false', loaded)} they are loaded ahead of time`)),
    ];
  }
  return standbyLimits(plan).length === 0 ? [] : [plainly(limit('packages', 'there is no standby'))];
}

function holdLimits(
  { command, loaded }: RunPlan,
  { system, canPass, openFiles, canHold }: MachineFacts,
): KnownLimitation[] {
  const { hold } = loaded.settings;
  const { isNode, obstacle } = command;
  const feature = 'held ports';
  if (hold === false) {
    return [
      plainly(limit(feature, 'turned off', `${without('hold', 'false', loaded)} connections wait during a restart`)),
    ];
  }
  if (!isNode && hold !== true) return [];
  if (!canPass) return [limit(feature, `${system} cannot pass sockets to other processes`)];
  if (!isNode && obstacle !== undefined) return [unexpectedly(limit(feature, obstacle, adviceOnObstacle(obstacle)))];
  if (!isNode) return [limit(feature, otherCommand, 'for a server that takes sockets from systemd: --hold=<port>')];
  if (affordableSlots(openFiles) > 0) return canHold ? [] : [limit(feature, 'this system makes no sockets for it')];
  return [limit(feature, `at most ${openFiles} files may be open at once`, 'ulimit -n 1024')];
}

function readinessLimits({ command, loaded: { settings } }: RunPlan): KnownLimitation[] {
  if (command.isNode || settings.ready !== undefined) return [];
  const remedy = '--ready http://localhost:8000, or --ready /text/ of its output';
  return [limit('readiness check', 'devwatch cannot see whether the program is up', remedy)];
}

function healthLimits({ command, env, loaded: { settings } }: RunPlan): KnownLimitation[] {
  if (settings.health === undefined || inspectorPortOf(command, env) === undefined) return [];
  const remedy = 'without --inspect they run; kill -USR1 <pid of the program> opens the inspector';
  return [limit('health checks', 'a program at a breakpoint does not answer, and the inspector is open', remedy)];
}

function memoryLimits({ loaded: { settings } }: RunPlan, { system, measuresMemory }: MachineFacts): KnownLimitation[] {
  if (settings.maxMemory === undefined || measuresMemory) return [];
  const remedy = 'node --max-old-space-size=<MB> limits a Node program';
  return [unexpectedly(limit('memory limit', `devwatch cannot measure memory on ${system}`, remedy))];
}

const writeLimits = ({ system, knowsWrites }: MachineFacts): KnownLimitation[] =>
  knowsWrites
    ? []
    : [
        limit(
          'written files',
          `${system} does not show what a program writes, and so a file that restarts it again and again is named later`,
        ),
      ];

function treeLimits({ system, tree, hasSystemd, hasPrlimit }: MachineFacts): KnownLimitation[] {
  const feature = 'cgroup';
  if (tree === 'cgroup') return [];
  if (tree === 'parents') return [limit(feature, `${system} has none, and so processes are found by their parents`)];
  if (tree === 'variables') {
    const finding =
      'processes are found by their parents, and by a variable, which programs of the system such as sh hide';
    return [limit(feature, `${system} has none, and so ${finding}`)];
  }
  const remedy = hasSystemd ? 'systemd-run --user --scope devwatch …' : undefined;
  const cause =
    tree === 'disabled'
      ? plainly(limit(feature, 'DEVWATCH_CGROUP is 0, and so processes are found by marks', 'unset DEVWATCH_CGROUP'))
      : limit(feature, 'this user cannot make cgroups here, and so processes are found by marks', remedy);
  if (hasPrlimit) return [cause];
  const how = 'install prlimit (util-linux), and ulimit -m unlimited';
  return [cause, limit('mark by a limit', 'a process without the variables of the program is not found', how)];
}

function guardianLimits({ system, hasGuardian, stateProblem }: MachineFacts): KnownLimitation[] {
  if (!hasGuardian) return [limit('guardian', `${system} has none, and so the program survives if devwatch is killed`)];
  if (stateProblem === undefined) return [];
  const reason = `${stateProblem}, and so no program can run in the background, or be ended after devwatch and its guardian are killed`;
  return [limit('records', reason, 'set XDG_STATE_HOME to a folder that only you can write to')];
}

const cacheLimits = ({ cacheProblem }: MachineFacts): KnownLimitation[] =>
  cacheProblem === undefined
    ? []
    : [
        limit(
          'cache',
          `${cacheProblem}, and so starts are slower`,
          'set XDG_CACHE_HOME to a folder that only you can write to',
        ),
      ];
