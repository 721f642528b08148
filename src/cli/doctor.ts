/** `devwatch doctor`: looks at the machine, the settings and the program, and says what is off, and how to change it. */

import type { CommandLine } from '../config/argv.ts';
import type { LoadedSettings } from '../config/load.ts';
import { optionKeys } from '../config/options.ts';
import { planRun } from '../run/command-plan.ts';
import type { MachineFacts } from '../run/machine-facts.ts';
import { attempt } from '../run/settings-reloader.ts';
import { UsageError } from '../shared/errors.ts';
import { workingFolder } from '../shared/working-folder.ts';
import { type Finding, mistake, note, noteOf, ok } from './doctor/finding.ts';
import { examineMachine, machineFindings } from './doctor/machine.ts';
import { programFindings } from './doctor/program.ts';
import { othersIn, surroundingFindings } from './doctor/surroundings.ts';
import { watchFindings } from './doctor/watching.ts';
import { describeRunning, type ProgramInForce, programsInForce } from './in-force.ts';
import { exitCodes, hang, print, printJson } from './print.ts';
import { programsOf } from './select-programs.ts';
import type { Invocation } from './subcommands.ts';

/** A finding, and the program of `apps` that it is about. */
interface Row extends Finding {
  readonly app?: string;
  /** The devwatch that it is about, if several run here. */
  readonly pid?: number;
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
  const showsAll = line.own.has('--all');
  const rows = await Promise.all(programs.map((program) => rowsOf(program, { machine, showsAll, programs })));
  const folders = programs.length === 0 ? [workingFolder()] : programs.map(({ loaded }) => loaded.folder);
  const known = new Set(programs.map(({ running }) => running?.pid));
  const surroundings = [...new Set(folders)].flatMap((folder) => surroundingFindings(folder, othersIn(folder), known));
  return [...findings, ...rows.flat(), ...surroundings];
}

/** The programs to look at, and the findings on where they come from. */
interface Choice {
  readonly programs: readonly ProgramInForce[];
  readonly findings: readonly Finding[];
}

/** Returns the programs that run here, as they do, else those that a start would run. */
function choosePrograms(line: CommandLine): Choice {
  const running = programsInForce(line);
  // A start refuses settings that another user could have written.
  const startable = attempt(() => programsOf(line));
  const problem = startable instanceof UsageError ? startable.message : undefined;
  const problems = problem === undefined ? [] : [mistake('settings', problem)];
  if (running.length > 0) return { programs: running, findings: [...runningFindings(running), ...problems] };
  const readable = startable instanceof UsageError ? attempt(() => programsOf(line, true)) : startable;
  const programs = readable instanceof UsageError ? [] : readable;
  return { programs: programs.map((program) => withoutNote(program, problem)), findings: problems };
}

/** Drops a note that has become a finding. */
function withoutNote(program: ProgramInForce, message: string | undefined): ProgramInForce {
  const notes = program.loaded.notes.filter((note) => note !== message);
  return { ...program, loaded: { ...program.loaded, notes } };
}

const runningFindings = (programs: readonly ProgramInForce[]): Finding[] =>
  describeRunning(programs).map((text) => ok('running', `${text}: what follows is about it, as it is in force there`));

interface Context {
  readonly machine: MachineFacts;
  readonly showsAll: boolean;
  /** All programs that are looked at. */
  readonly programs: readonly ProgramInForce[];
}

async function rowsOf(program: ProgramInForce, { machine, showsAll, programs }: Context): Promise<readonly Row[]> {
  const { loaded, app, running } = program;
  const findings: Finding[] = [...settingsFindings(loaded, showsAll)];
  try {
    const plan = planRun(program);
    const isRunning = othersIn(loaded.folder).length > 0;
    findings.push(...programFindings(plan, machine, isRunning), ...(await watchFindings(plan)));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    findings.push(mistake('program', error.message));
  }
  findings.push(...reportedFindings(program, findings));
  const isOneOfSeveral = new Set(programs.map((one) => one.running?.pid)).size > 1;
  const owner = { ...(app !== undefined && { app }), ...(isOneOfSeveral && running && { pid: running.pid }) };
  return findings.map((finding) => ({ ...owner, ...finding }));
}

/** Returns what has turned out only while the program ran, such as a standby process that does not come up. */
const reportedFindings = ({ running }: ProgramInForce, known: readonly Finding[]): Finding[] =>
  (running?.limitations ?? [])
    .filter(({ reason }) => !known.some(({ text }) => text.includes(reason)))
    .map(({ features, reason, remedy }) => note(features.join(', '), `none, as it has reported: ${reason}`, remedy));

/** Shows the settings that are set, and where, or all of them. */
function settingsFindings({ settings, origins, file, notes }: LoadedSettings, showsAll: boolean): readonly Finding[] {
  const shown = optionKeys.filter((key) => showsAll || origins.has(key));
  const values = shown.flatMap((key) => {
    const value = JSON.stringify(settings[key]);
    return value === undefined ? [] : [ok('setting', `${key} ${value} · ${origins.get(key)?.join(', ') ?? 'default'}`)];
  });
  const topic = 'settings';
  const from = file ?? 'no settings file';
  return [ok(topic, from), ...notes.map((message) => noteOf(topic, message)), ...values];
}

const marks: Readonly<Record<Finding['status'], string>> = { ok: ' ', note: '·', broken: '✗' };
const topicColumns = 17;

function formatRow({ app, pid, status, topic, text, remedy }: Row): string[] {
  const owner = [pid === undefined ? undefined : `pid ${pid}`, app].filter(Boolean).join(' ');
  return [
    ...hang(`${marks[status]} ${topic.padEnd(topicColumns)}`, `${owner === '' ? '' : `${owner}: `}${text}`),
    ...(remedy === undefined ? [] : hang(`${' '.repeat(topicColumns + 2)}→ `, remedy)),
  ];
}

function summaryOf(rows: readonly Row[]): string {
  const count = rows.filter(({ status }) => status === 'broken').length;
  return count === 0 ? 'nothing is broken' : `${count} of these ${count === 1 ? 'is' : 'are'} broken (✗)`;
}
