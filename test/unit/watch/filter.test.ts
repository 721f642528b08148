import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Verdict } from '../../../src/shared/events.ts';
import { Filter } from '../../../src/watch/filter.ts';
import { isExhaustive } from '../../support/exhaustive.ts';

const base = '/home/me/app';

interface Settings {
  readonly watch?: readonly string[];
  readonly ignore?: readonly string[];
  readonly ext?: readonly string[] | null;
  readonly always?: readonly string[];
}

function filterOf({ watch = ['.'], ignore = [], ext = ['js', 'json'], always = [] }: Settings): Filter {
  return new Filter({
    watch: { patterns: watch, base },
    ignore: { patterns: ignore, base },
    extensions: ext,
    always: always.map((file) => path.resolve(base, file)),
  });
}

const yes = 'watched';
type Word = typeof yes | Exclude<Verdict, { watched: true }>['reason'];

function wordFor(settings: Settings, file: string): Word {
  const filter = filterOf(settings);
  const full = path.resolve(base, file);
  const verdict = filter.explain(full);
  // The decision and its explanation must agree, for every row of every table.
  expect(filter.accepts(full)).toBe(verdict.watched);
  return verdict.watched ? yes : verdict.reason;
}

/** Options, a path relative to the base folder, and the verdict on it. */
type Row = readonly [settings: Settings, file: string, expected: Word];

function table(name: string, rows: readonly Row[]): void {
  describe(name, () => {
    test.each(rows)('%j: %s is %s', (settings, file, expected) => {
      expect(wordFor(settings, file)).toBe(expected);
    });
  });
}

table('the default, the whole folder', [
  [{}, 'server.js', yes],
  [{}, 'src/deep/er/a.js', yes],
  [{}, 'data.json', yes],
  [{}, 'README.md', 'extension'],
  [{}, 'Makefile', 'extension'],
  [{}, '../other/a.js', 'outside'],
  [{}, '../app-2/a.js', 'outside'],
]);

table('a folder means everything below it', [
  [{ watch: ['src'] }, 'src/a.js', yes],
  [{ watch: ['src'] }, 'src/x/y/a.js', yes],
  [{ watch: ['src/'] }, 'src/x/y/a.js', yes],
  [{ watch: ['src'] }, 'src2/a.js', 'outside'],
  [{ watch: ['src'] }, 'lib/src/a.js', 'outside'],
  [{ watch: ['src/*'] }, 'src/x/y/a.js', yes],
  [{ watch: ['src/**'] }, 'src/x/y/a.js', yes],
  [{ watch: ['src/a**'] }, 'src/abc/y/a.js', yes],
  [{ watch: ['packages/*/src'] }, 'packages/one/src/x/a.js', yes],
  [{ watch: ['packages/*/src'] }, 'packages/one/test/a.js', 'outside'],
  [{ watch: ['sites/*.com'] }, 'sites/example.com/a.js', yes],
  [{ ignore: ['legacy'] }, 'legacy/x/a.js', 'ignored'],
  [{ ignore: ['legacy/'] }, 'legacy/x/a.js', 'ignored'],
  [{ ignore: ['src/*'] }, 'src/x/a.js', 'ignored'],
  [{ ignore: ['*.bundle'] }, 'app.bundle/x/a.js', 'ignored'],
]);

table('a pattern without a slash matches at every depth', [
  [{ watch: ['*.js'] }, 'a.js', yes],
  [{ watch: ['*.js'] }, 'x/y/a.js', yes],
  [{ watch: ['*.test.js'] }, 'x/a.js', 'outside'],
  [{ watch: ['*'] }, 'x/y/a.js', yes],
  [{ ignore: ['*.test.js'] }, 'a.test.js', 'ignored'],
  [{ ignore: ['*.test.js'] }, 'x/y/a.test.js', 'ignored'],
  [{ ignore: ['fixtures'] }, 'x/fixtures/a.js', 'ignored'],
  [{ ignore: ['a.js'] }, 'x/y/a.js', 'ignored'],
  [{ ignore: ['a.js'] }, 'x/y/ba.js', yes],
  [{ ignore: ['x/fixtures'] }, 'y/x/fixtures/a.js', yes],
]);

