// A program that uses what Node offers, and tells at its very end what came of it and in which order.
const { AsyncLocalStorage } = require('node:async_hooks');
const { execFileSync, fork } = require('node:child_process');
const channels = require('node:diagnostics_channel');
const { once } = require('node:events');
const fs = require('node:fs');
const { createHook, performance, PerformanceObserver } = {
  ...require('node:async_hooks'),
  ...require('node:perf_hooks'),
};
const cluster = require('node:cluster');
const net = require('node:net');
const { Worker } = require('node:worker_threads');
const { begunBetween, say } = require('./common.cjs');

const order = [];
const note = (name) => order.push(name);
const says = { order };

process.on('exit', (code) => {
  note('exit');
  say({ ...says, code });
});
process.once('beforeExit', () => {
  note('beforeExit');
  setImmediate(() => note('after beforeExit'));
});

process.nextTick(() => note('nextTick'));
queueMicrotask(() => note('microtask'));
Promise.resolve().then(() => note('promise'));
// Only in a callback of the poll phase is the order of these two certain.
fs.readFile(__filename, () => {
  setTimeout(() => note('timeout'), 0);
  setImmediate(() => note('immediate'));
});
note('main');

// The clock of the event loop may have stood still while the process was waiting.
const set = performance.now();
const delay = 200;
setTimeout(() => {
  says.timerWasEarly = performance.now() - set < delay - 1;
}, delay);

const storage = new AsyncLocalStorage();
storage.run('kept', () => setTimeout(() => (says.storage = storage.getStore()), 1));

const types = new Set();
createHook({ init: (_, type) => types.add(type) }).enable();

new PerformanceObserver((list, observer) => {
  says.measures = list.getEntries().map(({ name, entryType }) => [name, entryType]);
  observer.disconnect();
}).observe({ entryTypes: ['measure'] });
performance.measure('a measure');

channels.subscribe('semantics', (message, name) => (says.channel = [message, String(name)]));
channels.channel('semantics').publish('a message');
says.channelsTaken = ['http.client.request.start', 'net.client.socket', 'child_process', 'worker_threads'].filter(
  (name) => channels.hasSubscribers(name),
);

const child = (...words) => execFileSync(process.execPath, words, { encoding: 'utf8' });
says.spawned = JSON.parse(child('-p', 'JSON.stringify({ env: process.env, execArgv: process.execArgv })'));
says.inherited = child(`${__dirname}/child.cjs`).trim();

async function talkToFork() {
  const forked = fork(`${__dirname}/child.cjs`, ['arg'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [first] = await once(forked, 'message');
  forked.send({ echo: 'over ipc' });
  const [second] = await once(forked, 'message');
  const [code] = await once(forked, 'exit');
  says.fork = { first, second, code };
}

async function talkToCluster() {
  cluster.setupPrimary({ exec: `${__dirname}/child.cjs`, args: ['listen'] });
  const workers = [cluster.fork(), cluster.fork()];
  const told = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]));
  await Promise.all(told.map(({ port }) => once(net.connect(port, '127.0.0.1').resume(), 'close')));
  const codes = workers.map((worker) => once(worker, 'exit'));
  for (const worker of workers) worker.send('end');
  says.cluster = {
    told: told.map(({ port: _, ...rest }) => rest),
    samePort: new Set(told.map(({ port }) => port)).size,
    codes: (await Promise.all(codes)).map(([code]) => code),
    settings: cluster.settings.execArgv,
  };
}

async function talkToWorkers() {
  const inherits = new Worker(`${__dirname}/worker.cjs`, {
    argv: ['arg'],
    resourceLimits: { maxOldGenerationSizeMb: 50 },
  });
  const own = new Worker(`${__dirname}/worker.cjs`, { execArgv: ['--no-warnings'], env: { ONLY: 'this' } });
  const shared = new Worker(`${__dirname}/worker.cjs`, { env: require('node:worker_threads').SHARE_ENV });
  const workers = [inherits, own, shared];
  const told = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]));
  const [begun] = begunBetween();
  // Of what it says no time may be left, only whether it can be true.
  says.workers = told.map(({ begun: [, latest], ...rest }) => ({ ...rest, olderThanProcess: latest < begun }));
}

void Promise.all([talkToFork(), talkToCluster(), talkToWorkers()]).then(() => {
  says.asyncTypes = ['Timeout', 'PROCESSWRAP', 'WORKER'].filter((type) => types.has(type));
});
