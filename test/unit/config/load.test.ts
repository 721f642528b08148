import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { defaultSettings } from '../../../src/config/defaults.ts';
import { type LoadedSettings, loadGiven, loadSettings } from '../../../src/config/load.ts';
import type { OptionKey } from '../../../src/config/options.ts';
import type { SettingsInput } from '../../../src/config/settings-types.ts';
import { createProject, type Project } from '../../support/project.ts';
import { refusal } from '../../support/refusal.ts';

const isRoot = process.geteuid?.() === 0;
const nobody = 65534;

interface Given {
  readonly given?: Readonly<Partial<Record<OptionKey, unknown>>>;
  readonly config?: string;
  readonly runsNothing?: boolean;
}

const load = (project: Project, { given = {}, ...request }: Given = {}): LoadedSettings =>
  loadSettings({ given: new Map(Object.entries(given) as [OptionKey, unknown][]), folder: project.path, ...request });

/** The message with which a `.watchrc` of this content is refused, its path shortened. */
async function refusalOf(content: string | Buffer): Promise<string> {
  await using project = createProject();
  fs.writeFileSync(project.at('.watchrc'), content);
  return refusal(() => load(project)).replaceAll(project.at('.watchrc'), '.watchrc');
}

const json = (value: unknown): string => JSON.stringify(value);

// Precedence

test('the defaults are in force without any file', async () => {
  await using project = createProject();
  expect(load(project)).toStrictEqual({
    settings: { ...defaultSettings },
    origins: new Map(),
    folder: project.path,
    bases: { watch: project.path, ignore: project.path },
    file: undefined,
    settingsFiles: ['.watchrc', 'package.json', 'nodemon.json'].map(project.at),
    notes: [],
  });
});

test('flags win over .watchrc, that over package.json, that over nodemon.json, that over nodemonConfig', async () => {
  await using project = createProject({
    '.watchrc': json({ delay: '2s' }),
    'package.json': json({ devwatch: { delay: '3s' }, nodemonConfig: { delay: 5000 } }),
    'nodemon.json': json({ delay: 4000 }),
  });
  const inForce = (): [number | undefined, string | undefined] => {
    const { settings, file } = load(project);
    return [settings.delay, file === undefined ? undefined : path.basename(file)];
  };

  expect(load(project, { given: { delay: 1000 } }).settings.delay).toBe(1000);
  expect(inForce()).toStrictEqual([2000, '.watchrc']);
  project.remove('.watchrc');
  expect(inForce()).toStrictEqual([3000, 'package.json']);
  project.write('package.json', json({ nodemonConfig: { delay: 5000 } }));
  expect(inForce()).toStrictEqual([4000, 'nodemon.json']);
  project.remove('nodemon.json');
  expect(inForce()).toStrictEqual([5000, 'package.json']);
  project.remove('package.json');
  expect(inForce()).toStrictEqual([undefined, undefined]);
});

test('a flag wins for its own key only, and replaces a list instead of adding to it', async () => {
  await using project = createProject({ '.watchrc': json({ watch: ['src', 'lib'], ext: 'ts', quiet: true }) });
  const { settings } = load(project, { given: { watch: ['test'], quiet: false } });
  expect(settings).toMatchObject({ watch: ['test'], ext: ['ts'], quiet: false });
});

test('overridden files contribute nothing', async () => {
  await using project = createProject({
    '.watchrc': json({ quiet: true }),
    'package.json': json({ devwatch: { clear: true } }),
    'nodemon.json': json({ verbose: true }),
  });
  expect(load(project).settings).toStrictEqual({ ...defaultSettings, quiet: true });
});

test('an empty .watchrc object wins over the other files', async () => {
  await using project = createProject({ '.watchrc': '{}', 'nodemon.json': json({ verbose: true }) });
  expect(load(project)).toMatchObject({ settings: defaultSettings, notes: [], file: project.at('.watchrc') });
});