table('a plain name in watch is a path', [
  [{ watch: ['server.js'] }, 'server.js', yes],
  [{ watch: ['server.js'] }, 'src/server.js', 'outside'],
  [{ watch: ['src'] }, 'x/src/a.js', 'outside'],
  [{ watch: ['Dockerfile'] }, 'Dockerfile', yes],
]);

table('./ anchors', [
  [{ watch: ['./src'] }, 'src/a.js', yes],
  [{ watch: ['./*.js'] }, 'a.js', yes],
  [{ watch: ['./*.js'] }, 'x/a.js', 'outside'],
  [{ ignore: ['./a.js'] }, 'a.js', 'ignored'],
  [{ ignore: ['./a.js'] }, 'x/a.js', yes],
  [{ ignore: ['./fixtures'] }, 'fixtures/a.js', 'ignored'],
  [{ ignore: ['./fixtures'] }, 'x/fixtures/a.js', yes],
  [{ watch: ['./'] }, 'x/a.js', yes],
]);

table('the last match wins among negated patterns', [
  [{ watch: ['src', '!src/gen'] }, 'src/a.js', yes],
  [{ watch: ['src', '!src/gen'] }, 'src/gen/a.js', 'excluded'],
  [{ watch: ['src', '!src/gen', 'src/gen/keep'] }, 'src/gen/keep/a.js', yes],
  [{ watch: ['src', '!src/gen', 'src/gen/keep'] }, 'src/gen/a.js', 'excluded'],
  [{ watch: ['!src/gen', 'src'] }, 'src/gen/a.js', yes],
  [{ watch: ['src', '!*.test.js'] }, 'src/a.test.js', 'excluded'],
  [{ watch: ['src', '!./src/a.js'] }, 'src/a.js', 'excluded'],
  [{ watch: ['.', '!data'] }, 'x/data/a.js', yes],
  [{ ignore: ['*.gen.js', '!a.gen.js'] }, 'x/a.gen.js', yes],
  [{ ignore: ['*.gen.js', '!a.gen.js'] }, 'x/b.gen.js', 'ignored'],
  [{ ignore: ['!a.gen.js', '*.gen.js'] }, 'x/a.gen.js', 'ignored'],
  [{ ignore: ['legacy', '!legacy/keep.js'] }, 'legacy/keep.js', yes],
  [{ ignore: ['legacy', '!legacy/keep.js', '*.js'] }, 'legacy/keep.js', 'ignored'],
  [{ watch: ['src', '!src/a.js'], ignore: ['!src/a.js'] }, 'src/a.js', 'excluded'],
]);

table('the default ignores', [
  [{}, 'node_modules/pkg/index.js', 'ignored-by-default'],
  [{}, 'packages/one/node_modules/pkg/index.js', 'ignored-by-default'],
  [{}, '.git/hooks/a.js', 'ignored-by-default'],
  [{}, '.github/a.js', 'ignored-by-default'],
  [{}, 'src/.cache/a.js', 'ignored-by-default'],
  [{}, 'dist/a.js', 'ignored-by-default'],
  [{}, 'packages/one/build/x/a.js', 'ignored-by-default'],
  [{}, 'distance/a.js', yes],
  [{}, 'src/dist.js', yes],
  [{ ext: null }, 'dist', yes],
  [{ ext: null }, 'src/.#a.js', 'ignored-by-default'],
  [{ ext: null }, 'src/#a.js#', 'ignored-by-default'],
  [{ ext: null }, 'src/a.js~', 'ignored-by-default'],
  [{ ext: null }, 'src/.a.js.swp', 'ignored-by-default'],
  [{ ext: null }, 'src/.a.js.swo', 'ignored-by-default'],
  [{ ext: null }, 'src/4913', 'ignored-by-default'],
  [{ ext: null }, 'src/a.js___jb_tmp___', 'ignored-by-default'],
  [{ ext: null }, 'src/a.js___jb_old___', 'ignored-by-default'],
  [{ ext: ['mjs'] }, 'vite.config.js.timestamp-1712-a1b2.mjs', 'ignored-by-default'],
  [{ ext: null }, 'src/14913', yes],
  [{ watch: ['*'], ext: null }, 'node_modules/pkg/index.js', 'ignored-by-default'],
  [{ watch: ['**/*.js'] }, 'node_modules/pkg/index.js', 'ignored-by-default'],
  [{ watch: ['**'] }, '.git/hooks/a.js', 'ignored-by-default'],
]);

