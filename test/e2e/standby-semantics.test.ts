/**
 * A program cannot tell that its process had been prepared: what it says of itself is the same when
 * it is started plainly with `node`, by devwatch, and by devwatch from a standby.
 *
 * NODES names the binaries of further Node versions, separated by commas; see test/nodes.
 */

import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cli } from '../support/devwatch.ts';
import { createProject } from '../support/project.ts';
import {
  fixture,
  openProject,
  openWays,
  type Run,
  type RunOptions,
  type Runs,
  Session,
  type Ways,
  type WaysOptions,
} from '../support/semantics/ways.ts';
import { openTerminal } from '../support/terminal.ts';

const nodes = process.env.NODES?.split(',') ?? [process.execPath];

type Pick = (run: Run) => unknown;

/** In all three ways the same. */
function expectSame(runs: Runs, pick: Pick): void {
  const plain = pick(runs.plain);
  expect({ cold: pick(runs.cold), standby: pick(runs.standby) }).toEqual({ cold: plain, standby: plain });
}

/** Under devwatch the same, and what it is there is told by what it is plainly. */
function expectOwn(runs: Runs, pick: Pick, own: (plain: never) => unknown): void {
  const wanted = own(pick(runs.plain) as never);
  expect({ cold: pick(runs.cold), standby: pick(runs.standby) }).toEqual({ cold: wanted, standby: wanted });
}

/** A fact by its path. */
const fact =
  (...keys: readonly string[]): Pick =>
  ({ says }) =>
    keys.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], says);

const isOwnVariable = (name: string): boolean => /^DEVWATCH_(RUN|REASON|CHANGED|TREE_\w+)$/.test(name);

/** What every program under devwatch is told, taken out wherever it stands. */
function withoutOwn(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutOwn);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([name]) => !isOwnVariable(name));
  return Object.fromEntries(entries.map(([name, inner]) => [name, withoutOwn(inner)]));
}

/** The file of devwatch's that stands in Node's own cache of looked up paths. */
const isOwnFile = (entry: string): boolean => /\/dist\/preload(\/|$)/.test(entry);

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