test("nodemon's settings are translated, and a note says where they are from and what is missing", async () => {
  await using project = createProject({
    'nodemon.json': json({
      ext: 'js json',
      exec: 'node',
      delay: 2500,
      legacyWatch: true,
      pollingInterval: 100,
      runOnChangeOnly: true,
      exitcrash: true,
      colours: false,
      env: { PORT: 3000 },
      restartable: 'rs',
      events: { restart: 'say hello', quit: 'say bye' },
      cwd: 'src',
    }),
  });
  const { settings, notes } = load(project);
  expect(notes).toStrictEqual([
    'settings from nodemon.json · not taken over: "events.quit", "cwd" (devwatch init prints why)',
  ]);
  expect(settings).toStrictEqual({
    ...defaultSettings,
    ext: ['js', 'json'],
    exec: 'node',
    delay: 2500,
    poll: true,
    pollInterval: 100,
    onChangeOnly: true,
    exitOnCrash: true,
    color: false,
    env: { PORT: '3000' },
    on: { restart: { shell: 'say hello' } },
  });
});

test('--config reads a file named after nodemon as nodemon does', async () => {
  await using project = createProject({ 'nodemon.debug.json': json({ verbose: true, restartable: 'rs' }) });
  expect(load(project, { config: 'nodemon.debug.json' })).toMatchObject({
    settings: { verbose: true },
    notes: ['settings from nodemon.debug.json'],
  });
});

test('a note says that the settings are from nodemonConfig', async () => {
  await using project = createProject({ 'package.json': json({ nodemonConfig: { quiet: true } }) });
  expect(load(project).notes).toStrictEqual(['settings from package.json (nodemonConfig)']);
});

test.each([
  ['{\n  "verbose": "yes"\n}', '2:14: "verbose" takes true or false, not "yes"'],
  ['{"watch": ["src", 5]}', '1:19: "watch" takes a text, not 5'],
  ['{"ignore": 5}', '1:12: "ignore" takes a text or a list of texts, not 5'],
  ['{"exec": ["node", ""], "events": {"start": 5}}', '1:44: "events" takes a text, not 5'],
  ['{"env": {"A": {}}}', '1:15: "env" takes texts and numbers, not {}'],
])("a wrong value in nodemon's settings points at its place: %s", async (content, message) => {
  await using project = createProject({ 'nodemon.json': content });
  expect(refusal(() => load(project))).toBe(`${project.at('nodemon.json')}:${message}`);
});

test('names of Object.prototype are not keys of nodemon', async () => {
  await using project = createProject({ 'nodemon.json': '{"toString": "x", "__proto__": {"quiet": true}}' });
  const { settings, notes } = load(project);
  expect(settings.quiet).toBe(false);
  expect(notes).toStrictEqual([
    'settings from nodemon.json · not taken over: "toString", "__proto__" (devwatch init prints why)',
  ]);
});

test('settings are frozen to the last list, given or by default', async () => {
  await using project = createProject({
    '.watchrc': json({ execMap: { rb: ['ruby', '-w'] }, envFile: '.env', args: ['a'] }),
  });
  const unfrozen = (value: unknown): boolean =>
    typeof value === 'object' &&
    value !== null &&
    !(Object.isFrozen(value) && !Object.values(value).some((inner) => unfrozen(inner)));
  const { settings } = load(project, { given: { watch: Object.freeze(['src']) } });
  expect(Object.isFrozen(settings)).toBe(true);
  expect(Object.entries(settings).filter(([, value]) => unfrozen(value))).toStrictEqual([]);
});

// Syntax of settings files

test('comments, trailing commas, a byte order mark, CRLF and a $schema are fine', async () => {
  await using project = createProject({
    '.watchrc': `\uFEFF{\r\n  // one\r\n  "$schema": "x", /* two */\r\n  "watch": ["src", "lib",],\r\n  "quiet": true,\r\n}\r\n`,
  });
  expect(load(project).settings).toMatchObject({ watch: ['src', 'lib'], quiet: true });
});

