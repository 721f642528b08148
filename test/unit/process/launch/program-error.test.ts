/** The place in the project's own code. The stacks are those that Node, loaders and compilers have printed. */

import { describe, expect, test } from 'vitest';
import type { ThrownValue, UncaughtError } from '../../../../src/preload/protocol.ts';
import { describeProgramError, type SourceFiles } from '../../../../src/process/launch/program-error.ts';
import { describeError, type SourceLocation } from '../../../../src/shared/events.ts';

const files: SourceFiles = { exists: (file) => !file.includes('virtual'), read: () => undefined };

/** Shows a location as the line of the crash does. */
const format = ({ file, line, column }: SourceLocation): string =>
  [file, line, column].filter((part) => part !== undefined).join(':');

const locate = (error: UncaughtError, folder = '/shop', found = files): string | undefined => {
  const location = describeProgramError(error, folder, found)?.location;
  return location && format(location);
};

/** An error with its frames; a head is the place that Node puts before the stack of a syntax error. */
function thrown(text: string, frames: readonly string[] = [], head = ''): ThrownValue {
  const [name = '', message = ''] = text.split(/: (.*)/s);
  return { name, message, stack: [`${head}${text}`, ...frames.map((frame) => `    at ${frame}`)].join('\n') };
}

const commonJs20 = [
  'Module._compile (node:internal/modules/cjs/loader:1521:14)',
  'Module._extensions..js (node:internal/modules/cjs/loader:1623:10)',
  'Module.load (node:internal/modules/cjs/loader:1266:32)',
  'Module._load (node:internal/modules/cjs/loader:1091:12)',
  'Function.executeUserEntryPoint [as runMain] (node:internal/modules/run_main:164:12)',
  'node:internal/main/run_main_module:28:49',
];
const typeError = "TypeError: Cannot read properties of undefined (reading 'foo')";

