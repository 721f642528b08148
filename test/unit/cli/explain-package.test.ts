import { afterEach, describe, expect, test, vi } from 'vitest';
import { explainPackage, isPackageName } from '../../../src/cli/explain-package.ts';
import { auditFrom, storeAudit } from '../../../src/process/standby/audits.ts';
import { createProject } from '../../support/project.ts';

const script = '/project/server.js';
const fileOf = (name: string): string => `/project/node_modules/${name}/index.js`;

/** Prints the explanation of a package of a program that uses express and config; returns its lines. */
async function linesFor(name: string, isKnown = true, known: string | undefined = script): Promise<readonly string[]> {
  await using project = createProject();
  vi.stubEnv('XDG_CACHE_HOME', project.path);
  const lines: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    lines.push(...String(text).trimEnd().split('\n'));
    return true;
  });
  const found = { ms: 60, hasEffects: false, touches: [], isIncurable: false, isRuinous: false };
  const express = { ...found, file: fileOf('express'), files: ['a', 'b'], blames: [] };
  const config = { ...found, file: fileOf('config'), files: [], blames: [{ file: fileOf('config'), why: 'prints' }] };
  const client = { ...found, file: fileOf('client'), files: [], blames: [] };
  const reports = [
    { ...express, effects: ['globalThis.a'], variables: ['*', 'NODE_ENV'] },
    { ...config, effects: [], variables: [] },
    { ...client, effects: [], variables: [] },
  ];
  const entries = reports.map(({ file }) => ({ file, parent: script, kind: 'require' as const }));
  const audit = auditFrom('x', entries, new Map(reports.entries()), {
    tainted: [fileOf('config')],
    modules: [fileOf('chalk')],
  });
  const left = { [fileOf('client')]: 'uses express while it loads' };
  if (isKnown) storeAudit(script, process.env, { ...audit, left });
  explainPackage(name, '/project', known, false);
  return lines;
}

describe('devwatch explain <package>', () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  test('tells how a package is loaded ahead of time', async () => {
    expect(await linesFor('express')).toEqual([
      'express',
      '  loaded ahead of time · 2 files · 60 ms',
      '  compares the list of variables, NODE_ENV at its first use',
      '  repeats its changes of globalThis.a at its first use',
    ]);
  });

  test('tells why a package is loaded by the program itself', async () => {
    expect(await linesFor('config')).toEqual(['config', '  loaded by the program itself, because it prints']);
  });

  test('tells that the order of the code leaves a package to the program', async () => {
    expect((await linesFor('client'))[1]).toBe(
      '  loaded by the program itself, because it uses express while it loads',
    );
  });

  test('knows the script of an earlier command line, where the settings name none or another', async () => {
    const [, line] = await linesFor('express');
    expect((await linesFor('express', true, undefined))[1]).toBe(line);
    expect((await linesFor('express', true, '/project/main.js'))[1]).toBe(line);
  });

  test('tells that a package of ES modules is only compiled ahead of time', async () => {
    const line = '  compiled ahead of time · 1 ES module · the program evaluates them';
    expect(await linesFor('chalk')).toEqual(['chalk', line]);
  });

  test('tells that nothing is known of a package', async () => {
    expect(await linesFor('lodash')).toEqual(['lodash', '  the program does not ask for it itself']);
    expect((await linesFor('express', false))[1]).toMatch(/not known yet/);
  });
});

test('a word names a package if it is installed and no path', async () => {
  await using project = createProject({
    'node_modules/express/package.json': '{}',
    'node_modules/@scope/one/package.json': '{}',
  });
  const isName = (word: string): boolean => isPackageName(word, project.path);
  expect(['express', '@scope/one'].map(isName)).toEqual([true, true]);
  expect(['koa', './express', 'src', 'node_modules/express', 'a/b'].map(isName)).toEqual(Array(5).fill(false));
});
