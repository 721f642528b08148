/** Whether a program can be run, and what makes its restarts fast. */

import fs from 'node:fs';
import path from 'node:path';
import { parseProbe } from '../../config/probe-url.ts';
import type { Settings } from '../../config/settings-types.ts';
import { realHost } from '../../process/launch/host.ts';
import { preloadsIn, splitOptions } from '../../process/launch/loaders.ts';
import { isModule } from '../../process/launch/packages.ts';
import { platform } from '../../process/platform.ts';
import { auditsOf, leftIn, packageOf } from '../../process/standby/audits.ts';
import type { RunPlan } from '../../run/command-plan.ts';
import { howToClearOptions, limitationsOf } from '../../run/limitations.ts';
import type { MachineFacts } from '../../run/machine-facts.ts';
import type { Feature } from '../../shared/events.ts';
import { formatTime } from '../../shared/format.ts';
import { parseListenAddress } from '../../shared/listen-address.ts';
import { linesByReason } from '../../shared/package-reasons.ts';
import { broken, type Finding, note, ok } from './finding.ts';

/**
 * Returns findings on the program of a plan.
 *
 * @param isRunning devwatch runs a program in this folder, which may hold the port
 */
export function programFindings(plan: RunPlan, machine: MachineFacts, isRunning: boolean): readonly Finding[] {
  const limitations = limitationsOf(plan, machine);
  const findingOn = (topic: string, feature: Feature, otherwise: () => Finding): readonly Finding[] => {
    const found = limitations.filter((limitation) => limitation.feature === feature);
    return found.length === 0
      ? [otherwise()]
      : found.map(({ reason, remedy }) => note(topic, `none: ${reason}`, remedy));
  };
  return [
    commandFinding(plan),
    ...preloadFindings(plan),
    ...findingOn('standby', 'standby', () => ok('standby', 'a process is booted ahead for each run')),
    ...findingOn('packages', 'packages', () => packagesFinding(plan)),
    ...findingOn('held ports', 'held ports', () => ok('held ports', holdTextOf(plan))),
    ...findingOn('readiness', 'readiness check', () => ok('readiness', `up when ${upText(plan)}`)),
    ...findingOn('health checks', 'health checks', () => ok('health checks', healthText(plan))),
    ...portFindings(plan, isRunning),
  ];
}

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

/** Returns findings on the modules that NODE_OPTIONS loads into each run, as editors and package managers set it. */
function preloadFindings({ command, env, loaded }: RunPlan): readonly Finding[] {
  const topic = 'NODE_OPTIONS';
  const { [topic]: options = '' } = env;
  const preloads = command.isNode ? preloadsIn(splitOptions(options).map(({ word }) => word)) : [];
  const isPath = (name: string): boolean => path.isAbsolute(name) || /^\.\.?\//.test(name);
  const missing = preloads.find(({ name }) => isPath(name) && !fs.existsSync(path.resolve(loaded.folder, name)));
  const advice = howToClearOptions(loaded);
  if (missing !== undefined) return [broken(topic, `loads ${missing.name}, which does not exist`, advice)];
  if (preloads.length === 0) return [];
  return [note(topic, `loads ${preloads.map(({ name }) => name).join(', ')} into each run before the script`, advice)];
}

function packagesFinding({ command, env, loaded: { settings } }: RunPlan): Finding {
  const topic = 'packages';
  const { prewarm } = settings;
  const [stored] = command.script === undefined ? [] : auditsOf(path.dirname(command.script), command.script, env);
  const rest =
    command.script !== undefined && isModule(command.script, realHost) ? ' · ES modules are only compiled' : '';
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

const holdTextOf = ({ command, loaded: { settings } }: RunPlan): string =>
  command.isNode
    ? 'connections wait during a restart'
    : `devwatch listens on ${settings.hold} and passes the socket on`;

function upText({ loaded: { settings } }: RunPlan): string {
  const { ready = 'listen' } = settings;
  const signs: Readonly<Record<string, string>> = {
    listen: 'it listens on a port',
    message: 'it sends the message "ready"',
    exit: 'it has ended with code 0',
  };
  return signs[ready] ?? `${ready} ${ready.startsWith('/') ? 'is printed' : 'answers'}`;
}

function healthText({ loaded: { settings } }: RunPlan): string {
  const { health } = settings;
  if (health === undefined) return 'none is set';
  return `${health.probe} every ${formatTime(health.interval)}, ${health.failures} failures restart the program`;
}

function portFindings({ env, loaded: { settings } }: RunPlan, isRunning: boolean): readonly Finding[] {
  return [...new Set(portsOf(settings, env.PORT))].flatMap((port) => {
    const [holder] = platform.sockets.holdersOf(port);
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