describe('the location of an uncaught error', () => {
  test.each<[string, ThrownValue, string | undefined]>([
    [
      'in a CommonJS module',
      thrown(typeError, ['/shop/db.js:2:23', 'Object.<anonymous> (/shop/x.js:2:1)']),
      '/shop/db.js:2:23',
    ],
    [
      'below the frames of a package',
      thrown(typeError, [
        'exports.cb (/shop/node_modules/lib/index.js:1:26)',
        'load (/shop/src/db.js:12:5)',
        ...commonJs20,
      ]),
      '/shop/src/db.js:12:5',
    ],
    [
      'below those of a package in the store of pnpm',
      thrown(typeError, ['cb (/shop/node_modules/.pnpm/lib@1.0.0/node_modules/lib/index.js:1:26)', '/shop/a.js:1:1']),
      '/shop/a.js:1:1',
    ],
    [
      'below those of Yarn',
      thrown(typeError, [
        'require$$0.Module._load (/shop/.pnp.cjs:14000:31)',
        'cb (/shop/.yarn/cache/lib-npm-1.0.0-aa.zip/node_modules/lib/index.js:1:26)',
        '/shop/a.js:1:1',
      ]),
      '/shop/a.js:1:1',
    ],
    [
      'in an ES module, whose message quotes a stack',
      thrown('RangeError: bad\nsecond line\n    at fake (/shop/y.js:1:1)', [
        'deep (file:///shop/esm.mjs:3:43)',
        'async file:///shop/esm.mjs:4:1',
      ]),
      '/shop/esm.mjs:3:43',
    ],
    [
      'after an await',
      thrown(typeError, ['async Promise.all (index 0)', 'async f (/shop/a.js:4:1)']),
      '/shop/a.js:4:1',
    ],
    ['at the top of an ES module', thrown(typeError, ['async file:///shop/a%20b.mjs:4:1']), '/shop/a b.mjs:4:1'],
    ['with a query of a loader', thrown(typeError, ['f (file:///shop/a.ts?t=17:4:1)']), '/shop/a.ts:4:1'],
    [
      'in a folder with blanks and parentheses',
      thrown(typeError, ['f (/shop/with blank (1)/x.js:2:23)']),
      '/shop/with blank (1)/x.js:2:23',
    ],
    ['without parentheses', thrown(typeError, ['/shop/with blank (1)/x.js:2:23']), '/shop/with blank (1)/x.js:2:23'],
    ['in a method named by a route', thrown(typeError, ['Object.GET /users (/shop/x.js:2:23)']), '/shop/x.js:2:23'],
    [
      'that called code in a text',
      thrown(typeError, ['eval (eval at <anonymous> (/shop/evl.js:1:1), <anonymous>:1:6)', 'f (/shop/evl.js:9:1)']),
      '/shop/evl.js:9:1',
    ],
    [
      'in TypeScript of Node 24',
      thrown('TypeError: ts', ['f (file:///shop/src/strip.ts:2:28)']),
      '/shop/src/strip.ts:2:28',
    ],
    [
      'in TypeScript of tsx',
      thrown('TypeError: ts', [
        'f (/shop/src/run.ts:3:28)',
        'Object.transformer (/shop/node_modules/tsx/dist/register-B1c7OH6V.cjs:22:2188)',
      ]),
      '/shop/src/run.ts:3:28',
    ],
    [
      'in a linked package of the workspace',
      thrown(typeError, ['f (/shared/src/x.js:1:2)', 'g (/shop/a.js:1:1)']),
      '/shared/src/x.js:1:2',
    ],
    [
      'in the hidden folder of a build',
      thrown(typeError, ['f (/shop/.output/server/index.mjs:5:2)']),
      '/shop/.output/server/index.mjs:5:2',
    ],
    [
      'below a frame of a file that does not exist',
      thrown(typeError, ['f (/shop/virtual.js:1:1)', '/shop/a.js:1:1']),
      '/shop/a.js:1:1',
    ],
    [
      'of a listener without a frame of the project',
      thrown('Error: connect ECONNREFUSED 127.0.0.1:1', [
        'TCPConnectWrap.afterConnect [as oncomplete] (node:net:1611:16)',
      ]),
      undefined,
    ],
    ['in a package alone', thrown(typeError, ['cb (/shop/node_modules/lib/index.js:1:26)']), undefined],
    [
      'in a tool of the user alone',
      thrown(typeError, ['cb (/home/ann/.cache/devwatch/preload/preload.cjs:1:26)']),
      undefined,
    ],
    [
      'in a syntax error of CommonJS',
      thrown(
        "SyntaxError: Unexpected token ';'",
        ['wrapSafe (node:internal/modules/cjs/loader:1464:18)', '/shop/req.js:1:1'],
        '/shop/syn.js:2\n  let = ;\n        ^\n\n',
      ),
      '/shop/syn.js:2:9',
    ],
    [
      'in an import of an export that does not exist',
      thrown(
        "SyntaxError: The requested module './b.mjs' does not provide an export named 'a'",
        ['ModuleJob._instantiate (node:internal/modules/esm/module_job:213:21)'],
        "file:///shop/noexp.mjs:2\nimport {a} from './b.mjs';\n        ^\n",
      ),
      '/shop/noexp.mjs:2:9',
    ],
    [
      'in a syntax error of TypeScript in Node 24',
      thrown(
        'SyntaxError [ERR_INVALID_TYPESCRIPT_SYNTAX]: Expression expected',
        ['parseTypeScript (node:internal/modules/typescript:72:36)'],
        'file:///shop/src/bad.ts:2\nconst a: number = 1;\nconst b = ;\n          ^\n\n',
      ),
      '/shop/src/bad.ts:2:11',
    ],
    [
      'in an error of esbuild and tsx',
      thrown('TransformError: Transform failed with 1 error:\n/shop/src/bad.ts:2:10: ERROR: Unexpected ";"', [
        'failureErrorWithLog (/shop/node_modules/esbuild/lib/main.js:1752:15)',
      ]),
      '/shop/src/bad.ts:2:11',
    ],
    [
      'in an error of ts-node',
      thrown('TSError: ⨯ Unable to compile TypeScript:\nsrc/bad.ts(2,11): error TS1109: Expression expected.\n', [
        'createTSError (/shop/node_modules/ts-node/src/index.ts:859:12)',
      ]),
      '/shop/src/bad.ts:2:11',
    ],
    [
      'in an error of ts-node with colours',
      thrown(
        "TSError: ⨯ Unable to compile TypeScript:\n\u001b[96msrc/a.ts\u001b[0m:\u001b[93m1\u001b[0m:\u001b[93m7\u001b[0m - \u001b[91merror\u001b[0m\u001b[90m TS2322: \u001b[0mType 'string' is wrong.",
      ),
      '/shop/src/a.ts:1:7',
    ],
    [
      'in an error of SWC',
      thrown(
        'Error:   x Expression expected\n   ,-[/shop/src/bad.ts:2:1]\n 1 | const a: number = 1;\n 2 | const b = ;\n   :           ^\n   `----\n\n\nCaused by:\n    Syntax Error',
        ['Compiler.transformSync (/shop/node_modules/@swc/core/index.js:309:29)'],
      ),
      '/shop/src/bad.ts:2',
    ],
    [
      'in an error of Babel',
      thrown('SyntaxError: /shop/src/bad.js: Unexpected token (2:10)\n\n  1 | const a = 1;', [
        'f (/shop/node_modules/@babel/parser/lib/index.js:1:1)',
      ]),
      '/shop/src/bad.js:2:11',
    ],
  ])('is the place %s', (_, error, location) => {
    expect(locate({ thrown: [error] })).toBe(location);
  });

  test('is found in the cause if the error itself has none in the project', () => {
    const outer = thrown('Error: failed', ['cb (/shop/node_modules/lib/index.js:1:26)']);
    const cause = thrown('Error: inner', ['f (/shop/a.js:1:2)']);
    expect(locate({ thrown: [outer, cause] })).toBe('/shop/a.js:1:2');
    expect(locate({ thrown: [thrown('Error: x', ['g (/shop/b.js:3:4)']), cause] })).toBe('/shop/b.js:3:4');
  });

  test('is the line that imports a missing ES module, which Node does not name', () => {
    const error = thrown("Error: Cannot find module '/shop/nope.js' imported from /shop/miss.mjs");
    const missing = { request: '/shop/nope.js', from: '/shop/miss.mjs' };
    const text = "const nope = 1;\n\nimport './nope.js';\n";
    expect(locate({ thrown: [error], missing }, '/shop', { ...files, read: () => text })).toBe('/shop/miss.mjs:3');
    expect(locate({ thrown: [error], missing })).toBe('/shop/miss.mjs');
  });

  test('is found on Windows', () => {
    const frames = (frame: string) => ({
      thrown: [thrown(typeError, ['f (C:\\shop\\node_modules\\a\\i.js:1:2)', frame])],
    });
    expect(locate(frames('C:\\shop\\src\\db.js:12:5'), 'C:\\shop')).toBe('C:\\shop\\src\\db.js:12:5');
    expect(locate(frames('f (C:\\my shop (1)\\db.js:12:5)'), 'C:\\my shop (1)')).toBe('C:\\my shop (1)\\db.js:12:5');
    expect(locate(frames('async f (file:///C:/shop/src/db.mjs:1:2)'), 'C:\\shop')).toBe('C:\\shop\\src\\db.mjs:1:2');
  });
});

