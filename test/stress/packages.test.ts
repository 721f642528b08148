/** Standbys that load real packages: each save runs, nothing is left after SIGKILL, and nothing grows. */

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { expect, test } from 'vitest';
import { until } from '../support/deadline.ts';
import { type Devwatch, startDevwatch } from '../support/devwatch.ts';
import { isAlive } from '../support/facts.ts';
import { openHome } from '../support/home.ts';
import { randomDelay } from '../support/installation.ts';
import { createProject, type Project } from '../support/project.ts';
import { installedPackages } from './installed.ts';
import { markedProcesses } from './marked.ts';

const saves = Number(process.env.STRESS_PACKAGE_SAVES ?? 150);
const kills = Number(process.env.STRESS_PACKAGE_KILLS ?? 40);
const restarts = Number(process.env.STRESS_PACKAGE_RESTARTS ?? 50);

const fingerprintModule = path.resolve('test/support/fingerprint.cjs');
const fingerprint = createRequire(import.meta.url)(fingerprintModule) as (folder: string) => string;

/** A server of the size of a usual one: 490 files of packages. The program serves what it has read of its own files. */
const packages = ['express', '@feathersjs/feathers', '@feathersjs/express', 'compression', 'cors'];
const server = (version: number, more = ''): string => `${packages.map((name) => `require('${name}');`).join('\n')}
${more}
const app = require('express')();
app.get('/', (request, response) => response.json({ part: require('./lib/part') }));
const { part } = require('./lib/part');
app.listen(0, () => require(process.env.TEST_DIAL)({ version: ${version}, part, hash: require(${JSON.stringify(fingerprintModule)})(__dirname) }));
`;
const part = (version: number): string => `exports.part = ${version};\n`;

function populate(project: Project): void {
  project.write('server.js', server(0));
  project.write('lib/part.js', part(0));
  fs.symlinkSync(installedPackages(), project.at('node_modules'));
}

/** Each writes files in another way, so that the program becomes another one. */
const kindsOfSaves: readonly ((project: Project, version: number) => void | Promise<void>)[] = [
  (project, version) => project.write('server.js', server(version)),
  (project, version) => project.replace('server.js', server(version)),
  (project, version) => project.write('lib/part.js', part(version)),
  (project, version) => project.replace('lib/part.js', part(version)),
  // In two steps: empty in between, or missing.
  async (project, version) => {
    project.write('server.js', '');
    await randomDelay(20);
    project.write('server.js', server(version));
  },
  async (project, version) => {
    fs.rmSync(project.at('lib/part.js'));
    await randomDelay(20);
    project.write('lib/part.js', part(version));
  },
  // Two files, one after the other.
  async (project, version) => {
    project.write('lib/part.js', part(version));
    await randomDelay(60);
    project.write('server.js', server(version));
  },
  // The same size and the same dates.
  (project, version) => {
    const { atime, mtime } = fs.statSync(project.at('lib/part.js'));
    project.write('lib/part.js', part(version));
    fs.utimesSync(project.at('lib/part.js'), atime, mtime);
  },
  // Other packages.
  (project, version) => project.write('server.js', server(version, "require('lodash');")),
  (project, version) => project.write('server.js', server(version, "process.env.DEBUG = 'x';\nrequire('debug')('x');")),
  // Quickly after each other.
  async (project, version) => {
    for (let count = 3; count > 0; count -= 1) {
      project.write('server.js', server(version * 10 + count));
      await randomDelay(150);
    }
  },
  // It does not compile in between.
  async (project, version) => {
    project.write('server.js', 'const a = {;');
    await randomDelay(200);
    project.write('server.js', server(version));
  },
];

/** Process ids of standbys that have not become the program, and wait. */
function parked({ events }: Devwatch, withPackages = false): number[] {
  const used = new Set(events.flatMap((one) => (one.event === 'start' ? [one.pid] : [])));
  const pids = events.flatMap((one) =>
    one.event === 'standby' && (!withPackages || (one.packages ?? 0) > 0) ? [one.pid] : [],
  );
  return [...new Set(pids)].filter((pid) => !used.has(pid) && isAlive(pid));
}

const untilParked = (devwatch: Devwatch, withPackages: boolean): Promise<void> =>
  until('a standby', () => parked(devwatch, withPackages).length > 0, devwatch.report);

