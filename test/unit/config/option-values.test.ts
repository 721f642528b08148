import { expect, test } from 'vitest';
import { readValue } from '../../../src/config/option-kinds.ts';
import { type OptionKey, type OptionSpec, specOf } from '../../../src/config/options.ts';
import { readSignal } from '../../../src/config/reactions.ts';
import { show, ValueError } from '../../../src/config/read-values.ts';

const read = (key: OptionKey, raw: unknown): unknown => readValue(specOf(key), raw);

function messageFor(key: OptionKey, raw: unknown): string {
  try {
    read(key, raw);
  } catch (error) {
    if (error instanceof ValueError) return error.message;
    throw error;
  }
  throw new Error(`${key} took ${show(raw)}`);
}

test.each<[OptionKey, unknown, unknown]>([
  ['delay', 250, 250],
  ['delay', 0, 0],
  ['delay', 0.5, 0.5],
  ['delay', 1e3, 1000],
  ['delay', '250', 250],
  ['delay', '250ms', 250],
  ['delay', '5s', 5000],
  ['delay', '1m', 60_000],
  ['delay', '1.5s', 1500],
  ['delay', ' 5 s ', 5000],
  ['delay', 2 ** 31 - 1, 2 ** 31 - 1],
  ['maxRestarts', 0, 0],
  ['maxRestarts', 12, 12],
  ['maxRestarts', '12', 12],
  ['restart', 'always', 'always'],
  ['watcher', 'chokidar', 'chokidar'],
  ['watcher', 'inotify', 'native'],
  ['signal', 'SIGINT', 'SIGINT'],
  ['signal', 'int', 'SIGINT'],
  ['signal', 'sigusr2', 'SIGUSR2'],
  ['onChange', 'restart', 'restart'],
  ['onChange', 'nothing', 'nothing'],
  ['onChange', 'signal:SIGHUP', 'signal:SIGHUP'],
  ['onChange', 'signal:usr2:tree', 'signal:SIGUSR2:tree'],
  ['events', 'add,delete', ['add', 'delete']],
  ['events', ['change'], ['change']],
  ['watch', 'src', ['src']],
  ['watch', ['src', '!src/generated'], ['src', '!src/generated']],
  ['watch', [], []],
  ['watch', 'pages/[id].js', ['pages/[id].js']],
  ['watch', '[(]x', ['[(]x']],
  ['watch', 'src/\\{a', ['src/\\{a']],
  ['watch', 'x'.repeat(4096), ['x'.repeat(4096)]],
  ['ignore', '*.{log,tmp}', ['*.{log,tmp}']],
  ['ext', 'js,ts', ['js', 'ts']],
  ['ext', 'js ts, json,', ['js', 'ts', 'json']],
  ['ext', '.js', ['js']],
  ['ext', '*.js', ['js']],
  ['ext', ['d.ts', '.vue'], ['d.ts', 'vue']],
  ['ext', '*', ['*']],
  ['execMap', {}, {}],
  ['execMap', { rb: 'ruby -w', py: ['python3', '-u'] }, { rb: 'ruby -w', py: ['python3', '-u'] }],
  ['env', { A: 'text', B: 5, C: '' }, { A: 'text', B: '5', C: '' }],
  ['args', ['--title', ''], ['--title', '']],
  ['args', '--verbose', ['--verbose']],
  ['envFile', ['.env', '.env.local'], ['.env', '.env.local']],
  ['script', 'server.js', 'server.js'],
  ['quiet', true, true],
  ['quiet', false, false],
  ['hold', false, false],
  ['hold', 8000, 8000],
  ['hold', '8000', 8000],
  ['hold', '0.0.0.0:8000', '0.0.0.0:8000'],
  ['hold', 'localhost:8000', '127.0.0.1:8000'],
  ['hold', '[::]:8000', '[::]:8000'],
])('%s takes %j and reads it as %j', (key, raw, value) => {
  expect(read(key, raw)).toStrictEqual(value);
});