table('a watch pattern lifts a default that it names', [
  [{ watch: ['dist'] }, 'dist/x/a.js', yes],
  [{ watch: ['.', 'dist'] }, 'dist/x/a.js', yes],
  [{ watch: ['dist'] }, 'dist/node_modules/pkg/a.js', 'ignored-by-default'],
  [{ watch: ['.', 'dist'] }, 'packages/one/dist/a.js', 'ignored-by-default'],
  [{ watch: ['dist/**/*.js'] }, 'dist/x/a.js', yes],
  [{ watch: ['packages/*/dist'] }, 'packages/one/dist/a.js', yes],
  [{ watch: ['packages/*/dist'] }, 'packages/one/dist/.cache/a.js', 'ignored-by-default'],
  [{ watch: ['**/dist/*.js'] }, 'x/dist/a.js', yes],
  [{ watch: ['{src,dist}'] }, 'dist/a.js', yes],
  [{ watch: ['*/!(dist)/*.js'] }, 'dist/x/a.js', 'ignored-by-default'],
  [{ watch: ['node_modules/pkg'] }, 'node_modules/pkg/lib/a.js', yes],
  [{ watch: ['node_modules/pkg'] }, 'node_modules/other/a.js', 'outside'],
  [{ watch: ['.config'] }, '.config/a.js', yes],
  [{ watch: ['node_modules/pkg/index.js'] }, 'node_modules/pkg/index.js', yes],
  [{ watch: ['4913'] }, '4913', yes],
]);

table('a negated ignore pattern lifts a default that it names', [
  [{ ignore: ['!node_modules/pkg'] }, 'node_modules/pkg/lib/a.js', yes],
  [{ ignore: ['!node_modules/pkg'] }, 'node_modules/other/a.js', 'ignored-by-default'],
  [{ ignore: ['!node_modules/@scope'] }, 'node_modules/@scope/pkg/a.js', yes],
  [{ ignore: ['!dist'] }, 'dist/a.js', yes],
  [{ ignore: ['!dist'] }, 'x/dist/a.js', yes],
  [{ ignore: ['!dist'] }, 'dist/node_modules/a.js', 'ignored-by-default'],
  [{ ignore: ['!./dist'] }, 'x/dist/a.js', 'ignored-by-default'],
  [{ ignore: ['!packages/*/dist/*.js'] }, 'packages/one/dist/a.js', yes],
  [{ ignore: ['!packages/*/dist/*.js'] }, 'packages/one/dist/a.json', 'ignored-by-default'],
  [{ ignore: ['!dist', 'dist/x'] }, 'dist/x/a.js', 'ignored'],
  [{ ignore: ['!.github'] }, '.github/a.js', yes],
  [{ ignore: ['!.*'] }, '.github/a.js', yes],
  [{ ignore: ['!*'] }, 'node_modules/pkg/a.js', yes],
  [{ ignore: ['!*.swp'], ext: null }, 'a.swp', yes],
  [{ ignore: ['!src'], ext: null }, 'src/a.swp', 'ignored-by-default'],
  [{ ignore: ['*.gen.js', '!a.gen.js'] }, 'node_modules/pkg/a.gen.js', 'ignored-by-default'],
]);

