/** Real applications from the registry: after many restarts they answer as after a cold start, and nothing is left. */

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { until } from '../support/deadline.ts';
import { type Devwatch, startDevwatch } from '../support/devwatch.ts';
import { isAlive } from '../support/facts.ts';
import { createProject } from '../support/project.ts';
import { installedPackages } from './installed.ts';

const restarts = Number(process.env.STRESS_RESTARTS_OF_APPLICATIONS ?? 20);
/** By then caches are full and code is compiled. */
const warm = Math.min(5, restarts);

/** They write their data there. */
const args = ['--ignore', 'data', 'server.js'];

interface Application {
  /** Starts the application and calls `up(server)`. */
  readonly code: string;
  readonly addresses: readonly string[];
}

const applications: Readonly<Record<string, Application>> = {
  'node-red': {
    code: `const http = require('node:http'), app = require('express')(), RED = require('node-red');
const server = http.createServer(app);
RED.init(server, { httpAdminRoot: '/red', httpNodeRoot: '/api', userDir: __dirname + '/data', logging: { console: { level: 'off' } } });
app.use('/red', RED.httpAdmin); app.use('/api', RED.httpNode);
RED.start().then(() => server.listen(0, () => up(server)));`,
    addresses: ['/red/', '/red/settings', '/red/flows', '/red/nodes', '/missing'],
  },
  'json-server': {
    code: `const server = require('json-server'), app = server.create();
app.use(server.defaults({ logger: false }));
app.use(server.router({ posts: [{ id: 1, title: 'one' }, { id: 2, title: 'two' }], profile: { name: 'x' } }));
const one = app.listen(0, () => up(one));`,
    addresses: ['/posts', '/posts/1', '/posts?title=two', '/profile', '/db', '/missing'],
  },
  maildev: {
    code: `const MailDev = require('maildev'), net = require('node:net');
// The same ports in each run.
const fs = require('node:fs'), file = __dirname + '/ports.txt';
const known = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split(' ').map(Number) : undefined;
const free = () => new Promise((resolve) => { const one = net.createServer().listen(0, () => { const { port } = one.address(); one.close(() => resolve(port)); }); });
Promise.all(known ?? [free(), free()]).then(([smtp, web]) => {
  fs.writeFileSync(file, smtp + ' ' + web);
  const maildev = new MailDev({ smtp, web, ip: '127.0.0.1', webIp: '127.0.0.1', silent: true, log: false });
  maildev.listen(() => up({ address: () => ({ port: web }) }));
});`,
    addresses: ['/', '/email', '/healthz', '/missing'],
  },
  'express-pouchdb': {
    code: `const PouchDB = require('pouchdb').plugin(require('pouchdb-adapter-memory')).defaults({ adapter: 'memory' });
const app = require('express')();
app.use('/', require('express-pouchdb')(PouchDB, { mode: 'minimumForPouchDB', inMemoryConfig: true, logPath: __dirname + '/data.txt' }));
const db = new PouchDB('things');
db.put({ _id: 'a', value: 1 }).then(() => { const one = app.listen(0, () => up(one)); });`,
    addresses: ['/', '/_all_dbs', '/things', '/things/a', '/missing'],
  },
  feathers: {
    code: `const { feathers } = require('@feathersjs/feathers'), { default: express, ...more } = require('@feathersjs/express');
const app = express(feathers());
app.use(more.json()); app.configure(more.rest());
app.use('messages', { find: async () => [{ id: 1 }], get: async (id) => ({ id, text: 'x' }) });
app.use(more.notFound()); app.use(more.errorHandler({ html: false, logger: false }));
app.listen(0).then((server) => (server.listening ? up(server) : server.once('listening', () => up(server))));`,
    addresses: ['/messages', '/messages/7', '/missing'],
  },
  verdaccio: {
    code: `const { runServer } = require('verdaccio');
runServer({ storage: __dirname + '/data', self_path: __dirname, uplinks: {}, packages: { '**': { access: '$all' } }, log: { type: 'stdout', level: 'fatal' }, web: { title: 'x' } })
  .then((server) => server.listen(0, () => up(server)));`,
    addresses: ['/-/ping', '/-/verdaccio/data/packages', '/', '/missing'],
  },
};

