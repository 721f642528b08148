/**
 * A program cannot tell whether it runs in a standby: it sees the same facts when it is started plainly with `node`,
 * by devwatch, and by devwatch from a standby. `npm test` compares a selection, `npm run test:exhaustive` everything.
 *
 * NODES names the binaries of further Node versions, separated by commas; see test/nodes.
 */

import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cli } from '../support/devwatch.ts';
import { isExhaustive, rowsOf } from '../support/exhaustive.ts';
import { createProject } from '../support/project.ts';
import {
  fixture,
  openProject,
  openWays,
  type Run,
  type RunOptions,
  type Runs,
  WatchedProgram,
  type Ways,
  type WaysOptions,
} from '../support/semantics/ways.ts';
import { openTerminal } from '../support/terminal.ts';

const nodes = process.env.NODES?.split(',') ?? [process.execPath];

type Pick = (run: Run) => unknown;

/** Expects the same in all three ways. */
function expectSame(runs: Runs, pick: Pick): void {
  const plain = pick(runs.plain);
  expect({ cold: pick(runs.cold), standby: pick(runs.standby) }).toEqual({ cold: plain, standby: plain });
}

/** Expects, both times under devwatch, what `own` makes of the plain fact. */
function expectOwn(runs: Runs, pick: Pick, own: (plain: never) => unknown): void {
  const wanted = own(pick(runs.plain) as never);
  expect({ cold: pick(runs.cold), standby: pick(runs.standby) }).toEqual({ cold: wanted, standby: wanted });
}

/** Picks a fact by its path. */
const fact =
  (...keys: readonly string[]): Pick =>
  ({ says }) =>
    keys.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], says);

const isOwnVariable = (name: string): boolean => /^DEVWATCH_(RUN|REASON|CHANGED|TREE_\w+)$/.test(name);

/** Removes the variables that every program under devwatch has, wherever they occur. */
function withoutOwn(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutOwn);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([name]) => !isOwnVariable(name));
  return Object.fromEntries(entries.map(([name, inner]) => [name, withoutOwn(inner)]));
}

/** Reports whether an entry of a cache or of the command line is a file of devwatch. */
const isOwnFile = (entry: string): boolean => /\/(?:dist\/preload|own\/preload-\w+)(\/|$)/.test(entry);

type Round = string | readonly [text: string, options: RunOptions];

interface Group {
  readonly options: Omit<WaysOptions, 'node'> & {
    /** The first version, major and minor, that can. */
    readonly since?: readonly [number, number];
  };
  readonly rounds: Readonly<Record<string, Round>>;
}

const say = "require('./common.cjs').say({});";
const sayModule = "import common from './common.cjs';\ncommon.say({});";

/** Programs by the way in which they end. */
const exits: Readonly<Record<string, string>> = {
  'process.exit(3)': `${say} process.exit(3);`,
  'process.exitCode': `${say} process.exitCode = 4;`,
  'an uncaught exception': `${say}\nfunction thrower() {\n  throw new TypeError('thrown');\n}\nthrower();`,
  'an uncaught exception of later': `${say} setImmediate(() => {\n  throw Object.assign(new Error('late'), { code: 'E' });\n});`,
  'an unhandled rejection': `${say} Promise.reject(new Error('rejected'));`,
  'a mistake in a module': `${say} require('./broken.cjs');`,
  'a missing module': `${say} require('./missing.cjs');`,
  SIGKILL: `${say} process.kill(process.pid, 'SIGKILL');`,
  SIGTERM: `${say} process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 60_000);`,
};

const moduleExits: Readonly<Record<string, string>> = {
  'an uncaught exception of a module': `${sayModule}\nfunction thrower() {\n  throw new TypeError('thrown');\n}\nthrower();`,
  'a rejected top-level await': `${sayModule}\nawait Promise.reject(new Error('rejected'));`,
  'a top-level await without an end': `${sayModule}\nawait new Promise(() => {});`,
  'a missing import': `${sayModule}\nawait import('./missing.mjs');`,
};

/** Prints the first line of its stdin. */
const reader = `
const { say } = require('./common.cjs');
process.stdin.setEncoding('utf8').once('data', (typed) => {
  say({ typed });
  process.exit();
});
`;

const mapped = `${say} throw new Error('mapped');\n//# sourceMappingURL=mapped.cjs.map\n`;
const map = JSON.stringify({
  version: 3,
  sources: ['original.ts'],
  sourcesContent: ['// A comment.\n\n  throw new Error("mapped");\n'],
  names: [],
  // All of the first line comes from line 3, column 3.
  mappings: 'AAEE',
});