/** A program's end, by how it comes to it. */
const endings: Readonly<Record<string, string>> = {
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

const moduleEndings: Readonly<Record<string, string>> = {
  'an uncaught exception of a module': `${sayModule}\nfunction thrower() {\n  throw new TypeError('thrown');\n}\nthrower();`,
  'a rejected top-level await': `${sayModule}\nawait Promise.reject(new Error('rejected'));`,
  'a top-level await without an end': `${sayModule}\nawait new Promise(() => {});`,
  'a missing import': `${sayModule}\nawait import('./missing.mjs');`,
};

/** Prints what it reads from stdin up to the end of a line. */
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
/** With types that can be erased only, so that Node itself can run it, too. */
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
      ...endings,
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
      ...moduleEndings,
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

/** Groups that run at the same time: most of their time they wait for a process to be prepared. */
const lanes = 5;

interface Gathered extends AsyncDisposable {
  /** What one round has come to. */
  runs(group: GroupName, round: string): Promise<Runs>;
  /** Resolves when all groups have ended, well or not. */
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
  for (const [name, { options, rounds }] of Object.entries<Group>(groups)) {
    if (!isSince(node, options.since ?? [0, 0])) continue;
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
    // Who asks is told of what failed.
    over: Promise.allSettled(results.values()),
    async [Symbol.asyncDispose]() {
      await Promise.all([...open].map((ways) => ways[Symbol.asyncDispose]()));
      await this.over;
    },
  };
}

/** What a program can ask Node and the kernel about itself, by where it stands in what it says. */
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

/** What depends on nothing but Node: a loader such as tsx has threads, children and connections of its own. */
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

/** Everything that runs to its end: what it printed, what it wrote to stderr and how it ended. */
const whole = Object.entries<Group>(groups).flatMap(([group, { rounds }]) =>
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

/** Flags and commands with which no process is prepared. */
const unprepared: readonly (readonly [name: string, words: readonly string[], env?: Record<string, string>])[] = [
  ['--inspect', ['--inspect=0', 'main.cjs']],
  // Sampled seldom: a program that is busy is waited for longer.
  ['--cpu-prof', ['--cpu-prof', '--cpu-prof-interval=1000000', 'main.cjs']],
  ['--heap-prof', ['--heap-prof', 'main.cjs']],
  ['--test', ['--test', 'main.cjs']],
  // Loaded before anything that --import names, so before the process could wait.
  ['--experimental-loader', ['--no-warnings', '--experimental-loader', './idle.cjs', 'main.mjs']],
  ['--experimental-loader in NODE_OPTIONS', ['main.mjs'], { NODE_OPTIONS: '--experimental-loader ./idle.cjs' }],
  ['--inspect in NODE_OPTIONS', ['main.cjs'], { NODE_OPTIONS: '--inspect=0' }],
  ['--require of its own file in NODE_OPTIONS', ['main.cjs'], { NODE_OPTIONS: '--require ./idle.cjs' }],
  ['node -e as a command', ['--', 'node', '-e', 'require("./main.cjs")']],
  ['a shell line', ['--exec', 'node', 'main.cjs']],
  ['--no-standby', ['--no-standby', 'main.cjs']],
];

/** How the first two runs were begun in each of these ways, when another devwatch had its process prepared. */
async function startsOf(node: string, ways: typeof unprepared): Promise<(readonly [name: string, events: unknown])[]> {
  await using project = createProject({
    'main.cjs': 'setInterval(() => {}, 60_000);',
    'main.mjs': "import './main.cjs';",
    'idle.cjs': '',
    // Flags with `_` are given so: the command line does not take all of them.
    'underscores.json': '{"script": "main.cjs", "nodeArgs": ["--heap_prof"]}',
  });
  const sessions: Session[] = [];
  await using _ = {
    [Symbol.asyncDispose]: () => Promise.all(sessions.map((session) => session.end())).then(() => {}),
  };
  const open = (words: readonly string[], env: Record<string, string> = {}): Session => {
    const PATH = `${path.dirname(node)}:${process.env.PATH}`;
    const session = new Session(words, { node, project, env: { PATH, ...env } });
    sessions.push(session);
    return session;
  };
  const others = ways.map(([name, words, env]) => [name, open(words, env)] as const);
  await Promise.all(others.map(([, session]) => session.event('watching')));
  // Begun after all of them, and prepared.
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

describe.each(named)('Node $version', ({ node }) => {
  let gathered: Gathered;
  beforeAll(() => {
    gathered = gather(node);
  });
  afterAll(() => gathered[Symbol.asyncDispose]());

  // These first: meanwhile the groups run.

  test('a program in a terminal has what it has without devwatch, and reads what is typed', async () => {
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
    // That may have been told while the line was typed.
    if (!terminal.output.includes('"event":"standby"')) await terminal.until(/"event":"standby"/);
    project.replace('main.cjs', program);
    // The program may be faster than what devwatch says of it.
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
    // What notices that the terminal is read.
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

  // At its end, Node puts back the modes that it has found at its start: as a standby, those of the program before it.
  test('a program that has been prepared while the terminal was raw does not leave it raw', async () => {
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

  test('no process is prepared where it would show', async () => {
    for (const [name, events] of await startsOf(node, unprepared)) expect(events, name).toMatchObject(bothCold);
  });

  // Node takes `_` for `-` in its flags.
  test('no process is prepared with a flag that has underscores', async () => {
    const ways = [['--heap_prof', ['--config', 'underscores.json']]] as const;
    for (const [name, events] of await startsOf(node, ways)) expect(events, name).toMatchObject(bothCold);
  });

  // What a loader has read is noticed only where it is watched.
  test('what a loader reads at its start is as new as the run', async () => {
    const paths = (to: string): string => JSON.stringify({ compilerOptions: { paths: { dep: [to] } } });
    const program = "import dep from 'dep';\nimport common from '../common.cjs';\ncommon.say({ dep });\n";
    await using project = openProject({
      script: 'src/main.ts',
      files: { 'package.json': '{}', 'tsconfig.json': paths('./a.cjs'), 'a.cjs': 'module.exports = "a";' },
      modules: 'node_modules',
    });
    project.write('b.cjs', 'module.exports = "b";');
    project.write('src/main.ts', program);
    await using devwatch = new Session(['--watch', 'src', 'src/main.ts'], { node, project });
    await devwatch.begun('ended');
    await devwatch.prepared();
    project.write('tsconfig.json', paths('./b.cjs'));
    project.write('src/main.ts', `${program}// again\n`);
    expect((await devwatch.next(undefined, undefined, false)).says).toEqual({ dep: 'b' });
  });

  describe('what programs say', () => {
    // One that hangs is waited for once, not in every test.
    beforeAll(() => gathered.over);

    // Of what came with a later Node, nothing can be said here.
    const fits = (group: GroupName): boolean => isSince(node, sinceOf(group));
    const fitting = programs.filter(({ group }) => fits(group));

    describe.each(fitting)('$group: $round', ({ group, round, told }) => {
      test.for(told)('%s', async ([, ...keys]) => {
        const runs = await gathered.runs(group, round);
        expect(fact(...keys)(runs.plain)).not.toBeUndefined();
        expectSame(runs, (run) => withoutOwn(fact(...keys)(run)));
      });
    });

    describe.each([...new Set(fitting.map(({ group }) => group))])('%s', (group) => {
      test('one event has a listener of ours: uncaughtExceptionMonitor', async () => {
        expectOwn(await gathered.runs(group, 'facts'), fact('listeners'), (plain: object) => ({
          ...plain,
          uncaughtExceptionMonitor: 1,
        }));
      });

      test('the process leads a session of its own', async () => {
        const { cold, standby } = await gathered.runs(group, 'facts');
        for (const { says } of [cold, standby])
          expect(says.kernel).toMatchObject({
            leadsGroup: true,
            leadsSession: true,
            inGroupOfParent: false,
            hasTerminal: false,
          });
      });

      test('no function and no property of Node is another one, save for process.uptime', async () => {
        expectSame(await gathered.runs(group, 'facts'), ({ says }) => {
          const { process, ...others } = says.surfaces as Record<string, Record<string, string>>;
          const { uptime: _, ...rest } = process ?? {};
          return { process: rest, ...others };
        });
      });

      // It is replaced by a function that can be told from Node's by its source: it has no name in there.
      test.fails('process.uptime looks like that of Node', async () => {
        expectSame(await gathered.runs(group, 'facts'), fact('surfaces', 'process', 'uptime'));
      });

      test('process.uptime() does not count the time as a standby', async () => {
        const { standby, cold, parked } = await gathered.runs(group, 'facts');
        expect(parked).toBeGreaterThan(0);
        // performance.now() may, and does.
        expect(standby.says.olderThanItSays).toBeGreaterThan(parked);
        expect(cold.says.olderThanItSays).toBeLessThan(standby.says.olderThanItSays as number);
      });

      test('the command line has flags of ours, and nothing else', async () => {
        expectSame(await gathered.runs(group, 'facts'), ({ says }) => {
          const words = (says.commandLine as string[]).filter((word) => word !== '');
          const ours = words.flatMap((word, at) => (isOwnFile(word) ? [at - 1, at] : []));
          return words.filter((_, at) => !ours.includes(at));
        });
      });

      test('the run is told of itself, as every run under devwatch', async () => {
        const { cold, standby } = await gathered.runs(group, 'facts');
        const told = ({ says }: Run): unknown =>
          Object.fromEntries(
            Object.entries(says.env as object).filter(([name]) => /^DEVWATCH_(RUN|REASON|CHANGED)$/.test(name)),
          );
        expect(told(standby)).toEqual(told(cold));
        expect(told(standby)).toMatchObject({
          DEVWATCH_REASON: 'change',
          DEVWATCH_CHANGED: expect.stringMatching(/main\.\w+$/),
        });
      });
    });

    describe.each(fitting.filter(({ group }) => !group.startsWith('tsx')))('$group: $round', ({ group, round }) => {
      test('two descriptors are ours, sockets', async () => {
        expectOwn(await gathered.runs(group, round), fact('descriptors'), (plain: string[]) =>
          [...plain, 'socket', 'socket'].sort(),
        );
      });
    });

    // The files that a look-up has found are kept by Node, with those that `--require` has named.
    test('Module._pathCache has nothing of ours', async () => {
      expectSame(await gathered.runs('commonjs', 'facts'), fact('module', 'pathCache'));
    });
    test('Module._pathCache has nothing of ours but files of devwatch’s own', async () => {
      const pathCache: Pick = ({ says }) =>
        (says.module as { pathCache: string[] }).pathCache.filter((it) => !isOwnFile(it));
      expectSame(await gathered.runs('commonjs', 'facts'), pathCache);
      expectSame(await gathered.runs('module', 'facts'), pathCache);
    });

    describe('what is printed, what stands on stderr and how it ends', () => {
      for (const [group, round] of whole.filter(([group]) => fits(group))) {
        test(`${group}: ${round}`, async () => {
          const runs = await gathered.runs(group, round);
          // What the project preloads names its run.
          expectSame(runs, ({ printed, stderr, code, signal }) => ({
            printed: printed.map((line) => line.replace(/ in run \w+/, '')),
            stderr,
            code,
            signal,
          }));
        });
      }
    });

    test('order, timers, storage, measures and channels are as they are without devwatch', async () => {
      for (const group of ['commonjs', 'module', 'tsx, CommonJS', 'tsx, ES module'] as const) {
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

    test.each(['commonjs', 'module'] as const)('%s: children inherit nothing of ours', async (group) => {
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
      '%s: a cluster listens, and its workers have nothing of ours',
      async (group) => {
        const runs = await gathered.runs(group, 'works');
        expect(runs.standby.says).toMatchObject({ cluster: { samePort: 1, codes: [0, 0], settings: [] } });
        expectSame(runs, (run) => withoutOwn(run.says.cluster));
      },
    );

    // What worker threads say, less what is looked at by itself.
    const workers: Pick = ({ says }) =>
      withoutOwn(
        (says.workers as object[]).map((worker) => ({ ...worker, pathCache: undefined, olderThanProcess: undefined })),
      );

    test('worker threads have nothing of ours', async () => {
      expectSame(await gathered.runs('commonjs', 'works'), workers);
    });

    // They inherit the `--import` of what waits behind it, and so load themselves through Node's loader of modules.
    test.fails('worker threads of a module have nothing of ours', async () => {
      expectSame(await gathered.runs('module', 'works'), workers);
    });

    // Only the main thread's process.uptime() is replaced.
    test.fails('no worker thread is older than its process', async () => {
      expectSame(await gathered.runs('commonjs', 'works'), ({ says }) =>
        (says.workers as { olderThanProcess: boolean }[]).map(({ olderThanProcess }) => olderThanProcess),
      );
    });

    // From Node 22.8 on devwatch keeps what is compiled, which a program can ask for.
    test('module.getCompileCacheDir() is what it is under devwatch', async () => {
      for (const group of ['commonjs', 'module', 'tsx, CommonJS', 'tsx, ES module'] as const) {
        const { cold, standby } = await gathered.runs(group, 'facts');
        expect(standby.says.compileCache).toEqual(cold.says.compileCache);
      }
    });

    test('an environment file and NODE_OPTIONS are in force', async () => {
      const { standby } = await gathered.runs('commonjs', 'facts');
      expect(standby.says).toMatchObject({ env: { FROM_FILE: 'yes', EMPTY: '' }, stackTraceLimit: 7 });
    });

    test.each(['commonjs', 'module'] as const)('%s: what is typed reaches it', async (group) => {
      expectSame(await gathered.runs(group, 'reader'), ({ says }) => says);
      expect((await gathered.runs(group, 'reader')).standby.says).toEqual({ typed: 'typed\n' });
    });

    test('a channel to whoever started devwatch is there, and carries messages', async () => {
      const runs = await gathered.runs('ipc', 'message');
      for (const name of ['ipc', 'message', 'resources']) expectSame(runs, fact(name));
      expect(runs.standby.says).toMatchObject({ ipc: { connected: true }, message: { answer: { question: 1 } } });
    });

    test('flags of Node are in force', async () => {
      for (const group of ['flags', 'flags of a module'] as const) {
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

    test.each([
      ['flags', 'facts'],
      ['flags', 'mapped'],
      ['flags of a module', 'facts'],
    ] as const)('%s: %s: what the project preloads runs once in each run, and not before it', async (group, round) => {
      const { cold, standby } = await gathered.runs(group, round);
      const run = round === 'facts' ? 2 : 3;
      const lines = ['cjs', 'mjs'].map((kind) => `own.${kind} in run ${run}, with 2 words`);
      expect({ cold: cold.printed, standby: standby.printed }).toEqual({ cold: lines, standby: lines });
    });

    // What Node and a loader have to warn of before the program is told when the process begins to wait: Node 20
    // comes to that while it loads the loader.
    (isSince(node, [22, 0]) ? test : test.fails)(
      'warnings from before the program stand among the lines of its run',
      async () => {
        expectSame(await gathered.runs('a loader that warns', 'text'), ({ stderr }) => stderr);
      },
    );
  });
});
