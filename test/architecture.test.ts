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

/** The room a file is in: its folder, or its own name at the top. */
const roomOf = (file: string): string => (file.includes('/') ? file.slice(0, file.indexOf('/')) : file);

/** Which rooms each room may import from at run time; the common ones are open to all. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'boot.ts': ['process'],
  'cli.ts': [
    'config',
    'programs.ts',
    'group.ts',
    'runner.ts',
    'process',
    'side-by-side.ts',
    'terminal',
    'commands.ts',
    'manage.ts',
    'daemon.ts',
    'unit.ts',
    'version.ts',
  ],
  'manage.ts': ['background', 'config', 'plan.ts', 'process', 'terminal'],
  'daemon.ts': ['background', 'config', 'process', 'runner.ts', 'terminal', 'version.ts'],
  'unit.ts': ['background', 'config', 'manage.ts', 'plan.ts', 'version.ts'],
  'commands.ts': ['config', 'plan.ts', 'scope.ts', 'process', 'watch', 'terminal'],
  'side-by-side.ts': ['config', 'terminal'],
  'group.ts': ['runner.ts'],
  'programs.ts': ['config', 'plan.ts'],
  'index.ts': ['config', 'runner.ts'],
  'runner.ts': ['app.ts', 'process', 'config', 'live'],
  'app.ts': ['plan.ts', 'watchdog.ts', 'scope.ts', 'watch', 'supervise', 'process', 'config'],
  'watchdog.ts': ['config', 'process', 'supervise'],
  'plan.ts': ['process', 'config'],
  'scope.ts': ['plan.ts', 'watch', 'config'],
  'version.ts': [],
  config: [],
  watch: [],
  supervise: ['process'],
  process: [],
  preload: [],
  live: [],
  background: ['config', 'process'],
  terminal: [],
  'clock.ts': [],
  'errors.ts': [],
  'events.ts': [],
  'managing.ts': [],
  'stamp.ts': [],
  'unreachable.ts': [],
};

const common = ['managing.ts', 'clock.ts', 'errors.ts', 'events.ts', 'stamp.ts', 'unreachable.ts'];

test('imports go one way', () => {
  const wrong = sources.flatMap(({ file, imports }) => {
    const room = roomOf(file);
    expect(allowed, `${file} stands in no known room`).toHaveProperty([room]);
    return imports
      .filter(({ target, typeOnly }) => {
        const other = roomOf(target);
        return !typeOnly && other !== room && !common.includes(other) && !allowed[room]?.includes(other);
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
      modules.filter((name) => !['node:path', 'picomatch', './paths.ts', '../unreachable.ts'].includes(name ?? '')),
    ).toEqual([]);
  },
);

const filesWith = (pattern: RegExp): string[] =>
  sources.filter(({ text }) => pattern.test(text)).map(({ file }) => file);

test('only the command line ends the process', () => {
  expect(filesWith(/process\.(exit\(|exitCode)/)).toEqual(['cli.ts']);
});

test('only the terminal, the command line and its small commands print, and those for the background', () => {
  const printing = filesWith(/console\.|process\.std(out|err)/).filter((file) => !file.startsWith('terminal/'));
  expect(printing.sort()).toEqual(['cli.ts', 'commands.ts', 'daemon.ts', 'manage.ts', 'side-by-side.ts', 'unit.ts']);
  expect(filesWith(/from 'kleur'/)).toEqual(['terminal/reporter.ts']);
});

test('only the process layer, the choice of a watcher and the reading of settings ask for the platform', () => {
  const asking = filesWith(/process\.platform/).filter(
    (file) => !file.startsWith('process/') && !file.startsWith('background/'),
  );
  expect(asking).toEqual(['watch/watcher.ts']);
});