const scriptFor = (code: string, version: number): string => `${code}
function up(server) { console.log('up', ${version}, server.address().port); }
`;

/** Dates, ids and ports differ from run to run. */
const steady = (text: string, port: number): string =>
  text
    .replaceAll(String(port), 'PORT')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z|"instance_start_time":"?\d+"?|[0-9a-f]{8}-[0-9a-f-]{27}|"uuid":"[^"]*"/g, '~')
    .replaceAll(/"(?:uptime|rev|update_seq|csrf)":"?[^",}]*"?/g, '~');

async function answers(port: number, addresses: readonly string[]): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const address of addresses) {
    const response = await fetch(`http://127.0.0.1:${port}${address}`);
    const type = response.headers.get('content-type');
    found[address] = `${response.status} ${type} ${steady(await response.text(), port)}`;
  }
  return found;
}

/** Resolves to the port of a version of the program. */
async function portOf(devwatch: Devwatch, version: number): Promise<number> {
  const port = (): string | undefined => new RegExp(`^up ${version} (\\d+)$`, 'm').exec(devwatch.stdout())?.[1];
  await until(`version ${version} to be up`, () => port() !== undefined, devwatch.report);
  return Number(port());
}

/** Resolves when a standby is parked; the audit of a large program takes long. */
async function standbyIn(devwatch: Devwatch, withPackages: boolean): Promise<void> {
  const isWaiting = (): boolean => {
    const used = new Set(devwatch.events.flatMap((one) => (one.event === 'start' ? [one.pid] : [])));
    return devwatch.events.some(
      (one) =>
        one.event === 'standby' && (!withPackages || (one.packages ?? 0) > 0) && !used.has(one.pid) && isAlive(one.pid),
    );
  };
  await until(`a standby${withPackages ? ' with packages' : ''}`, isWaiting, devwatch.report);
}

const memoryOf = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
const descriptorsOf = (pid: number): number => fs.readdirSync(`/proc/${pid}/fd`).length;

describe.each(Object.entries(applications))('%s', (name, { code, addresses }) => {
  test(`answers after ${restarts} restarts as after a cold start`, async () => {
    await using project = createProject({ 'server.js': scriptFor(code, 0) });
    fs.symlinkSync(installedPackages(), project.at('node_modules'));
    await using cold = startDevwatch(['--no-standby', ...args], { cwd: project.path });
    const expected = await answers(await portOf(cold, 0), addresses);
    await cold.end();
    await using devwatch = startDevwatch(args, { cwd: project.path });
    await portOf(devwatch, 0);
    const pids = new Set<number>();
    let standbys = 0;
    let early = { memory: 0, descriptors: 0 };
    for (let version = 1; version <= restarts; version += 1) {
      // In the second half the standby has loaded all packages that it may.
      await standbyIn(devwatch, version > restarts / 2);
      project.write('server.js', scriptFor(code, version));
      const found = await answers(await portOf(devwatch, version), addresses);
      expect(found, `restart ${version} of ${name}`).toEqual(expected);
      const start = await devwatch.event('start', ({ run }) => run > version);
      if (start.pid !== undefined) pids.add(start.pid);
      if (start.standby) standbys += 1;
      if (version === warm) early = { memory: memoryOf(devwatch.pid), descriptors: descriptorsOf(devwatch.pid) };
    }
    const { adopted: files } = await devwatch.event('packages', ({ run }) => run > restarts);
    // A second standby is kept while saves are quick.
    const isCalm = (): boolean => descriptorsOf(devwatch.pid) <= early.descriptors + 2;
    await until('as many descriptors as at the beginning', isCalm, devwatch.report);
    const late = { memory: memoryOf(devwatch.pid), descriptors: descriptorsOf(devwatch.pid) };
    await devwatch.end();
    console.log(`${name}: ${JSON.stringify({ restarts, standbys, files, early, late })}`);
    expect(files).toBeGreaterThan(0);
    expect([...pids].filter(isAlive)).toEqual([]);
    const ps = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
    expect(ps).not.toContain(project.path);
    expect(late.memory).toBeLessThan(early.memory * 1.3);
  });
});