test.each<[string, readonly ThrownValue[], string]>([
  ['an error', [thrown(typeError)], typeError],
  ['the first line of a message', [thrown('Error: \n  Invalid `a`\nb')], 'Error: Invalid `a`'],
  ['the beginning of a long message', [thrown(`Error: ${'a'.repeat(500)}`)], `Error: ${'a'.repeat(159)}…`],
  [
    'the words of a compiler',
    [thrown('TransformError: Transform failed with 1 error:\n/a.ts:2:10: ERROR: Unexpected ";"')],
    'TransformError: Unexpected ";"',
  ],
  [
    'the first of several errors',
    [thrown('AggregateError: '), thrown('Error: connect ECONNREFUSED ::1:5432')],
    'AggregateError: connect ECONNREFUSED ::1:5432',
  ],
  ['an error without a message', [thrown('Error')], 'Error'],
  ['a value that is no error', [{ name: '', message: "'text'", stack: '' }], "'text' was thrown"],
  [
    'the reason of a rejection',
    [thrown('UnhandledPromiseRejection: This error originated … The promise rejected with the reason "why".')],
    'a promise was rejected with why',
  ],
  [
    'a rejection with an object',
    [thrown('UnhandledPromiseRejection: This error originated … The promise rejected with the reason "#<Object>".')],
    'a promise was rejected with an object',
  ],
])('the line of a crash names %s', (_, errors, text) => {
  const error = describeProgramError({ thrown: errors }, '/shop', files);
  expect(error && describeError(error)).toBe(text);
});

test('a program that reports no error has none', () => {
  expect(describeProgramError({}, '/shop', files)).toBeUndefined();
});
