/** Whether a program can be run, and what makes its restarts fast. */

import fs from 'node:fs';
import path from 'node:path';
import { parseProbe } from '../../config/probe-url.ts';
import type { Settings } from '../../config/settings-types.ts';
import { realHost } from '../../process/launch/host.ts';
import { isModule } from '../../process/launch/packages.ts';
import { findPortHolders } from '../../process/sockets/port-holders.ts';
import { auditsOf, leftIn, packageOf } from '../../process/standby/audits.ts';
import { planParking, standbyObstacle } from '../../process/standby/parking-plan.ts';
import { keepsStandby, type RunPlan } from '../../run/command-plan.ts';
import { parseListenAddress } from '../../shared/listen-address.ts';
import { linesByReason } from '../../shared/package-reasons.ts';
import { broken, type Finding, note, ok } from './finding.ts';

/**
 * Returns findings on the program of a plan.
 *
 * @param isRunning devwatch runs a program in this folder, which may hold the port
 */
export const programFindings = (plan: RunPlan, isRunning: boolean): readonly Finding[] => [
  commandFinding(plan),
  standbyFinding(plan),
  packagesFinding(plan),
  holdFinding(plan),
  readinessFinding(plan),
  ...portFindings(plan, isRunning),
];

function commandFinding({ command, loaded: { folder } }: RunPlan): Finding {
  const topic = 'program';
  const { display, script, file } = command;
  if (!fs.existsSync(folder)) return broken(topic, `its folder ${folder} is missing`, 'make it, or change "cwd"');
  if (script !== undefined && !fs.existsSync(script)) {
    const name = path.relative(folder, script);
    return broken(topic, `${name} is missing: devwatch would wait for it`, `build ${name}, or name another script`);
  }
  if (path.isAbsolute(file) && !fs.existsSync(file)) return broken(topic, `${file} is missing`, 'install it');
  return ok(topic, display);
}

function standbyFinding({ command, env, loaded: { settings } }: RunPlan): Finding {
  const topic = 'standby';
  if (!settings.standby) return note(topic, 'off by the settings: each start is a cold one', 'remove "standby": false');
  if (!keepsStandby(settings)) return note(topic, `none: "onChange" is ${settings.onChange}, so saves restart nothing`);
  const { isNode, obstacle, nodeArgs } = command;
  if (!isNode) return note(topic, `none: ${obstacle ?? 'Node does not run the program'}`, adviceFor(obstacle));
  if (planParking(command, env) !== undefined) return ok(topic, 'a process is booted ahead for each run');
  const why = standbyObstacle(command, env) ?? `a flag of Node does something before the script: ${nodeArgs.join(' ')}`;
  return note(topic, `none: ${why}`, 'without it a restart is several times faster');
}

/** The obstacle is a shell, a wrapper, or another Node. */
const adviceFor = (obstacle: string | undefined): string | undefined =>
  obstacle === undefined ? undefined : 'name the script itself, with its flags: devwatch [flags] <script>';

function packagesFinding({ command, env, loaded: { settings } }: RunPlan): Finding {
  const topic = 'packages';
  const { prewarm } = settings;
  if (prewarm === false) return note(topic, 'not loaded ahead of time: "prewarm" is off', 'set "prewarm": true');
  if (!keepsStandby(settings) || planParking(command, env) === undefined)
    return note(topic, 'not loaded ahead of time: no standby');
  const [stored] = command.script === undefined ? [] : auditsOf(path.dirname(command.script), command.script, env);
  const rest = command.script !== undefined && isModule(command.script, realHost) ? ', but for ES modules' : '';
  if (stored === undefined) {
    const which = Array.isArray(prewarm) ? prewarm.join(', ') : 'those of node_modules that the last run has loaded';
    return ok(topic, `loaded ahead of time: ${which}${rest}`);
  }
  const { audit } = stored;
  const count = new Set(audit.entries.map(({ file }) => packageOf(file))).size;
  const left = leftIn(audit);
  const ready = count - new Set(left.map((one) => one.package)).size;
  const text = `${ready} loaded ahead of time${rest}`;
  if (left.length === 0) return ok(topic, text);
  return ok(topic, `${text}, ${count - ready} by the program · ${linesByReason(left).join(' · ')}`);
}

function holdFinding({ command, loaded: { settings } }: RunPlan): Finding {
  const topic = 'held ports';
  const { hold } = settings;
  if (hold === false)
    return note(topic, 'off by the settings: connections are refused during a restart', 'remove "hold": false');
  if (command.isNode) return ok(topic, 'connections wait during a restart');
  if (hold !== true) return ok(topic, `devwatch listens on ${hold} and passes the socket on`);
  const remedy = 'a server that takes a socket from systemd: --hold=<port>';
  return note(topic, `none: ${command.obstacle ?? 'Node does not run the program'}`, remedy);
}

function readinessFinding({ command, loaded: { settings } }: RunPlan): Finding {
  const topic = 'readiness';
  if (settings.ready !== undefined) return ok(topic, `up when ${settings.ready}`);
  if (command.isNode) return ok(topic, 'up when it listens on a port');
  return note(topic, 'unknown: counts as up after some seconds', '--ready http://localhost:8000, or --ready /text/');
}

function portFindings({ env, loaded: { settings } }: RunPlan, isRunning: boolean): readonly Finding[] {
  return [...new Set(portsOf(settings, env.PORT))].flatMap((port) => {
    const [holder] = findPortHolders(port);
    if (holder === undefined) return [];
    const text = `${port} is taken by pid ${holder.pid} (${holder.command}) of ${holder.user}`;
    return [isRunning ? note('port', text) : broken('port', text, `kill ${holder.pid}, or another port`)];
  });
}

/** Returns the ports that the settings and the variables name. */
function portsOf({ hold, ready, health }: Settings, variable: string | undefined): readonly number[] {
  const probes = [ready, health?.probe].map((text) => (text === undefined ? undefined : parseProbe(text)));
  const fromProbes = probes.map((probe) => {
    if (probe?.kind === 'tcp') return probe.port;
    return probe?.kind === 'http' ? Number(probe.url.port || (probe.url.protocol === 'https:' ? 443 : 80)) : 0;
  });
  const held = typeof hold === 'boolean' ? 0 : (parseListenAddress(String(hold))?.port ?? 0);
  return [Number(variable ?? 0), held, ...fromProbes].filter((port) => Number.isInteger(port) && port > 0);
}
