/** `devwatch doctor`: looks at the machine, the settings and the program, and says what is off, and how to change it. */

import type { CommandLine } from '../config/argv.ts';
import type { LoadedSettings } from '../config/load.ts';
import { optionKeys } from '../config/options.ts';
import { planRun } from '../run/command-plan.ts';
import type { MachineFacts } from '../run/machine-facts.ts';
import { UsageError } from '../shared/errors.ts';
import { workingFolder } from '../shared/working-folder.ts';
import { broken, type Finding, note, ok } from './doctor/finding.ts';
import { examineMachine, machineFindings } from './doctor/machine.ts';
import { programFindings } from './doctor/program.ts';
import { othersIn, surroundingFindings } from './doctor/surroundings.ts';
import { watchFindings } from './doctor/watching.ts';
import { type ProgramInForce, programsInForce } from './in-force.ts';
import { exitCodes, print, printJson } from './print.ts';
import { programsOf } from './select-programs.ts';
import type { Invocation } from './subcommands.ts';

/** A finding, and the program of `apps` that it is about. */
interface Row extends Finding {
  readonly app?: string;
}

/** Prints the findings. Returns 1 if something is broken. */
export async function execute({ line }: Invocation): Promise<number> {
  const machine = await examineMachine();
  const rows = [...machineFindings(machine), ...(await projectRows(line, machine))];
  if (line.own.has('--json')) printJson(rows, 2);
  else print(...rows.flatMap(formatRow), '', summaryOf(rows));
  return rows.some(({ status }) => status === 'broken') ? exitCodes.failed : exitCodes.ok;
}

async function projectRows(line: CommandLine, machine: MachineFacts): Promise<readonly Row[]> {
  const { programs, findings } = choosePrograms(line);
  if (programs.length === 0) {
    const folder = workingFolder();
    return [...findings, ...surroundingFindings(folder, othersIn(folder))];
  }
  const all = await Promise.all(programs.map((program) => rowsOf(program, machine, line.own.has('--all'))));
  return [...findings, ...all.flat()];
}

/** The programs to look at, and the findings on where they come from. */
interface Choice {
  readonly programs: readonly ProgramInForce[];
  readonly findings: readonly Finding[];
}

/** Returns the programs that run here, as they do, else those that a start would run. */
function choosePrograms(line: CommandLine): Choice {
  const running = programsInForce(line);
  const found = running.length > 0 ? { findings: [], programs: [] } : startable(line);
  try {
    // A start refuses settings that another user could have written.
    const programs = programsOf(line);
    return running.length > 0 ? { programs: running, findings: running.map(runningFinding) } : { ...found, programs };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const problem = broken('settings', error.message, 'correct it');
    if (running.length > 0) return { programs: running, findings: [...running.map(runningFinding), problem] };
    return { ...found, findings: [problem] };
  }
}

/** Returns the programs of settings that a start may refuse; none if they are wrong. */
function startable(line: CommandLine): Choice {
  try {
    return { programs: programsOf(line, true), findings: [] };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { programs: [], findings: [] };
  }
}

const runningFinding = ({ running }: ProgramInForce): Finding =>
  ok('running', `${running?.description}: what follows is about it, as it is in force there`);

async function rowsOf(program: ProgramInForce, machine: MachineFacts, showsAll: boolean): Promise<readonly Row[]> {
  const { loaded, app } = program;
  const others = othersIn(loaded.folder);
  const findings: Finding[] = [...settingsFindings(loaded, showsAll)];
  try {
    const plan = planRun(program);
    const isRunning = others.length > 0;
    findings.push(...programFindings(plan, machine, isRunning), ...(await watchFindings(plan)));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    findings.push(broken('program', error.message, 'correct it'));
  }
  findings.push(...surroundingFindings(loaded.folder, others));
  return app === undefined ? findings : findings.map((finding) => ({ app, ...finding }));
}

/** Shows the settings that are set, and where, or all of them. */
function settingsFindings({ settings, origins, file, notes }: LoadedSettings, showsAll: boolean): readonly Finding[] {
  const shown = optionKeys.filter((key) => showsAll || origins.has(key));
  const values = shown.flatMap((key) => {
    const value = JSON.stringify(settings[key]);
    return value === undefined ? [] : [ok('setting', `${key} ${value} · ${origins.get(key)?.join(', ') ?? 'default'}`)];
  });
  const topic = 'settings';
  const from = file ?? 'no settings file';
  return [notes.length === 0 ? ok(topic, from) : note(topic, from, notes.join(' · ')), ...values];
}

const marks: Readonly<Record<Finding['status'], string>> = { ok: ' ', note: '·', broken: '✗' };
const topicColumns = 17;

const formatRow = ({ app, status, topic, text, remedy }: Row): string[] => [
  `${marks[status]} ${topic.padEnd(topicColumns)}${app === undefined ? '' : `${app}: `}${text}`,
  ...(remedy === undefined ? [] : [`${' '.repeat(topicColumns + 2)}→ ${remedy}`]),
];

function summaryOf(rows: readonly Row[]): string {
  const count = rows.filter(({ status }) => status === 'broken').length;
  return count === 0 ? 'nothing is broken' : `${count} of these ${count === 1 ? 'is' : 'are'} broken (✗)`;
}
