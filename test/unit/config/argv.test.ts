import { execFile } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CommandLine, isUnknownOption, ownerOf, parseArgv, parsePaths } from '../../../src/config/argv.ts';
import { kindOf } from '../../../src/config/option-kinds.ts';
import { optionKeys, specOf } from '../../../src/config/options.ts';
import { UsageError } from '../../../src/shared/errors.ts';
import { rowsOf } from '../../support/exhaustive.ts';
import { refusal } from '../../support/refusal.ts';

/** Splits a command line as a shell would, without quotes. */
const words = (line: string): string[] => line.split(' ').filter(Boolean);
const parse = (line: string): CommandLine => parseArgv(words(line));
const flagsOf = (line: string): object => Object.fromEntries(parse(line).flags);

const refusalOf = (...argv: string[]): string => refusal(() => parseArgv(argv));

test.each([
  ['server.js --watch src -q --inspect', ['server.js', '--watch', 'src', '-q', '--inspect']],
  ['server.js -- --help', ['server.js', '--', '--help']],
  ['-q server.js --no-such-option=5 -v', ['server.js', '--no-such-option=5', '-v']],
  ['npm run dev --config x', ['npm', 'run', 'dev', '--config', 'x']],
  ['- -q', ['-', '-q']],
])('%s leaves the program its words', (line, program) => {
  expect(parse(line).program).toStrictEqual(program);
});

test('the words after the script stay unchanged and have no effect', () => {
  const lead = fc.constantFrom([], ['-q'], ['--watch', 'src', '-e', 'js,ts'], ['--inspect', '--delay=1s'], ['-r', 'x']);
  const odd = fc.constantFrom('--', '-', '', '-q', '-w', '--watch', '--inspect', '--help', '--no-color', '-x=1');
  const rest = fc.array(fc.oneof(fc.string({ unit: 'binary' }), odd));
  fc.assert(
    fc.property(lead, rest, (before, after) => {
      expect(parseArgv([...before, 'server.js', ...after])).toStrictEqual({
        ...parseArgv([...before, 'server.js']),
        program: ['server.js', ...after],
      });
    }),
  );
});

test('after -- the first word is the program, unless it begins with a dash', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom('-x', '--port', '-'))), (words) => {
      const isExtra = /^-./s.test(words[0] ?? '');
      const parts = isExtra ? { program: [], extra: words } : { program: words, extra: [] };
      expect(parseArgv(['-q', '--', ...words])).toMatchObject({ ...parts, literal: true, nodeArgs: [] });
    }),
  );
});

test('without -- the first word is not literal', () => {
  expect(parse('init').literal).toBe(false);
  expect(parse('-- init')).toMatchObject({ literal: true, program: ['init'] });
});

test('no words are no program', () => {
  expect(parseArgv([])).toStrictEqual({
    flags: new Map(),
    nodeArgs: [],
    program: [],
    extra: [],
    optionWords: [],
    own: new Map(),
    remarks: [],
    literal: false,
    help: undefined,
    version: false,
    config: undefined,
    only: undefined,
  });
});

test.each([
  ['--inspect server.js', ['--inspect']],
  ['--inspect=127.0.0.1:9230 server.js', ['--inspect=127.0.0.1:9230']],
  ['--inspect-brk server.js', ['--inspect-brk']],
  ['-r x server.js', ['-r', 'x']],
  ['--require x server.js', ['--require', 'x']],
  ['--require=x server.js', ['--require=x']],
  ['--import x server.js', ['--import', 'x']],
  ['--import ./a.js -r b --import ./c.js server.js', ['--import', './a.js', '-r', 'b', '--import', './c.js']],
  ['--max-old-space-size=100 server.js', ['--max-old-space-size=100']],
  ['--max_old_space_size=100 server.js', ['--max_old_space_size=100']],
  ['--max_http_header_size 9000 server.js', ['--max_http_header_size', '9000']],
  ['--no-warnings server.js', ['--no-warnings']],
  ['--enable-source-maps server.js', ['--enable-source-maps']],
  ['--expose-gc server.js', ['--expose-gc']],
  ['--cpu-prof --cpu-prof-dir out server.js', ['--cpu-prof', '--cpu-prof-dir', 'out']],
])('%s hands its flags to Node', (line, nodeArgs) => {
  expect(parse(line)).toMatchObject({ nodeArgs, program: ['server.js'], flags: new Map() });
});

test("Node's flags and devwatch's may be mixed, and each goes its way", () => {
  expect(parse('-q --inspect -w src -r x -L server.js --inspect')).toMatchObject({
    nodeArgs: ['--inspect', '-r', 'x'],
    flags: new Map<string, unknown>([
      ['quiet', true],
      ['watch', ['src']],
      ['poll', true],
    ]),
    program: ['server.js', '--inspect'],
  });
});