const durationHelp = 'takes a duration such as 250, "250ms", "5s" or "1m", not';
const addressHelp = 'takes true, false, a port or an IP address with a port, not';
const countHelp = 'takes a whole number from 0, not';
const reactionHelp = 'takes restart, nothing, signal:SIGHUP or signal:SIGHUP:tree, not';
const signalHelp = 'takes a signal such as SIGTERM or INT, not';

test.each<[OptionKey, unknown, string]>([
  ['delay', '5 parsecs', `${durationHelp} "5 parsecs"`],
  ['delay', '', `${durationHelp} ""`],
  ['delay', '-5', `${durationHelp} "-5"`],
  ['delay', -5, `${durationHelp} -5`],
  ['delay', '5S', `${durationHelp} "5S"`],
  ['delay', '.5s', `${durationHelp} ".5s"`],
  ['delay', '1h', `${durationHelp} "1h"`],
  ['delay', true, `${durationHelp} true`],
  ['delay', null, `${durationHelp} null`],
  ['delay', Number.NaN, `${durationHelp} NaN`],
  ['delay', Number.POSITIVE_INFINITY, `${durationHelp} Infinity`],
  ['hold', '8000x', `${addressHelp} "8000x"`],
  ['hold', ':8000', `${addressHelp} ":8000"`],
  ['hold', '[::1]', `${addressHelp} "[::1]"`],
  ['hold', 'example.org:80', `${addressHelp} "example.org:80"`],
  ['hold', 65_536, `${addressHelp} 65536`],
  ['hold', -1, `${addressHelp} -1`],
  ['hold', [8000], `${addressHelp} [8000]`],
  ['hold', null, `${addressHelp} null`],
  ['delay', [5], `${durationHelp} [5]`],
  ['delay', 2 ** 31, 'takes at most 24 days, not 2147483648'],
  ['delay', '99999m', 'takes at most 24 days, not "99999m"'],
  ['maxRestarts', -1, `${countHelp} -1`],
  ['maxRestarts', 1.5, `${countHelp} 1.5`],
  ['maxRestarts', '', `${countHelp} ""`],
  ['maxRestarts', '0x10', `${countHelp} "0x10"`],
  ['maxRestarts', '1e3', `${countHelp} "1e3"`],
  ['maxRestarts', 2 ** 53, `${countHelp} 9007199254740992`],
  ['maxRestarts', null, `${countHelp} null`],
  ['restart', 'allways', 'takes one of on-crash, always, never, not "allways" · did you mean "always"?'],
  ['restart', 'purple', 'takes one of on-crash, always, never, not "purple"'],
  ['restart', true, 'takes one of on-crash, always, never, not true'],
  ['signal', 'SIGTREM', `${signalHelp} "SIGTREM" · did you mean SIGTERM?`],
  ['signal', 'hupp', `${signalHelp} "hupp" · did you mean SIGHUP?`],
  ['signal', '', `${signalHelp} ""`],
  ['signal', 'toString', `${signalHelp} "toString"`],
  ['onChange', 'signal:HUPP', 'takes a signal such as SIGTERM or INT, not "HUPP" · did you mean SIGHUP?'],
  ['onChange', 'signal:KILL', 'takes a signal that programs can handle, not SIGKILL'],
  ['onChange', 'signal:message', `${reactionHelp} "signal:message"`],
  ['onChange', 'signal:HUP:root', `${reactionHelp} "signal:HUP:root"`],
  ['onChange', 'restrat', `${reactionHelp} "restrat" · did you mean "restart"?`],
  ['events', 'add,remove', 'takes one of add, change, delete, not "remove"'],
  ['events', { restart: 'echo' }, 'takes a list of add, change, delete · commands to run belong under "on"'],
  ['events', [], 'takes at least one of add, change, delete, not []'],
  ['signal', 15, `${signalHelp} 15`],
  ['watch', 'src/{a', 'has a bad glob "src/{a": "{" is not closed'],
  ['watch', 'src/[a', 'has a bad glob "src/[a": "[" is not closed'],
  ['watch', '+(a|b', 'has a bad glob "+(a|b": "(" is not closed'],
  ['watch', '{a,(b}', 'has a bad glob "{a,(b}": "(" is not closed'],
  ['watch', '', 'takes a text, not ""'],
  ['watch', 5, 'takes a text or a list of texts, not 5'],
  ['watch', { a: 1 }, 'takes a text or a list of texts, not {"a":1}'],
  ['watch', ['src', 5], 'takes a text, not 5'],
  ['watch', 'src\0', 'must not contain a NUL character'],
  ['watch', 'x'.repeat(4097), 'takes globs of at most 4096 characters, not 4097'],
  ['ext', 'js,a/b', 'takes extensions such as "js", not "a/b"'],
  ['ext', ['js,ts'], 'takes extensions such as "js", not "js,ts"'],
  ['ext', '++js', 'takes extensions such as "js", not "++js"'],
  ['ext', '..', 'takes extensions such as "js", not ".."'],
  ['ext', '', 'takes extensions such as "js", or "*" for all, not ""'],
  ['ext', [], 'takes extensions such as "js", or "*" for all, not []'],
  ['ext', null, 'takes a text or a list of texts, not null'],
  ['execMap', ['ruby'], 'takes an object of names and texts, not ["ruby"]'],
  ['execMap', null, 'takes an object of names and texts, not null'],
  ['execMap', { rb: '' }, 'takes a text, not ""'],
  ['execMap', { rb: ['ruby', 5] }, 'takes a text, not 5'],
  ['env', 'A=1', 'takes an object of names and texts, not "A=1"'],
  ['env', { A: true }, 'takes texts and numbers, not true'],
  ['env', { A: 'a\0b' }, 'must not contain a NUL character'],
  ['env', { 'A=B': '1' }, 'has a bad variable name "A=B"'],
  ['env', { '': '1' }, 'has a bad variable name ""'],
  ['args', '', 'takes a text, not ""'],
  ['envFile', [''], 'takes a text, not ""'],
  ['script', '', 'takes a text, not ""'],
  ['script', 5, 'takes a text, not 5'],
  ['cwd', undefined, 'takes a text, not undefined'],
  ['quiet', 'yes', 'takes true or false, not "yes"'],
  ['quiet', 1, 'takes true or false, not 1'],
])('%s refuses %j: %s', (key, raw, message) => {
  expect(messageFor(key, raw)).toBe(message);
});