table('a pattern that is literally the path matches it', [
  [{ watch: ['pages/[id].js'] }, 'pages/[id].js', yes],
  [{ watch: ['pages/[id].js'] }, 'pages/i.js', yes],
  [{ watch: ['pages/[id].js'] }, 'pages/x.js', 'outside'],
  [{ watch: ['pages/[...slug]'] }, 'pages/[...slug]/x/a.js', yes],
  [{ watch: ['app/(shop)/page.js'] }, 'app/(shop)/page.js', yes],
  [{ watch: ['[id].js'] }, '[id].js', yes],
  [{ ignore: ['pages/[id].js'] }, 'pages/[id].js', 'ignored'],
  [{ ignore: ['pages/[id]'] }, 'pages/[id]/a.js', 'ignored'],
  [{ watch: ['pages', '!pages/[id].js'] }, 'pages/[id].js', 'excluded'],
]);

table('braces, classes and groups', [
  [{ watch: ['src/*.{js,yml}'] }, 'src/a.yml', yes],
  [{ watch: ['src/*.{js,yml}'] }, 'src/a.json', 'outside'],
  [{ watch: ['{src,lib}/**/*.js'] }, 'lib/x/a.js', yes],
  [{ watch: ['{src,lib/core}'] }, 'lib/core/a.js', yes],
  [{ watch: ['{src,lib/core}'] }, 'lib/a.js', 'outside'],
  [{ watch: ['src/[ab].js'] }, 'src/b.js', yes],
  [{ watch: ['src/[!ab].js'] }, 'src/b.js', 'outside'],
  [{ watch: ['src/[!ab].js'] }, 'src/c.js', yes],
  [{ watch: ['src/[^ab].js'] }, 'src/b.js', 'outside'],
  [{ watch: ['src/[^ab].js'] }, 'src/c.js', yes],
  [{ watch: ['src/?.js'] }, 'src/b.js', yes],
  [{ watch: ['src/?.js'] }, 'src/bb.js', 'outside'],
  [{ watch: ['src/@(a|b).js'] }, 'src/b.js', yes],
  [{ watch: ['src/+(a|b).js'] }, 'src/abba.js', yes],
  [{ watch: ['src/!(a).js'] }, 'src/a.js', 'outside'],
  [{ watch: ['src/!(a).js'] }, 'src/b.js', yes],
  [{ watch: ['!(a).js'] }, 'src/b.js', yes],
  [{ watch: ['src/!(a)'] }, 'src/ab/x.js', yes],
  [{ watch: ['src/!(a)'] }, 'src/a/x.js', 'outside'],
  [{ ignore: ['src/!(a).js'] }, 'src/b.js', 'ignored'],
  [{ ignore: ['src/!(a).js'] }, 'src/a.js', yes],
]);

table('absolute patterns and .. reach outside', [
  [{ watch: ['/srv/shared'] }, '/srv/shared/x/a.js', yes],
  [{ watch: ['/srv/shared/*.js'] }, '/srv/shared/a.js', yes],
  [{ watch: ['../shared'] }, '/home/me/shared/a.js', yes],
  [{ watch: ['../*/src/*.js'] }, '/home/me/other/src/a.js', yes],
  [{ watch: ['..'] }, '/home/me/other/a.js', yes],
  [{ watch: ['..'] }, '/home/me/.cache/a.js', 'ignored-by-default'],
  [{ watch: ['../shared', '!../shared/gen'] }, '/home/me/shared/gen/a.js', 'excluded'],
  [{ watch: ['../shared'], ignore: ['../shared/gen'] }, '/home/me/shared/gen/a.js', 'ignored'],
  [{ watch: ['/'] }, '/etc/a.js', yes],
  [{ ignore: [`${base}/src`] }, 'src/a.js', 'ignored'],
]);