const project = {
  'package.json': JSON.stringify({ imports: { '#dep': { dev: './dep-dev.cjs', default: './dep.cjs' } } }),
  'dep-dev.cjs': 'module.exports = "dev";',
  'dep.cjs': 'module.exports = "default";',
  'own.cjs': fixture('own.cjs'),
  'own.mjs': fixture('own.mjs'),
};
const asModule = { 'package.json': JSON.stringify({ type: 'module' }) };

const flags = [
  '--enable-source-maps',
  '--conditions',
  'dev',
  '--max-old-space-size=123',
  '--title=semantics',
  '--expose-gc',
  '--require',
  './own.cjs',
  '--import',
  './own.mjs',
  '--no-deprecation',
];

const preloaded = `
  preloaded: [globalThis.required, globalThis.imported],
  collects: typeof gc,
`;

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
/** Uses only types that can be erased, so that Node itself can run it. */
const typescriptFacts = `import common from './common.cjs';
interface Kind { readonly file: string }
const kind: Kind = { file: typeof __filename === 'string' ? 'CommonJS' : 'ES module' };
common.say({ ...common.aboutProcess(), kind });
`;
const typescriptWorks = "import './works.cjs';\n";
const typescriptThrow = `import common from './common.cjs';
common.say({});
interface Kind { readonly name: string }
function thrower(kind: Kind): never {
  throw new TypeError(kind.name);
}
thrower({ name: 'thrown' });
`;

