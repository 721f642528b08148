/** `devwatch doctor`: looks at the machine, the settings and the program, and says what is off, and how to change it. */

import type { CommandLine } from '../config/argv.ts';
import type { LoadedSettings } from '../config/load.ts';
import { optionKeys, specOf } from '../config/options.ts';
import { planRun } from '../run/command-plan.ts';
import { UsageError } from '../shared/errors.ts';
import { workingFolder } from '../shared/working-folder.ts';
import { broken, type Finding, note, ok } from './doctor/finding.ts';
import { machineFindings } from './doctor/machine.ts';
import { programFindings } from './doctor/program.ts';
import { othersIn, surroundingFindings } from './doctor/surroundings.ts';
import { watchFindings } from './doctor/watching.ts';
import { exitCodes, print, printJson } from './print.ts';
import { type NamedProgram, programsOf } from './select-programs.ts';
import type { Invocation } from './subcommands.ts';

/** A finding, and the program of `apps` that it is about. */
interface Row extends Finding {
  readonly app?: string;
}

/** Prints the findings. Returns 1 if something is broken. */
export async function execute({ line }: Invocation): Promise<number> {
  const rows = [...machineFindings(), ...(await projectRows(line))];
  if (line.own.has('--json')) printJson(rows, 2);
  else print(...rows.flatMap(formatRow), '', summaryOf(rows));
  return rows.some(({ status }) => status === 'broken') ? exitCodes.failed : exitCodes.ok;
}

async function projectRows(line: CommandLine): Promise<readonly Row[]> {
  let programs: readonly NamedProgram[];
  try {
    programs = programsOf(line, true);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const folder = workingFolder();
    return [broken('settings', error.message, 'correct it'), ...surroundingFindings(folder, othersIn(folder))];
  }
  const all = await Promise.all(programs.map((program) => rowsOf(program, line.own.has('--all'))));
  return all.flat();
}

async function rowsOf(program: NamedProgram, showsAll: boolean): Promise<readonly Row[]> {
  const { loaded, app } = program;
  const others = othersIn(loaded.folder);
  const findings: Finding[] = [settingsFinding(loaded, showsAll)];
  try {
    const plan = planRun(program);
    const isRunning = others.pids.length > 0 || others.names.length > 0;
    findings.push(...programFindings(plan, isRunning), ...(await watchFindings(plan)));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    findings.push(broken('program', error.message, 'correct it'));
  }
  findings.push(...surroundingFindings(loaded.folder, others));
  return app === undefined ? findings : findings.map((finding) => ({ app, ...finding }));
}

/** Shows the settings that differ from their defaults, or all of them. */
function settingsFinding({ settings, file, notes }: LoadedSettings, showsAll: boolean): Finding {
  const shown = optionKeys.filter((key) => showsAll || JSON.stringify(settings[key]) !== defaultOf(key));
  const values = shown.flatMap((key) => {
    const value = JSON.stringify(settings[key]);
    return value === undefined ? [] : [`${key} ${value}`];
  });
  const text = `${file ?? 'no settings file'}${values.length === 0 ? '' : ` · ${values.join(' · ')}`}`;
  return notes.length === 0 ? ok('settings', text) : note('settings', text, notes.join(' · '));
}

const defaultOf = (key: (typeof optionKeys)[number]): string | undefined => JSON.stringify(specOf(key).default);

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