table('names that start with a dot are names like any other', [
  [{ ext: null }, '.env', yes],
  [{ ext: ['env'] }, '.env', yes],
  [{}, '.eslintrc.js', yes],
  [{ watch: ['.env'] }, '.env', yes],
  [{ watch: ['.env*'] }, '.env.local', yes],
  [{ watch: ['src/*'], ext: null }, 'src/.env', yes],
  [{ ignore: ['*rc.js'] }, '.eslintrc.js', 'ignored'],
]);

table('extensions', [
  [{ ext: ['ts'] }, 'a.ts', yes],
  [{ ext: ['ts'] }, 'a.js', 'extension'],
  [{ ext: ['ts'] }, 'a.d.ts', yes],
  [{ ext: ['d.ts'] }, 'a.d.ts', yes],
  [{ ext: ['d.ts'] }, 'a.ts', 'extension'],
  [{ ext: ['js'] }, 'js', 'extension'],
  [{ ext: ['js'] }, 'a.js.map', 'extension'],
  [{ ext: ['js'] }, 'v1.js/README', 'extension'],
  [{ ext: null }, 'LICENSE', yes],
  [{ ext: [] }, 'a.js', 'extension'],
]);

table('extensions do not apply to a pattern that names an extension', [
  [{ watch: ['config.yml'] }, 'config.yml', yes],
  [{ watch: ['*.yml'] }, 'x/config.yml', yes],
  [{ watch: ['src', 'src/**/*.html'] }, 'src/x/a.html', yes],
  [{ watch: ['src', 'src/**/*.html'] }, 'src/x/a.css', 'extension'],
  [{ watch: ['**/Dockerfile'] }, 'x/Dockerfile', yes],
  [{ watch: ['src/*.*'] }, 'src/a.css', 'extension'],
  [{ watch: ['src/*'] }, 'src/a.css', 'extension'],
  [{ watch: ['*.html'] }, 'a.html/x.css', 'extension'],
]);

table('files that always count', [
  [{ watch: ['src'], always: ['.env'] }, '.env', yes],
  [{ watch: ['src'], always: ['../.watchrc'] }, '/home/me/.watchrc', yes],
  [{ always: ['dist/server.js'] }, 'dist/server.js', yes],
  [{ always: ['dist/server.js'] }, 'dist/a.js', 'ignored-by-default'],
  [{ watch: ['.', '!server.js'], always: ['server.js'] }, 'server.js', yes],
  [{ always: ['server.js'], ignore: ['server.js'] }, 'server.js', 'ignored'],
  [{ always: ['*.txt'] }, '*.txt', yes],
  [{ always: ['*.txt'] }, 'a.txt', 'extension'],
]);

describe('a verdict holds the deciding pattern as the user wrote it', () => {
  test.each([
    [{ watch: ['./src/', 'lib'] }, 'src/a.js', './src/'],
    [{ watch: ['src', 'src/*.js'] }, 'src/a.js', 'src/*.js'],
    [{ ignore: ['x', './a.js'] }, 'a.js', './a.js'],
    [{ watch: ['src', '!src/gen/'] }, 'src/gen/a.js', '!src/gen/'],
    [{}, 'x/node_modules/pkg/a.js', 'node_modules/'],
    [{}, 'x/.git/a.js', '.*/'],
  ] satisfies [Settings, string, string][])('%j: %s by %s', (settings, file, pattern) => {
    expect(filterOf(settings).explain(path.resolve(base, file))).toHaveProperty('pattern', pattern);
  });
});

test('a relative base folder is taken from the working directory', () => {
  const list = { patterns: ['src'], base: 'x' };
  const filter = new Filter({ watch: list, ignore: { patterns: [], base: 'x' }, extensions: null });
  expect(filter.roots).toEqual([path.resolve('x/src')]);
});