test.each<[string, string, string]>([
  ['an unknown key', '{\n  "quiet": true,\n  "wacth": "src"\n}', '3:3: unknown key "wacth" · did you mean "watch"?'],
  ['an unknown key unlike any', '{"zzzzzzzzz": 1}', '1:2: unknown key "zzzzzzzzz" · docs/options.md lists all keys'],
  ['a key that every object has', '{"toString": 1}', '1:2: unknown key "toString" · docs/options.md lists all keys'],
  ['__proto__', '{"__proto__": {"quiet": true}}', '1:2: unknown key "__proto__" · docs/options.md lists all keys'],
  [
    'an unknown key with line breaks',
    '{"a\\nb\\u001b[2J": 1}',
    '1:2: unknown key "a\\nb\\u001b[2J" · docs/options.md lists all keys',
  ],
  ['a wrong type', '{\n  "quiet": 1\n}', '2:12: "quiet" takes true or false, not 1'],
  ['null', '{"watch": null}', '1:11: "watch" takes a text or a list of texts, not null'],
  ['a wrong element of a list', '{"watch": [\n  "src",\n  5\n]}', '3:3: "watch" takes a text, not 5'],
  ['a bad glob', '{"ignore": ["a",  "src/{a"]}', '1:19: "ignore" has a bad glob "src/{a": "{" is not closed'],
  ['a wrong entry of a map', '{"env": {\n  "A": "1",\n  "B": true}}', '3:8: "env" takes texts and numbers, not true'],
  ['a wrong element inside a map', '{"execMap": {"rb": ["ruby", 5]}}', '1:29: "execMap" takes a text, not 5'],
  ['a bad element of a text list', '{"ext": "js,a/b"}', '1:9: "ext" takes extensions such as "js", not "a/b"'],
  [
    'a bad duration',
    '{"delay": "soon"}',
    '1:11: "delay" takes a duration such as 250, "250ms", "5s" or "1m", not "soon"',
  ],
  ['a key given twice', '{"quiet": true,\n "quiet": false}', '2:2: "quiet" appears twice'],
  ['a variable given twice', '{"env": {"A": "1",\n "A": "2"}}', '2:2: "A" appears twice in "env"'],
  ['a list instead of an object', '["src"]', '1:1: settings must be an object {…}, not ["src"]'],
  ['a text instead of an object', '// hello\n"src"', '2:1: settings must be an object {…}, not "src"'],
  ['a missing comma', '{\n  "quiet": true\n  "clear": true\n}', '3:3: broken JSON: comma expected at "\\"clear\\""'],
  ['a missing value', '{\n  "quiet": ,\n}', '2:12: broken JSON: value expected at ","'],
  ['a missing colon', '{"quiet" true}', '1:10: broken JSON: colon expected at "true"'],
  ['a missing brace', '{\n  "quiet": true\n', '3:1: broken JSON: close brace expected'],
  [
    'a text without its end',
    '{"script": "server.js\n}',
    '1:12: broken JSON: unexpected end of string at "\\"server.js"',
  ],
  ['a bare word', '{quiet: true}', '1:2: broken JSON: invalid symbol at "quiet"'],
  ['single quotes', "{'quiet': true}", `1:2: broken JSON: invalid symbol at "'quiet'"`],
  ['something after the end', '{} {}', '1:4: broken JSON: end of file expected at "{"'],
  ['YAML', 'watch: src\n', '1:1: broken JSON: invalid symbol at "watch"'],
])('refuses %s in .watchrc with line and column', async (_what, content, message) => {
  expect(await refusalOf(content)).toBe(`.watchrc:${message}`);
});

test.each([
  ['no bytes', ''],
  ['blanks', ' \n\t\r\n'],
  ['a comment', '// later\n'],
])('refuses a .watchrc that contains only %s', async (_what, content) => {
  expect(await refusalOf(content)).toBe('.watchrc: is empty · the minimum is {}');
});

