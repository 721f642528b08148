// Facts that the programs of the semantics suite report about themselves. Without pids and times they must be the
// same, however the program was started.
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');

/** Writes one line synchronously, because the suite waits for it whatever happens next. */
function say(facts) {
  fs.writeSync(1, `${JSON.stringify(facts)}\n`);
}

const digest = (text) => createHash('sha1').update(text).digest('base64url').slice(0, 8);

const names = (object) => Reflect.ownKeys(object).map(String);

/** The kinds of what is open: numbers and inodes differ by nature. */
function openDescriptors() {
  const kinds = fs.readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = fs.readlinkSync(`/proc/self/fd/${fd}`);
      // The folder that is being read, and a terminal of the suite's own, which every child of the suite inherits.
      if (/^\/proc\/\d+\/fd$|^\/dev\/ptmx$/.test(target)) return [];
      const kind = target.startsWith('/dev/pts/') ? 'terminal' : target.replace(/:\[\d+\]$/, '');
      return [Number(fd) <= 2 ? `${fd} ${kind}` : kind];
    } catch {
      return [];
    }
  });
  return kinds.sort();
}

/** Is a descriptor open without blocking, or to append? Both are shared with everybody who has it. */
function flagsOf(fd) {
  const [, flags] = /^flags:\s*(\d+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'));
  return Number.parseInt(flags, 8) & (fs.constants.O_NONBLOCK | fs.constants.O_APPEND);
}

/** Describes each own property without reading it: a patched function is recognized by its source. */
function surfaceOf(object) {
  return Object.fromEntries(
    Reflect.ownKeys(object).map((key) => {
      const { value, get, set, ...rest } = Object.getOwnPropertyDescriptor(object, key);
      const functions = [value, get, set].map((it) =>
        typeof it === 'function' ? [it.name, it.length, digest(String(it))] : typeof it,
      );
      return [String(key), JSON.stringify([rest, functions])];
    }),
  );
}

/** In ms: how long the process had been there before the run that it reports. The least of several: between two looks at a clock others may compute. */
function olderThanItSays() {
  const { nodeStart } = performance.nodeTiming;
  const differences = Array.from({ length: 20 }, () => {
    const uptime = process.uptime() * 1000;
    return performance.now() - nodeStart - uptime;
  });
  return Math.min(...differences);
}

function surfaces() {
  const childProcess = require('node:child_process');
  const entries = {
    process,
    'process.constructor': Object.getPrototypeOf(process),
    console,
    globalThis,
    fs,
    module: require('node:module'),
    events: require('node:events').prototype,
    net: require('node:net'),
    http: require('node:http'),
    child_process: childProcess,
    ChildProcess: childProcess.ChildProcess.prototype,
    timers: require('node:timers'),
    perf_hooks: require('node:perf_hooks').performance,
  };
  return Object.fromEntries(Object.entries(entries).map(([name, object]) => [name, surfaceOf(object)]));
}

function kernelFacts() {
  const status = fs.readFileSync('/proc/self/status', 'utf8');
  const field = (name) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1];
  const [, parent, group, session, terminal] = fs
    .readFileSync('/proc/self/stat', 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ')
    .map(Number);
  const limits = fs.readFileSync('/proc/self/limits', 'utf8').split('\n');
  return {
    signals: Object.fromEntries(['SigPnd', 'ShdPnd', 'SigBlk', 'SigIgn', 'SigCgt'].map((name) => [name, field(name)])),
    rights: Object.fromEntries(
      ['Uid', 'Gid', 'Groups', 'NoNewPrivs', 'Seccomp', 'CapInh', 'CapPrm', 'CapEff', 'CapAmb'].map((name) => [
        name,
        field(name),
      ]),
    ),
    processors: field('Cpus_allowed_list'),
    umask: field('Umask'),
    name: fs.readFileSync('/proc/self/comm', 'utf8').trim(),
    oomScore: fs.readFileSync('/proc/self/oom_score_adj', 'utf8').trim(),
    nice: os.getPriority(),
    // devwatch marks its programs by a limit that Linux does not enforce.
    limits: limits.filter((line) => !line.startsWith('Max resident set')),
    leadsGroup: group === process.pid,
    leadsSession: session === process.pid,
    inGroupOfParent: group === groupOf(parent),
    hasTerminal: terminal !== 0,
  };
}

function groupOf(pid) {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
}

/** Everything that can be told at once. To be called first: some of it changes as soon as one looks. */
function aboutProcess() {
  const descriptors = openDescriptors();
  const stdioFlags = [0, 1, 2].map(flagsOf);
  const kernel = kernelFacts();
  const resources = process.getActiveResourcesInfo();
  const handles = process._getActiveHandles().length;
  const requests = process._getActiveRequests().length;
  const asyncHooks = require('node:async_hooks');
  const Module = require('node:module');
  return {
    argv: process.argv,
    argv0: process.argv0,
    execArgv: process.execArgv,
    execPath: process.execPath,
    title: process.title,
    cwd: process.cwd(),
    umask: process.umask(),
    env: { ...process.env },
    globals: names(globalThis),
    processKeys: names(process),
    listeners: Object.fromEntries(process.eventNames().map((name) => [String(name), process.listenerCount(name)])),
    maxListeners: process.getMaxListeners(),
    ipc: { send: typeof process.send, connected: process.connected, channel: typeof process.channel },
    exitCode: typeof process.exitCode,
    resources,
    handles,
    requests,
    descriptors,
    stdioFlags,
    kernel,
    asyncIds: [asyncHooks.executionAsyncId(), asyncHooks.triggerAsyncId()],
    stackTraceLimit: Error.stackTraceLimit,
    stack: new Error('where').stack,
    prepareStackTrace: typeof Error.prepareStackTrace,
    heapLimit: require('node:v8').getHeapStatistics().heap_size_limit,
    builtins: Module.builtinModules,
    extensions: Object.keys(require.extensions),
    globalPaths: Module.globalPaths,
    features: process.features,
    versions: process.versions,
    permission: typeof process.permission,
    compileCache: [typeof Module.getCompileCacheDir, Module.getCompileCacheDir?.()],
    inspector: typeof require('node:inspector').url(),
    report: typeof process.report,
    sourceMaps: process.sourceMapsEnabled,
    warnings: [process.noDeprecation, process.throwDeprecation, process.traceDeprecation],
    commandLine: fs.readFileSync('/proc/self/cmdline', 'utf8').split('\0').slice(0, -1),
    // Before the streams of stdio are made.
    surfaces: surfaces(),
    isTTY: [process.stdin.isTTY, process.stdout.isTTY, process.stderr.isTTY],
    streams: [process.stdin, process.stdout, process.stderr].map((stream) => [stream.constructor.name, stream.fd]),
    olderThanItSays: olderThanItSays(),
  };
}

/** Facts that a CommonJS entry can find out about itself. */
function aboutModule(module, require) {
  return {
    isMain: require.main === module,
    mainFile: require.main?.filename,
    mainModule: process.mainModule === module,
    id: module.id,
    parent: String(module.parent),
    loaded: module.loaded,
    paths: module.paths,
    children: module.children.map(({ id }) => id),
    cache: Object.keys(require.cache),
    pathCache: Object.keys(require('node:module')._pathCache),
  };
}

/** Between which two moments process.uptime() says that the process has begun; seconds of the machine's clock. */
function begunBetween() {
  const now = () => Number(process.hrtime.bigint()) / 1e9;
  const before = now();
  const uptime = process.uptime();
  return [before - uptime, now() - uptime];
}

module.exports = { say, aboutProcess, aboutModule, begunBetween, openDescriptors, names, surfaceOf };
