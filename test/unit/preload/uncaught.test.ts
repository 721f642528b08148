/** The judgement of uncaught errors, whose shapes are those of Node and of well-known packages. */

import { describe, expect, test } from 'vitest';
import type { ThrownValue, UncaughtError } from '../../../src/preload/protocol.ts';
import { loadPreload } from './load.ts';

const { describe: describeThrown, judge } = loadPreload('uncaught.cts') as {
  describe: (error: unknown) => readonly ThrownValue[];
  judge: (error: unknown) => UncaughtError;
};

const make = (message: string, fields: object = {}): Error => Object.assign(new Error(message), fields);
const named = (name: string, message: string, fields: object = {}): Error => make(message, { name, ...fields });
const refused = make('connect ECONNREFUSED 127.0.0.1:5432', { errno: -111, code: 'ECONNREFUSED', syscall: 'connect' });
const cyclic: Error & { cause?: unknown } = new TypeError('x is undefined');
cyclic.cause = cyclic;
const hostile = new Proxy(new Error('trap'), {
  get() {
    throw new Error('no property can be read');
  },
});

test.each<[string, unknown, UncaughtError['fault']]>([
  // The program is wrong.
  ['a variable that does not exist', new ReferenceError('socket is not defined'), 'uncaught-error'],
  [
    'a value of the wrong type',
    new TypeError("Cannot read properties of undefined (reading 'connect')"),
    'uncaught-error',
  ],
  ['a failed assertion', named('AssertionError', '1 == 2', { code: 'ERR_ASSERTION' }), 'uncaught-error'],
  ['an error of Node', make('Invalid URL', { code: 'ERR_INVALID_URL' }), 'uncaught-error'],
  ['a plain error', new Error('DATABASE_URL is not set'), 'uncaught-error'],
  ["an error of a package's class", named('ZodError', 'Required', { errors: [{ path: ['PORT'] }] }), 'uncaught-error'],
  ['text that is not JSON', new SyntaxError('Unexpected token \'<\', "<html>" is not valid JSON'), 'uncaught-error'],
  ['a chain that ends in the program', new Error('no settings', { cause: new TypeError('x') }), 'uncaught-error'],
  ['a chain without an end', cyclic, 'uncaught-error'],
  ['a text', 'no settings', 'uncaught-error'],
  ['a number', 1, 'uncaught-error'],
  ['nothing', undefined, 'uncaught-error'],
  ['null', null, 'uncaught-error'],

  // A file is wrong or missing.
  ['a syntax error', new SyntaxError("Unexpected token ';'"), 'defect'],
  ['an export that does not exist', new SyntaxError("'node:fs' does not provide an export named 'x'"), 'defect'],
  ['a missing module', make("Cannot find module 'socket.io'", { code: 'MODULE_NOT_FOUND' }), 'defect'],
  ['a missing module (ESM)', make("Cannot find package 'x'", { code: 'ERR_MODULE_NOT_FOUND' }), 'defect'],
  ['ts-node', named('TSError', '⨯ Unable to compile TypeScript: connect', { diagnosticCodes: [2322] }), 'defect'],
  ['tsx', named('TransformError', 'Transform failed with 1 error'), 'defect'],
  ['esbuild-register', make('Transform failed with 1 error:\na.ts:1:18', { errors: [{ text: 'timeout' }] }), 'defect'],
  ['@swc-node/register', make('  x Expression expected', { code: 'GenericFailure' }), 'defect'],
  ['Babel', make('Unexpected token (1:10)', { code: 'BABEL_PARSE_ERROR' }), 'defect'],

  // The cause may pass.
  ['a refused connection', refused, undefined],
  [
    'a name that cannot be resolved yet',
    make('getaddrinfo EAI_AGAIN db', { code: 'EAI_AGAIN', errno: -3001 }),
    undefined,
  ],
  ['a file that is not there yet', make('ENOENT: no such file', { code: 'ENOENT', errno: -2 }), undefined],
  ['a port that is taken', make('listen EADDRINUSE', { code: 'EADDRINUSE', errno: -98 }), undefined],
  ['fetch', new TypeError('fetch failed', { cause: refused }), undefined],
  ['fetch of undici', new TypeError('fetch failed', { cause: make('x', { code: 'UND_ERR_SOCKET' }) }), undefined],
  ['all addresses', new AggregateError([new Error('x'), refused], 'all failed'), undefined],
  ['a chain of three', new Error('a', { cause: new AggregateError([new Error('b', { cause: refused })]) }), undefined],
  ['a missing driver after a network error', make('x', { code: 'MODULE_NOT_FOUND', cause: refused }), undefined],
  ['Sequelize', named('SequelizeConnectionError', 'x', { parent: refused, original: refused }), undefined],
  ['MongoDB', named('MongoServerSelectionError', 'connect ECONNREFUSED 127.0.0.1:27017'), undefined],
  ['Prisma', named('PrismaClientInitializationError', "Can't reach database server at `localhost`"), undefined],
  ['ioredis', named('MaxRetriesPerRequestError', 'Reached the max retries per request limit'), undefined],
  ['PostgreSQL that starts', named('error', 'the database system is starting up', { code: '57P03' }), undefined],
  ['an error object without a class', { code: 'ETIMEDOUT' }, undefined],
  ['a text about the network', 'connect ETIMEDOUT 10.0.0.1:443', undefined],
  [
    'an event `error` with an object',
    make('Unhandled error.', { code: 'ERR_UNHANDLED_ERROR', context: refused }),
    undefined,
  ],
  [
    'a rejection of which Node keeps nothing',
    make('… with the reason "#<Object>".', { code: 'ERR_UNHANDLED_REJECTION' }),
    undefined,
  ],
])('%s', (_, error, fault) => {
  expect(judge(error).fault).toBe(fault);
});