test('the word after a flag that requires one is its value, not the script', async () => {
  const needsValue = (flag: string): Promise<boolean> =>
    new Promise((resolve) => {
      execFile(process.execPath, [flag, '--version'], (_error, _stdout, stderr) => {
        resolve(stderr.includes(`${flag} requires an argument`));
      });
    });
  // -C is devwatch's: --conditions is the same flag of Node.
  const flags = rowsOf(
    [...process.allowedNodeEnvironmentFlags].filter((flag) => flag !== '-C'),
    (flag) => ['--import', '-r', '--title', '--conditions', '--no-warnings', '--inspect', '--env-file'].includes(flag),
  );
  const needing: string[] = [];
  const queue = [...flags];
  const work = async (): Promise<void> => {
    for (let flag = queue.pop(); flag !== undefined; flag = queue.pop()) {
      if (await needsValue(flag)) needing.push(flag);
    }
  };
  await Promise.all(Array.from({ length: 4 }, work));

  expect(needing).toContain('--import');
  const lost = needing.filter((flag) => parseArgv([flag, 'value', 'server.js']).program[0] !== 'server.js');
  expect(lost).toStrictEqual([]);
});

test.each([
  ['-w src server.js', { watch: ['src'] }],
  ['--watch=src server.js', { watch: ['src'] }],
  ['--watch=a=b server.js', { watch: ['a=b'] }],
  ['--watch=--odd server.js', { watch: ['--odd'] }],
  ['-w src --watch lib -w test server.js', { watch: ['src', 'lib', 'test'] }],
  ['-w src,lib -w test server.js', { watch: ['src', 'lib', 'test'] }],
  ['-w src,lib/*.{js,ts},!x server.js', { watch: ['src', 'lib/*.{js,ts}', '!x'] }],
  ['-w a\\,b.js server.js', { watch: ['a\\,b.js'] }],
  ['-i a,,b, server.js', { ignore: ['a', 'b'] }],
  ['-i a -i b server.js', { ignore: ['a', 'b'] }],
  ['-e js,ts server.js', { ext: ['js', 'ts'] }],
  ['-e js --ext=ts,vue server.js', { ext: ['js', 'ts', 'vue'] }],
  ['--delay=1s server.js', { delay: 1000 }],
  ['-d 250 server.js', { delay: 250 }],
  ['--delay 1s --delay 2s server.js', { delay: 2000 }],
  ['-s hup --kill-timeout 0 server.js', { signal: 'SIGHUP', killTimeout: 0 }],
  ['--env-file a --env-file=b server.js', { envFile: ['a', 'b'] }],
  ['-q server.js', { quiet: true }],
  ['-qL server.js', { quiet: true, poll: true }],
  ['-VCL server.js', { verbose: true, onChangeOnly: true, poll: true }],
  ['--legacy-watch server.js', { poll: true }],
  ['--quiet=false server.js', { quiet: false }],
  ['--poll=true server.js', { poll: true }],
  ['--no-color server.js', { color: false }],
  ['--color server.js', { color: true }],
  ['--no-color --color server.js', { color: true }],
  ['--no-quiet server.js', { quiet: false }],
  ['--no-watch --no-keep server.js', { watch: [], keep: [] }],
  ['--no-legacy-watch server.js', { poll: false }],
  ['--restart always --max-restarts=3 server.js', { restart: 'always', maxRestarts: 3 }],
])('%s reads %j', (line, flags) => {
  expect(flagsOf(line)).toStrictEqual(flags);
  expect(parse(line).program).toStrictEqual(['server.js']);
});

test('a shell line is a single value', () => {
  expect(parseArgv(['-x', 'npm run build && node .', 'a']).flags.get('exec')).toBe('npm run build && node .');
});

test('every flag of the table is understood by each of its names', () => {
  const samples: Readonly<Record<string, string>> = {
    duration: '1s',
    count: '3',
    signal: 'INT',
    reaction: 'nothing',
    schedule: '@daily',
    extensions: 'js',
    size: '1M',
    health: 'http://127.0.0.1/',
    readiness: 'listen',
  };
  for (const key of optionKeys) {
    const spec = specOf(key);
    const names = [spec.flag, spec.alias].filter((name) => name !== undefined).map((name) => `--${name}`);
    if (spec.short !== undefined) names.push(`-${spec.short}`);
    for (const name of names) {
      const value = kindOf(spec).isSwitch === true ? [] : [spec.choices?.[0] ?? samples[spec.kind] ?? 'x'];
      expect([...parseArgv([name, ...value, 'server.js']).flags.keys()], name).toStrictEqual([key]);
    }
  }
});

