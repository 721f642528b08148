/** Imports go one way, and what may happen in one place only happens nowhere else. */

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

interface Source {
  readonly file: string;
  readonly text: string;
  /** Imported files, relative to src; `typeOnly` leaves no trace at run time. */
  readonly imports: readonly { readonly target: string; readonly typeOnly: boolean }[];
}

const sources = readSources('src');

function readSources(root: string): Source[] {
  return fs
    .readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.[cm]?ts$/.test(file))
    .map((file) => {
      const text = fs.readFileSync(path.join(root, file), 'utf8');
      const statements = [
        ...text.matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from '([^']+)'|import\('([^']+)'\)/gms),
      ];
      const imports = statements.flatMap(([, typeOnly, fixed, dynamic]) => {
        const specifier = fixed ?? dynamic ?? '';
        if (!specifier.startsWith('.')) return [];
        return [{ target: path.join(path.dirname(file), specifier), typeOnly: typeOnly !== undefined }];
      });
      return { file, text, imports };
    });
}

/** The room a file is in: the first folder of its path, or the file itself at the root of src. */
const roomOf = (file: string): string => (file.includes('/') ? file.slice(0, file.indexOf('/')) : file);

/** The rooms that each room may import from at run time, beside itself and `shared`. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'bin.ts': [],
  'index.ts': ['run', 'config'],
  cli: ['background', 'run', 'systemd', 'terminal', 'watch', 'process', 'config'],
  background: ['run', 'systemd', 'terminal', 'process', 'config'],
  run: ['supervise', 'watch', 'process', 'live-reload', 'config'],
  systemd: ['process'],
  supervise: ['process', 'config'],
  watch: [],
  process: [],
  'live-reload': [],
  terminal: [],
  config: [],
  preload: [],
  shared: [],
};

test('imports go one way', () => {
  const wrong = sources.flatMap(({ file, imports }) => {
    const room = roomOf(file);
    expect(allowed, `${file} is in no known room`).toHaveProperty([room]);
    return imports
      .filter(({ target, typeOnly }) => {
        const other = roomOf(target);
        return !typeOnly && other !== room && other !== 'shared' && !allowed[room]?.includes(other);
      })
      .map(({ target }) => `${file} imports ${target}`);
  });
  expect(wrong).toEqual([]);
});

test.each(['supervise/machine.ts', 'watch/filter.ts', 'watch/quiet.ts'])(
  '%s imports nothing that has effects',
  (file) => {
    const source = sources.find((candidate) => candidate.file === file);
    const modules = [...(source?.text.matchAll(/^import\s+(?!type\s)[^;]*?from '([^']+)'/gms) ?? [])].map(
      (match) => match[1],
    );
    expect(source).toBeDefined();
    expect(
      modules.filter(
        (name) => !['node:path', 'picomatch', './paths.ts', '../shared/unreachable.ts'].includes(name ?? ''),
      ),
    ).toEqual([]);
  },
);

const filesWith = (pattern: RegExp): string[] =>
  sources.filter(({ text }) => pattern.test(text)).map(({ file }) => file);

test('only the command line ends the process', () => {
  expect(filesWith(/process\.(exit\(|exitCode)/)).toEqual(['cli/main.ts']);
});

test('only the terminal, the command line and the daemon print', () => {
  const printing = filesWith(/console\.|process\.std(out|err)/).filter((file) => !/^(terminal|cli)\//.test(file));
  expect(printing).toEqual(['background/daemon.ts']);
  expect(filesWith(/from 'kleur'/)).toEqual(['terminal/reporter.ts']);
});

test('only the process layer, the choice of a watcher and the reading of settings ask for the platform', () => {
  const asking = filesWith(/process\.platform/).filter(
    (file) => !file.startsWith('process/') && !file.startsWith('background/'),
  );
  expect(asking).toEqual(['watch/watcher.ts']);
});
