import fs from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InotifyWatcher } from '../../../src/watch/inotify.ts';
import { decodeName, rawPath } from '../../../src/watch/raw-names.ts';
import { createProject } from '../../support/project.ts';
import { aged, observe } from './observe.ts';

test('any name can be turned into text and back, and one in UTF-8 is itself', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 20 }), (bytes) => {
      expect(Buffer.from(rawPath(decodeName(Buffer.from(bytes))))).toEqual(Buffer.from(bytes));
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      expect(decodeName(Buffer.from(name))).toBe(name);
      expect(rawPath(name)).toBe(name);
    }),
  );
  expect(decodeName(Buffer.from('caf\xe9 \ufffd.js', 'latin1'))).toBe('caf\udce9 \udcfd.js');
});

test.skipIf(process.platform !== 'linux')(
  'files whose names are not UTF-8 are seen, also in folders of such names',
  async () => {
    await using project = createProject({ 'a.js': '' });
    const raw = (name: string): Buffer => Buffer.from(project.at(name), 'latin1');
    fs.mkdirSync(raw('\xe9'));
    fs.writeFileSync(raw('\xe9/1.js'), '');
    fs.writeFileSync(raw('\xff.js'), '');
    await aged();
    const since = Date.now();
    await using observer = observe((options) => new InotifyWatcher(options), project, { since });
    await observer.armed;

    fs.appendFileSync(raw('\xff.js'), '1');
    expect(await observer.next()).toEqual({ kind: 'change', path: '\udcff.js' });
    fs.appendFileSync(raw('\xe9/1.js'), '1');
    expect(await observer.next('\udce9/1.js')).toMatchObject({ kind: 'change' });
    fs.writeFileSync(raw('\xe9/\xe8.js'), '1');
    expect(await observer.next('\udce9/\udce8.js')).toMatchObject({ kind: 'add' });
    fs.rmSync(raw('\xff.js'));
    expect(await observer.next('\udcff.js')).toMatchObject({ kind: 'unlink' });
    fs.mkdirSync(raw('\xf0'));
    fs.writeFileSync(raw('\xf0/1.js'), '1');
    expect(await observer.next('\udcf0/1.js')).toMatchObject({ kind: 'add' });
  },
);