test('--config names a file and is no setting', () => {
  expect(parse('-c a.json server.js')).toMatchObject({ config: 'a.json', flags: new Map() });
  expect(parse('--config=a.json server.js').config).toBe('a.json');
  expect(parse('-c a.json -c b.json').config).toBe('b.json');
});

test('help and version are heard before the program only', () => {
  expect(parse('-h')).toMatchObject({ help: 'usual', version: false });
  expect(parse('--help server.js')).toMatchObject({ help: 'all', program: ['server.js'] });
  expect(parse('-v')).toMatchObject({ help: undefined, version: true });
  expect(parse('--version')).toMatchObject({ version: true });
  expect(parse('server.js --help -v')).toMatchObject({ help: undefined, version: false });
});

const own = "(the program's own options go after its name, or after --)";

test.each([
  [['--wacth', 'src'], `unknown option --wacth · did you mean --watch? ${own}`],
  [['--wacth=src'], `unknown option --wacth · did you mean --watch? ${own}`],
  [['--no-colour'], `unknown option --no-colour · did you mean --no-color? ${own}`],
  [['--inspct'], `unknown option --inspct · did you mean --inspect? ${own}`],
  [['--port', '80'], `unknown option --port · see devwatch --help ${own}`],
  [['--exitcrash'], 'unknown option --exitcrash · here: --exit-on-crash'],
  [['--exts=js'], 'unknown option --exts · here: --ext'],
  [['--env', 'A=1'], expect.stringContaining('unknown option --env · here: --env-file')],
  [['-P', '100'], 'unknown option -P · here: --poll-interval'],
  [['--watch-path=src'], '--watch-path is not needed · devwatch itself watches: --watch src'],
  [['--watch-path', 'src'], '--watch-path is not needed · devwatch itself watches: --watch src'],
  [['--watch-path'], '--watch-path is not needed · devwatch itself watches: --watch server.js'],
  [['--watch-preserve-output'], expect.stringMatching(/^--watch-preserve-output is not needed .* --clear$/)],
  [['--watch-kill-signal=SIGINT'], expect.stringMatching(/^--watch-kill-signal is not needed .*: --signal SIGINT$/)],
  [['--watch-delay', '4'], 'unknown option --watch-delay · here: --delay'],
  [['--restart-always'], `unknown option --restart-always · see devwatch --help ${own}`],
  [['--now'], expect.not.stringContaining('--no-?')],
  [['--zzzzzzzzzzzz'], `unknown option --zzzzzzzzzzzz · see devwatch --help ${own}`],
  [['-K'], `unknown option -K · see devwatch --help ${own}`],
  [['-wsrc'], `unknown option -wsrc · did you mean -w src? ${own}`],
  [['-w=src'], `unknown option -w=src · did you mean -w src? ${own}`],
  [['-qw', 'src'], `unknown option -qw · see devwatch --help ${own}`],
  [['-k'], 'unknown option -k · here: --kill-timeout'],
  [['-qk'], `unknown option -qk · see devwatch --help ${own}`],
])('%j is refused: %s', (argv, message) => {
  expect(refusalOf(...argv, 'server.js')).toStrictEqual(message);
});

test.each([
  [['-w'], '-w needs a value: -w <glob> · without it the whole folder is watched'],
  [['--watch'], '--watch needs a value: --watch <glob> · without it the whole folder is watched'],
  [['--watch', '--quiet', 'server.js'], expect.stringMatching(/^--watch needs a value: --watch <glob> · without it/)],
  [['-e', '-q', 'server.js'], '-e needs a value: -e <list>'],
  [['--delay', '--', 'server.js'], '--delay needs a value: --delay <time>'],
  [['-c'], '-c needs a value: -c <file>'],
  [['-r'], '-r needs a value: -r <module>'],
  // watchexec's -r takes no value.
  [['-r', '-e', 'js'], '-r needs a value: -r <module>'],
  [['--import', '--inspect', 'server.js'], '--import needs a value: --import <value>'],
  [['--restart', '-q'], '--restart needs a value: --restart <on-crash|always|never>'],
  [['--watch='], '--watch takes a text, not ""'],
  [['--config='], '--config takes a file, not ""'],
  [['--delay', 'soon'], '--delay takes a duration such as 250, "250ms", "5s" or "1m", not "soon"'],
  [['-d', '-5'], '-d takes a duration such as 250, "250ms", "5s" or "1m", not "-5"'],
  [['--max-restarts=many'], '--max-restarts takes a whole number from 0, not "many"'],
  [['-s', 'KILLL'], '-s takes a signal such as SIGTERM or INT, not "KILLL" · did you mean SIGKILL?'],
  [['-w', 'src/{a'], '-w has a bad glob "src/{a": "{" is not closed'],
  [['-e', ''], '-e takes extensions such as "js", or "*" for all, not ""'],
  [['--restart', 'allways'], expect.stringContaining('did you mean "always"?')],
  [['--quiet=yes'], '--quiet takes true or false, not "yes"'],
  [['--no-color=false'], '--no-color takes no value'],
  [['--help=watch'], '--help takes no value'],
])('%j is refused: %s', (argv, message) => {
  expect(refusalOf(...argv)).toStrictEqual(message);
});