describe('the roots are the outermost folders that hold everything relevant', () => {
  test.each([
    [{}, [base]],
    [{ watch: ['src', 'lib'] }, [`${base}/lib`, `${base}/src`]],
    [{ watch: ['src', 'src/x', 'src/**/*.js'] }, [`${base}/src`]],
    [{ watch: ['src', 'src-2'] }, [`${base}/src`, `${base}/src-2`]],
    [{ watch: ['.', '../shared'] }, [base, '/home/me/shared']],
    [{ watch: ['src'], always: ['.env'] }, [`${base}/.env`, `${base}/src`]],
    [{ watch: ['src'], always: ['src/.env'] }, [`${base}/src`]],
    [{ watch: ['pages/[id].js'] }, [`${base}/pages`]],
    [{ watch: ['*.js'] }, [base]],
    [{ watch: ['/'] }, ['/']],
    [{ watch: ['src', '!lib'] }, [`${base}/src`]],
  ] satisfies [Settings, string[]][])('%j: %j', (settings, roots) => {
    expect(filterOf(settings).roots).toEqual(roots);
  });
});

describe('mayContain selects the folders that can contain relevant files', () => {
  test.each([
    [{}, 'src/x', true],
    [{}, 'node_modules', false],
    [{}, '.git', false],
    [{}, 'packages/one/dist', false],
    [{}, '../other', false],
    [{ watch: ['src'] }, '..', true],
    [{ watch: ['src'] }, '.', true],
    [{ watch: ['src'] }, 'lib', false],
    [{ watch: ['*.js'] }, 'x/y', true],
    [{ watch: ['./*.js'] }, 'x', false],
    [{ watch: ['src/*.js'] }, 'src/x', false],
    [{ watch: ['src/*/*.js'] }, 'src/x', true],
    [{ watch: ['src/*/*.js'] }, 'src/x/y', false],
    [{ watch: ['sites/*.com'] }, 'sites/example.com/x', true],
    [{ watch: ['packages/*/src'] }, 'packages/one', true],
    [{ watch: ['packages/*/src'] }, 'packages/one/src/x', true],
    [{ watch: ['packages/*/src'] }, 'packages/one/test', false],
    [{ watch: ['packages/*/dist'] }, 'packages/one/dist', true],
    [{ watch: ['dist'] }, 'dist/x', true],
    [{ watch: ['.', 'dist'] }, 'x/dist', false],
    [{ watch: ['.', '!data'] }, 'data', false],
    [{ watch: ['.', '!data'] }, 'data/x', false],
    [{ watch: ['.', '!data', 'data/keep.js'] }, 'data', true],
    [{ watch: ['.', '!data', 'data/keep.js'] }, 'data/x', false],
    [{ watch: ['.', '!*.js'] }, 'data', true],
    [{ ignore: ['legacy'] }, 'legacy', false],
    [{ ignore: ['legacy'] }, 'x/legacy/y', false],
    [{ ignore: ['src/*.js'] }, 'src', true],
    [{ ignore: ['legacy', '!legacy/x/keep.js'] }, 'legacy/x', true],
    [{ ignore: ['legacy', '!legacy/x/keep.js'] }, 'legacy/y', false],
    [{ ignore: ['!node_modules/pkg'] }, 'node_modules', true],
    [{ ignore: ['!node_modules/pkg'] }, 'node_modules/pkg/lib', true],
    [{ ignore: ['!node_modules/pkg'] }, 'node_modules/other', false],
    [{ ignore: ['!node_modules/pkg'] }, '.git', false],
    [{ ignore: ['!dist'] }, 'x/dist', true],
    [{ ignore: ['!dist'] }, 'node_modules', false],
    [{ ignore: ['*.gen.js', '!a.gen.js'] }, 'node_modules', false],
    [{ always: ['dist/server.js'] }, 'dist', true],
    [{ always: ['dist/server.js'] }, 'dist/x', false],
  ] satisfies [Settings, string, boolean][])('%j: %s, %s', (settings, folder, expected) => {
    expect(filterOf(settings).mayContain(path.resolve(base, folder))).toBe(expected);
  });
});