test.each([
  ['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x7d])],
  ['an ELF header', Buffer.from('\u007fELF\u0002\u0001\u0001\0\0\0', 'latin1')],
  ['UTF-16', Buffer.from('\uFEFF{"quiet": true}', 'utf16le')],
])('refuses a .watchrc of %s: it is no text', async (_what, content) => {
  expect(await refusalOf(content)).toBe('.watchrc: is not a text file in UTF-8');
});

test('refuses 10 MB by their size, without reading them', async () => {
  expect(await refusalOf(Buffer.alloc(10 * 1024 * 1024, 'x'))).toBe(
    '.watchrc: has 10 MB; a settings file has at most 1 MB',
  );
});

test('reads files of up to 1 MB', async () => {
  const megabyte = 1024 * 1024;
  const key = 'x'.repeat(megabyte - 8);
  expect(await refusalOf(`{"${key}": 1}`)).toBe(
    `.watchrc:1:2: unknown key "${'x'.repeat(56)}… · docs/options.md lists all keys`,
  );
  expect(await refusalOf('x'.repeat(megabyte))).toBe(
    `.watchrc:1:1: broken JSON: invalid symbol at "${'x'.repeat(20)}"`,
  );
});

test.each([101, 1000, 3000, 3500, 4000, 10_000, 100_000])('refuses %i nested levels', async (depth) => {
  expect(await refusalOf(`{"env":${'['.repeat(depth - 1)}`)).toMatch(/^\.watchrc:1:107: is nested more than 100/);
  expect(await refusalOf(`{"a":`.repeat(depth))).toMatch(/^\.watchrc:1:501: is nested more than 100 levels deep$/);
});

test('brackets in texts and comments do not count as levels', async () => {
  await using project = createProject({ '.watchrc': `{ // ${'['.repeat(500)}\n "script": "${'{'.repeat(500)}" }` });
  expect(load(project).settings.script).toHaveLength(500);
});

test('refuses a .watchrc that is a folder', async () => {
  await using project = createProject({ '.watchrc/x': '' });
  expect(refusal(() => load(project))).toBe(`${project.at('.watchrc')}: is a folder, not a settings file`);
});

test('refuses dangling and circular links', async () => {
  await using project = createProject();
  fs.symlinkSync('nowhere', project.at('.watchrc'));
  expect(refusal(() => load(project))).toBe(`${project.at('.watchrc')}: cannot be read (ENOENT)`);
  project.remove('.watchrc');
  fs.symlinkSync('.watchrc', project.at('.watchrc'));
  expect(refusal(() => load(project))).toBe(`${project.at('.watchrc')}: cannot be read (ELOOP)`);
  project.remove('.watchrc');
  fs.symlinkSync('package.json', project.at('package.json'));
  expect(refusal(() => load(project))).toBe(`${project.at('package.json')}: cannot be read (ELOOP)`);
});

test('ignores a package.json that is a folder', async () => {
  await using project = createProject({ 'package.json/x': '' });
  expect(load(project).settings).toStrictEqual(defaultSettings);
});

test('refuses a broken package.json with line and column', async () => {
  await using project = createProject({ 'package.json': '{\n  "name": oops\n}' });
  expect(refusal(() => load(project))).toBe(
    `${project.at('package.json')}:2:11: broken JSON: invalid symbol at "oops"`,
  );
});

test('an unknown key below "devwatch" in package.json points into that file', async () => {
  await using project = createProject({ 'package.json': '{"name": "x", "devwatch": {\n  "scirpt": "a.js"}}' });
  expect(refusal(() => load(project))).toBe(
    `${project.at('package.json')}:2:3: unknown key "scirpt" · did you mean "script"?`,
  );
});

// Ownership of settings files

test('refuses a file without read permission, except as root', async () => {
  await using project = createProject({ '.watchrc': json({ quiet: true }) });
  fs.chmodSync(project.at('.watchrc'), 0o200);
  if (isRoot) expect(load(project).settings.quiet).toBe(true);
  else expect(refusal(() => load(project))).toBe(`${project.at('.watchrc')}: may not be read (EACCES)`);
});

describe.runIf(isRoot)('a .watchrc of another user', () => {
  /** Gives the files and the folder (`.`) to these users. */
  function createForeign(owners: Readonly<Record<string, number>>, files = ['.watchrc']) {
    const project = createProject(Object.fromEntries(files.map((file) => [file, '{}'])));
    for (const [file, uid] of Object.entries(owners)) fs.chownSync(project.at(file), uid, uid);
    return project;
  }

  test.each<[string, Readonly<Record<string, number>>]>([
    ['belongs to the owner of the folder', { '.': nobody, '.watchrc': nobody }],
    ['belongs to the owner of package.json', { '.': 1234, 'package.json': nobody, '.watchrc': nobody }],
    ['belongs to root', { '.': nobody, '.watchrc': 0 }],
  ])('is accepted if it %s', async (_, owners) => {
    await using project = createForeign(owners, ['.watchrc', 'package.json']);
    expect(load(project).file).toBe(project.at('.watchrc'));
  });

  const problem = /\.watchrc: belongs to another user \(uid 65534\) and contains commands to run/;

  test('is refused otherwise, also one that --config names', async () => {
    await using project = createForeign({ '.watchrc': nobody, 'settings.json': nobody }, ['.watchrc', 'settings.json']);
    expect(refusal(() => load(project))).toMatch(problem);
    expect(refusal(() => load(project, { config: 'settings.json' }))).toMatch(
      /settings\.json: belongs to another user/,
    );
  });

  test('is refused in a folder in which everybody can create files, whoever owns package.json', async () => {
    await using project = createForeign({ '.watchrc': nobody, 'package.json': nobody }, ['.watchrc', 'package.json']);
    fs.chmodSync(project.path, 0o1777);
    expect(refusal(() => load(project))).toMatch(problem);
  });

  test('is read with a note where no command is run', async () => {
    await using project = createForeign({ '.watchrc': nobody });
    const { file, notes } = load(project, { runsNothing: true });
    expect(file).toBe(project.at('.watchrc'));
    expect(notes).toEqual([expect.stringMatching(problem)]);
  });
});

describe.runIf(isRoot)('a package.json of another user that contains settings', () => {
  const files = { 'package.json': json({ devwatch: { quiet: true } }) };
  const problem = /package\.json: belongs to another user \(uid 65534\) and contains commands to run/;

  /** Acts as a user that is not root, who owns the project. */
  function asUser<Result>(project: Project, act: () => Result): Result {
    fs.chownSync(project.path, 1234, 1234);
    const user = vi.spyOn(process as { geteuid: () => number }, 'geteuid').mockReturnValue(1234);
    try {
      return act();
    } finally {
      user.mockRestore();
    }
  }

  test('is refused', async () => {
    await using project = createProject(files);
    fs.chownSync(project.at('package.json'), nobody, nobody);
    expect(refusal(() => asUser(project, () => load(project)))).toMatch(problem);
  });

  test('is refused in a folder in which everybody can create files, also by root', async () => {
    await using project = createProject(files);
    fs.chownSync(project.at('package.json'), nobody, nobody);
    fs.chmodSync(project.path, 0o1777);
    expect(refusal(() => load(project))).toMatch(problem);
  });

  test('is accepted if that user owns the folder', async () => {
    await using project = createProject(files);
    for (const file of ['.', 'package.json']) fs.chownSync(project.at(file), nobody, nobody);
    expect(load(project).settings.quiet).toBe(true);
  });

  test('is accepted by root in a folder that is closed to others, as in a container', async () => {
    await using project = createProject(files);
    fs.chownSync(project.at('package.json'), nobody, nobody);
    expect(load(project).settings.quiet).toBe(true);
  });

  test('is read with a note where no command is run', async () => {
    await using project = createProject(files);
    fs.chownSync(project.at('package.json'), nobody, nobody);
    const { notes, settings } = asUser(project, () => load(project, { runsNothing: true }));
    expect([settings.quiet, notes]).toEqual([true, [expect.stringMatching(problem)]]);
  });

  test('does not vouch for a .watchrc in a folder in which a group can create files', async () => {
    await using project = createProject({ 'package.json': '{}', '.watchrc': '{}' });
    for (const file of ['package.json', '.watchrc']) fs.chownSync(project.at(file), nobody, nobody);
    expect(asUser(project, () => load(project).file)).toBe(project.at('.watchrc'));
    fs.chmodSync(project.path, 0o775);
    expect(refusal(() => asUser(project, () => load(project)))).toMatch(/\.watchrc: belongs to another user/);
  });
});

test.runIf(isRoot)('refuses a link of another user, even to a file of this one', async () => {
  await using project = createProject({ 'other.json': '{}' });
  fs.symlinkSync('other.json', project.at('.watchrc'));
  expect(load(project).file).toBe(project.at('.watchrc'));
  fs.lchownSync(project.at('.watchrc'), nobody, nobody);
  expect(refusal(() => load(project))).toBe(
    `${project.at('.watchrc')}: is a link of another user (uid 65534) to commands to run · chown it, or use --config with a copy`,
  );
});

test.each(['package.json', '.watchrc', 'nodemon.json'])(
  'does not wait for the writer of a named pipe: %s',
  async (name) => {
    await using project = createProject();
    execFileSync('mkfifo', [project.at(name)]);
    if (name === 'package.json') expect(load(project).file).toBeUndefined();
    else expect(refusal(() => load(project))).toBe(`${project.at(name)}: is not a regular file`);
  },
);

test.runIf(process.platform !== 'win32')('refuses a .watchrc that every user can reach and write', async () => {
  await using project = createProject({ '.watchrc': '{}' });
  const file = project.at('.watchrc');
  fs.chmodSync(file, 0o646);
  fs.chmodSync(project.path, 0o700);
  expect(load(project).file).toBe(file);
  fs.chmodSync(project.path, 0o755);
  fs.chmodSync(path.dirname(project.path), 0o755);
  expect(refusal(() => load(project))).toBe(
    `${file}: is writable by every user and contains commands to run · chmod o-w ${file}`,
  );
  fs.chmodSync(file, 0o664);
  expect(load(project).file).toBe(file);
});

// Folders

test('patterns and paths of a file named by --config are relative to that file', async () => {
  await using project = createProject({
    'settings/dev.json': json({ watch: 'src', ignore: 'src/x', envFile: ['.env', '/etc/env'] }),
    '.watchrc': 'never read',
  });
  const folder = project.at('settings');
  expect(load(project, { config: 'settings/dev.json' })).toMatchObject({
    folder: project.path,
    bases: { watch: folder, ignore: folder },
    file: project.at('settings/dev.json'),
    settings: { envFile: [path.join(folder, '.env'), '/etc/env'] },
  });
});

test('a flag beside --config stays relative to where devwatch was called', async () => {
  await using project = createProject({ 'settings/dev.json': json({ watch: 'src', ignore: 'x', envFile: '.env' }) });
  const given = { watch: ['lib'], envFile: ['local.env'] };
  expect(load(project, { config: 'settings/dev.json', given })).toMatchObject({
    bases: { watch: project.path, ignore: project.at('settings') },
    settings: { envFile: [project.at('local.env')] },
  });
});

test('--config takes an absolute path, and refuses a missing file', async () => {
  await using project = createProject({ 'a.json': json({ quiet: true }) });
  expect(load(project, { config: project.at('a.json') }).settings.quiet).toBe(true);
  expect(refusal(() => load(project, { config: 'b.json' }))).toBe(`${project.at('b.json')}: no such file (--config)`);
});

test('--cwd moves where the program runs, where settings are looked for, and what patterns are relative to', async () => {
  await using project = createProject({
    'app/.watchrc': json({ ignore: 'x', envFile: '.env' }),
    '.watchrc': 'never read',
  });
  const folder = project.at('app');
  expect(load(project, { given: { cwd: 'app', watch: ['src'] } })).toMatchObject({
    folder,
    bases: { watch: folder, ignore: folder },
    file: project.at('app/.watchrc'),
    settings: { cwd: folder, envFile: [project.at('app/.env')] },
  });
});

test('an --env-file beside --cwd is relative to where devwatch was called, as the shell completed it', async () => {
  await using project = createProject({ 'app/x': '' });
  const { settings } = load(project, { given: { cwd: 'app', envFile: ['.env'] } });
  expect(settings.envFile).toStrictEqual([project.at('.env')]);
});

test('the cwd key moves where the program runs; patterns of the file stay relative to the file', async () => {
  await using project = createProject({ '.watchrc': json({ cwd: 'app', watch: 'src' }), 'app/x': '' });
  expect(load(project)).toMatchObject({
    folder: project.at('app'),
    bases: { watch: project.path, ignore: project.at('app') },
    settings: { cwd: project.at('app') },
  });
});

test('--cwd wins over the cwd key of the file that it leads to', async () => {
  await using project = createProject({ 'app/.watchrc': json({ cwd: 'nowhere' }) });
  expect(load(project, { given: { cwd: 'app' } }).folder).toBe(project.at('app'));
});

test('refuses an unusable folder at the place that names it', async () => {
  await using project = createProject({
    'a.json': '{\n  "cwd": "nowhere"\n}',
    'package.json': '{"devwatch": {"cwd": "a.json"}}',
  });
  const given = (cwd: string): string => refusal(() => load(project, { given: { cwd } }));
  expect(refusal(() => loadSettings({ given: new Map(), folder: project.at('gone') }))).toBe(
    `there is no folder ${project.at('gone')}`,
  );
  expect(given('nowhere')).toBe(`--cwd: there is no folder ${project.at('nowhere')}`);
  expect(given('a.json')).toBe(`--cwd: ${project.at('a.json')} is not a folder`);
  expect(given('a.json/x')).toBe(`--cwd: there is no folder ${project.at('a.json/x')}`);
  fs.symlinkSync('circle', project.at('circle'));
  expect(given('circle')).toBe(`--cwd: ${project.at('circle')} cannot be entered (ELOOP)`);
  expect(refusal(() => load(project, { config: 'a.json' }))).toBe(
    `${project.at('a.json')}:2:10: "cwd": there is no folder ${project.at('nowhere')}`,
  );
  expect(refusal(() => load(project))).toBe(
    `${project.at('package.json')}:1:22: "cwd": ${project.at('a.json')} is not a folder`,
  );
  expect(refusal(() => loadGiven({ cwd: 'nowhere' }, project.path))).toBe(
    `cwd: there is no folder ${project.at('nowhere')}`,
  );
});

test('errors show files below the working folder by their relative paths', () => {
  const folder = path.resolve('test/unit/config');
  expect(refusal(() => loadSettings({ given: new Map(), folder, config: 'load.test.ts' }))).toMatch(
    /^test\/unit\/config\/load\.test\.ts:1:1: broken JSON/,
  );
});

// Without a file

test('settings from code are checked and override the defaults; no file is read', async () => {
  await using project = createProject({ '.watchrc': 'never read', 'app/x': '' });
  const loaded = loadGiven({ script: 'a.js', delay: '1s', ext: 'js,ts', cwd: 'app', envFile: '.env' }, project.path);
  expect(loaded).toStrictEqual({
    settings: {
      ...defaultSettings,
      script: 'a.js',
      delay: 1000,
      ext: ['js', 'ts'],
      cwd: project.at('app'),
      envFile: [project.at('.env')],
    },
    origins: new Map(['script', 'envFile', 'cwd', 'ext', 'delay'].map((key) => [key, [key]])),
    folder: project.at('app'),
    bases: { watch: project.at('app'), ignore: project.at('app') },
    file: undefined,
    settingsFiles: [],
    notes: [],
  });
});

test('undefined in settings from code means the default', async () => {
  await using project = createProject();
  expect(loadGiven({ delay: undefined, quiet: undefined }, project.path).settings).toStrictEqual(defaultSettings);
});

test.each<[object, string]>([
  [{ wacth: 'src' }, 'unknown option "wacth" · did you mean "watch"?'],
  [{ zzzzzzzzz: 'src' }, 'unknown option "zzzzzzzzz"'],
  [{ delay: 'soon' }, 'delay takes a duration such as 250, "250ms", "5s" or "1m", not "soon"'],
  [{ delay: null }, 'delay takes a duration such as 250, "250ms", "5s" or "1m", not null'],
  [{ watch: ['src', 5] }, 'watch[1] takes a text, not 5'],
  [{ env: { A: true } }, 'env.A takes texts and numbers, not true'],
  [{ execMap: { rb: ['ruby', ''] } }, 'execMap.rb[1] takes a text, not ""'],
])('refuses %j from code: %s', (input, message) => {
  expect(refusal(() => loadGiven(input as SettingsInput, process.cwd()))).toBe(message);
});