test('an error whose properties cannot be read is judged as well', () => {
  expect(judge(hostile)).toEqual({ fault: 'uncaught-error' });
});

test.each<[what: string, error: Error, needsLoader: boolean]>([
  ['an enum', named('SyntaxError', 'enum is not supported', { code: 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX' }), true],
  ['a package in TypeScript', make('x', { code: 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING' }), true],
  [
    'a module in TypeScript',
    named('TypeError', 'Unknown file extension ".ts" for /app/a.ts', { code: 'ERR_UNKNOWN_FILE_EXTENSION' }),
    true,
  ],
  [
    'a module of another kind',
    named('TypeError', 'Unknown file extension ".css" for /app/a.css', { code: 'ERR_UNKNOWN_FILE_EXTENSION' }),
    false,
  ],
  ['a mistake', named('SyntaxError', 'Unexpected token', { code: 'ERR_INVALID_TYPESCRIPT_SYNTAX' }), false],
])('%s is about the loader: %s', (_, error, needsLoader) => {
  expect(judge(error).needsLoader ?? false).toBe(needsLoader);
});

describe('the missing module is', () => {
  test.each<[string, object, UncaughtError['missing']]>([
    [
      "Cannot find module 'left-pad'\nRequire stack:\n- /app/server.js",
      { code: 'MODULE_NOT_FOUND', requireStack: ['/app/server.js', '/app/main.js'] },
      { request: 'left-pad', from: '/app/server.js' },
    ],
    [
      "Cannot find module '/app/dist/index.js'",
      { code: 'MODULE_NOT_FOUND', requireStack: [] },
      { request: '/app/dist/index.js' },
    ],
    [
      "Cannot find package '@a/b' imported from /app/server.mjs",
      { code: 'ERR_MODULE_NOT_FOUND' },
      { request: '@a/b', from: '/app/server.mjs' },
    ],
    ['Your application tried to access left-pad', { code: 'MODULE_NOT_FOUND' }, undefined],
  ])('that of %j', (message, fields, missing) => {
    expect(judge(make(message, fields)).missing).toEqual(missing);
  });
});

describe('a thrown value is described', () => {
  const textOf = (value: unknown): readonly string[] =>
    describeThrown(value).map(({ name, message }) => [name, message].join(': '));

  test('with the errors that caused it', () => {
    const inner = new TypeError('inner');
    const error = new AggregateError([new Error('first', { cause: inner }), 'text'], 'all');
    expect(textOf(error)).toEqual(['AggregateError: all', 'Error: first', 'TypeError: inner']);
    expect(describeThrown(inner)).toEqual([{ name: 'TypeError', message: 'inner', stack: inner.stack }]);
    expect(textOf(cyclic)).toEqual(['TypeError: x is undefined']);
  });

  test('if it is no error, without running its code', () => {
    const value = {
      get secret() {
        throw new Error('a getter was called');
      },
      toString() {
        throw new Error('a method was called');
      },
    };
    expect(textOf('text')).toEqual([": 'text'"]);
    expect(textOf(undefined)).toEqual([': undefined']);
    expect(textOf(value)).toEqual([': { secret: [Getter], toString: [Function: toString] }']);
    expect(describeThrown(hostile)).toHaveLength(1);
  });

  test('with its beginning if it is long', () => {
    const [only] = describeThrown(new Error('x'.repeat(100_000)));
    expect([only?.message.length, only?.stack.length]).toEqual([2000, 8000]);
  });
});