test.each([
  ['a.js b.js', ['a.js', 'b.js'], {}],
  ['--ext ts a.js -V b.js', ['a.js', 'b.js'], { ext: ['ts'], verbose: true }],
  ['a.js -- --ext ts src/main.ts -V', ['a.js'], { ext: ['ts'] }],
  ['a.js --no-verbose', ['a.js'], { verbose: false }],
  ['', [], {}],
])('among the paths of %j options are read', (line, paths, flags) => {
  const parsed = parsePaths(parse('-q'), words(line));
  expect(parsed.paths).toEqual(paths);
  expect(Object.fromEntries(parsed.line.flags)).toEqual({ quiet: true, ...flags });
  expect(parsed.line.program).toEqual(line.includes('main.ts') ? ['src/main.ts', '-V'] : []);
});

test.each([
  ['a.js --exxt ts', /^unknown option --exxt · did you mean --ext\?/],
  ['a.js --inspect', /^unknown option --inspect/],
])('among paths %j is refused', (line, message) => {
  expect(() => parsePaths(parse(''), words(line))).toThrow(message);
});

test.each([
  ['--delay 2 server.js', ['--delay 2 means 2 ms · --delay 2s would be seconds']],
  ['-d 2.5 server.js', ['-d 2.5 means 2.5 ms · -d 2.5s would be seconds']],
  ['--delay=60 server.js', ['--delay 60 means 60 ms · --delay 60s would be seconds']],
  ['--delay 0 server.js', []],
  ['--delay 100 server.js', []],
  ['--delay 2ms server.js', []],
  ['--delay 2s server.js', []],
  ['--kill-timeout 2 server.js', []],
])('%s has the remarks %j', (line, remarks) => {
  expect(parse(line).remarks).toEqual(remarks);
});

test.each([
  ['--watch', 'devwatch'],
  ['--no-quiet', 'devwatch'],
  ['--watch=src', 'devwatch'],
  ['-e', 'devwatch'],
  ['--legacy-watch', 'devwatch'],
  ['--only', 'devwatch'],
  ['--inspect', 'Node'],
  ['--inspect=0', 'Node'],
  ['-r', 'Node'],
  ['--no-warnings', 'Node'],
  ['--port', undefined],
  ['-p', undefined],
  ['watch', undefined],
  ['--', undefined],
  ['', undefined],
])('%s is an option of %s', (word, owner) => {
  expect(ownerOf(word)).toBe(owner);
});

test.each([
  ['--port', true],
  ['--port=80', true],
  ['-p', true],
  ['--watch', false],
  ['--wacth', false],
  ['--env', true],
  ['--debug', true],
  ['--inspect', false],
  ['-pq', false],
  ['-5', false],
  ['--', false],
  ['port', false],
  ['', false],
])('%s is an option of nothing that devwatch knows: %s', (word, expected) => {
  expect(isUnknownOption(word)).toBe(expected);
});

describe('after a subcommand', () => {
  const own = new Map([
    ['--write', false],
    ['--socket', true],
  ]);
  const read = (before: string, after: string): CommandLine => parseArgv(words(after), parse(before), own);

  test('options on both sides are in force, and lists are joined', () => {
    const line = read('-q --watch src --inspect', '--watch lib --no-quiet server.js --watch x');
    expect(Object.fromEntries(line.flags)).toEqual({ watch: ['src', 'lib'], quiet: false });
    expect([line.nodeArgs, line.program]).toEqual([['--inspect'], ['server.js', '--watch', 'x']]);
    expect(line.optionWords).toEqual(words('-q --watch src --inspect --watch lib --no-quiet'));
  });

  test("its own options are separated from devwatch's", () => {
    const line = read('', '--write --name web --socket=3000 --socket 4000 server.js --write');
    expect(line.own).toEqual(
      new Map([
        ['--write', []],
        ['--socket', ['3000', '4000']],
      ]),
    );
    expect([line.optionWords, line.program]).toEqual([
      ['--name', 'web'],
      ['server.js', '--write'],
    ]);
  });

  test.each([
    ['--socket', '--socket needs a value: --socket <value>'],
    ['--write=x', '--write takes no value'],
  ])('refuses %s: %s', (after, message) => {
    expect(() => read('', after)).toThrow(new UsageError(message));
  });

  test('-- stays among the words of the options', () => {
    expect(read('-q', '-- init')).toMatchObject({ optionWords: ['-q', '--'], program: ['init'], literal: true });
  });
});