test.each<[OptionKey, unknown, readonly (string | number)[]]>([
  ['watch', ['src', 5], [1]],
  ['env', { A: '1', B: true }, ['B']],
  ['execMap', { rb: ['ruby', 5] }, ['rb', 1]],
  ['watch', 5, []],
])('an error in %s %j has the path of the wrong element', (key, raw, way) => {
  const spec: OptionSpec = specOf(key);
  expect(() => readValue(spec, raw)).toThrowError(expect.objectContaining({ path: way }));
});

test('lists and maps are frozen', () => {
  const execMap = read('execMap', { rb: ['ruby'] }) as Record<string, unknown>;
  expect([read('watch', 'src'), read('watch', ['src']), read('env', {}), execMap, execMap.rb]).toSatisfy(
    (values: unknown[]) => values.every(Object.isFrozen),
  );
});

test('later changes of a given list do not affect the settings', () => {
  const handed = ['src'];
  const value = read('watch', handed);
  handed.push('lib');
  expect(value).toStrictEqual(['src']);
});

test('show cuts a value to a readable length', () => {
  expect(show('x'.repeat(100_000))).toBe(`"${'x'.repeat(56)}…`);
});

test('signals that this system has no name for are known, because settings are shared', () => {
  expect(readSignal('usr2', { SIGTERM: 15 })).toBe('SIGUSR2');
});