describe('with any patterns', () => {
  const names = ['a', 'b.js', 'c.d', 'src', 'dist', '.x', 'node_modules', '[id].js', '(g)', 'k.swp'];
  const name = fc.constantFrom(...names);
  const segment = fc.oneof(
    name,
    fc.constantFrom('*', '**', '*.js', '*.d', '?', 'a**', '[ab]*', '{a,src}', '{src,dist}', '{a/b.js,dist}'),
    fc.constantFrom('!(a)', '@(a|src)', '+(a|b)*', '*(a/)b.js', '!(dist)', '.*'),
  );
  const pattern = fc
    .record({
      negated: fc.boolean(),
      start: fc.constantFrom('', '', './', '../', `${base}/`),
      segments: fc.array(segment, { minLength: 1, maxLength: 4 }),
      end: fc.constantFrom('', '', '/'),
    })
    .map(({ negated, start, segments, end }) => `${negated ? '!' : ''}${start}${segments.join('/')}${end}`);
  const file = fc
    .tuple(fc.constantFrom('', '', '../', '../a/'), fc.array(name, { minLength: 1, maxLength: 5 }))
    .map(([start, segments]) => start + segments.join('/'));
  const settings: fc.Arbitrary<Settings> = fc.record({
    watch: fc.array(pattern, { minLength: 1, maxLength: 3 }),
    ignore: fc.array(pattern, { maxLength: 3 }),
    ext: fc.constantFrom(null, ['js'], ['swp', 'd']),
    always: fc.array(file, { maxLength: 1 }),
  });
  const runs = { numRuns: isExhaustive ? 1000 : 300 };

  test('every accepted file lies at or below a root, in folders that mayContain selects', () => {
    fc.assert(
      fc.property(settings, fc.array(file, { minLength: 20, maxLength: 20 }), (chosen, files) => {
        const filter = filterOf(chosen);
        for (const accepted of files.map((name) => path.resolve(base, name)).filter((full) => filter.accepts(full))) {
          const root = filter.roots.find((root) => accepted === root || accepted.startsWith(`${root}/`));
          expect(root, `no root covers ${accepted}`).toBeDefined();
          for (
            let folder = path.dirname(accepted);
            folder.length >= String(root).length;
            folder = path.dirname(folder)
          ) {
            expect(filter.mayContain(folder), `${folder} is not entered, ${accepted} lies in it`).toBe(true);
          }
        }
      }),
      runs,
    );
  });

  test('the decision and its explanation agree', () => {
    fc.assert(
      fc.property(settings, file, (chosen, name) => {
        const filter = filterOf(chosen);
        const full = path.resolve(base, name);
        expect(filter.accepts(full)).toBe(filter.explain(full).watched);
      }),
      runs,
    );
  });

  test('no root lies inside another', () => {
    fc.assert(
      fc.property(settings, (chosen) => {
        const { roots } = filterOf(chosen);
        for (const root of roots) expect(roots.filter((other) => `${root}/`.startsWith(`${other}/`))).toEqual([root]);
      }),
      runs,
    );
  });
});

test('file systems of the kernel are left out below a root, but not around it', () => {
  const pseudoFileSystems = ['/proc', '/dev'];
  const options = { ignore: { patterns: [], base: '/' }, extensions: ['js'], pseudoFileSystems };
  const whole = new Filter({ ...options, watch: { patterns: ['.'], base: '/' } });
  expect(whole.explain('/proc/1/a.js')).toEqual({ watched: false, reason: 'pseudo-file-system', pattern: '/proc' });
  expect(['/proc', '/dev', '/dev/shm', '/process', '/home'].map((folder) => whole.mayContain(folder))).toEqual([
    false,
    false,
    false,
    true,
    true,
  ]);
  const inside = new Filter({ ...options, watch: { patterns: ['.'], base: '/dev/shm/app' } });
  expect([inside.mayContain('/dev/shm/app/src'), inside.accepts('/dev/shm/app/a.js')]).toEqual([true, true]);
});