const groups = {
  commonjs: {
    options: {
      script: 'main.cjs',
      args: ['one', 'two words', '--watch', '', '*'],
      options: ['--stdin', 'pipe'],
      fileEnv: { FROM_FILE: 'yes', EMPTY: '' },
      env: { NODE_OPTIONS: '--stack-trace-limit=7 --no-warnings' },
      files: { 'broken.cjs': 'let a = ;\n' },
    },
    rounds: {
      facts: fixture('facts.cjs'),
      works: fixture('works.cjs'),
      reader: [reader, { input: 'typed\n' }],
      ...exits,
    },
  },
  module: {
    options: { script: 'main.js', files: asModule },
    rounds: {
      facts: fixture('facts.mjs'),
      works: "import './works.cjs';",
      reader: [
        `import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);${reader}`,
        { input: 'typed\n' },
      ],
      ...moduleExits,
    },
  },
  flags: {
    options: { script: './main.js', flags, files: { ...project, 'main.js.map': map, 'mapped.cjs.map': map } },
    rounds: {
      facts: `${fixture('facts.cjs').replace('say({', `say({${preloaded}dep: require('#dep'),`)}`,
      mapped,
    },
  },
  'flags of a module': {
    options: { script: 'main.mjs', flags, files: project },
    rounds: {
      facts: `import dep from '#dep';\n${fixture('facts.mjs').replace('say({', `say({${preloaded}dep,`)}`,
    },
  },
  'a loader that warns': {
    options: {
      script: 'main.mjs',
      flags: ['--import', 'jiti/register'],
      files: {
        'node_modules/jiti/package.json': '{"name": "jiti", "exports": {"./register": "./register.mjs"}}',
        'node_modules/jiti/register.mjs': "process.emitWarning('a warning of the loader');",
      },
    },
    rounds: { text: 'console.log("{}");' },
  },
  ipc: {
    options: { script: 'main.cjs', ipc: true },
    rounds: {
      message: `
const { aboutProcess, say } = require('./common.cjs');
const { ipc, listeners, resources } = aboutProcess();
process.send({ question: 1 });
process.once('message', (message) => {
  say({ ipc, listeners, resources, message });
  process.disconnect();
});
`,
    },
  },
  stdio: {
    options: { script: 'main.cjs' },
    rounds: {
      stays: [`process.stdout.write('{}\\n');\nsetInterval(() => {}, 60_000);`, { stays: true }],
      facts: fixture('facts.cjs'),
      'facts again': fixture('facts.cjs'),
    },
  },
  'tsx, CommonJS': {
    options: {
      script: 'main.ts',
      impliedFlags: ['--import', tsx],
      modules: 'node_modules',
      files: { 'package.json': '{}' },
    },
    rounds: { facts: typescriptFacts, works: typescriptWorks, thrown: typescriptThrow },
  },
  'tsx, ES module': {
    options: { script: 'main.ts', impliedFlags: ['--import', tsx], modules: 'node_modules', files: asModule },
    rounds: { facts: typescriptFacts, works: typescriptWorks, thrown: typescriptThrow },
  },
  'TypeScript by Node, CommonJS': {
    options: { script: 'main.cts', since: [22, 18] },
    rounds: {
      facts:
        "const common = require('./common.cjs') as { say: (it: unknown) => void, aboutProcess(): object };\ncommon.say(common.aboutProcess());",
    },
  },
  'TypeScript by Node, ES module': {
    options: { script: 'main.ts', files: asModule, since: [22, 18] },
    rounds: { facts: typescriptFacts, thrown: typescriptThrow },
  },
} satisfies Record<string, Group>;

/** The rounds that `npm test` runs: each kind of module, of flags and of channels, and each way to end. */
const representative: Readonly<Record<string, readonly string[]>> = {
  commonjs: ['facts', 'works', 'reader', 'process.exit(3)', 'an uncaught exception', 'SIGTERM'],
  module: ['facts', 'works', 'reader', 'an uncaught exception of a module'],
  flags: ['facts', 'mapped'],
  ipc: ['message'],
  'tsx, ES module': ['facts', 'works'],
};

const chosen: Readonly<Record<string, Readonly<Record<string, Round>>>> = Object.fromEntries(
  Object.entries<Group>(groups).flatMap(([name, { rounds }]) => {
    const rows = rowsOf(Object.entries(rounds), ([round]) => representative[name]?.includes(round) === true);
    return rows.length > 0 ? [[name, Object.fromEntries(rows)]] : [];
  }),
);

const isChosen = (group: GroupName, round?: string): boolean =>
  chosen[group] !== undefined && (round === undefined || chosen[group]?.[round] !== undefined);

const versions = new Map(
  nodes.map((node) => [node, execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' })]),
);

const named = nodes.map((node) => ({ node, version: versions.get(node)?.trim() ?? '' }));

function isSince(node: string, [major, minor]: readonly [number, number]): boolean {
  const [ownMajor = 0, ownMinor = 0] = (versions.get(node) ?? '').split('.').map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

type GroupName = keyof typeof groups;

const sinceOf = (group: GroupName): readonly [number, number] => (groups[group] as Group).options.since ?? [0, 0];

/** Groups that run at the same time: they spend most of their time waiting for a standby. */
const lanes = 5;

interface Gathered extends AsyncDisposable {
  /** The result of a round. */
  runs(group: GroupName, round: string): Promise<Runs>;
  /** Resolves when all groups have ended, with or without errors. */
  readonly over: Promise<unknown>;
}

/** Runs all groups. */
function gather(node: string): Gathered {
  const open = new Set<Ways>();
  const waiting: (() => void)[] = [];
  let running = 0;
  const inLane = async (run: () => Promise<Map<string, Runs>>): Promise<Map<string, Runs>> => {
    if (running >= lanes) await new Promise<void>((resolve) => waiting.push(resolve));
    running += 1;
    try {
      return await run();
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  };
  const results = new Map<string, Promise<Map<string, Runs>>>();
  for (const [name, { options }] of Object.entries<Group>(groups)) {
    const rounds = chosen[name];
    if (rounds === undefined || !isSince(node, options.since ?? [0, 0])) continue;
    const result = inLane(async () => {
      await using ways = await openWays({ ...options, node });
      open.add(ways);
      const runs = new Map<string, Runs>();
      for (const [round, words] of Object.entries(rounds)) {
        const [text, how] = typeof words === 'string' ? [words] : words;
        runs.set(round, await ways.run(text, how));
      }
      return runs;
    });
    results.set(name, result);
  }
  return {
    async runs(group, round) {
      const runs = (await results.get(group))?.get(round);
      if (runs === undefined) throw new Error(`${group} has no round ${round}`);
      return runs;
    },
    // A failure is reported to those that ask for the runs.
    over: Promise.allSettled(results.values()),
    async [Symbol.asyncDispose]() {
      await Promise.all([...open].map((ways) => ways[Symbol.asyncDispose]()));
      await this.over;
    },
  };
}

/** Facts that a program can ask Node and the kernel for, with their path in the line that it prints. */
const facts: readonly (readonly [name: string, ...keys: string[]])[] = [
  ['process.argv', 'argv'],
  ['process.argv0', 'argv0'],
  ['process.execArgv', 'execArgv'],
  ['process.execPath', 'execPath'],
  ['process.title', 'title'],
  ['process.cwd()', 'cwd'],
  ['process.umask()', 'umask'],
  ['process.env', 'env'],
  ['what is global, symbols included', 'globals'],
  ['what process has', 'processKeys'],
  ['the greatest number of listeners', 'maxListeners'],
  ['process.send, connected and channel', 'ipc'],
  ['process.exitCode', 'exitCode'],
  ['asynchronous ids', 'asyncIds'],
  ['Error.stackTraceLimit', 'stackTraceLimit'],
  ['Error.prepareStackTrace', 'prepareStackTrace'],
  ['the stack of an error', 'stack'],
  ['the limit of the heap', 'heapLimit'],
  ['module.builtinModules', 'builtins'],
  ['require.extensions', 'extensions'],
  ['the global folders of modules', 'globalPaths'],
  ['process.features', 'features'],
  ['process.versions', 'versions'],
  ['process.permission', 'permission'],
  ['inspector.url()', 'inspector'],
  ['process.report', 'report'],
  ['whether source maps are on', 'sourceMaps'],
  ['how deprecations are told', 'warnings'],
  ['whether stdio is a terminal', 'isTTY'],
  ['the streams of stdio', 'streams'],
  ['users, groups and capabilities', 'kernel', 'rights'],
  ['the processors it may use', 'kernel', 'processors'],
  ['the name of the process', 'kernel', 'name'],
  ['the nice value', 'kernel', 'nice'],
  ['how readily it is killed for memory', 'kernel', 'oomScore'],
  ['the limits of resources', 'kernel', 'limits'],
];

/** Facts that depend on nothing but Node: a loader such as tsx has threads, children and connections of its own. */
const quietFacts: typeof facts = [
  ['active resources', 'resources'],
  ['active handles', 'handles'],
  ['active requests', 'requests'],
  ['flags of the descriptors of stdio', 'stdioFlags'],
  ['signals that are handled, ignored, blocked or pending', 'kernel', 'signals'],
];

const commonjsFacts: typeof facts = [
  ['require.main === module', 'module', 'isMain'],
  ['require.main.filename', 'module', 'mainFile'],
  ['process.mainModule', 'module', 'mainModule'],
  ['module.id', 'module', 'id'],
  ['module.parent', 'module', 'parent'],
  ['module.loaded', 'module', 'loaded'],
  ['module.paths', 'module', 'paths'],
  ['module.children', 'module', 'children'],
  ['require.cache', 'module', 'cache'],
  ['__filename, __dirname, exports and this', 'wrapper'],
];

const moduleFacts: typeof facts = [
  ['import.meta', 'meta'],
  ['require.main and process.mainModule', 'module', 'main'],
  ['require.cache', 'module', 'cache'],
  ['an import of JSON', 'imported'],
  ['this', 'this'],
];

const flagFacts: typeof facts = [
  ['what it preloads, once', 'preloaded'],
  ['--conditions', 'dep'],
  ['--expose-gc', 'collects'],
];
const kind: typeof facts = [['the kind of the module', 'kind']];

const programs: readonly { readonly group: GroupName; readonly round: string; readonly told: typeof facts }[] = [
  { group: 'commonjs', round: 'facts', told: [...facts, ...quietFacts, ...commonjsFacts] },
  { group: 'module', round: 'facts', told: [...facts, ...quietFacts, ...moduleFacts] },
  { group: 'flags', round: 'facts', told: [...facts, ...quietFacts, ...commonjsFacts, ...flagFacts] },
  { group: 'flags of a module', round: 'facts', told: [...facts, ...quietFacts, ...moduleFacts, ...flagFacts] },
  { group: 'stdio', round: 'facts', told: quietFacts },
  {
    group: 'stdio',
    round: 'facts again',
    told: quietFacts.filter(([, fact]) => fact !== 'stdioFlags'),
  },
  { group: 'tsx, CommonJS', round: 'facts', told: [...facts, ...kind] },
  { group: 'tsx, ES module', round: 'facts', told: [...facts, ...kind] },
  { group: 'TypeScript by Node, CommonJS', round: 'facts', told: [...facts, ...quietFacts] },
  { group: 'TypeScript by Node, ES module', round: 'facts', told: [...facts, ...quietFacts, ...kind] },
];

/** Rounds that run to their end. */
const whole = Object.entries(chosen).flatMap(([group, rounds]) =>
  Object.entries(rounds)
    .filter(([, round]) => typeof round === 'string' || round[1].stays !== true)
    .filter(() => group !== 'a loader that warns')
    .map(([round]) => [group as GroupName, round] as const),
);

interface Told {
  readonly facts: Readonly<Record<string, unknown>> & {
    readonly surfaces: Readonly<Record<string, Readonly<Record<string, string>>>>;
  };
  readonly typed: {
    readonly typed: string;
    readonly surface: Readonly<Record<string, string>>;
    readonly reader: readonly string[];
  };
}

const representativeUnprepared = ['--inspect', '--experimental-loader in NODE_OPTIONS', 'a shell line'];

/** Flags and commands with which a program has no standby. */
const unprepared: readonly (readonly [name: string, words: readonly string[], env?: Record<string, string>])[] = [
  ['--inspect', ['--inspect=0', 'main.cjs']],
  // A long sampling interval: a busy program delays the standby.
  ['--cpu-prof', ['--cpu-prof', '--cpu-prof-interval=1000000', 'main.cjs']],
  ['--heap-prof', ['--heap-prof', 'main.cjs']],
  ['--test', ['--test', 'main.cjs']],
  // Loaded before the modules of --import, and so before the standby could wait.
  ['--experimental-loader', ['--no-warnings', '--experimental-loader', './idle.cjs', 'main.mjs']],
  ['--experimental-loader in NODE_OPTIONS', ['main.mjs'], { NODE_OPTIONS: '--experimental-loader ./idle.cjs' }],
  ['--inspect in NODE_OPTIONS', ['main.cjs'], { NODE_OPTIONS: '--inspect=0' }],
  ['node -e as a command', ['--', 'node', '-e', 'require("./main.cjs")']],
  ['a shell line', ['--exec', 'node main.cjs && true']],
  ['--no-standby', ['--no-standby', 'main.cjs']],
  // Node accepts `_` for `-` in its flags.
  ['--heap_prof', ['--config', 'underscores.json']],
];

/** Returns how the first two runs were started in each of these ways, once a later devwatch had its standby. */
async function startsOf(node: string, ways: typeof unprepared): Promise<(readonly [name: string, events: unknown])[]> {
  await using project = createProject({
    'main.cjs': 'setInterval(() => {}, 60_000);',
    'main.mjs': "import './main.cjs';",
    'idle.cjs': '',
    // Settings accept flags with `_`; the command line does not accept all of them.
    'underscores.json': '{"script": "main.cjs", "nodeArgs": ["--heap_prof"]}',
  });
  const sessions: WatchedProgram[] = [];
  await using _ = {
    [Symbol.asyncDispose]: () => Promise.all(sessions.map((session) => session.end())).then(() => {}),
  };
  const open = (words: readonly string[], env: Record<string, string> = {}): WatchedProgram => {
    const PATH = `${path.dirname(node)}:${process.env.PATH}`;
    const session = new WatchedProgram(words, { node, project, env: { PATH, ...env } });
    sessions.push(session);
    return session;
  };
  const others = ways.map(([name, words, env]) => [name, open(words, env)] as const);
  await Promise.all(others.map(([, session]) => session.event('watching')));
  // Started after all of them, and has a standby.
  const witness = open(['main.cjs']);
  await witness.event('watching');
  await witness.prepared();

  project.write('main.cjs', 'setInterval(() => {}, 60_000); // again');
  const { event: second } = await witness.event('start');
  expect(second).toMatchObject({ run: 2, standby: true });
  return await Promise.all(
    others.map(async ([name, session]) => {
      await session.event('start');
      return [name, session.events.filter(({ event }) => event === 'start' || event === 'standby')] as const;
    }),
  );
}

const bothCold = [
  { event: 'start', run: 1, standby: false },
  { event: 'start', run: 2, standby: false },
];

describe.sequential.each(named)('Node $version', ({ node }) => {
  let gathered: Gathered;
  beforeAll(() => {
    gathered = gather(node);
  });
  afterAll(() => gathered[Symbol.asyncDispose]());

  // These come first: the groups run in the meantime.

  test('a program in a terminal sees the same facts as without devwatch, and reads the same input', async () => {
    await using project = openProject({ script: 'main.cjs' });
    const program = fixture('terminal.cjs');
    project.write('main.cjs', program);
    await using terminal = openTerminal({ cwd: project.path });
    const hear = async (): Promise<Told> => {
      const { facts } = JSON.parse((await terminal.until(/^{"facts".*}\r?\n/m))[0]);
      terminal.line('typed');
      return { facts, typed: JSON.parse((await terminal.until(/^{"typed".*}\r?\n/m))[0]) };
    };
    terminal.line(`${node} main.cjs`);
    const plain = await hear();
    terminal.line(`${node} ${cli} --no-standby --log-format json main.cjs`);
    const cold = await hear();
    terminal.type('\x03');
    await terminal.until(/"event":"end"/);
    terminal.line(`${node} ${cli} --log-format json main.cjs`);
    await hear();
    // The event may have arrived while the line was typed.
    if (!terminal.output.includes('"event":"standby"')) await terminal.until(/"event":"standby"/);
    project.replace('main.cjs', program);
    // The program may print earlier than devwatch.
    const standby = await hear();
    expect(terminal.output).toMatch(/"event":"start".*"standby":true/);
    terminal.type('\x03');
    await terminal.until(/"event":"end"/);

    for (const name of ['isTTY', 'streams', 'size', 'hasTerminal', 'resources', 'handles', 'stdioFlags', 'signals']) {
      expect(plain.facts[name], name).not.toBeUndefined();
      expect.soft(cold.facts[name], name).toEqual(plain.facts[name]);
      expect.soft(standby.facts[name], name).toEqual(plain.facts[name]);
    }
    expect([plain, cold, standby].map(({ typed: { typed } }) => typed)).toEqual(['typed\n', 'typed\n', 'typed\n']);
    // The function that detects a read from the terminal.
    const ours = ({ facts: { surfaces } }: Told): string[] =>
      Object.entries(surfaces).flatMap(([object, surface]) =>
        Object.keys(surface)
          .filter((key) => surface[key] !== plain.facts.surfaces[object]?.[key])
          .map((key) => `${object}.${key}`),
      );
    expect(ours(cold)).toEqual(['fs.readSync']);
    expect(ours(standby).filter((name) => !name.endsWith('.uptime'))).toEqual(['fs.readSync']);
    for (const { typed } of [cold, standby]) {
      const differing = Object.keys(typed.surface).filter((key) => typed.surface[key] !== plain.typed.surface[key]);
      expect(differing.filter((key) => key !== 'uptime')).toEqual([]);
      expect(typed.reader).toEqual(plain.typed.reader);
    }
  });

  // At its end, Node restores the modes that it found at its start: in a standby, those of the program before it.
  test('a standby that was booted while the terminal was raw does not leave it raw', async () => {
    await using project = createProject({
      'main.cjs': "process.stdin.setRawMode(true).resume();\nconsole.log('it is raw');",
    });
    await using terminal = openTerminal({ cwd: project.path });
    terminal.line(`tty; ${node} ${cli} --log-format json main.cjs`);
    const [device] = await terminal.until(/\/dev\/pts\/\d+/);
    await terminal.until(/it is raw/);
    await terminal.until(/"event":"standby"/);
    project.replace('main.cjs', '');
    await terminal.until(/"event":"exit"/);
    expect(execFileSync('stty', ['-F', device, '-a'], { encoding: 'utf8' })).toMatch(/ icanon /);
  });

  test('a program has no standby where that would show', async () => {
    const ways = rowsOf(unprepared, ([name]) => representativeUnprepared.includes(name));
    for (const [name, events] of await startsOf(node, ways)) expect(events, name).toMatchObject(bothCold);
  });

  // A change of a file that a loader has read is noticed only where the file is watched.
  test.runIf(isExhaustive)('a standby uses the tsconfig.json of its run, not of its boot', async () => {
    const paths = (to: string): string => JSON.stringify({ compilerOptions: { paths: { dep: [to] } } });
    const program = "import dep from 'dep';\nimport common from '../common.cjs';\ncommon.say({ dep });\n";
    await using project = openProject({
      script: 'src/main.ts',
      files: { 'package.json': '{}', 'tsconfig.json': paths('./a.cjs'), 'a.cjs': 'module.exports = "a";' },
      modules: 'node_modules',
    });
    project.write('b.cjs', 'module.exports = "b";');
    project.write('src/main.ts', program);
    await using devwatch = new WatchedProgram(['--watch', 'src', 'src/main.ts'], { node, project });
    await devwatch.begun('ended');
    await devwatch.prepared();
    project.write('tsconfig.json', paths('./b.cjs'));
    project.write('src/main.ts', `${program}// again\n`);
    expect((await devwatch.next(undefined, undefined, false)).says).toEqual({ dep: 'b' });
  });

  describe('compared with a plain start', () => {
    // A group that hangs is waited for once, not in every test.
    beforeAll(() => gathered.over);

    // Older versions of Node do not have the groups of later ones.
    const fits = (group: GroupName): boolean => isSince(node, sinceOf(group));
    const fitting = programs.filter(({ group, round }) => fits(group) && isChosen(group, round));

    test.for(fitting)('$group, $round: a program sees the same facts', async ({ group, round, told }, { expect }) => {
      const runs = await gathered.runs(group, round);
      const { plain, cold, standby } = runs;
      for (const [name, ...keys] of told) {
        const pick: Pick = (run) => withoutOwn(fact(...keys)(run));
        expect.soft(pick(plain), name).not.toBeUndefined();
        expect
          .soft({ cold: pick(cold), standby: pick(standby) }, name)
          .toEqual({ cold: pick(plain), standby: pick(plain) });
      }
    });

    const fittingGroups = [...new Set(fitting.map(({ group }) => group))];

    test.for(fittingGroups)('%s: nothing but the documented traces of devwatch is left', async (group, { expect }) => {
      const runs = await gathered.runs(group, 'facts');
      const { cold, standby } = runs;
      // Two listeners.
      const own = { internalMessage: 1, uncaughtExceptionMonitor: 1 };
      expectOwn(runs, fact('listeners'), (plain: object) => ({ ...plain, ...own }));
      // A session of its own.
      for (const { says } of [cold, standby]) {
        const leads = { leadsGroup: true, leadsSession: true, inGroupOfParent: false, hasTerminal: false };
        expect(says.kernel).toMatchObject(leads);
      }
      // No function and no property of Node is another one, except for process.uptime.
      expectSame(runs, ({ says }) => {
        const { process, ...others } = says.surfaces as Record<string, Record<string, string>>;
        const { uptime: _, ...rest } = process ?? {};
        return { process: rest, ...others };
      });
      // Flags on the command line.
      expectSame(runs, ({ says }) => {
        const words = (says.commandLine as string[]).filter((word) => word !== '');
        const ours = words.flatMap((word, at) => (isOwnFile(word) ? [at - 1, at] : []));
        return words.filter((_, at) => !ours.includes(at));
      });
      // Variables that describe the run.
      const described = ({ says }: Run): unknown =>
        Object.fromEntries(
          Object.entries(says.env as object).filter(([name]) => /^DEVWATCH_(RUN|REASON|CHANGED)$/.test(name)),
        );
      expect(described(standby)).toEqual(described(cold));
      expect(described(standby)).toMatchObject({
        DEVWATCH_REASON: 'change',
        DEVWATCH_CHANGED: expect.stringMatching(/main\.\w+$/),
      });
    });

    test.for(fittingGroups)('%s: process.uptime() does not count the time as a standby', async (group) => {
      const { standby, cold, parked } = await gathered.runs(group, 'facts');
      expect(parked).toBeGreaterThan(0);
      // performance.now() may, and does.
      expect(standby.says.olderThanItSays).toBeGreaterThan(parked);
      expect(cold.says.olderThanItSays).toBeLessThan(standby.says.olderThanItSays as number);
    });

    // devwatch replaces the function by another one, whose source shows no name.
    test.fails('process.uptime looks like that of Node', async () => {
      expectSame(await gathered.runs('commonjs', 'facts'), fact('surfaces', 'process', 'uptime'));
    });

    // The channel, the pipe for messages, and eight slots with two ends each.
    test('eighteen sockets are the only further descriptors', async () => {
      for (const { group, round } of fitting.filter(({ group }) => !group.startsWith('tsx'))) {
        expectOwn(await gathered.runs(group, round), fact('descriptors'), (plain: string[]) =>
          [...plain, ...Array<string>(18).fill('socket')].sort(),
        );
      }
    });

    // Node keeps the files that a look-up has found, those of `--require` among them.
    test('Module._pathCache has no further files but those of devwatch itself', async () => {
      const runs = await gathered.runs('commonjs', 'facts');
      expectSame(runs, fact('module', 'pathCache'));
      const pathCache: Pick = ({ says }) =>
        (says.module as { pathCache: string[] }).pathCache.filter((it) => !isOwnFile(it));
      expectSame(await gathered.runs('module', 'facts'), pathCache);
    });

    test.for(whole.filter(([group]) => fits(group)))(
      '%s, %s: the same output and the same end',
      async ([group, round]) => {
        const runs = await gathered.runs(group, round);
        // Files that the project preloads print their run.
        expectSame(runs, ({ printed, stderr, code, signal }) => ({
          printed: printed.map((line) => line.replace(/ in run \w+/, '')),
          stderr,
          code,
          signal,
        }));
      },
    );

    test('order, timers, storage, measures and channels are the same', async () => {
      for (const group of (['commonjs', 'module', 'tsx, CommonJS', 'tsx, ES module'] as const).filter((name) =>
        isChosen(name),
      )) {
        const runs = await gathered.runs(group, 'works');
        expect(runs.standby.says).toMatchObject({
          timerWasEarly: false,
          storage: 'kept',
          measures: [['a measure', 'measure']],
          channel: ['a message', 'semantics'],
          channelsTaken: [],
          code: 0,
        });
        for (const name of ['order', 'asyncTypes', 'code']) expectSame(runs, fact(name));
      }
    });

    test.each(['commonjs', 'module'] as const)('%s: child processes inherit no trace of devwatch', async (group) => {
      const runs = await gathered.runs(group, 'works');
      expect(runs.standby.says).toMatchObject({
        fork: { second: { echo: 'over ipc' }, code: 0 },
      });
      for (const name of ['spawned', 'inherited', 'fork'])
        expectSame(runs, ({ says }) =>
          withoutOwn(typeof says[name] === 'string' ? JSON.parse(says[name]) : says[name]),
        );
    });

    test.each(['commonjs', 'module'] as const)(
      '%s: a cluster listens, and its workers have no trace of devwatch',
      async (group) => {
        const runs = await gathered.runs(group, 'works');
        expect(runs.standby.says).toMatchObject({ cluster: { samePort: 1, codes: [0, 0], settings: [] } });
        expectSame(runs, (run) => withoutOwn(run.says.cluster));
      },
    );

    // The facts of worker threads without those that have a test of their own.
    const workers: Pick = ({ says }) =>
      withoutOwn(
        (says.workers as object[]).map((worker) => ({ ...worker, pathCache: undefined, olderThanProcess: undefined })),
      );

    test('worker threads have no trace of devwatch', async () => {
      expectSame(await gathered.runs('commonjs', 'works'), workers);
    });

    // They inherit the `--import` behind which a standby waits, and so are loaded by Node's loader of modules.
    test.fails('worker threads of a module have no trace of devwatch', async () => {
      expectSame(await gathered.runs('module', 'works'), workers);
    });

    // Only the main thread's process.uptime() is replaced.
    test.fails('worker threads are younger than their process', async () => {
      expectSame(await gathered.runs('commonjs', 'works'), ({ says }) =>
        (says.workers as { olderThanProcess: boolean }[]).map(({ olderThanProcess }) => olderThanProcess),
      );
    });

    // From Node 22.8 on devwatch keeps compiled code, and a program can ask where.
    test('module.getCompileCacheDir() is the same in a standby as in a cold start', async () => {
      for (const group of (['commonjs', 'module', 'tsx, CommonJS', 'tsx, ES module'] as const).filter((name) =>
        isChosen(name),
      )) {
        const { cold, standby } = await gathered.runs(group, 'facts');
        expect(standby.says.compileCache).toEqual(cold.says.compileCache);
        const [kind, folder] = cold.says.compileCache as [string, string | undefined];
        if (kind === 'function') expect(folder).toContain('/devwatch/compiled/');
      }
    });

    test('an environment file and NODE_OPTIONS take effect', async () => {
      const { standby } = await gathered.runs('commonjs', 'facts');
      expect(standby.says).toMatchObject({ env: { FROM_FILE: 'yes', EMPTY: '' }, stackTraceLimit: 7 });
    });

    test.each(['commonjs', 'module'] as const)('%s: piped input reaches the program', async (group) => {
      expectSame(await gathered.runs(group, 'reader'), ({ says }) => says);
      expect((await gathered.runs(group, 'reader')).standby.says).toEqual({ typed: 'typed\n' });
    });

    test('an IPC channel to the parent of devwatch carries messages', async () => {
      const runs = await gathered.runs('ipc', 'message');
      for (const name of ['ipc', 'message', 'resources']) expectSame(runs, fact(name));
      expect(runs.standby.says).toMatchObject({ ipc: { connected: true }, message: { answer: { question: 1 } } });
    });

    test('flags of Node take effect', async () => {
      for (const group of (['flags', 'flags of a module'] as const).filter((name) => isChosen(name))) {
        const { standby } = await gathered.runs(group, 'facts');
        expect(standby.says).toMatchObject({
          preloaded: [1, 1],
          dep: 'dev',
          collects: 'function',
          sourceMaps: true,
          title: 'semantics',
        });
      }
      expect((await gathered.runs('flags', 'mapped')).standby.stderr.join('\n')).toContain('original.ts:3:3');
    });

    const preloading = [
      ['flags', 'facts'],
      ['flags', 'mapped'],
      ['flags of a module', 'facts'],
    ] as const;
    test.for(preloading.filter(([group]) => isChosen(group)))(
      '%s, %s: files that the project preloads run once in each run, not before it',
      async ([group, round]) => {
        const { cold, standby } = await gathered.runs(group, round);
        const run = round === 'facts' ? 2 : 3;
        const lines = ['cjs', 'mjs'].map((kind) => `own.${kind} in run ${run}, with 2 words`);
        expect({ cold: cold.printed, standby: standby.printed }).toEqual({ cold: lines, standby: lines });
      },
    );

    // Warnings of Node and of a loader are printed when the process begins to wait: Node 20 begins to do so while it
    // loads the loader.
    if (isExhaustive) {
      const expected = isSince(node, [22, 0]) ? test : test.fails;
      expected('warnings printed before the program starts are part of its run', async () => {
        expectSame(await gathered.runs('a loader that warns', 'text'), ({ stderr }) => stderr);
      });
    }
  });
});