test(`each of ${saves} saves runs, at whatever moment of the loading of packages`, async () => {
  await using home = await openHome();
  await using project = createProject();
  populate(project);
  await using devwatch = startDevwatch(['server.js'], { cwd: project.path, env: home.env });
  await home.caller();
  await devwatch.event('watching');
  for (let version = 1; version <= saves; version += 1) {
    const moment = version % 4;
    if (moment === 0) await untilParked(devwatch, true);
    // While packages are audited or loaded.
    else if (moment === 1) await untilParked(devwatch, false);
    if (moment !== 3) await randomDelay(moment === 1 ? 1500 : 400);
    await kindsOfSaves[version % kindsOfSaves.length]?.(project, version);
    const wanted = fingerprint(project.path);
    const isFresh = (): boolean => home.callers.some(({ says, isAlive }) => says.hash === wanted && isAlive());
    await until(`save ${version} to run`, isFresh, () => [...devwatch.report(), ...home.report()]);
  }
  expect(home.mostAlive).toBe(1);
  const starts = devwatch.events.flatMap((one) => (one.event === 'start' ? [one.standby] : []));
  const handedOver = devwatch.events.filter((one) => one.event === 'packages' && one.adopted > 0).length;
  console.log(
    `${starts.length} runs, ${starts.filter(Boolean).length} from standbys, ${handedOver} known to be given packages`,
  );
  expect(handedOver).toBeGreaterThan(0);
});

test(`after SIGKILL at ${kills} moments of loading and handing over nothing is left within a second`, async () => {
  const moments = { auditing: 0, loading: 0, 'handing over': 0 };
  for (let turn = 0; turn < kills; turn += 1) {
    await using home = await openHome();
    await using project = createProject();
    populate(project);
    const mark = randomUUID();
    const env = { ...home.env, STRESS_MARK: mark, DEVWATCH_CGROUP: String(turn % 2) };
    const devwatch = startDevwatch(['server.js'], { cwd: project.path, env });
    const dead = once(devwatch.process, 'exit');
    await home.caller();
    const moment = (['auditing', 'loading', 'handing over'] as const)[turn % 3] ?? 'loading';
    if (moment === 'auditing') {
      await untilParked(devwatch, false);
      await randomDelay(1500);
    } else {
      await untilParked(devwatch, true);
      project.write('server.js', server(1));
      if (moment === 'handing over') await randomDelay(80);
      else {
        await home.caller();
        await untilParked(devwatch, false);
        await randomDelay(700);
      }
    }
    moments[moment] += 1;
    devwatch.process.kill('SIGKILL');
    await dead;
    await until(`no survivor of kill ${turn} (${moment})`, () => markedProcesses(mark).length === 0);
  }
  console.log(`killed ${JSON.stringify(moments)}`);
});

const memoryOf = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
const descriptorsOf = (pid: number): number => fs.readdirSync(`/proc/${pid}/fd`).length;

test(`${restarts} restarts: no descriptor and no memory is kept, one standby remains, as large as the first`, async () => {
  await using home = await openHome();
  await using project = createProject();
  populate(project);
  await using devwatch = startDevwatch(['server.js'], { cwd: project.path, env: home.env });
  const { pid: first } = await home.caller();
  await untilParked(devwatch, true);
  const sizes: number[] = [];
  let early = { memory: 0, descriptors: 0 };
  for (let version = 1; version <= restarts; version += 1) {
    await untilParked(devwatch, true);
    sizes.push(Math.max(...parked(devwatch, true).map(memoryOf)));
    project.write('server.js', server(version));
    expect((await home.caller()).says.version).toBe(version);
    if (version === Math.ceil(restarts / 5))
      early = { memory: memoryOf(devwatch.pid), descriptors: descriptorsOf(devwatch.pid) };
  }
  // The pool keeps a second one while saves are quick.
  const isCalm = (): boolean => parked(devwatch).length === 1 && descriptorsOf(devwatch.pid) <= early.descriptors + 2;
  await until('one standby, and as many descriptors as at the beginning', isCalm, devwatch.report);
  await untilParked(devwatch, true);
  const late = { memory: memoryOf(devwatch.pid), descriptors: descriptorsOf(devwatch.pid) };
  const figures = { first: sizes[0], largest: Math.max(...sizes), last: sizes.at(-1) };
  console.log(
    JSON.stringify({
      restarts,
      devwatch: { early, late },
      parked: figures,
      run: memoryOf(home.callers.at(-1)?.pid ?? first),
    }),
  );
  expect(late.memory).toBeLessThan(early.memory * 1.3);
  expect(figures.largest).toBeLessThan((figures.first ?? 0) * 1.3);
  const all = [...parked(devwatch), home.callers.at(-1)?.pid ?? first];
  await devwatch.end();
  expect(all.filter(isAlive)).toEqual([]);
});
